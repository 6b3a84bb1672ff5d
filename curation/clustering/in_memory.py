"""Spherical K-Means over rows that fit into this process: for samples, and for centroids that are grouped.

The same loop and the same exact sums as over the actors of a run (`torch_engine`), with one block of rows in their
place, so the same rows and the same seed give the same bits on any machine.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from curation.clustering.init import kmeans_plus_plus
from curation.clustering.torch_engine import RowBlock, fit


def fitted(rows: NDArray[np.float16], clusters: int, seed: int, iterations: int) -> NDArray[np.float32]:
    """The centroids of a fit from greedy k-means++.

    Args:
        rows: float16[n, d] unit vectors, n >= 1; the result depends on their order.
        clusters: K; fewer come out where there are fewer different rows.
        seed: of the first centroids.
        iterations: at most; fewer when one lowers the inertia by less than 10^-4 of it.

    Returns:
        float32[min(K, different rows), d] unit vectors.
    """
    block = RowBlock(rows, np.arange(len(rows)))
    init = kmeans_plus_plus(rows, clusters, seed)
    return fit(block.step, block.worst, init, max_iterations=iterations, tolerance=1e-4).centroids
