"""Files that are small as they lie there and huge when they are unpacked: memory is bounded, and they are refused."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from curation.errors import InputError
from curation.sources.count import count_file
from curation.sources.rows import MOST_ROWS, Columns

from .reference import Source, as_rows, count, pack, read, splits_of, write

MEBIBYTE = b"a" * (1 << 20)

_MEASURE = """
import json, resource, sys
from tests.fuzz.child import read_all
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
found = read_all(sys.argv[1], "text", 1 << 26, False, 1 << 23)
grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
texts = found["texts"]
print(json.dumps([texts[0], texts[-1], sorted(found["rejected"].items())[:3], len(texts), grown >> 10]))
"""


def measured(path: Path) -> list:
    """First and last text, first rejected rows, number of rows, and MiB that a process grew by reading a file."""
    done = subprocess.run([sys.executable, "-c", _MEASURE, str(path)], capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("format", ["jsonl.gz", "jsonl.zst"])
def test_a_line_that_unpacks_to_256_mebibytes_is_rejected_and_not_held(tmp_path, format):
    path = tmp_path / f"bomb.{format}"
    with path.open("wb") as raw:
        packer = gzip.GzipFile(fileobj=raw, mode="wb", compresslevel=1) if format == "jsonl.gz" else None
        packer = packer or zstandard.ZstdCompressor(level=1).stream_writer(raw, closefd=False)
        with packer as stream:
            stream.write(b'{"text":"first"}\n{"text":"')
            for _ in range(256):
                stream.write(MEBIBYTE)
            stream.write(b'"}\n{"text":"last"}\n')
    assert path.stat().st_size < 4 << 20
    first, last, rejected, rows, grown = measured(path)
    assert (first, last, rows) == ("first", "last", 3)
    assert rejected == [[1, "line longer than 8388608 bytes"]]
    assert grown < 150


def test_tiny_lines_by_the_million(tmp_path):
    path = tmp_path / "tiny.jsonl"
    path.write_bytes(b'{"text":"first"}\n' + b"1\n" * 3_000_000 + b'{"text":"last"}\n')
    counted = count_file(*_arguments(path, 1 << 26))
    assert [cut.rows for cut in counted.cuts] == [MOST_ROWS, MOST_ROWS, 3_000_002 - 2 * MOST_ROWS]
    assert counted.cuts[1].start == len(b'{"text":"first"}\n') + 2 * (MOST_ROWS - 1) == counted.cuts[0].stop
    in_ranges = count_file(*_arguments(path, 1 << 20))
    assert (in_ranges.rows, len(in_ranges.cuts)) == (3_000_002, 6)


def _arguments(path: Path, split_bytes: int) -> tuple:
    file = write(path.parent, b"", name="unused")
    source = Source(domain="d", path=str(path))
    return (type(file)(str(path), "d", 0, "jsonl", path.stat().st_size, ""), split_bytes, source, {}, False)


def test_the_rows_of_splits_that_were_cut_by_number(tmp_path, monkeypatch):
    monkeypatch.setattr("curation.sources.count.MOST_ROWS", 3)
    raw = b"".join(b'{"text": "%d"}\n' % i + b"\n" * (i % 3) for i in range(40))
    for format in ("jsonl", "jsonl.gz"):
        file = write(tmp_path, pack(raw, format), format)
        for split_bytes in (20, 100, 10**6):
            counted = count(file, split_bytes)
            assert max(cut.rows for cut in counted.cuts) <= 3
            assert [row.text for row in as_rows(read(file, counted, Columns("text")))] == [str(i) for i in range(40)]
            groups = splits_of(counted)
            if format == "jsonl":
                alone = read(file, counted, Columns("text"), [groups[-1]])
                assert as_rows(alone)[-1].text == "39"


def _dictionary_bomb(path: Path, length: int, rows: int) -> None:
    """One long text, and row after row that says: the same."""
    indices = pa.array(np.zeros(rows, np.int32))
    table = pa.table({"text": pa.DictionaryArray.from_arrays(indices, pa.array(["x" * length]))})
    pq.write_table(table, path, row_group_size=rows, dictionary_pagesize_limit=1 << 26)


def test_a_dictionary_that_unfolds_to_terabytes_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "bomb.parquet"
    _dictionary_bomb(path, 1 << 20, 1 << 20)
    assert path.stat().st_size < 200_000
    monkeypatch.setattr("curation.sources.read_parquet._UNFOLDED_SPLIT", 64 << 20)
    monkeypatch.setattr("curation.sources.read_parquet._UNFOLDED_BATCH", 16 << 20)
    file = write(tmp_path, path.read_bytes(), "parquet")
    with pytest.raises(InputError, match=r"file\.parquet: rows 0 to 1048575 unfold to more than .* smaller row groups"):
        read(file, count(file, 1 << 26), Columns("text"))


def test_a_dictionary_that_unfolds_to_little_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr("curation.sources.read_parquet._UNFOLDED_BATCH", 1 << 10)
    path = tmp_path / "folded.parquet"
    _dictionary_bomb(path, 500, 300)
    file = write(tmp_path, path.read_bytes(), "parquet")
    assert [row.text for row in as_rows(read(file, count(file), Columns("text")))] == ["x" * 500] * 300


def test_a_row_group_of_nothing_is_cut_by_its_rows(tmp_path):
    rows = 3 * MOST_ROWS + 5
    path = tmp_path / "nulls.parquet"
    pq.write_table(pa.table({"text": pa.nulls(rows, pa.string())}), path, row_group_size=rows)
    counted = count(write(tmp_path, path.read_bytes(), "parquet"))
    assert counted.rows == rows
    assert max(cut.rows for cut in counted.cuts) <= MOST_ROWS


@pytest.mark.parametrize("rows", [-1, 1 << 40, 1 << 62])
def test_a_footer_that_lies_about_its_rows_is_refused(tmp_path, rows):
    path = tmp_path / "lies.parquet"
    pq.write_table(pa.table({"text": ["a"] * 5}), path)
    raw = path.read_bytes()
    size = int.from_bytes(raw[-8:-4], "little")
    footer = raw[-8 - size : -8].replace(b"\x16\x0a", b"\x16" + _zigzag(rows))
    assert len(footer) != size or rows == -1
    lies = raw[: -8 - size] + footer + len(footer).to_bytes(4, "little") + raw[-4:]
    with pytest.raises(InputError, match=r"file\.parquet: not a Parquet file, or cut off or corrupt"):
        count(write(tmp_path, lies, "parquet"))


def _zigzag(number: int) -> bytes:
    """An integer as Thrift's compact protocol writes it."""
    left = number << 1 ^ number >> 63
    out = b""
    while left > 127:
        out += bytes([left & 127 | 128])
        left >>= 7
    return out + bytes([left])


def test_a_text_that_is_too_long_is_rejected_in_parquet_too(tmp_path):
    path = tmp_path / "long.parquet"
    texts = ["a", "b" * 401, None, "é" * 200, "é" * 201, "c"]
    pq.write_table(pa.table({"text": texts}), path)
    file = write(tmp_path, path.read_bytes(), "parquet")
    rows = as_rows(read(file, count(file), Columns("text", most_bytes=400)))
    assert [row.text for row in rows] == ["a", None, None, "é" * 200, None, "c"]
    assert [row.reason for row in rows][1:5] == [
        "text longer than 400 bytes",
        "no text",
        None,
        "text longer than 400 bytes",
    ]


@pytest.mark.parametrize("width", [5, 3000])
def test_many_columns(tmp_path, width):
    names = [f"c.{i}" for i in range(width)]
    path = tmp_path / "wide.parquet"
    pq.write_table(pa.table({"text": ["a"], **{name: ["v"] for name in names}}), path)
    file = write(tmp_path, path.read_bytes(), "parquet")
    ((_, rows),) = read(file, count(file, keep_columns=names), Columns("text", keep=tuple(names)))
    assert rows.table.column_names == ["text", *names]
