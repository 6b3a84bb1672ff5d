"""Counting and reading Parquet."""

from __future__ import annotations

import decimal
import tempfile
import uuid
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.config import Source
from curation.errors import InputError, JobError
from curation.sources import read_parquet
from curation.sources.count import count_file
from curation.sources.find import InputFile, find_files
from curation.sources.read import Columns, read_splits

from .reference import as_rows, count, read, splits_of

INVALID = b"bad \xff"


def write(folder, table: pa.Table, **options) -> InputFile:
    path = Path(folder) / "file.parquet"
    pq.write_table(table, path, **options)
    return find_files(Source(domain="d", path=str(path)), 0)[0]


def strings(values: list[bytes | None], type_) -> pa.Array:
    """Strings of any type from bytes, without validation."""
    raw = pa.array(values, pa.binary())
    if pa.types.is_dictionary(type_):
        raw = raw.dictionary_encode()
        inner = strings(raw.dictionary.to_pylist(), type_.value_type)
        return pa.DictionaryArray.from_arrays(raw.indices, inner)
    if pa.types.is_binary(type_) or pa.types.is_large_binary(type_) or pa.types.is_binary_view(type_):
        return raw.cast(type_)
    text = pa.Array.from_buffers(pa.string(), len(raw), raw.buffers())
    return text.cast(type_) if type_ != pa.string() else text


TYPES = [
    pa.string(),
    pa.large_string(),
    pa.string_view(),
    pa.binary(),
    pa.large_binary(),
    pa.dictionary(pa.int32(), pa.string()),
    pa.dictionary(pa.int32(), pa.binary()),
]
texts = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=30).map(str.encode),
    st.sampled_from([None, b"", b" \t\n", "\u2003\u0085".encode(), b"\x00", INVALID, b"\xed\xa0\x80", b"a" * 300]),
)


@settings(max_examples=200, deadline=None)
@given(
    values=st.lists(texts, max_size=60),
    type_=st.sampled_from(TYPES),
    row_group=st.integers(1, 70),
    split_bytes=st.one_of(st.integers(1, 600), st.just(10**9)),
    batch_rows=st.integers(1, 40),
    dictionary=st.booleans(),
    skip=st.integers(0, 4),
)
def test_splits_give_every_row(values, type_, row_group, split_bytes, batch_rows, dictionary, skip):
    ids = list(range(len(values)))
    table = pa.table({"id": ids, "text": strings(values, type_), "quality": [i / 7 for i in ids]})
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patched:
        patched.setattr(read_parquet, "_BATCH_ROWS", batch_rows)
        file = write(folder, table, row_group_size=row_group, use_dictionary=dictionary, data_page_size=64)
        counted = count(file, split_bytes)
        assert counted.rows == len(values)
        rows = as_rows(read(file, counted, Columns("text", "id", (), ("quality",))))
        assert [row.text for row in rows] == [_usable(value) for value in values]
        assert [row.reason for row in rows] == [_reason(value) for value in values]
        assert [(row.id, row.quality) for row in rows] == [(str(i), i / 7) for i in ids]
        groups = [group[skip:] for group in splits_of(counted)]
        wanted = [i for group in groups for s in group for i in range(s.first_row, s.first_row + s.rows)]
        part = as_rows(read(file, counted, Columns("text", "id"), groups))
        assert [row.id for row in part] == [str(i) for i in wanted]


def _usable(value: bytes | None) -> str | None:
    text = None if value is None else value.decode(errors="replace")
    return text if text and text.strip() and "\ufffd" not in text else None


def _reason(value: bytes | None) -> str | None:
    if value is not None and "\ufffd" in value.decode(errors="replace"):
        return "invalid UTF-8"
    return "no text" if _usable(value) is None else None


def test_white_space_is_the_same_in_both_formats():
    every = [chr(i) for i in range(0x110000) if not 0xD800 <= i < 0xE000]
    _, rejected = read_parquet._text(pa.array(every), 100)
    assert set(rejected) == {i for i, character in enumerate(every) if character.isspace()}


def test_splits_are_runs_of_row_groups_and_parts_of_huge_ones(tmp_path):
    sizes = [10, 10, 10, 400, 10, 0, 10]
    with pq.ParquetWriter(tmp_path / "file.parquet", pa.schema([("text", pa.string())]), use_dictionary=False) as out:
        for rows in sizes:
            out.write_table(pa.table({"text": pa.array([f"{i:96}" for i in range(rows)], pa.string())}))
    (file,) = find_files(Source(domain="d", path=str(tmp_path)), 0)
    counted = count(file, split_bytes=2500)  # a row has 100 bytes and a row group some more
    splits_of(counted)
    assert [(cut.rows, cut.start, cut.stop) for cut in counted.cuts[:2]] == [(20, 0, 2), (10, 2, 3)]
    huge = [cut for cut in counted.cuts if cut.start == 3]
    assert len(huge) >= 16
    assert {(cut.stop, cut.group) for cut in huge} == {(4, 2)}
    assert sum(cut.rows for cut in huge) == 400
    assert max(cut.rows for cut in huge) - min(cut.rows for cut in huge) <= 1
    assert [(cut.rows, cut.start, cut.stop, cut.group) for cut in counted.cuts if cut.start > 3] == [(20, 4, 7, 3)]


def test_no_rows(tmp_path):
    file = write(tmp_path, pa.table({"text": pa.array([], pa.string())}))
    assert count(file).rows == 0
    assert count(file).cuts == []


