"""The columns that are carried from the sources into the shards, and their Arrow types.

The encoding of a column is dropped and its type kept: a dictionary becomes its values, a view becomes what it
views. Sources and files differ, a shard has one schema: where the types of a kept column disagree, or a JSONL
source carries it, the column is a string in all shards. Nothing here rejects a row: bytes of a string that are no
UTF-8 are replaced by U+FFFD, so that which rows are rejected depends on their text alone, whatever else is read.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.types as pt

from curation.config import Source
from curation.errors import JobError


def carried_schema(sources: Sequence[Source], files: Iterable[tuple[int, pa.Schema | None]]) -> dict[str, pa.DataType]:
    """The type in the shards of every column that is carried.

    Args:
        sources: the sources of the job file.
        files: (index of the source, Arrow schema of a Parquet file or None for JSONL) of every input file.

    Returns:
        `id` (a string) if any source names an id column, then the kept columns in the order of the job file.

    Raises:
        JobError: a column of nested type would have to become a string.
    """
    types: dict[str, dict[Any, int]] = {name: {} for source in sources for name in source.keep_columns}
    for index, schema in files:
        for name in sources[index].keep_columns:
            type_ = pa.string() if schema is None else plain_type(schema.field(name).type)
            if not pt.is_null(type_):  # a column of nothing but nulls goes with any type
                types[name].setdefault(type_, index)
    carried = {name: _common_type(name, found) for name, found in types.items()}
    has_id = any(source.id_column is not None for source in sources)
    return {"id": pa.string(), **carried} if has_id else carried


def conform(table: pa.Table, carried: dict[str, pa.DataType]) -> pa.Table:
    """The table with the carried columns at its end, cast to their types; null where the table has none.

    Args:
        table: with columns as `read_splits` gives them; those that are not carried stay as they are, in front.
        carried: as `carried_schema` gives it.
    """
    names = [name for name in table.column_names if name not in carried] + list(carried)
    columns = []
    for name in names:
        if name not in table.column_names:
            columns.append(pa.chunked_array([pa.nulls(table.num_rows, carried[name])]))
        elif name in carried:
            chunks = [_cast(chunk, carried[name]) for chunk in table.column(name).chunks]
            columns.append(pa.chunked_array(chunks, carried[name]))
        else:
            columns.append(table.column(name))
    return pa.table(columns, names=names)


def plain_type(type_: Any) -> Any:
    """The type of an array after `plain`."""
    if isinstance(type_, pa.UuidType):
        return pa.string()
    if isinstance(type_, pa.BaseExtensionType):
        return plain_type(type_.storage_type)
    if pt.is_dictionary(type_):
        return plain_type(type_.value_type)
    if pt.is_string_view(type_):
        return pa.string()
    return pa.binary() if pt.is_binary_view(type_) else type_


def plain(array: Any) -> Any:
    """An array without dictionary, view or extension type; a UUID is its usual string."""
    if isinstance(array.type, pa.UuidType):
        return pa.array([None if value is None else str(value) for value in array.to_pylist()], pa.string())
    if isinstance(array.type, pa.BaseExtensionType):
        return plain(array.storage)
    if pt.is_dictionary(array.type):
        return plain(array.dictionary_decode())
    return array.cast(plain_type(array.type)) if plain_type(array.type) != array.type else array


def kept(array: Any) -> Any:
    """A kept column as it is carried: plain, and its strings in valid UTF-8."""
    array = plain(array)
    is_text = pt.is_string(array.type) or pt.is_large_string(array.type)
    return valid_text(array).cast(array.type) if is_text else array


def as_string(array: Any) -> Any:
    """Any column that `becomes_text` as a string array."""
    array = plain(array)
    return (valid_text(array) if holds_bytes(array.type) else array).cast(pa.string())


def valid_text(array: Any) -> Any:
    """Strings or bytes as a valid large_string array, U+FFFD in place of what is no UTF-8."""
    raw = array.cast(pa.large_binary())
    try:
        return raw.cast(pa.large_string())  # this cast validates
    except pa.ArrowInvalid:
        values = (None if value is None else value.decode("utf-8", "replace") for value in raw.to_pylist())
        return pa.array(values, pa.large_string())


def becomes_text(type_: Any) -> bool:
    """Whether values of a type can be written as a string: all but nested ones."""
    try:
        pa.nulls(0, plain_type(type_)).cast(pa.string())
    except pa.ArrowNotImplementedError:
        return False
    return True


def _common_type(name: str, found: dict[Any, int]) -> Any:
    """The one type found for a kept column, or string. Raises JobError where a nested type can't become one."""
    if len(found) == 1:
        return next(iter(found))
    for type_, index in found.items():
        if not becomes_text(type_):
            raise JobError(
                f"sources.{index}.keep_columns: {name!r} is of type {type_} there and of another elsewhere, and a "
                "nested type can't become a string: keep it from files of one kind only"
            )
    return pa.string()


def _cast(array: Any, type_: Any) -> Any:
    if array.type == type_:
        return array
    return as_string(array) if pt.is_string(type_) else array.cast(type_)


def holds_bytes(type_: Any) -> bool:
    """Whether a plain type is one of strings or bytes."""
    binary = pt.is_binary(type_) or pt.is_large_binary(type_) or pt.is_fixed_size_binary(type_)
    return bool(binary or pt.is_string(type_) or pt.is_large_string(type_))
