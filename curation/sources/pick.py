"""Single rows of a source file, by where they lie.

A row comes out as it does when its whole split is read: the same code makes it. A row of plain JSONL costs one read
of its line. A row of Parquet costs its row group, which can't be entered in the middle, so a caller does well to
keep row groups: `read_group` gives one to keep if it is small enough, `group_rows` goes through one that is not, and
`pick_rows` takes rows out of either.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curation.errors import InputError
from curation.sources.blocks import unreadable
from curation.sources.find import check_unchanged, open_input
from curation.sources.parquet_footer import open_parquet, projected_bytes
from curation.sources.read_jsonl import parse_lines
from curation.sources.read_parquet import corrupt_group, rows_of_batch
from curation.sources.rows import Columns, Rows, join_rows

#: Bytes of a record batch, about, and its most rows.
_BATCH_BYTES, _BATCH_ROWS = 4 << 20, 4096


@dataclass(frozen=True)
class Opened:
    """A source file that is open.

    Attributes:
        path: of the file.
        file: a pyarrow file of JSONL, or a `pyarrow.parquet.ParquetFile`.
        first_rows: int64[row groups + 1], the first row of each row group, and the rows of the file; None for JSONL.
        close: closes it.
    """

    path: str
    file: Any
    first_rows: NDArray[np.int64] | None
    close: Callable[[], None]


def open_source(path: str, format: str, etag: str) -> Opened:
    """Opens a Parquet or plain JSONL file, if it is still the one with this etag.

    Raises:
        InputError: it changed, is gone, or can't be read.
    """
    check_unchanged(path, etag)
    stack = ExitStack()
    if format == "parquet":
        parquet = stack.enter_context(open_parquet(path))
        return Opened(path, parquet, first_rows(parquet.metadata), stack.close)
    filesystem, inner = open_input(path)
    try:
        file = stack.enter_context(filesystem.open_input_file(inner))
    except OSError as error:
        raise unreadable(path, error) from error
    return Opened(path, file, None, stack.close)


def first_rows(metadata: Any) -> NDArray[np.int64]:
    """int64[row groups + 1]: the first row of each row group of a Parquet file, and the rows of the file."""
    rows = [metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)]
    return np.cumsum([0, *rows], dtype=np.int64)


def pick_lines(opened: Opened, starts: Sequence[int], sizes: Sequence[int], columns: Columns) -> Rows:
    """The rows of a JSONL file whose lines start at these bytes and are so long, in this order.

    Raises:
        InputError: there are no such rows, or the file can't be read.
    """
    try:
        lines = [opened.file.read_at(size, start) for start, size in zip(starts, sizes, strict=True)]
    except OSError as error:
        raise unreadable(opened.path, error) from error
    rows = parse_lines(b"\n".join(lines), columns)
    if rows.table.num_rows != len(lines):
        raise InputError(f"{opened.path}: its rows are not where they were; put the old file back")
    return rows


def read_group(opened: Opened, number: int, columns: Columns, most_bytes: int) -> tuple[list[Rows] | None, int]:
    """Row group `number` of a Parquet file, in parts, and their bytes; None and 0 if it has more than `most_bytes`.

    Raises:
        InputError: it can't be read.
    """
    if projected_bytes(opened.file.metadata, number, columns.names) > most_bytes:
        return None, 0
    parts, size = [], 0
    for part in group_rows(opened, number, columns):
        parts.append(part)
        size += part.table.nbytes
        if size > most_bytes:  # long values that a dictionary repeats
            return None, 0
    return parts, size


def group_rows(opened: Opened, number: int, columns: Columns) -> Iterator[Rows]:
    """Row group `number` of a Parquet file, some MiB at a time. Raises InputError."""
    metadata = opened.file.metadata
    rows, size = metadata.row_group(number).num_rows, projected_bytes(metadata, number, columns.names)
    batch_rows = min(max(_BATCH_BYTES * rows // max(size, 1), 1), _BATCH_ROWS)
    try:
        for batch in opened.file.iter_batches(
            batch_rows, row_groups=[number], columns=columns.names, use_threads=False
        ):
            yield rows_of_batch(batch, columns)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise corrupt_group(opened.path, number, error) from error


def pick_rows(parts: Iterable[Rows], offsets: NDArray[np.int64]) -> Rows:
    """Rows of a row group.

    Args:
        parts: the row group, in order; no more of it is read than is needed.
        offsets: int64[n], the rows' numbers in it, ascending; one may be there several times.
    """
    picked: list[Rows] = []
    first = done = 0
    for part in parts:
        stop = int(np.searchsorted(offsets, first + part.table.num_rows))
        mine = offsets[done:stop] - first
        if len(mine):
            table = part.table.slice(int(mine[0]), 1) if len(mine) == 1 else part.table.take(pa.array(mine))
            rejected = {at: part.rejected[row] for at, row in enumerate(mine.tolist()) if row in part.rejected}
            picked.append(Rows(table, rejected))
        first, done = first + part.table.num_rows, stop
        if done == len(offsets):
            break
    return join_rows(picked)
