"""Counts the rows of an input file and cuts it into splits.

Parquet: from the footer (see `parquet_footer`). JSONL: every byte is looked at once, in NumPy, for the lines that
are not blank. A split is the lines that start in a stretch of `split_bytes` bytes, or `MOST_ROWS` of them. So where
the cuts lie depends on the file and `split_bytes` alone, and an uncompressed file can be counted by many tasks: each
counts a range with `count_range`, and `join_ranges` puts the ranges together. `count_file` does the same in one go.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curation.config import Source
from curation.errors import InputError
from curation.sources.blocks import DamagedStream, plain_blocks, stream_blocks
from curation.sources.find import InputFile
from curation.sources.parquet_footer import Cut, check_columns, check_footer, open_parquet, row_group_cuts
from curation.sources.rows import MOST_ROWS

_NEWLINE = 0x0A
_IS_SPACE = np.isin(np.arange(256), np.frombuffer(b" \t\n\r\x0b\x0c", np.uint8))
_NO_STARTS: NDArray[np.int64] = np.empty(0, np.int64)


@dataclass(frozen=True)
class FileCount:
    """What counting a file found.

    `truncated`: the file is damaged and holds more rows than could be read. `cuts`: its splits in order, their rows
    dense from 0 to `rows`. `schema`: the Arrow schema of a Parquet file, without metadata; else None.
    """

    rows: int
    truncated: bool
    cuts: list[Cut]
    schema: pa.Schema | None = None


def count_file(
    file: InputFile,
    split_bytes: int,
    source: Source,
    numbers: Mapping[str, str],
    allow_truncated: bool,
) -> FileCount:
    """Rows and splits of one file.

    Args:
        file: as `find_files` gave it.
        split_bytes: about how many bytes of text a split holds.
        source: names the columns that a Parquet file must have.
        numbers: others that it must have, of numbers, each with the key of the job file that names it.
        allow_truncated: count the whole lines before the damage in a damaged compressed file.

    Raises:
        JobError: a column is missing or has a type that can't serve.
        InputError: the file is damaged or can't be read.
    """
    if file.format == "parquet":
        with open_parquet(file.path) as parquet:
            check_columns(file.path, parquet.schema_arrow, source, file.source, numbers)
            check_footer(file.path, parquet.metadata)
            cuts = row_group_cuts(parquet.metadata, source.text_column, split_bytes)
            schema = parquet.schema_arrow.remove_metadata()
        return FileCount(sum(cut.rows for cut in cuts), False, cuts, schema)
    if file.format == "jsonl":
        return join_ranges([count_range(file.path, 0, file.bytes, split_bytes)])
    return _count_stream(file, split_bytes, allow_truncated)


def count_range(path: str, start: int, stop: int, split_bytes: int) -> list[Cut]:
    """Splits of an uncompressed JSONL file whose lines start in bytes [start, stop).

    Args:
        path: the file.
        start: a multiple of `split_bytes`, or splits would end there that should not.
        stop: another one, or the size of the file.
        split_bytes: bytes a split.

    Returns:
        Cuts whose rows and groups count from 0 in the range; splits without rows are left out.

    Raises:
        InputError: the file can't be read.
    """
    origin = max(start - 1, 0)
    tally = _Tally(split_bytes)
    for starts, _, _ in row_starts(plain_blocks(path, origin, stop), origin, stop):
        tally.add(starts[(starts >= start) & (starts < stop)])
    return [replace(cut, group=group) for group, cut in enumerate(tally.cuts())]


def join_ranges(ranges: Sequence[list[Cut]]) -> FileCount:
    """The count of a whole uncompressed JSONL file from the counts of its ranges, in order and without gaps."""
    cuts: list[Cut] = []
    for cut in (cut for part in ranges for cut in part):
        first_row = cuts[-1].first_row + cuts[-1].rows if cuts else 0
        cuts.append(replace(cut, first_row=first_row, group=len(cuts)))
    return FileCount(sum(cut.rows for cut in cuts), False, cuts)


def _count_stream(file: InputFile, split_bytes: int, allow_truncated: bool) -> FileCount:
    """Counts a compressed JSONL file; its splits share a read group, as a stream is read in order."""
    tally = _Tally(split_bytes)
    unfinished = 0
    try:
        for starts, unfinished, _ in row_starts(stream_blocks(file.path, file.format), 0):  # noqa: B007
            tally.add(starts)
    except DamagedStream as error:
        tally.drop_from(unfinished)  # nobody knows how the last line goes on
        cuts = tally.cuts()
        rows = sum(cut.rows for cut in cuts)
        if not allow_truncated:
            raise InputError(
                f"{file.path}: the compressed file is cut off or corrupt after row {rows} ({error}): get a whole "
                "copy, or set rows.allow_truncated: true to use the rows before the damage"
            ) from error
        return FileCount(rows, True, [replace(cut, stop=min(cut.stop, unfinished)) for cut in cuts])
    cuts = tally.cuts()
    return FileCount(sum(cut.rows for cut in cuts), False, cuts)


@dataclass
class _Tally:
    """Counts rows by the stretch of `split_bytes` that they start in, cut after every `MOST_ROWS` rows."""

    split_bytes: int
    splits: list[tuple[int, int, int]] = field(default_factory=list)  # (stretch, byte to begin at, rows), in order
    last: int = -1  # start of the last row

    def add(self, starts: NDArray[np.int64]) -> None:
        """Adds rows by the bytes at which they start: int64, ascending, behind those that were added before."""
        if not len(starts):
            return
        self.last = int(starts[-1])
        stretches, firsts, counts = np.unique(starts // self.split_bytes, return_index=True, return_counts=True)
        for stretch, first, count in zip(stretches.tolist(), firsts.tolist(), counts.tolist(), strict=True):
            begin, rows = stretch * self.split_bytes, 0
            if self.splits and self.splits[-1][0] == stretch:
                _, begin, rows = self.splits.pop()
            while rows + count > MOST_ROWS:
                self.splits.append((stretch, begin, MOST_ROWS))
                first, count = first + MOST_ROWS - rows, count - MOST_ROWS + rows
                begin, rows = int(starts[first]), 0
            self.splits.append((stretch, begin, rows + count))

    def drop_from(self, byte: int) -> None:
        """Takes the last row back if it starts at `byte` or later."""
        if self.last >= byte:
            stretch, begin, rows = self.splits.pop()
            if rows > 1:
                self.splits.append((stretch, begin, rows - 1))

    def cuts(self) -> list[Cut]:
        """The splits that have rows, all in group 0."""
        cuts: list[Cut] = []
        first_row = 0
        for place, (stretch, begin, rows) in enumerate(self.splits):
            after = self.splits[place + 1] if place + 1 < len(self.splits) else None
            stop = after[1] if after and after[0] == stretch else (stretch + 1) * self.split_bytes
            cuts.append(Cut(first_row, rows, begin, stop, 0))
            first_row += rows
        return cuts


def row_starts(
    blocks: Iterable[bytes], origin: int, stop: int | None = None
) -> Iterator[tuple[NDArray[np.int64], int, NDArray[np.int64]]]:
    """Finds the lines that hold more than white space.

    Args:
        blocks: the file from byte `origin` on; if that is not 0, what comes before the first newline is left out.
        origin: see above.
        stop: no more blocks are taken once all rows that start before this byte are found.

    Yields:
        For each block: the bytes at which rows start that were found in it (int64, ascending, each row once), the
        byte at which the line starts that the block ends in, and the bytes at which newlines are in it (int64).
    """
    at = origin
    unfinished = origin
    blank = origin == 0  # the unfinished line may still turn out blank; else it is known for a row, or left out
    for block in blocks:
        data = np.frombuffer(block, np.uint8)
        ends = np.flatnonzero(data == _NEWLINE)
        found = []
        if blank:
            head = block[: ends[0]] if len(ends) else block
            if head and not head.isspace():
                found.append(np.array([unfinished]))
                blank = False
        if len(ends):
            starts = ends + 1
            rows, blank = _whole_and_last(block, data, starts)
            found.append(rows + at)
            unfinished = at + int(starts[-1])
        newlines = ends + at
        at += len(block)
        yield np.concatenate(found).astype(np.int64) if found else _NO_STARTS, unfinished, newlines
        if stop is not None and at >= stop and not (blank and unfinished < stop):
            return


def _whole_and_last(block: bytes, data: NDArray[np.uint8], starts: NDArray[np.int64]) -> tuple[NDArray[np.int64], bool]:
    """Those of a block's line starts at which a row starts, and whether the last line is blank so far."""
    last = int(starts[-1])
    inside = starts if last < len(data) else starts[:-1]
    first = data[inside]
    is_row = ~_IS_SPACE[first]
    for i in np.flatnonzero(_IS_SPACE[first] & (first != _NEWLINE)).tolist():  # rare: lines that begin with a space
        stop = starts[i + 1] if i + 1 < len(starts) else len(data)
        is_row[i] = not block[starts[i] : stop].isspace()
    return inside[is_row], bool(last == len(data) or not is_row[-1])
