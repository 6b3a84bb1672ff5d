"""Counting and reading JSONL, against the naive reader."""

from __future__ import annotations

import json
import tempfile

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.errors import InputError
from curation.sources.count import count_range, join_ranges
from curation.sources.read import Columns, read_splits

from .reference import as_rows, count, pack, read, read_naively, same, small_blocks, splits_of, write

ALL = Columns("text", "id", ("kept",), ("quality",))
ODD_LINES = [
    b"",
    b"   \t",
    b"\x0b\x0c",
    b"\xc2\xa0",  # a no-break space: white space to a person, not to JSON
    b"\x00\x00",
    b'{"text": "cut off',
    b'{"text": "two"} {"text": "objects"}',
    b'["text"]',
    b'"text"',
    b'"\\ud83d"',
    b"null",
    b"{}",
    b'{"text": null}',
    b'{"text": ""}',
    b'{"text": " \\u2003\\n "}',
    b'{"text": 5}',
    b'{"text": ["a"]}',
    b'{"text": true}',
    b'{"text": "\xff"}',
    b'{"text": "\xed\xa0\x80"}',
    b'{"text": "good", "other": "\xff"}',
    b'{"text": "\\ud83d"}',
    b'{"text": "good", "id": "\\ud83d", "kept": {"\\ud83d": "\\\\ud83d"}}',
    b'{"text": "\\ud83d\\ude00", "other": "\\ud83d"}',
    b'{"text": "x", "quality": NaN}',
    b'{"text": "x", "quality": 1e999}',
    b'{"text": "x", "quality": "0.5"}',
    b'{"text": "x", "quality": true}',
    b'{"text": "first", "text": "last"}',
    b'{"text": "nul \\u0000 stays", "id": "000", "kept": 123}',
    b'{"text": "2024-01-05", "id": 7, "kept": [1, {"a": null}], "quality": 3}',
    b'{"text": "control \x01"}',
    b'{"text": "a", "id": "\xef\xbb\xbf"}',
    b"[" * 3000 + b"]" * 3000,
    b'{"text": "deep", "kept": ' + b"[" * 200 + b"]" * 200 + b"}",
]

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
json_values = st.one_of(
    words, st.none(), st.booleans(), st.integers(-(2**63), 2**63), st.floats(allow_nan=False, allow_infinity=False)
)
objects = st.fixed_dictionaries(
    {}, optional={"text": st.one_of(words, json_values), "id": json_values, "kept": json_values, "quality": json_values}
)
good_lines = st.builds(
    lambda value, ascii_only, before: before + json.dumps(value, ensure_ascii=ascii_only).encode(),
    objects,
    st.booleans(),
    st.sampled_from([b"", b"", b"", b" ", b"\t "]),
)
lines = st.one_of(
    good_lines, good_lines, st.sampled_from(ODD_LINES), st.binary(max_size=20).map(lambda b: b.replace(b"\n", b""))
)
files = st.builds(
    lambda mark, parts, end: mark + b"".join(line + eol for line, eol in parts) + end,
    st.sampled_from([b"", b"", b"\xef\xbb\xbf"]),
    st.lists(st.tuples(lines, st.sampled_from([b"\n", b"\r\n"])), max_size=25),
    st.one_of(st.just(b""), lines),
)


@settings(max_examples=250, deadline=None)
@given(
    raw=files,
    format=st.sampled_from(["jsonl", "jsonl.gz", "jsonl.zst"]),
    members=st.integers(1, 3),
    split_bytes=st.one_of(st.integers(1, 400), st.just(10**9)),
    block=st.one_of(st.integers(3, 300), st.just(1 << 20)),
    skip=st.integers(0, 5),
)
def test_splits_give_what_a_naive_reader_gives(raw, format, members, split_bytes, block, skip):
    expected = read_naively(raw)
    with tempfile.TemporaryDirectory() as folder, small_blocks(block):
        file = write(folder, pack(raw, format, members), format)
        counted = count(file, split_bytes)
        assert counted.rows == len(expected)
        rows = as_rows(read(file, counted, ALL))
        assert [row[:2] for row in rows] == [row[:2] for row in expected]
        for mine, wanted in zip(rows, expected, strict=True):
            assert same(mine.id, wanted.id)
            assert same(mine.kept, wanted.kept)
            assert mine.quality == wanted.quality
        # a resumed run reads some splits of a group only
        groups = [group[skip:] for group in splits_of(counted)]
        left = {split.split_id for group in groups for split in group}
        again = [(split, part) for split, part in read(file, counted, Columns("text")) if split.split_id in left]
        assert as_rows(read(file, counted, Columns("text"), groups)) == as_rows(again)


@settings(max_examples=150, deadline=None)
@given(raw=files, split_bytes=st.integers(1, 100), splits_a_task=st.integers(1, 5), block=st.integers(3, 200))
def test_a_file_counted_in_ranges_is_the_file_counted_at_once(raw, split_bytes, splits_a_task, block):
    with tempfile.TemporaryDirectory() as folder, small_blocks(block):
        file = write(folder, raw)
        step = split_bytes * splits_a_task
        ranges = [
            count_range(file.path, start, min(start + step, len(raw)), split_bytes)
            for start in range(0, len(raw), step)
        ]
        assert join_ranges(ranges) == count(file, split_bytes)


