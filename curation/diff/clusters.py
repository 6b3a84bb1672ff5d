"""Which cluster of one run is which of the other, by their centroids."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def matched_clusters(
    a: NDArray[np.float32], b: NDArray[np.float32]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Pairs of clusters whose centroids are most alike in sum: an optimal assignment.

    Args:
        a: float32[K, d], unit centroids.
        b: float32[L, d], of the same encoder.

    Returns:
        The cluster of a, that of b and the cosine of each pair, min(K, L) each, ascending by a.
    """
    from scipy.optimize import linear_sum_assignment

    similarity = a.astype(np.float64) @ b.astype(np.float64).T
    first, second = linear_sum_assignment(similarity, maximize=True)
    return first, second, similarity[first, second]
