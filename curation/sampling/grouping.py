"""Sorting and grouping of long arrays, the same on every machine and in little memory.

NumPy's fast sorts use the vector instructions that the processor has, and leave equal keys in whatever order
these happen to produce. A run must give the same bytes everywhere, so `stable_argsort` sorts fast and then puts
equal keys, which are rare among random numbers, into the order of their indices.

`documents_by_cell` is a counting (radix) sort where the cells fit 16 bits, so its cost is linear: about 10 ns a
document. Work that follows goes through blocks of whole cells (`cell_blocks`): the temporary arrays of a block stay
in the processor's cache, and no Python is run for every single cell. `interleave` sorts all draws.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Elements a block; bounds the temporary arrays of a pass over all documents to tens of MiB.
BLOCK = 1 << 21
#: Documents a block of cells, about; cells in one, at most: what leaves `order_by` bits enough.
CELL_BLOCK, MOST_CELLS = 1 << 17, 1 << 12
#: Bits of a packed sort key that may be taken by what is not chance.
MOST_BITS = 50


def blocks(length: int) -> Iterator[slice]:
    """Slices that cover `range(length)` in order, of at most `BLOCK` elements each."""
    return (slice(start, min(start + BLOCK, length)) for start in range(0, length, BLOCK))


def index_type(length: int) -> type[np.signedinteger[Any]]:
    """The narrowest of int32 and int64 that can index an array of `length` elements."""
    return np.int32 if length <= np.iinfo(np.int32).max else np.int64


def stable_argsort(keys: NDArray[Any]) -> NDArray[np.int64]:
    """Indices that sort `keys`; equal keys keep the order of their indices.

    The same as `np.argsort(keys, kind="stable")`, several times faster where few keys are equal.

    Args:
        keys: 1-D array of numbers without NaN.

    Returns:
        int64[len(keys)].

    Example:
        >>> stable_argsort(np.array([0.5, 0.1, 0.5, 0.1])).tolist()
        [1, 3, 0, 2]
    """
    order = np.argsort(keys)
    ordered = keys[order]
    same = ordered[1:] == ordered[:-1]
    if same.any():
        tied = np.zeros(len(keys), dtype=np.bool_)
        tied[1:] = same
        tied[:-1] |= same
        # Tied positions in ascending order are whole runs of equal keys in ascending order of the key, so
        # sorting their indices by (key, index) fills every run from its own members.
        places = np.flatnonzero(tied)
        order[places] = order[places][np.lexsort((order[places], ordered[places]))]
    return order


def order_by(fields: list[NDArray[Any]], random: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Indices that sort by small whole numbers, and among equals by a random one.

    Everything is packed into 64 bits, with the index at the end, and the values are sorted: several times faster than
    sorting indices. The random number gets the bits that the others leave, mostly some 40; should two be equal, the
    lower index comes first. Where less than 14 bits would be left, indices are sorted after all.

    Args:
        fields: integers[n] each, not negative, the most important first.
        random: uint64[n].

    Returns:
        int64[n].

    Example:
        >>> order_by([np.array([1, 0, 1])], np.array([9, 9, 3], np.uint64) << np.uint64(60)).tolist()
        [1, 2, 0]
    """
    place_bits = max(len(random) - 1, 1).bit_length()
    packed = np.zeros(len(random), np.uint64)
    used = 0
    for values in fields:
        bits = int(values.max(initial=0)).bit_length()
        used += bits
        if used + place_bits > MOST_BITS:
            return np.lexsort((random, *fields[::-1]))
        if bits:
            packed |= values.astype(np.uint64) << np.uint64(64 - used)
    packed |= random >> np.uint64(used + place_bits) << np.uint64(place_bits)
    packed |= np.arange(len(random), dtype=np.uint64)
    packed.sort()
    packed &= np.uint64((1 << place_bits) - 1)
    return packed.astype(np.int64)


def documents_by_cell(cell: NDArray[Any], n_cells: int) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """The documents of each cell.

    Args:
        cell: integers[N] in [0, n_cells).
        n_cells: number of cells.

    Returns:
        `(documents, starts)`: the indices of `cell` sorted by cell, and by index within a cell (int32[N], int64
        for more than 2^31 documents); and int64[n_cells + 1], so that cell k holds
        `documents[starts[k]:starts[k + 1]]`.

    Raises:
        ValueError: a cell is out of range.
    """
    counts = np.zeros(n_cells, dtype=np.int64)
    for block in blocks(len(cell)):
        if cell[block].min() < 0 or cell[block].max() >= n_cells:
            raise ValueError(f"cells must lie in [0, {n_cells})")
        counts += np.bincount(cell[block], minlength=n_cells)
    narrow = np.uint8 if n_cells <= 256 else np.uint16 if n_cells <= 1 << 16 else np.uint32
    documents = np.argsort(cell.astype(narrow, copy=False), kind="stable")
    starts = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(counts)])
    return documents.astype(index_type(len(cell)), copy=False), starts


def cell_blocks(starts: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Ranges of consecutive cells, `low` to `high - 1`, that hold about CELL_BLOCK documents together.

    Args:
        starts: int64[n_cells + 1], as `documents_by_cell` gives it. A cell that is larger is a block of its own, and
            empty cells at either end of a block may be left out.
    """
    low, last = 0, len(starts) - 1
    while low < last and starts[low] < starts[last]:
        fits = int(np.searchsorted(starts, starts[low] + CELL_BLOCK, side="right")) - 1
        high = min(max(fits, low + 1), low + MOST_CELLS, last)
        if starts[high] > starts[low]:
            yield low, high
        low = high
