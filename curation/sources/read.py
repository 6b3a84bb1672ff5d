"""Reads splits of an input file into Arrow tables.

A split gives a table with all of its rows, so that the row at offset i is the document `first_doc_id + i`. A row
that can't be used keeps its place: its text is null, and the reason is beside it. The two formats have a module
each; here is what they share: the file must be the one that was counted, and give as many rows as were counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from curation.errors import InputError
from curation.sources.find import check_unchanged
from curation.sources.read_jsonl import read_jsonl
from curation.sources.read_parquet import read_parquet
from curation.sources.rows import Columns, Rows, Split

__all__ = ["Columns", "Rows", "Split", "read_splits"]


def read_splits(
    path: str, format: str, splits: Sequence[Split], columns: Columns, *, etag: str, truncated: bool = False
) -> Iterator[tuple[Split, Rows]]:
    """Reads splits that share a read group of one file, opening the file once.

    Memory is about one split; what lies before the first one in a compressed stream or a row group is passed over.

    Args:
        path: the file.
        format: one of `find.FORMATS`.
        splits: in the order of the file. Some of a read group, or all.
        columns: what to read.
        etag: of the file when it was counted.
        truncated: the file is damaged and was counted up to the damage.

    Yields:
        Each split with its rows: exactly `split.rows` of them.

    Raises:
        InputError: the file changed since it was counted, is damaged or can't be read.
    """
    if not splits:
        return
    check_unchanged(path, etag)
    if format == "parquet":
        read = read_parquet(path, splits, columns)
    else:
        read = read_jsonl(path, format, splits, columns, truncated)
    for split, rows in zip(splits, read, strict=True):
        if rows.table.num_rows != split.rows:
            last = split.first_row + split.rows - 1
            raise InputError(
                f"{path}: rows {split.first_row} to {last} were counted, and {rows.table.num_rows} of them read: "
                "the file changed in between; start a new run_dir"
            )
        yield split, rows
