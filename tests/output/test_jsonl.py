import gzip
import io
import json

import numpy as np
import pyarrow as pa
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.output import jsonl, values
from tests.output.columns import KEPT, OWN, shard_columns, shard_rows, some_texts


def written(rows, order, columns=None, compression="none"):
    sink = io.BytesIO()
    jsonl.write(sink, rows, np.array(order, np.int64), columns or shard_columns(), compression)
    return sink.getvalue()


def read(data):
    assert data.endswith(b"\n") or not data
    return [json.loads(line) for line in data.split(b"\n")[:-1]]


def test_lines_have_the_layout_of_dolma_in_the_order_asked_for():
    rows = shard_rows(texts := some_texts(300))
    order = np.random.default_rng(0).integers(300, size=500)
    lines = read(written(rows, order))
    assert [line["text"] for line in lines] == [texts[row] for row in order]
    for line, row in zip(lines, order.tolist(), strict=True):
        assert list(line) == ["id", "text", "source", "metadata"]
        assert line["id"] == (str(10**10 + row) if row % 7 == 0 else f"id\t{row}")
        assert line["source"] == f'dom "{row % 3}"'
        kept = {name: expected[row % 3] for name, (_, _, expected) in KEPT.items()}
        own = {"doc_id": 10**10 + row, "cluster": row - 5, "repetition": row % 4}
        assert line["metadata"] == own | kept


def test_a_line_in_full():
    rows = shard_rows(["a\n"])
    expected = (
        b'{"id":"10000000000","text":"a\\n","source":"dom \\"0\\"",'
        b'"metadata":{"doc_id":10000000000,"cluster":-5,"repetition":0}}\n'
    )
    assert written(rows, [0], pa.schema(OWN)) == expected


def test_names_of_columns_are_escaped():
    columns = pa.schema({**OWN, 'a "b"\\\n': pa.int64()})
    rows = shard_rows(["x"]).append_column('a "b"\\\n', pa.array([1]))
    assert read(written(rows, [0], columns))[0]["metadata"]['a "b"\\\n'] == 1


@settings(max_examples=50, deadline=None)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), max_size=20))
def test_every_text_comes_back(texts):
    texts = [*texts, "".join(map(chr, range(0x100))), "\u2028\u2029\ufeff\ufffd\U0010ffff"]
    lines = read(written(shard_rows(texts), range(len(texts)), pa.schema(OWN)))
    assert [line["text"] for line in lines] == texts


def test_compressed_shards_are_one_stream_of_the_same_lines():
    rows, order = shard_rows(some_texts(500)), np.arange(500)
    plain = written(rows, order)
    zipped = written(rows, order, compression="gzip")
    assert gzip.decompress(zipped) == plain
    assert zipped[4:8] == bytes(4), "a gzip file without a time"
    one_frame = zstandard.ZstdDecompressor().decompressobj()
    assert one_frame.decompress(written(rows, order, compression="zst")) == plain
    assert not one_frame.unused_data


@pytest.mark.parametrize("compression", jsonl.SUFFIXES)
def test_same_rows_same_bytes_however_they_are_gathered(compression, monkeypatch):
    rows, order = shard_rows(some_texts(200)), np.arange(200)[::-1]
    at_once = written(rows, order, compression=compression)
    monkeypatch.setattr(values, "CHUNK_BYTES", 1000)
    monkeypatch.setattr(jsonl, "PIECE_BYTES", 7)
    in_chunks = pa.concat_tables([rows.slice(0, 77), rows.slice(77)])
    assert written(in_chunks, order, compression=compression) == at_once


def test_a_shard_is_written_piece_by_piece(monkeypatch):
    monkeypatch.setattr(values, "CHUNK_BYTES", 10_000)
    rows, pieces = shard_rows(["x" * 1000] * 100), []
    sink = type("Sink", (), {"write": lambda self, data: pieces.append(len(data))})()
    jsonl.write(sink, rows, np.arange(100), shard_columns())
    assert max(pieces) < 20_000 < sum(pieces)


def test_no_rows_make_readable_files():
    rows = shard_rows(["x"])
    assert written(rows, []) == b""
    assert gzip.decompress(written(rows, [], compression="gzip")) == b""
    assert zstandard.ZstdDecompressor().decompressobj().decompress(written(rows, [], compression="zst")) == b""
