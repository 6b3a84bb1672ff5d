"""A folder of shards of the format `index`, made as a run makes it, and what its documents must be."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from curation import tables
from curation.config import Source
from curation.output import index
from curation.sources.columns import carried_schema, conform
from curation.sources.count import count_file
from curation.sources.find import find_all
from curation.sources.offsets import read_places
from curation.sources.read import Columns, read_splits
from curation.sources.rows import Split
from curation.storage.store import Store

VALIDATION = 10


def make_sources(folder, rows=300):
    """Two Parquet files of several row groups and a messy JSONL file, as sources of two domains."""
    for number in range(2):
        texts = [f"parquet {number} row {row} é " + "long " * (row % 50) for row in range(rows)]
        dates = pa.array(range(rows), pa.int32()).cast(pa.date32())
        table = pa.table({"content": pa.array(texts).dictionary_encode(), "date": dates, "n": range(rows)})
        pq.write_table(table, folder / f"{number}.parquet", row_group_size=37)
    blank = itertools.cycle([b"", b"\n", b"\r\n  \n", b"{bad\n", b'{"text": ""}\n'])
    lines = (
        next(blank) + json.dumps({"text": f"line {row} é", "url": f"u{row}", "n": row}).encode() + b"\r\n"
        for row in range(rows)
    )
    (folder / "c.jsonl").write_bytes(b"\xef\xbb\xbf" + b"".join(lines))
    return sources_at(str(folder))


def sources_at(folder, options=""):
    """The sources of a folder; `options` are those of its URI."""
    parquet = [f"{folder}/{number}.parquet{options}" for number in range(2)]
    return [
        Source(domain="web", path=parquet, text_column="content", keep_columns=["date"]),
        Source(domain="books", path=f"{folder}/c.jsonl{options}", id_column="url", keep_columns=["n"]),
    ]


def make_run(sources, run_dir, shard_rows=120, seed=0):
    """Writes the shards of a run, training draws in random order and some for validation; returns the documents."""
    store = Store.open(str(run_dir))
    files = find_all(sources)
    carried = carried_schema(
        sources, [(file.source, _schema(file, sources) if file.format == "parquet" else None) for file in files]
    )
    places, documents, listed = [], [], []
    for file_id, file in enumerate(files):
        source = sources[file.source]
        counted = count_file(file, 3000, source, {}, False)
        listed.append({"file_id": file_id, "source": file.source, "format": file.format, "bytes": file.bytes})
        listed[-1] |= {"path": file.path, "etag": file.etag, "domain": file.domain}
        splits = [
            Split(number, 0, cut.group, cut.first_row, cut.rows, len(documents) + cut.first_row, cut.start, cut.stop)
            for number, cut in enumerate(counted.cuts)
        ]
        places += [table.append_column("domain", pa.repeat(file.domain, split.rows))
                   for split, table in read_places(file, splits)]  # fmt: skip
        columns = Columns(source.text_column, source.id_column, tuple(source.keep_columns))
        for _, group in itertools.groupby(splits, key=lambda split: split.read_group):
            for _, rows in read_splits(file.path, file.format, list(group), columns, etag=file.etag):
                documents += [row | {"domain": file.domain} for row in conform(rows.table, carried).to_pylist()]
    table = pa.concat_tables(places)
    rng = np.random.default_rng(seed)
    good = np.array([number for number, document in enumerate(documents) if document["text"] is not None])
    drawn = np.concatenate([rng.permutation(good), rng.choice(good, 100), good[:VALIDATION]])
    rows = table.take(pa.array(drawn))
    rows = rows.append_column("doc_id", pa.array(drawn)).append_column("position", pa.array(np.arange(len(drawn))))
    rows = rows.append_column("cluster", pa.array((drawn % 7).astype(np.int32)))
    rows = rows.append_column("repetition", pa.array(np.zeros(len(drawn), np.int16)))
    training = len(drawn) - VALIDATION
    cuts = [*range(0, training, shard_rows), training]
    shards = [_shard(store, f"shard-{number:05}", rows, *cut) for number, cut in enumerate(itertools.pairwise(cuts))]
    validation = [_shard(store, "validation/shard-00000", rows, training, len(drawn))]
    store.write_table(
        f"shards/{index.FILES}", index.files_table(pa.Table.from_pylist(listed, tables.SOURCES), sources, carried)
    )
    described = {"version": 3, "format": "index", "order": "shuffled", "columns": {"doc_id": "int64"}, "text_bytes": 0}
    described |= {"shards": shards, "validation": {"text_bytes": 0, "shards": validation}}
    store.write_json("shards/curation_index.json", described)
    return [
        {"text": documents[number]["text"], "doc_id": int(number), "domain": documents[number]["domain"]}
        | {"cluster": int(number % 7), "repetition": 0}
        | {name: documents[number][name] for name in carried}
        for number in drawn
    ]


def _schema(file, sources):
    return count_file(file, 1 << 20, sources[file.source], {}, False).schema


def _shard(store, name, rows, low, high):
    with store.create(f"shards/{name}{index.SUFFIX}") as sink:
        index.write(sink, rows, np.arange(low, high), index.schema())
    return {"file": f"{name}{index.SUFFIX}", "rows": high - low}
