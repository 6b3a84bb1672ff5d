"""Fuzzes the Parquet reader.

Whole files of random texts in any string type, with any row group size, page size, compression and encoding: each
text comes out once, in its place, and what can't be one is listed. Damaged files: an answer or one of our errors, in
a process that neither dies, nor hangs, nor eats the memory. Half of the damage is done near the end, to the footer.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.damage import OPERATIONS, QUICK, RELAXED, SECONDS, damaged, run_for

from .child import read_all

_VALUES = st.lists(
    st.one_of(
        st.none(),
        st.text(st.characters(codec="utf-8"), max_size=40).map(str.encode),
        st.binary(max_size=10),
        st.sampled_from([b"the same", b" \n", b"\0", b"y" * 3000]),
    ),
    max_size=60,
)
_STRINGS = ["string", "large_string", "string_view", "dictionary"]
_TYPES = st.sampled_from([*_STRINGS, "binary", "large_binary", "binary_view"])
_OPTIONS = st.fixed_dictionaries(
    {
        "row_group_size": st.integers(1, 40),
        "data_page_size": st.sampled_from([1, 100, 1 << 20]),
        "compression": st.sampled_from(["none", "snappy", "zstd", "gzip", "brotli", "lz4"]),
        "use_dictionary": st.booleans(),
        "version": st.sampled_from(["1.0", "2.4", "2.6"]),
        "data_page_version": st.sampled_from(["1.0", "2.0"]),
        "write_page_checksum": st.booleans(),
        "write_statistics": st.booleans(),
        "store_schema": st.booleans(),
    }
)


def _table(values: list[bytes | None], type_: str) -> pa.Table:
    """The values as a column `text`, between columns of other types."""
    if type_ in _STRINGS:
        texts = [None if value is None else value.decode("utf-8", "replace") for value in values]
        text = pa.array(texts, pa.string())
        text = text.dictionary_encode() if type_ == "dictionary" else text.cast(getattr(pa, type_)())
    else:
        text = pa.array(values, getattr(pa, type_)())
    n = len(values)
    nested = pa.array(
        [{"text": "x", "list": [i]} for i in range(n)], pa.struct({"text": "string", "list": pa.list_(pa.int32())})
    )
    return pa.table({"text.x": pa.array(range(n), pa.int64()), "": nested, "text": text, "score": [0.5] * n})


def _expected(values: list[bytes | None], type_: str) -> list[str | None]:
    found: list[str | None] = []
    for value in values:
        try:
            text = None if value is None else value.decode("utf-8", "replace" if type_ in _STRINGS else "strict")
        except UnicodeDecodeError:
            text = None
        found.append(text if text is not None and text.strip() and len(text.encode()) <= 2500 else None)
    return found


@given(values=_VALUES, type_=_TYPES, options=_OPTIONS, split_bytes=st.integers(1, 3000))
@RELAXED
def whole_files(folder, reader, values, type_, options, split_bytes):
    path = folder / "whole.parquet"
    pq.write_table(_table(values, type_), path, **options)
    assert read_all(str(path), "text", split_bytes, False, 2500)["texts"] == _expected(values, type_)


@given(values=_VALUES, type_=_TYPES, options=_OPTIONS, operations=OPERATIONS, near_end=st.booleans())
@RELAXED
def damaged_files(folder, reader, values, type_, options, operations, near_end):
    path = folder / "damaged.parquet"
    pq.write_table(_table(values, type_), path, **options)
    path.write_bytes(damaged(path.read_bytes(), operations, near_end))
    found = reader(path)
    assert "texts" in found or "damaged.parquet" in found["error"]


CHECKS = [whole_files, damaged_files]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_any_parquet_file_is_read_or_refused(check, tmp_path, reader):
    check(tmp_path, reader)


@pytest.mark.slow
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_parquet_for_a_while(check, tmp_path, reader):
    rounds = run_for(SECONDS / len(CHECKS), check, tmp_path, reader)
    print(f"{check.__name__}: {rounds * QUICK:,} files, {reader.deaths} deaths of the reader")
    assert rounds
