"""Clusters whose centroids are nearly the same are made one.

With many clusters some centroids share one theme, which an even mixture would then draw twice. Those closer than a
threshold are merged, as CLIMB does with its thousand clusters (Diao et al. 2025, arXiv 2504.13161). By
complete linkage: of the clusters that become one each is that similar to each other, where single linkage would chain
the unlike together.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def merged(centroids: NDArray[np.float32], sizes: NDArray[np.int64], above: float) -> NDArray[np.float32]:
    """The centroids after merging.

    Args:
        centroids: float32[K, d] unit vectors.
        sizes: int64[K], the rows of each cluster.
        above: cosine similarity that all centroids which are merged have to one another, at least.

    Returns:
        float32[K', d] unit vectors in the order of the first cluster in each; of several that are merged the mean by
        their sizes, brought to unit length.
    """
    if len(centroids) < 2:
        return centroids
    import scipy.cluster.hierarchy

    wide = centroids.astype(np.float64)
    # Squared distances of unit vectors are twice the cosine distances. Merging the squares or the distances is the same
    # to complete linkage, which only compares them.
    merges = scipy.cluster.hierarchy.linkage(wide, method="complete")
    found = scipy.cluster.hierarchy.fcluster(merges, np.sqrt(2.0 * (1.0 - above)), criterion="distance")
    _, first, group = np.unique(found, return_index=True, return_inverse=True)
    if len(first) == len(centroids):
        return centroids
    weight = np.where(np.bincount(group, sizes)[group] > 0, sizes, 1)  # of a group without rows all count the same
    sums = np.zeros((len(first), wide.shape[1]))
    np.add.at(sums, group, wide * weight[:, None])
    lengths = np.linalg.norm(sums, axis=1, keepdims=True)
    means = np.where(lengths > 0, sums / np.where(lengths > 0, lengths, 1.0), wide[first])
    alone = np.bincount(group) == 1
    result = np.where(alone[:, None], wide[first], means).astype(np.float32)
    return np.asarray(result[np.argsort(first)], np.float32)
