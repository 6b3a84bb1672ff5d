"""The beginning of a file: how much of it that is, and what it holds."""

from __future__ import annotations

import gzip
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curation.config import Source
from curation.sources.find import find_files
from curation.sources.sample import SAMPLE_BYTES, read_sample

ROWS = 6000
TEXTS = [f"document {number} " + "word " * (number % 120) for number in range(ROWS)]


def sampled(folder, name, data=None, **keys):
    path = folder / name
    if data is not None:
        path.write_bytes(data)
    source = Source(domain="d", path=str(path), **keys)
    [file] = find_files(source, 0)
    return read_sample(source, file)


def lines(texts):
    return b"".join(json.dumps({"text": text}).encode() + b"\n" for text in texts)


@pytest.mark.parametrize("kind", ["jsonl", "jsonl.gz", "jsonl.zst"])
def test_a_part_of_the_lines_tells_how_many_there_are(tmp_path, kind):
    rng = np.random.default_rng(0)
    texts = [text + rng.bytes(400).hex() for text in TEXTS]  # packs evenly, and holds several blocks
    plain = lines(texts)
    codecs = {
        "jsonl": bytes,
        "jsonl.gz": gzip.compress,
        "jsonl.zst": lambda d: pa.Codec("zstd").compress(d, asbytes=True),
    }
    sample = sampled(tmp_path, f"a.{kind}", codecs[kind](plain))
    assert sample.texts == texts[: sample.rows]
    assert sample.exact_rows is None
    assert sample.seconds > 0
    assert sample.rows / sample.share == pytest.approx(ROWS, rel=0.1)
    assert len(plain) > 2 * SAMPLE_BYTES


def test_a_footer_tells_exactly(tmp_path):
    table = pa.table({"text": TEXTS, "vector": pa.array([[1.0, 2.0, 3.0]] * ROWS)})
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=500)
    sample = sampled(tmp_path, "a.parquet", vector_column="vector")
    assert (sample.exact_rows, sample.dimensions) == (ROWS, 3)
    assert sample.texts == TEXTS[: sample.rows]
    assert sample.share == sample.rows / ROWS


def test_rows_without_text_are_rows(tmp_path):
    data = lines(["a", "b"]) + b'{"other": 1}\n' + lines(["c"])
    sample = sampled(tmp_path, "a.jsonl", data)
    assert (sample.rows, sample.texts, sample.share) == (4, ["a", "b", "c"], 1.0)


def test_an_empty_file_has_nothing(tmp_path):
    sample = sampled(tmp_path, "a.jsonl", b"")
    assert (sample.rows, sample.texts, sample.dimensions) == (0, [], 0)


def test_a_file_that_was_cut_off_gives_what_is_there(tmp_path):
    sample = sampled(tmp_path, "a.jsonl.gz", gzip.compress(lines(TEXTS[:50]))[:-20])
    assert sample.texts == TEXTS[: len(sample.texts)]
    assert 0 < sample.share <= 1
