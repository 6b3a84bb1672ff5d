"""Values of any Arrow type as text and as JSON, for the formats that have no types of their own.

A kept column may be of any type that a Parquet file has, and a shard is written at the end of a long run: whatever
the values are, null and NaN and years beyond 9999 among them, there is something to write for each, and which form
it takes follows from the type alone, so that all shards agree.

| Arrow type | JSON |
|---|---|
| bool, integers | as they are |
| floats | digits that give the same value, the shortest unless nested; NaN and the infinities are null |
| strings | as they are; bytes of nested ones that are no UTF-8 become U+FFFD |
| decimals | a string with all digits |
| dates, times, timestamps | an ISO 8601 string; timestamps with a zone in UTC, with a `Z` |
| durations | the number of their units |
| binary | a Base64 string |
| lists | arrays |
| structs | objects |
| maps | arrays of [key, value], since keys may be anything |
| anything else | the string that Python gives |
"""

from __future__ import annotations

import base64
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt
from numpy.typing import NDArray

#: Bytes of strings that are gathered and written at once: few enough to stay near a core's own cache, and enough to
#: share the fixed cost of some fifty calls of Arrow.
CHUNK_BYTES = 1 << 21
#: What a row counts beside its strings.
_ROW_BYTES = 64


def is_bytes(type_: Any) -> bool:
    """Whether a type is one of binary values."""
    binary = pt.is_binary(type_) or pt.is_large_binary(type_) or pt.is_fixed_size_binary(type_)
    return bool(binary or pt.is_binary_view(type_))


def is_string(type_: Any) -> bool:
    """Whether a type is one of strings."""
    return bool(pt.is_string(type_) or pt.is_large_string(type_) or pt.is_string_view(type_))


def is_nested(type_: Any) -> bool:
    """Whether a type is a struct, a map or a list of any kind."""
    return bool(pt.is_struct(type_) or pt.is_map(type_) or _is_list(type_))


def _is_list(type_: Any) -> bool:
    plain = pt.is_list(type_) or pt.is_large_list(type_) or pt.is_fixed_size_list(type_)
    return bool(plain or pt.is_list_view(type_) or pt.is_large_list_view(type_))


def is_number(type_: Any) -> bool:
    """Whether values of a type stand in JSON without quotes, though they are not nested."""
    numeric = pt.is_integer(type_) or pt.is_floating(type_) or pt.is_duration(type_)
    return bool(numeric or pt.is_boolean(type_) or pt.is_null(type_))


def texts(array: Any) -> pa.Array:
    """An array of strings, binary, decimals, dates, times or timestamps as large_string; nulls stay null."""
    type_ = array.type
    if is_string(type_):
        return array.cast(pa.large_string())
    if pt.is_timestamp(type_):
        universal = array.cast(pa.timestamp(type_.unit, "UTC")) if type_.tz else array
        return pc.replace_substring_regex(universal.cast(pa.large_string()), r"^(-?\d+-\d\d-\d\d) ", r"\1T")
    if pt.is_date(type_) or pt.is_time(type_) or pt.is_decimal(type_):
        return array.cast(pa.string()).cast(pa.large_string())
    convert: Callable[[Any], str] = (lambda value: base64.b64encode(value).decode()) if is_bytes(type_) else str
    return pa.array([None if value is None else convert(value) for value in array.to_pylist()], pa.large_string())


def json_values(array: Any, dumps: Callable[[Any], str | bytes]) -> pa.Array:
    """The JSON of an array of numbers or of nested values, as a large_string without nulls.

    Args:
        array: of a type that `is_number` or `is_nested`.
        dumps: writes a nested value as JSON.
    """
    type_ = array.type
    if is_nested(type_):
        return pa.array([dumps(value) for value in python_values(array)], pa.large_binary()).cast(pa.large_string())
    if pt.is_floating(type_):
        written = _float_digits(array)
    else:
        written = (array.cast(pa.int64()) if pt.is_duration(type_) else array).cast(pa.large_string())
    return pc.fill_null(written, "null")


def python_values(array: Any) -> list[Any]:
    """The values of an array of any type as JSON has them: None, bool, int, float, str, list and dict."""
    type_ = array.type
    if isinstance(type_, pa.BaseExtensionType):
        return python_values(array.storage)
    if pt.is_dictionary(type_):
        return python_values(array.dictionary_decode())
    if pt.is_struct(type_):
        return _objects(array)
    if is_nested(type_):
        return _lists(array)
    if is_string(type_):
        return _strings(array)
    if pt.is_floating(type_):
        return list(pc.if_else(pc.is_finite(array), array, None).to_pylist())
    if is_number(type_):
        return list((array.cast(pa.int64()) if pt.is_duration(type_) else array).to_pylist())
    return list(texts(array).to_pylist())


def _objects(array: Any) -> list[Any]:
    """Values of a struct array; `flatten` keeps to the slice of it that `array` is."""
    names = [field.name for field in array.type]
    rows = zip(*[python_values(child) for child in array.flatten()], strict=True)
    valid = array.is_valid().to_pylist()
    return [dict(zip(names, row, strict=True)) if there else None for row, there in zip(rows, valid, strict=True)]


def _lists(array: Any) -> list[Any]:
    """Values of an array of lists of any kind, or of maps."""
    if not (pt.is_map(array.type) or pt.is_list(array.type) or pt.is_large_list(array.type)):
        array = array.cast(pa.large_list(array.type.value_type))
    offsets, valid = array.offsets.to_pylist(), array.is_valid().to_pylist()
    first, count = offsets[0], offsets[-1] - offsets[0]
    inner = [array.keys, array.items] if pt.is_map(array.type) else [array.values]
    found = [python_values(child.slice(first, count)) for child in inner]
    values = found[0] if len(found) == 1 else [list(pair) for pair in zip(*found, strict=True)]
    ends = zip(offsets, offsets[1:], valid, strict=False)
    return [values[low - first : high - first] if there else None for low, high, there in ends]


def _strings(array: Any) -> list[Any]:
    try:
        return list(array.to_pylist())
    except UnicodeDecodeError:  # nested strings are carried unread
        values = array.cast(pa.large_binary()).to_pylist()
        return [None if value is None else value.decode("utf-8", "replace") for value in values]


def _float_digits(array: Any) -> Any:
    """Shortest digits of floats, null where they are not finite; whole numbers get the `.0` that says float."""
    digits = pc.if_else(pc.is_finite(array), array.cast(pa.large_string()), None)
    point, nothing = pa.scalar(".0", pa.large_string()), pa.scalar("", pa.large_string())
    whole = pc.match_substring_regex(digits, r"^-?\d+$")
    return pc.if_else(whole, pc.binary_join_element_wise(digits, point, nothing), digits)


def one_array(column: Any) -> pa.Array:
    """A column of a table as one array, copied only where it is in several chunks (`combine_chunks` always copies)."""
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def gathering(rows: pa.Table, order: NDArray[np.int64]) -> list[tuple[int, int]]:
    """First and last-plus-one place in `order` of the stretches that are gathered at once, of bounded size."""
    sizes = np.full(rows.num_rows, _ROW_BYTES, np.int64)
    for name in rows.column_names:
        if is_string(rows.schema.field(name).type) or is_bytes(rows.schema.field(name).type):
            sizes += pc.fill_null(pc.binary_length(rows[name]), 0).to_numpy()
    ends = np.cumsum(sizes[order])
    starts = np.flatnonzero(np.diff((ends - sizes[order]) // CHUNK_BYTES, prepend=-1)).tolist()
    return list(itertools.pairwise([*starts, len(order)]))
