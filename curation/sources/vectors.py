"""Columns of vectors that the sources bring along: their Arrow types, and their values as lists of float32.

Nothing is judged here but what kind of value it is: a row whose value is no list of numbers is null, a missing
number NaN or null, one too large for float32 infinite. Whoever asks for the vectors (the stage that embeds) knows
which rows count and how long a vector must be, and stops at the first that can't serve.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

#: The type of a column of vectors in the table of `Rows`.
VECTORS = pa.list_(pa.float32())


def holds_vectors(type_: Any) -> bool:
    """Whether a plain type is one of lists of floating-point numbers, of any kind and width."""
    listed = pt.is_list(type_) or pt.is_large_list(type_) or pt.is_fixed_size_list(type_)
    return bool(listed and pt.is_floating(type_.value_type))


def vectors_of_lists(array: Any) -> Any:
    """A column of a type that `holds_vectors` as `VECTORS`."""
    lengths = pc.fill_null(pc.list_value_length(array), 0).to_numpy(zero_copy_only=False)
    values = array.flatten().cast(pa.float32(), safe=False)  # without the values under null lists
    return _lists(lengths, values, array.is_null())


def vectors_of_values(values: list[Any]) -> Any:
    """Values as JSON has them, as `VECTORS`; null for what is no list of numbers."""
    lists = [np.array(value, np.float64) if _is_vector(value) else None for value in values]
    lengths = np.array([0 if one is None else len(one) for one in lists], np.int64)
    with np.errstate(over="ignore"):
        flat = np.concatenate([np.empty(0), *(one for one in lists if one is not None)]).astype(np.float32)
    return _lists(lengths, pa.array(flat), pa.array([one is None for one in lists], pa.bool_()))


def _is_vector(value: Any) -> bool:
    return type(value) is list and all(type(number) in (float, int) for number in value)


def _lists(lengths: Any, values: Any, missing: Any) -> Any:
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), values, mask=missing)
