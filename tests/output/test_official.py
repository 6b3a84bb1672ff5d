"""Our shards against the official writers and readers, whose versions `constraints-official.txt` pins.

Run by `make test-official`, which installs them in an environment of their own.
"""

from __future__ import annotations

import importlib
import json

import numpy as np
import pyarrow as pa
import pyarrow.dataset
import pyarrow.json
import pytest

from curation.output import jsonl, mds, parquet
from tests.output.columns import OWN, shard_columns, shard_rows, some_texts
from tests.output.mosaic import import_streaming
from tests.output.test_mds import expected, same

pytestmark = pytest.mark.official

COUNT = 300
TEXTS = some_texts(COUNT)
ROWS = shard_rows(TEXTS)
ORDER = np.random.default_rng(7).permutation(COUNT)

#: Columns whose types no reader guesses wrong.
COLUMNS = pa.schema(
    {**OWN, "id": pa.string()} | {name: shard_columns().field(name).type for name in ("byte", "score", "title", "tags")}
)


@pytest.fixture(scope="module")
def streaming():
    return import_streaming()


def save(folder, suffix, write, *options):
    """Three shards of the rows in ORDER, the first in a folder of its phase; returns their paths."""
    (folder / "phase-00-broad").mkdir(parents=True)
    paths = [folder / f"{name}{suffix}" for name in ("phase-00-broad/shard-00000", "shard-00001", "shard-00002")]
    for path, (start, stop) in zip(paths, [(0, 120), (120, 121), (121, COUNT)], strict=True):
        with path.open("wb") as sink:
            write(sink, ROWS, ORDER[start:stop], *options)
    return paths


def save_mds(folder, columns):
    """MDS shards and their index."""
    paths = save(folder, ".mds", mds.write, columns)
    counts = [int.from_bytes(path.read_bytes()[:4], "little") for path in paths]
    listed = [
        (path.relative_to(folder).as_posix(), n, path.stat().st_size) for path, n in zip(paths, counts, strict=True)
    ]
    (folder / mds.INDEX).write_text(mds.index(listed, columns))


# ---- MDS ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("columns", [pa.schema(OWN), shard_columns()], ids=["own", "kept"])
def test_mds_shards_are_the_bytes_of_the_official_writer(streaming, tmp_path, columns):
    kinds = mds.encodings(columns)
    with streaming.MDSWriter(columns=kinds, out=str(tmp_path / "official"), size_limit=None) as writer:
        for row in ORDER.tolist():
            sample = expected(row) | {"text": TEXTS[row]}
            writer.write({name: sample[name] for name in kinds})
    with (tmp_path / "ours").open("wb") as sink:
        mds.write(sink, ROWS, ORDER, columns)
    ours, official = (tmp_path / "ours").read_bytes(), (tmp_path / "official/shard.00000.mds").read_bytes()
    assert ours == official
    index = mds.index([("shard.00000.mds", COUNT, len(ours))], columns)
    assert index == (tmp_path / "official/index.json").read_text()


def test_a_streaming_dataset_reads_the_shards_in_order(streaming, tmp_path):
    save_mds(tmp_path / "shards", shard_columns())
    save_mds(tmp_path / "shards/validation", pa.schema(OWN))
    read = streaming.StreamingDataset(local=str(tmp_path / "shards"), shuffle=False, batch_size=1)
    assert len(read) == COUNT
    for sample, row in zip(read, ORDER.tolist(), strict=True):
        wanted = expected(row) | {"text": TEXTS[row]}
        assert sample.keys() == wanted.keys()
        assert [name for name in sample if not same(sample[name], wanted[name])] == []
    held_out = streaming.StreamingDataset(
        local=str(tmp_path / "shards"), split="validation", shuffle=False, batch_size=1
    )
    assert [sample["doc_id"] for sample in held_out] == (10**10 + ORDER).tolist()


# ---- Parquet and JSONL ----------------------------------------------------------------------------------------


def read_with_datasets(paths, kind):
    datasets = importlib.import_module("datasets")
    files = [str(path) for path in paths]
    cache = str(paths[0].parent / "cache")
    return datasets.load_dataset(kind, data_files=files, split="train", cache_dir=cache).to_list()


def read_with_polars(paths, kind):
    polars = importlib.import_module("polars")
    read = polars.read_parquet if kind == "parquet" else polars.read_ndjson
    return polars.concat([read(path) for path in paths]).to_dicts()


def read_with_duckdb(paths, kind):
    duckdb = importlib.import_module("duckdb")
    duckdb.sql("SET preserve_insertion_order = true")
    relation = (duckdb.read_parquet if kind == "parquet" else duckdb.read_json)([str(path) for path in paths])
    return [dict(zip(relation.columns, row, strict=True)) for row in relation.fetchall()]


def read_with_pyarrow(paths, kind):
    if kind == "parquet":
        return pyarrow.dataset.dataset([str(path) for path in paths]).to_table().to_pylist()
    return [row for path in paths for row in pyarrow.json.read_json(pa.input_stream(str(path))).to_pylist()]


READERS = [read_with_datasets, read_with_polars, read_with_duckdb, read_with_pyarrow]


@pytest.mark.parametrize("read", READERS)
def test_parquet_shards_are_read_in_order(tmp_path, read):
    paths = save(tmp_path, parquet.SUFFIX, parquet.write, COLUMNS)
    wanted = ROWS.take(pa.array(ORDER)).select(COLUMNS.names).to_pylist()
    for found, row in zip(read(paths, "parquet"), wanted, strict=True):
        assert found.keys() == row.keys()
        assert [name for name in row if not same(found[name], row[name])] == []


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("compression", jsonl.SUFFIXES)
def test_jsonl_shards_are_read_in_order(tmp_path, read, compression):
    paths = save(tmp_path, jsonl.SUFFIXES[compression], jsonl.write, COLUMNS, compression)
    with (tmp_path / "wanted.jsonl").open("wb+") as plain:
        jsonl.write(plain, ROWS, ORDER, COLUMNS)
        plain.seek(0)
        wanted = [json.loads(line) for line in plain]
    assert [row["text"] for row in wanted] == [TEXTS[row] for row in ORDER]
    assert read(paths, "json") == wanted
