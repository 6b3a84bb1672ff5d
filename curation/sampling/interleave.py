"""The order of all draws from their keys.

Each cell's draws lie on a line between two keys, about evenly, and the output is all draws sorted by key: stride
scheduling (Waldspurger 1995). The sort is for arrays longer than any cache: first by ranges of keys (a radix sort),
then range by range.

One sort leaves a fault behind where there are thousands of cells and a few large ones. By some key, each cell has
given what it should, give or take a part of a draw, and the parts add up: the place of a key in the output is off by
some sqrt(cells / 12) draws, here 13 and at times three times that. A cell of a thousandth doesn't feel it, but one
that has a tenth of all draws is a tenth of that ahead or behind. So the draws of large cells are not put where their
keys come to lie among those of thousands of small ones, but where they would lie if the small cells were perfectly
even: behind E(key) of their draws, E the sum of straight lines. The small ones fill the places between, in order.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from curation.sampling.grouping import stable_argsort

#: Keys that are sorted together, about. (There are never more than 256 ranges, so that a byte tells them.)
RANGE = 1 << 16
#: A pass over all keys goes through blocks that stay in the cache.
PASS = 1 << 17
#: A cell is large with more than this share of all draws, and is set apart where there are so many small ones.
LARGE, MANY = 1 / 64, 64


def interleave(
    keys: NDArray[np.float64], draws: NDArray[np.int64], low: NDArray[np.float64], high: NDArray[np.float64]
) -> Iterator[tuple[slice, NDArray[np.int64]]]:
    """The order of draws that lie cell by cell.

    Args:
        keys: float64[n], finite; ascending within a cell.
        draws: int64[cells], how many of them each cell has, in order.
        low: float64[cells], the key at which a cell's line begins.
        high: float64[cells], the key at which it ends.

    Yields:
        (slice of the output, index of the draw at each place of it), in order.
    """
    large = draws > LARGE * len(keys)
    small = (draws > 0) & ~large
    if not large.any() or np.count_nonzero(small) < MANY:
        yield from order_of(keys)
        return
    is_large = np.repeat(large, draws)
    apart, rest = np.flatnonzero(is_large), np.flatnonzero(~is_large)
    apart = apart[stable_argsort(keys[apart])]
    before = _expected(keys[apart], draws[small], low[small], high[small])
    own_places = np.floor(before + 0.5).astype(np.int64) + np.arange(len(apart))
    places = np.empty(len(keys), np.int64)
    places[own_places] = apart
    is_free = np.ones(len(keys), np.bool_)
    is_free[own_places] = False
    free = np.flatnonzero(is_free)
    for part, order in order_of(keys[rest]):
        places[free[part]] = rest[order]
    yield slice(0, len(keys)), places


def _expected(
    keys: NDArray[np.float64], draws: NDArray[np.int64], low: NDArray[np.float64], high: NDArray[np.float64]
) -> NDArray[np.float64]:
    """E at each of the keys, which ascend: draws of the cells up to a key if each lay evenly on its line."""
    slope = draws / (high - low)
    points = np.concatenate([low, high])
    order = np.argsort(points, kind="stable")
    points = points[order]
    steep = np.cumsum(np.concatenate([slope, -slope])[order])
    value = np.concatenate([[0.0], np.cumsum(np.diff(points) * steep[:-1])])
    value *= draws.sum() / value[-1]  # the rounding of the sums, so that no key lies behind more than there are
    return np.maximum.accumulate(np.interp(keys, points, value))


def order_of(keys: NDArray[np.float64], threads: int = 2) -> Iterator[tuple[slice, NDArray[np.int64]]]:
    """Sorts many keys, range by range: `stable_argsort(keys)`, given in pieces so that it is never held whole twice.

    Args:
        keys: float64[n], finite.
        threads: sort so many ranges at a time. Changes nothing in the result.

    Yields:
        (slice of the result, the result there), in order.
    """
    if not len(keys):
        return
    number = min(max(len(keys) // RANGE, 1), 256)
    if number == 1:
        yield slice(0, len(keys)), stable_argsort(keys)
        return
    low, high = float(keys.min()), float(keys.max())
    scale = number / (high - low) if high > low else 0.0
    ranges = np.empty(len(keys), np.uint8)  # sorted in one pass over bytes
    sizes = np.zeros(number, np.int64)
    for start in range(0, len(keys), PASS):
        # A monotone function of the key, so ranges are in order; the last takes in the largest key.
        here = np.minimum((keys[start : start + PASS] - low) * scale, number - 1).astype(np.uint8)
        ranges[start : start + PASS] = here
        sizes += np.bincount(here, minlength=number)
    places = np.argsort(ranges, kind="stable")
    del ranges

    def sort(start: int, stop: int) -> NDArray[np.int64]:
        inside = places[start:stop]
        return inside[stable_argsort(keys.take(inside))]

    stops = np.cumsum(sizes).tolist()
    starts = [0, *stops[:-1]]
    with ThreadPoolExecutor(threads) as pool:
        for start, stop, found in zip(starts, stops, pool.map(sort, starts, stops), strict=True):
            yield slice(start, stop), found
