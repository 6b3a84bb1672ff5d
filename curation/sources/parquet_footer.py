"""What the footer of a Parquet file tells: whether its columns can serve, how many rows it has, where to cut it.

No data is read. Sizes are the uncompressed bytes of the text column's pages. A split is a run of whole row groups;
a row group of more than twice a split's size, or of more than `MOST_ROWS` rows, is cut into ranges of rows that share
a read group, as the pages of a row group can only be read in order.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.types as pt

from curation.config import Source
from curation.errors import InputError, JobError
from curation.sources.blocks import unreadable
from curation.sources.columns import becomes_text, plain_type
from curation.sources.find import open_input
from curation.sources.rows import MOST_ROWS
from curation.sources.vectors import holds_vectors

#: Bytes of a column chunk a request to the storage.
_BUFFER = 8 << 20
#: Rows of a row group; a footer that tells of more lies.
_MOST_GROUP_ROWS = 1 << 31
#: Splits of a row group, whatever size the footer gives it.
_MOST_PIECES = 1 << 16


@dataclass(frozen=True)
class Cut:
    """A split of one file: `rows` rows from `first_row` on. `start`, `stop` and `group` as in `tables.SPLITS`, with
    groups counted from 0 in the file.
    """

    first_row: int
    rows: int
    start: int
    stop: int
    group: int


@contextmanager
def open_parquet(path: str, metadata: Any = None, dictionaries: Sequence[str] = ()) -> Iterator[Any]:
    """A `pyarrow.parquet.ParquetFile` that reads pages one by one.

    Args:
        path: the file.
        metadata: its footer, if that is known already.
        dictionaries: columns of strings to be read as dictionary arrays.

    Raises:
        InputError: the file can't be read, or is no Parquet file.
    """
    filesystem, inner = open_input(path)
    try:
        file = filesystem.open_input_file(inner)
    except OSError as error:
        raise unreadable(path, error) from error
    with file:
        try:
            parquet = pq.ParquetFile(
                file,
                metadata=metadata,
                read_dictionary=list(dictionaries),
                buffer_size=_BUFFER,
                pre_buffer=False,
                page_checksum_verification=True,
            )
        except (pa.ArrowException, OSError, ValueError) as error:
            raise _corrupt(path, str(error).partition("\n")[0]) from error
        try:
            yield parquet
        except UnicodeDecodeError as error:  # names in the footer are decoded when they are looked at
            raise _corrupt(path, "a name in its footer is not in UTF-8") from error


def _corrupt(path: str, why: str) -> InputError:
    return InputError(f"{path}: not a Parquet file, or cut off or corrupt ({why}): get a whole copy")


def check_footer(path: str, metadata: Any) -> None:
    """Raises InputError where the numbers of a footer can't be true."""
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    rows = [group.num_rows for group in groups]
    if any(not 0 <= count <= _MOST_GROUP_ROWS for count in rows) or sum(rows) != metadata.num_rows:
        raise _corrupt(path, f"its footer tells of {metadata.num_rows} rows, and of {rows[:3]} in its row groups")


def check_columns(path: str, schema: Any, source: Source, index: int, numbers: Mapping[str, str]) -> None:
    """Raises JobError if a column that the job needs is missing, or has a type that can't serve.

    Args:
        path: the file, for messages.
        schema: its Arrow schema.
        source: names the columns.
        index: the source's place in the job file, for messages.
        numbers: columns that must hold numbers, each with the key of the job file that names it.
    """
    text = _type_of(path, schema, source.text_column, f"sources.{index}.text_column")
    if not _holds_text(text):
        raise JobError(
            f"sources.{index}.text_column: {source.text_column!r} in {path} is of type {text}: name a column of strings"
        )
    if source.id_column is not None:
        key = f"sources.{index}.id_column"
        type_ = _type_of(path, schema, source.id_column, key)
        if not becomes_text(type_):
            raise JobError(f"{key}: {source.id_column!r} in {path} is of type {type_}, which can't become a string")
    if source.vector_column is not None:
        key = f"sources.{index}.vector_column"
        type_ = _type_of(path, schema, source.vector_column, key)
        if not holds_vectors(type_):
            raise JobError(
                f"{key}: {source.vector_column!r} in {path} is of type {type_}: name a column of lists of floats"
            )
    for column in source.keep_columns:
        _type_of(path, schema, column, f"sources.{index}.keep_columns")
    for column, key in numbers.items():
        type_ = _type_of(path, schema, column, key)
        if not (pt.is_integer(type_) or pt.is_floating(type_) or pt.is_decimal(type_) or pt.is_null(type_)):
            raise JobError(f"{key}: {column!r} in {path} is of type {type_}, which is not a number")


