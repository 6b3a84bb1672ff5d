"""Where rows lie: the bytes of every row hold the row that the reader gives."""

from __future__ import annotations

import tempfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.errors import InputError, JobError
from curation.sources.offsets import check_random_access, line_ranges, read_places
from curation.sources.pick import open_source, pick_lines
from curation.sources.read import Columns

from .reference import as_rows, count, pack, read, same, small_blocks, splits_of, write
from .test_jsonl import ALL, files


def places_of(file, counted):
    """All rows of a file as one table, after checking that every split has its own."""
    tables = []
    for group in splits_of(counted):
        for split, table in read_places(file, group):
            assert table["row"].to_pylist() == list(range(split.first_row, split.first_row + split.rows))
            tables.append(table)
    return pa.concat_tables(tables) if tables else None


@settings(max_examples=200, deadline=None)
@given(
    raw=files,
    split_bytes=st.one_of(st.integers(1, 400), st.just(10**9)),
    block=st.one_of(st.integers(3, 300), st.just(1 << 20)),
)
def test_the_bytes_of_every_row_hold_the_row_that_the_reader_gives(raw, split_bytes, block):
    with tempfile.TemporaryDirectory() as folder, small_blocks(block):
        file = write(folder, raw)
        counted = count(file, split_bytes)
        expected = as_rows(read(file, counted, ALL))
        places = places_of(file, counted)
        if places is None:
            assert not expected
            return
        starts, sizes = places["start"].to_pylist(), places["bytes"].to_pylist()
        assert all(b"\n" not in raw[start : start + size] for start, size in zip(starts, sizes, strict=True))
        opened = open_source(file.path, file.format, file.etag)
        one_by_one = [pick_lines(opened, [start], [size], ALL) for start, size in zip(starts, sizes, strict=True)]
        together = pick_lines(opened, starts, sizes, ALL)
        opened.close()
        assert [part.rejected.get(0) for part in one_by_one] == [row.reason for row in expected]
        assert together.rejected == {at: row.reason for at, row in enumerate(expected) if row.reason}
        assert together.table.equals(pa.concat_tables([part.table for part in one_by_one]))
        columns = together.table.to_pydict()
        assert columns["text"] == [row.text for row in expected]
        assert columns["number:quality"] == [row.quality for row in expected]
        for name in ("id", "kept"):
            mine = columns[name]
            assert all(same(value, getattr(row, name)) for value, row in zip(mine, expected, strict=True))


def test_lines_are_found_between_blank_ones_without_mark_and_newline(tmp_path):
    raw = b'\xef\xbb\xbf{"text": "a"}\r\n\n  \n\t{"text": "b"}\n\r\n{"text": "c"}'
    file = write(tmp_path, raw)
    table = places_of(file, count(file))
    spans = zip(table["start"].to_pylist(), table["bytes"].to_pylist(), strict=True)
    assert [raw[start : start + size] for start, size in spans] == [
        b'{"text": "a"}\r',
        b'\t{"text": "b"}',
        b'{"text": "c"}',
    ]
    assert table["path"].to_pylist() == [file.path] * 3


@pytest.mark.parametrize("block", [7, 1 << 20])
def test_a_split_is_searched_alone(tmp_path, block):
    raw = b"".join(b'{"text": "%d"}\n%s' % (number, b"\n" * (number % 3)) for number in range(50))
    file = write(tmp_path, raw)
    with small_blocks(block):
        everything = [part.tolist() for part in line_ranges(file, 0, len(raw))]
        assert everything[0] == [at for at in range(len(raw)) if raw[at : at + 1] == b"{"]
        for start, stop in ((0, 1), (1, 15), (14, 15), (100, 321), (700, 10**6), (320, 320)):
            within = [number for number, at in enumerate(everything[0]) if start <= at < stop]
            found = line_ranges(file, start, stop)
            assert [part.tolist() for part in found] == [[part[number] for number in within] for part in everything]


def test_a_long_line_is_not_held(tmp_path):
    raw = b'{"text": "a"}\n{"text": "' + b"x" * 5000 + b'"}\n{"text": "b"}\n'
    file = write(tmp_path, raw)
    with small_blocks(16):
        starts, stops = line_ranges(file, 0, 20)
    assert (starts.tolist(), stops.tolist()) == ([0, 14], [13, raw.index(b"\n", 14)])


def test_rows_of_parquet_are_their_numbers_and_nothing_is_read(tmp_path):
    path = tmp_path / "file.parquet"
    pq.write_table(pa.table({"text": [f"text {i}" for i in range(100)]}), path, row_group_size=10)
    file = write(tmp_path, path.read_bytes(), "parquet")
    table = places_of(file, count(file, split_bytes=300))
    assert table["row"].to_pylist() == list(range(100))
    assert table["start"].null_count == table["bytes"].null_count == 100
    assert table.schema.types == [pa.string(), pa.int64(), pa.int64(), pa.int64()]


def test_a_file_that_changed_is_an_error(tmp_path):
    file = write(tmp_path, b'{"text":"a"}\n{"text":"b"}\n')
    (splits,) = splits_of(count(file))
    changed = write(tmp_path, b'{"text":"a"}\n            \n')
    with pytest.raises(InputError, match="changed since it was counted"):
        list(read_places(file, splits))
    with pytest.raises(InputError, match=r"file\.jsonl: 2 rows were counted from row 0 on, and 1 of them found"):
        list(read_places(changed, splits))


def test_a_row_that_is_not_where_it_was_is_an_error(tmp_path):
    file = write(tmp_path, b'{"text":"a"}\n{"text":"b"}\n')
    opened = open_source(file.path, file.format, file.etag)
    for start, size in ((0, 25), (12, 1), (1000, 12)):
        with pytest.raises(InputError, match="its rows are not where they were"):
            pick_lines(opened, [start], [size], Columns("text"))
    opened.close()


def test_compressed_files_are_refused_by_key_and_name(tmp_path):
    plain = write(tmp_path, b'{"text":"a"}\n')
    check_random_access([plain])
    for format in ("jsonl.gz", "jsonl.zst"):
        packed = write(tmp_path, pack(b'{"text":"a"}\n', format), format)
        with pytest.raises(JobError, match=rf"sources\.0\.path names .*{packed.path}.* unpack it"):
            check_random_access([plain, packed])


def test_offsets_are_those_of_a_large_file(tmp_path):
    raw = b"".join(b'{"text": "%s"}\n' % (b"x" * (i % 700)) for i in range(30_000))
    file = write(tmp_path, raw)
    starts, stops = line_ranges(file, 0, len(raw))
    newlines = np.flatnonzero(np.frombuffer(raw, np.uint8) == 10)
    assert np.array_equal(stops, newlines)
    assert np.array_equal(starts, np.concatenate([[0], newlines[:-1] + 1]))
