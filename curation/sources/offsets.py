"""Where the rows of a split lie in their file, for readers with random access.

A row of Parquet is found by its number, so nothing is read. A row of plain JSONL is found by the bytes of its line.
They come from the same search for lines that counts the rows (`count.row_starts`), so they agree with the reader on
what a row is, rejected rows included. Memory is bounded by a block of the file and the rows of a split, however long
a line is. Compressed JSONL can only be read from its beginning: it has no random access.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curation.errors import InputError, JobError
from curation.sources.blocks import BYTE_ORDER_MARK, plain_blocks
from curation.sources.count import row_starts
from curation.sources.find import InputFile, check_unchanged
from curation.sources.rows import Split

#: Formats whose rows can be read one by one.
RANDOM_ACCESS = ("parquet", "jsonl")

_NONE: NDArray[np.int64] = np.empty(0, np.int64)


def check_random_access(files: Iterable[InputFile]) -> None:
    """Raises JobError if a file has no random access, which `output.format: index` needs."""
    for file in files:
        if file.format not in RANDOM_ACCESS:
            raise JobError(
                f"output.format is index, which needs sources with random access, and sources.{file.source}.path names "
                f"{file.path}, compressed JSONL, which can only be read from its beginning: unpack it, write it as "
                "Parquet, or choose another output.format"
            )


def read_places(file: InputFile, splits: Sequence[Split]) -> Iterator[tuple[Split, pa.Table]]:
    """Where the rows of splits of one file lie.

    Args:
        file: one that `check_random_access` lets pass, as it was counted.
        splits: of this file, in any order.

    Yields:
        Each split with a table of `split.rows` rows: `path` (string), `row` (int64, from 0 in the file), and `start`
        and `bytes` (int64): the byte range of a JSONL row's line, without its newline; null for Parquet.

    Raises:
        InputError: the file changed since it was counted, or can't be read.
    """
    if splits:
        check_unchanged(file.path, file.etag)
    for split in splits:
        if file.format == "parquet":
            start = size = pa.nulls(split.rows, pa.int64())
        else:
            starts, stops = line_ranges(file, split.start, split.stop)
            if len(starts) != split.rows:
                raise InputError(
                    f"{file.path}: {split.rows} rows were counted from row {split.first_row} on, and {len(starts)} of "
                    "them found: the file changed in between; start a new run_dir"
                )
            start, size = pa.array(starts), pa.array(stops - starts)
        row = np.arange(split.first_row, split.first_row + split.rows)
        path = pa.repeat(pa.scalar(file.path), split.rows)
        yield split, pa.table({"path": path, "row": row, "start": start, "bytes": size})


def line_ranges(file: InputFile, start: int, stop: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The lines of a plain JSONL file that are rows and start in bytes [start, stop).

    Returns:
        int64[rows] each: the byte at which a line starts, behind the byte order mark of the file, and the byte of
        its newline, or the size of the file where the last line has none.

    Raises:
        InputError: the file can't be read.
    """
    origin = max(start - 1, 0)  # what comes before the first newline belongs to the split before
    blocks = plain_blocks(file.path, origin, stop)
    first = next(blocks, b"")
    blanked = origin == 0 and first.startswith(b" " * len(BYTE_ORDER_MARK))
    found, pending = [(_NONE, _NONE)], _NONE  # pending: the start of a row whose newline is still to come
    for starts, unfinished, newlines in row_starts(chain([first], blocks), origin):
        begun = np.concatenate([pending, starts[(starts >= start) & (starts < stop)]])
        ends = np.searchsorted(newlines, begun)
        ended = ends < len(newlines)
        found.append((begun[ended], newlines[ends[ended]]))
        pending = begun[~ended]
        if unfinished >= stop:
            break
    found.append((pending, np.full(len(pending), file.bytes)))
    begins, stops = (np.concatenate(parts) for parts in zip(*found, strict=True))
    if blanked and len(begins) and begins[0] == 0:
        begins[0] = len(BYTE_ORDER_MARK)
    return begins, stops
