"""Reads the splits of a Parquet file.

Only the columns that are asked for are read, row group by row group, in batches of a few MiB: memory is about one
split, also where a split is a part of a huge row group. pyarrow does not look at the bytes of strings on reading,
so the text is validated here: the whole batch at once, and value by value only where that fails.

A dictionary page lets a file of a few KiB say the same long text a million times. So where that can be, batches are
sized by the longest value in the dictionary, and a split that unfolds to gigabytes is refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from curation.errors import InputError
from curation.sources.columns import as_string, holds_bytes, kept, plain, plain_type
from curation.sources.parquet_footer import open_parquet, projected_bytes
from curation.sources.rows import NO_TEXT, NOT_UTF8, Columns, Rows, Split, join_rows
from curation.sources.vectors import vectors_of_lists

_BATCH_BYTES = 4 << 20
_BATCH_ROWS = 1 << 16
#: Bytes that a batch, and that a split may have at most when dictionaries are unfolded.
_UNFOLDED_BATCH, _UNFOLDED_SPLIT = 256 << 20, 2 << 30
_END: tuple[int, Any] = (2**63, None)
_INVALID = object()


def read_parquet(path: str, splits: Sequence[Split], columns: Columns) -> Iterator[Rows]:
    """The rows of each of the splits, in order. The arguments are those of `read_splits`."""
    names = columns.names
    with open_parquet(path) as parquet:
        there = set(parquet.schema_arrow.names)
        missing = [name for name in names if name not in there]
        if missing:
            raise InputError(f"{path}: there is no column {missing[0]!r} any more: start a new run_dir")
        batches = _batches(path, parquet, splits[0].start, splits[-1].stop, names)
        first_row, batch = next(batches, _END)
        for split in splits:
            stop = split.first_row + split.rows
            parts: list[Rows] = []
            size = 0
            while first_row < stop:
                here = batch.slice(0, stop - first_row)
                mine = here.slice(min(max(split.first_row - first_row, 0), here.num_rows))
                if mine.num_rows:
                    parts.append(rows_of_batch(mine, columns))
                    size += parts[-1].table.nbytes
                    if size > _UNFOLDED_SPLIT and size > 2 * _folded_bytes(parquet.metadata, split, names):
                        raise InputError(_unfolds(path, split, size))
                first_row, batch = first_row + here.num_rows, batch.slice(here.num_rows)
                if not batch.num_rows:
                    first_row, batch = next(batches, _END)
            yield join_rows(parts)


def _unfolds(path: str, split: Split, size: int) -> str:
    return (
        f"{path}: rows {split.first_row} to {split.first_row + split.rows - 1} unfold to more than {size >> 30} GiB: "
        "long values are repeated by a dictionary; write the file with smaller row groups, or without the repetitions"
    )


def _folded_bytes(metadata: Any, split: Split, names: list[str]) -> int:
    """Bytes of a split's row groups as the footer has them: a user may want splits of many GiB."""
    return sum(projected_bytes(metadata, number, names) for number in range(split.start, split.stop))


def _batches(path: str, parquet: Any, start: int, stop: int, names: list[str]) -> Iterator[tuple[int, Any]]:
    """(row of the file that it begins with, record batch) for row groups [start, stop). Raises InputError."""
    metadata = parquet.metadata
    first_row = sum(metadata.row_group(number).num_rows for number in range(start))
    for number in range(start, stop):
        size_of_group = projected_bytes(metadata, number, names)
        bytes_a_row = max(size_of_group // max(metadata.row_group(number).num_rows, 1), 1)
        size = min(max(_BATCH_BYTES // bytes_a_row, 1), _BATCH_ROWS)
        try:
            if size * size_of_group > _UNFOLDED_BATCH:
                size = min(size, max(_UNFOLDED_BATCH // _longest_in_dictionary(path, parquet, number, names), 1))
            for batch in parquet.iter_batches(size, row_groups=[number], columns=names, use_threads=False):
                yield first_row, batch
                first_row += batch.num_rows
        except (pa.ArrowException, OSError, ValueError) as error:
            raise corrupt_group(path, number, error) from error


def corrupt_group(path: str, number: int, error: Exception) -> InputError:
    """The error for a row group that can't be read."""
    reason = str(error).partition("\n")[0]
    return InputError(f"{path}: row group {number} is corrupt ({reason}): get a whole copy")


def _longest_in_dictionary(path: str, parquet: Any, number: int, names: list[str]) -> int:
    """Bytes of the longest value in the dictionary of each column of strings in a row group, added up; at least 1."""
    types = parquet.schema_arrow
    flat = [name for name in names if holds_bytes(plain_type(types.field(name).type))]
    group = parquet.metadata.row_group(number)
    if not flat or not any(group.column(i).has_dictionary_page for i in range(group.num_columns)):
        return 1
    with open_parquet(path, parquet.metadata, flat) as folded:
        batch = next(folded.iter_batches(1, row_groups=[number], columns=flat, use_threads=False), None)
    columns = [] if batch is None else [column for column in batch.columns if pt.is_dictionary(column.type)]
    longest = (pc.max(pc.binary_length(column.dictionary)).as_py() for column in columns)
    return max(sum(length or 0 for length in longest), 1)


def rows_of_batch(batch: Any, columns: Columns) -> Rows:
    """A record batch of the file's own columns as rows."""
    text, rejected = _text(plain(batch.column(columns.text)), columns.most_bytes)
    table = columns.name_table(
        text=text,
        id=as_string(batch.column(columns.id)) if columns.id else None,
        keep=[kept(batch.column(name)) for name in columns.keep],
        numbers=[_finite(plain(batch.column(name))) for name in columns.numbers],
        vector=vectors_of_lists(plain(batch.column(columns.vector))) if columns.vector else None,
    )
    return Rows(table, rejected)


def _text(array: Any, most_bytes: int) -> tuple[Any, dict[int, str]]:
    """Strings or bytes as a large_string array, null where the row is rejected, and the reasons."""
    raw = array.cast(pa.large_binary())
    rejected: dict[int, str] = {}
    long = pc.fill_null(pc.greater(pc.binary_length(raw), most_bytes), False)
    if pc.any(long).as_py():
        raw = pc.if_else(long, pa.scalar(None, pa.large_binary()), raw)
        reason = f"text longer than {most_bytes} bytes"
        rejected = dict.fromkeys(pc.indices_nonzero(long).to_pylist(), reason)
    try:
        text = raw.cast(pa.large_string())  # this cast validates
    except pa.ArrowInvalid:
        values = [_decoded(value) for value in raw.to_pylist()]
        rejected |= {offset: NOT_UTF8 for offset, value in enumerate(values) if value is _INVALID}
        text = pa.array((None if value is _INVALID else value for value in values), pa.large_string())
    blank = pc.fill_null(pc.equal(pc.binary_length(pc.utf8_ltrim_whitespace(text)), 0), True)
    if pc.any(blank).as_py():
        text = pc.if_else(blank, pa.scalar(None, pa.large_string()), text)
        for offset in pc.indices_nonzero(blank).to_pylist():
            rejected.setdefault(offset, NO_TEXT)
    return text, rejected


def _decoded(value: bytes | None) -> Any:
    try:
        return None if value is None else value.decode()
    except UnicodeDecodeError:
        return _INVALID


def _finite(array: Any) -> Any:
    """Numbers as float64, null for what is not finite."""
    numbers = array.cast(pa.float64(), safe=False)
    return pc.if_else(pc.is_finite(numbers), numbers, pa.scalar(None, pa.float64()))
