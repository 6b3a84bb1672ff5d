"""The rows of a matrix that are nearest to a query: every row is looked at, so nothing is missed.

A float32 product of all rows finds where to look; those that it can't tell from the best are computed again in
float64. Bounds that would let whole clusters be passed over hold little at a few hundred dimensions: documents lie
60 degrees from their centroid, and so does the query, and the triangle inequality then rules nothing out.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

#: Unit roundoff of float32: a product of d terms of two unit vectors is off by d times this at most.
ROUNDOFF = 2.0**-24
#: Rows multiplied at once: their float32 copy fits into the cache of a core.
ROWS = 2048


def similarities(rows: NDArray[np.float16], query: NDArray[np.float32]) -> NDArray[np.float32]:
    """The float32 product of each row, float16[n, d], and a query, float32[d]."""
    found = np.empty(len(rows), np.float32)
    wide = np.empty((min(ROWS, len(rows)), rows.shape[1]), np.float32)
    for start in range(0, len(rows), ROWS):
        some = rows[start : start + ROWS]
        np.copyto(wide[: len(some)], some)
        np.dot(wide[: len(some)], query, out=found[start : start + len(some)])
    return found


def nearest_rows(
    rows: NDArray[np.float16], query: NDArray[np.float32], top: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The rows with the highest products with a query, equal ones by their number.

    Args:
        rows: float16[n, d], unit vectors.
        query: float32[d], a unit vector.
        top: how many, at most.

    Returns:
        int64[m] and float64[m], m = min(n, top), highest first.
    """
    found = similarities(rows, query)
    if len(found) > top:
        # Each product is off by d times the roundoff at most, so a better row may look worse by twice that; twice again
        # for rows that are a little longer than 1.
        least = np.partition(found, len(found) - top)[len(found) - top]
        chosen = np.flatnonzero(found >= least - 4 * rows.shape[1] * ROUNDOFF)
    else:
        chosen = np.arange(len(found))
    exact = np.einsum("ij,j->i", rows[chosen].astype(np.float64), query.astype(np.float64))
    best = np.lexsort((chosen, -exact))[:top]
    return chosen[best], exact[best]
