"""Euclidean Lloyd in NumPy as cuML does it: plain means, an empty cluster keeps its centre, cuML's rule to stop."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from curation.clustering.segments import Advance


def alone(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The sum over all ranks when there is one."""
    return values


def lloyd(
    rows: NDArray[np.float32],
    centroids: NDArray[np.float32],
    iterations: int,
    tolerance: float,
    all_reduce: Callable[[NDArray[np.float64]], NDArray[np.float64]] = alone,
) -> Advance:
    """Up to so many iterations; sums, counts and cost go through `all_reduce`, float64[K, d + 2]."""
    wide, means, before = rows.astype(np.float64), centroids.astype(np.float64), np.inf
    clusters, dimensions = means.shape
    done = 0
    while done < iterations:
        distance = (means**2).sum(1) - 2 * wide @ means.T
        labels = distance.argmin(1)
        cost = np.zeros(clusters)
        cost[0] = (distance[np.arange(len(wide)), labels] + (wide**2).sum(1)).sum()
        sums = np.zeros((clusters, dimensions))
        np.add.at(sums, labels, wide)
        packed = all_reduce(np.column_stack([sums, np.bincount(labels, minlength=clusters), cost]))
        counts, moved = packed[:, dimensions, None], means.copy()
        np.divide(packed[:, :dimensions], counts, out=moved, where=counts > 0)
        shift, means, done = ((moved - means) ** 2).sum(), moved, done + 1
        total = packed[:, dimensions + 1].sum()
        if total > (1 - tolerance) * before or shift < tolerance:
            break
        before = total
    return Advance(means, done)
