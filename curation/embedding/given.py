"""Vectors that were made elsewhere: checked, and brought to the form that encoders give.

A vector that can't serve is an error and never passed over: K-Means on a zero or on NaN would say nothing of it, and a
document without a cluster can't be drawn.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from curation.embedding.encoder import EncoderSpec, NonFiniteVector, normalised
from curation.errors import InputError


class UnusableVector(InputError):  # noqa: N818
    """A given vector that can't serve: `row` is its index in the column, `reason` what is wrong with it."""

    def __init__(self, row: int, reason: str) -> None:
        super().__init__(f"vector {row}: {reason}")
        self.row, self.reason = row, reason


def unit_vectors(column: Any, dimensions: int) -> NDArray[np.float16]:
    """A column of vectors as an encoder would give them.

    Args:
        column: Arrow array of list<float32>.
        dimensions: the length that all must have.

    Returns:
        float16[n, dimensions], each of length 1 before it was rounded.

    Raises:
        UnusableVector: one is missing, of another length, zero, or not finite; the first of the first kind found.
    """
    lengths = pc.fill_null(pc.list_value_length(column), -1).to_numpy(zero_copy_only=False)
    wrong = np.flatnonzero(lengths != dimensions)
    if len(wrong):
        row, length = int(wrong[0]), int(lengths[wrong[0]])
        raise UnusableVector(
            row, "it is missing, or no list of numbers" if length < 0 else f"it has {length} numbers, not {dimensions}"
        )
    values = column.flatten().to_numpy(zero_copy_only=False).astype(np.float32, copy=False)
    try:
        return normalised(values.reshape(-1, dimensions))
    except NonFiniteVector as error:
        raise UnusableVector(error.row, "it is zero, infinite or not a number") from error


def given_spec(dimensions: int) -> EncoderSpec:
    """The record of vectors that no encoder of this run made."""
    return EncoderSpec(
        kind="given",
        name="given vectors",
        origin="sources",
        location="",
        weights_sha256="",
        dimensions=dimensions,
        max_tokens=0,
        precision="float16",
    )