def test_kept_columns_keep_their_type_and_lose_their_encoding(tmp_path):
    number = uuid.UUID(int=7)
    table = pa.table(
        {
            "text": ["a", "b"],
            "day": pa.array([1, None], pa.date32()),
            "tags": [["x"], []],
            "kind": pa.array(["k", "k"]).dictionary_encode(),
            "view": pa.array(["v", None], pa.string_view()),
            "uuid": pa.array([number.bytes, None], pa.uuid()),
            "odd": strings([INVALID, b"ok"], pa.string()),
            "raw": pa.array([INVALID, b""]),
        }
    )
    file = write(tmp_path, table)
    keep = ("day", "tags", "kind", "view", "uuid", "odd", "raw")
    ((_, rows),) = read(file, count(file), Columns("text", "uuid", keep))
    assert rows.table.schema.field("day").type == pa.date32()
    assert rows.table.schema.field("tags").type == table.schema.field("tags").type
    assert {rows.table.schema.field(name).type for name in ("id", "kind", "view", "uuid", "odd")} == {pa.string()}
    assert rows.table.column("id").to_pylist() == [str(number), None]
    assert rows.table.column("odd").to_pylist() == ["bad \ufffd", "ok"]
    assert rows.table.column("raw").to_pylist() == [INVALID, b""]
    assert rows.rejected == {}


@pytest.mark.parametrize(
    "values",
    [
        pa.array([1, None, 2**60]),
        pa.array([0.5, float("nan"), float("inf")], pa.float32()),
        pa.array([decimal.Decimal("1.5"), None, None]),
        pa.nulls(3),
    ],
)
def test_numbers_are_finite_or_null(tmp_path, values):
    file = write(tmp_path, pa.table({"text": ["a", "b", "c"], "q": values, "r": [1, 2, 3]}))
    numbers = {"q": "quality.column", "r": "tokens.column"}
    ((_, rows),) = read(file, count(file, numbers=numbers), Columns("text", None, ("q",), (*numbers,)))
    assert rows.table.column_names == ["text", "q", "number:q", "number:r"]
    assert rows.table.column("q").type == values.type
    quality = rows.table.column("number:q")
    assert quality.type == pa.float64()
    assert [value is None or value < 1e30 for value in quality.to_pylist()] == [True] * 3
    assert rows.table.column("number:r").to_pylist() == [1.0, 2.0, 3.0]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            {"text_column": "txet"},
            r"sources\.0\.text_column: .*file\.parquet has no column 'txet'; did you mean 'text'",
        ),
        ({"text_column": "number"}, r"sources\.0\.text_column: 'number' in .* is of type int64"),
        ({"text_column": "tags"}, r"sources\.0\.text_column: 'tags' in .* is of type list"),
        ({"text_column": "twice"}, r"has 2 columns of the name 'twice'"),
        ({"id_column": "urn"}, r"sources\.0\.id_column: .* did you mean 'url'"),
        ({"id_column": "tags"}, r"sources\.0\.id_column: 'tags' in .* can't become a string"),
        ({"keep_columns": ["url", "nummer"]}, r"sources\.0\.keep_columns: .*'nummer'; did you mean 'number'"),
        ({"numbers": {"quality": "quality.column"}}, r"quality\.column: .* has no column 'quality'"),
        (
            {"numbers": {"url": "tokens.column"}},
            r"tokens\.column: 'url' in .* is of type string, which is not a number",
        ),
        (
            {"numbers": dict.fromkeys(("number", "flag"), "quality.column")},
            r"quality\.column: 'flag' in .* is of type bool",
        ),
    ],
)
def test_columns_that_can_not_serve(tmp_path, source, message):
    columns = [["a"], ["u"], [1], [["t"]], [True], ["x"], ["y"]]
    names = ["text", "url", "number", "tags", "flag", "twice", "twice"]
    file = write(tmp_path, pa.table([pa.array(column) for column in columns], names=names))
    with pytest.raises(JobError, match=message):
        count(file, **source)


def test_a_message_names_the_key_that_names_the_column(tmp_path):
    file = write(tmp_path, pa.table({"text": ["a"]}))
    with pytest.raises(JobError, match=r"quality\.expression: .* has no column 'votes'"):
        count_file(file, 1, Source(domain="d", path=file.path), {"votes": "quality.expression"}, False)


def test_a_file_without_columns(tmp_path):
    with pytest.raises(JobError, match="has no column 'text' and no other"):
        count(write(tmp_path, pa.table({})))


def test_another_file_of_the_same_name(tmp_path):
    file = write(tmp_path, pa.table({"text": ["a", "b", "c"]}))
    (splits,) = splits_of(count(file))
    for table, message in [(pa.table({"text": ["a"]}), "1 of them read"), (pa.table({"t": ["a"]}), "no column 'text'")]:
        file = write(tmp_path, table)
        with pytest.raises(InputError, match=message):
            list(read_splits(file.path, file.format, splits, Columns("text"), etag=file.etag))


def test_columns_whose_names_have_dots(tmp_path):
    table = pa.table({"a.text": ["x", "y"], "a": [{"text": 1, "n": 2}] * 2})
    file = write(tmp_path, table)
    ((_, rows),) = read(file, count(file, text_column="a.text"), Columns("a.text", None, ("a",)))
    assert rows.table.column("text").to_pylist() == ["x", "y"]
    assert rows.table.column("a").to_pylist() == [{"text": 1, "n": 2}] * 2