def row_group_cuts(metadata: Any, column: str, split_bytes: int) -> list[Cut]:
    """Cuts a file into splits of about `split_bytes` bytes of a column.

    Args:
        metadata: the file's `pyarrow.parquet.FileMetaData`.
        column: the text column.
        split_bytes: bytes of that column a split, before compression.

    Returns:
        Cuts in order, without empty ones.
    """
    cuts: list[Cut] = []
    first_row = run_start = run_bytes = run_rows = group = 0

    def end_run(stop: int) -> None:
        nonlocal run_start, run_bytes, run_rows, group
        if run_rows:
            cuts.append(Cut(first_row - run_rows, run_rows, run_start, stop, group))
            group += 1
        run_start, run_bytes, run_rows = stop, 0, 0

    for number in range(metadata.num_row_groups):
        rows = metadata.row_group(number).num_rows
        size = projected_bytes(metadata, number, [column])
        if run_bytes + size > split_bytes or run_rows + rows > MOST_ROWS:
            end_run(number)
        if (size > 2 * split_bytes and rows > 1) or rows > MOST_ROWS:
            pieces = min(rows, max(-(-size // split_bytes), -(-rows // MOST_ROWS)), _MOST_PIECES)
            bounds = [first_row + rows * piece // pieces for piece in range(pieces + 1)]
            cuts.extend(Cut(a, b - a, number, number + 1, group) for a, b in pairwise(bounds))
            group += 1
            run_start = number + 1
        else:
            run_bytes, run_rows = run_bytes + size, run_rows + rows
        first_row += rows
    end_run(metadata.num_row_groups)
    return cuts


def projected_bytes(metadata: Any, number: int, columns: list[str]) -> int:
    """Uncompressed bytes of the named columns in row group `number`."""
    group, wanted = metadata.row_group(number), set(columns)
    chunks = (group.column(i) for i in range(group.num_columns))
    return sum(chunk.total_uncompressed_size for chunk in chunks if _is_in(chunk.path_in_schema, wanted))


def _is_in(path: str, columns: set[str]) -> bool:
    """Whether the path of a leaf begins with one of the columns; their names may have dots, too."""
    parts = path.split(".")
    return any(".".join(parts[:count]) in columns for count in range(1, len(parts) + 1))


def _type_of(path: str, schema: Any, column: str, key: str) -> Any:
    """The plain type of a column. Raises JobError if there isn't exactly one."""
    found = schema.get_all_field_indices(column)
    if not found:
        near = difflib.get_close_matches(column, schema.names, n=1, cutoff=0.0)
        raise JobError(
            f"{key}: {path} has no column {column!r}" + (f"; did you mean {near[0]!r}?" if near else " and no other")
        )
    if len(found) > 1:
        raise JobError(f"{key}: {path} has {len(found)} columns of the name {column!r}")
    return plain_type(schema.field(found[0]).type)


def _holds_text(type_: Any) -> bool:
    string = pt.is_string(type_) or pt.is_large_string(type_)
    return bool(string or pt.is_binary(type_) or pt.is_large_binary(type_) or pt.is_null(type_))
