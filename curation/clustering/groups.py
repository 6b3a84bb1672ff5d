"""Groups of clusters, for people to read and for the sampler to balance.

Many clusters divide a corpus finely, and nobody reads 2,000 of them. Their centroids are merged by Ward linkage
(Ward 1963, Hierarchical grouping to optimize an objective function, Journal of the American Statistical Association
58): the two groups whose union adds least to the sum of squared distances to the groups' means, again and again. On
unit vectors that distance is twice the cosine distance. Every cluster counts as one point, whatever its size, as it
does when the sampler evens them out. Several levels are cuts through one such tree, so each lies inside the next.

Cost: K^2 / 2 distances of 8 bytes and some K^2 steps: 2,000 clusters take half a second.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def group_clusters(centroids: NDArray[np.float32], levels: Sequence[int]) -> NDArray[np.int32]:
    """Which group each cluster belongs to, at each level.

    Args:
        centroids: float32[K, d] unit vectors.
        levels: how many groups to make at each of L levels, falling.

    Returns:
        int32[K, L], the level of the fewest groups first. At a level of G groups the numbers are 0 to min(K, G) - 1,
        every one used; groups are numbered by their first cluster.
    """
    count = len(centroids)
    merges = _merges(centroids) if count > min(levels) else np.zeros((0, 2), np.int64)
    # Row i of the linkage joins two nodes into node K + i. Each group is named by the lowest cluster in it.
    first = list(range(count))
    root, cuts, done = np.arange(count), [], 0
    for groups in levels:
        stop = max(done, count - groups)
        for left, right in merges[done:stop].tolist():
            low, high = sorted((first[left], first[right]))
            root[root == high] = low
            first.append(low)
        done = stop
        cuts.append(np.unique(root, return_inverse=True)[1])
    return np.stack(cuts[::-1], axis=1).astype(np.int32)


def _merges(centroids: NDArray[np.float32]) -> NDArray[np.int64]:
    """The two nodes that each step of the linkage joins, int64[K - 1, 2]."""
    import scipy.cluster.hierarchy

    linkage = scipy.cluster.hierarchy.linkage(centroids.astype(np.float64), method="ward")
    return np.asarray(linkage[:, :2], np.int64)