def test_a_split_is_the_lines_that_start_in_its_bytes(tmp_path):
    file = write(tmp_path, b'{"text":"a"}\n' * 10)  # 13 bytes a line
    cuts = count(file, split_bytes=26).cuts
    assert [(cut.first_row, cut.rows, cut.start, cut.stop, cut.group) for cut in cuts] == [
        (2 * i, 2, 26 * i, 26 * (i + 1), i) for i in range(5)
    ]
    packed = write(tmp_path, pack(b'{"text":"a"}\n' * 10, "jsonl.gz"), "jsonl.gz")
    assert [(cut.first_row, cut.rows, cut.group) for cut in count(packed, split_bytes=26).cuts] == [
        (2 * i, 2, 0) for i in range(5)
    ]


def test_splits_without_rows_are_left_out(tmp_path):
    raw = b'{"text":"' + b"long " * 100 + b'"}\n' + b"\n" * 300 + b'{"text":"b"}'
    cuts = count(write(tmp_path, raw), split_bytes=10).cuts
    assert [(cut.first_row, cut.rows, cut.group) for cut in cuts] == [(0, 1, 0), (1, 1, 1)]


def test_an_empty_plain_file_has_no_rows(tmp_path):
    assert count(write(tmp_path, b"")).rows == 0
    assert count(write(tmp_path, b"\n\r\n  \n")).rows == 0
    assert count(write(tmp_path, pack(b"", "jsonl.gz"), "jsonl.gz")).rows == 0


@pytest.mark.parametrize("format", ["jsonl", "jsonl.zst"])
@pytest.mark.parametrize("block", [7, 64, 1 << 20])
def test_a_line_that_is_too_long_is_rejected_alone(tmp_path, format, block):
    long = b'{"text": "' + b"x" * 500 + b'"}'
    fits = b'{"text": "' + b"x" * 388 + b'"}'
    raw = b"\n".join([b'{"text": "a"}', long, b" " * 700, fits, long, b'{"text": "b"}', long])
    file = write(tmp_path, pack(raw, format), format)
    with small_blocks(block):
        for split_bytes in (50, 600, 10**6):
            rows = as_rows(read(file, count(file, split_bytes), Columns("text", most_bytes=400)))
            assert [row.text for row in rows] == ["a", None, "x" * 388, None, "b", None]
            assert {row.reason for row in rows} == {None, "line longer than 400 bytes"}


def test_nothing_is_guessed(tmp_path):
    file = write(
        tmp_path, b'{"text": "2024-01-05", "id": "000", "kept": "1e5"}\n{"text": "123", "id": 7, "kept": {"b": 1}}'
    )
    ((_, rows),) = read(file, count(file), Columns("text", "id", ("kept",)))
    assert rows.table.to_pydict() == {"text": ["2024-01-05", "123"], "id": ["000", "7"], "kept": ["1e5", '{"b":1}']}
    assert rows.table.schema.types == [pa.large_string(), pa.string(), pa.string()]


def test_the_same_rows_are_rejected_whatever_is_read(tmp_path):
    file = write(tmp_path, b"\n".join(ODD_LINES))
    counted = count(file)
    parts = [read(file, counted, columns)[0][1] for columns in (Columns("text"), ALL)]
    assert parts[0].rejected == parts[1].rejected
    assert parts[0].table.column("text").equals(parts[1].table.column("text"))


def test_other_names_of_columns(tmp_path):
    file = write(tmp_path, '{"content": "a", "text": "other", "größe": 3, "url": "u"}'.encode())
    ((_, rows),) = read(file, count(file), Columns("content", "url", ("text2", "url"), ("größe",)))
    assert rows.table.to_pylist() == [{"text": "a", "id": "u", "text2": None, "url": "u", "number:größe": 3.0}]


def test_a_column_can_be_kept_and_read_as_a_number(tmp_path):
    file = write(tmp_path, b'{"text": "a", "n": 3, "m": "3"}\n{"text": "b", "m": 0.5}')
    ((_, rows),) = read(file, count(file), Columns("text", None, ("n",), ("n", "m", "missing")))
    assert rows.table.to_pylist() == [
        {"text": "a", "n": "3", "number:n": 3.0, "number:m": None, "number:missing": None},
        {"text": "b", "n": None, "number:n": None, "number:m": 0.5, "number:missing": None},
    ]
    assert rows.table.schema.types[2:] == [pa.float64()] * 3


def test_fewer_rows_than_counted_is_an_error(tmp_path):
    file = write(tmp_path, b'{"text":"a"}\n{"text":"b"}\n')
    (splits,) = splits_of(count(file))
    file = write(tmp_path, b'{"text":"a"}\n            \n')
    with pytest.raises(InputError, match=r"file\.jsonl: rows 0 to 1 were counted, and 1 of them read"):
        list(read_splits(file.path, file.format, splits, Columns("text"), etag=file.etag))
