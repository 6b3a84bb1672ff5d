"""Clusters that are even in meaning: hierarchical K-Means with resampling (Vo et al. 2024, arXiv 2405.15613, alg. 1).

K-Means spends its centroids where the mass is: with many clusters the density of the centroids is nearly that of the
rows, so weights that are even over the clusters give the corpus back as it was. Resampling flattens that. Of each
cluster only the r rows nearest to its centroid are kept, which are as many of a rare thing as of a common one, and
K-Means is fitted to those alone, from new first centroids; then all rows are assigned anew, and so on for some rounds.
The centroids come to lie evenly over what there is, rather than over how much of it there is. The levels above are
K-Means on the centroids of the level below, with the same resampling.

r is half the mean size of a cluster, and there are ten rounds, as in the paper's own runs; but of the lowest level
only one, on a sample of about 50 rows a cluster. (The paper's largest run has none there.) More of them send most
centroids into whatever lies thinly spread, which the levels above then put right; measured, one round is worth as much
as ten under a tree of two levels.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from curation.clustering.assign import nearest, nearest_two
from curation.clustering.in_memory import fitted
from curation.counter_rng import nth_seed

#: Rounds of resampling of the groups at each level, and of the clusters themselves; iterations of each fit, at most.
ROUNDS, FINE_ROUNDS, ITERATIONS = 10, 1, 50


def resampled(
    rows: NDArray[np.float16], centroids: NDArray[np.float32], seed: int, rounds: int = ROUNDS
) -> NDArray[np.float32]:
    """Centroids after rounds of resampling.

    Args:
        rows: float16[n, d] unit vectors in a fixed order.
        centroids: float32[K, d], to begin with.
        seed: of the first centroids of each round.
        rounds: how many.

    Returns:
        float32[K', d] unit vectors, K' = K unless the rows kept are fewer different ones. The centroids given where
        there are less than 4 rows a cluster, so that half of one is no choice.
    """
    members = len(rows) // (2 * len(centroids))
    if members < 2:
        return centroids
    for number in range(rounds):
        labels, similarity, _ = nearest_two(rows, centroids)
        kept = nearest_members(labels, similarity, members)
        centroids = fitted(rows[kept], len(centroids), nth_seed(seed, number), ITERATIONS)
    return centroids


def nearest_members(labels: NDArray[np.int32], similarity: NDArray[np.float32], members: int) -> NDArray[np.int64]:
    """The places of the rows of each cluster that are most similar to its centroid, ascending; of equals the first.

    Args:
        labels: int32[n], the cluster of each row.
        similarity: float32[n], to its centroid.
        members: most rows of a cluster.
    """
    order = np.lexsort((np.arange(len(labels)), -similarity, labels))
    ordered = labels[order]
    rank = np.arange(len(order)) - np.searchsorted(ordered, ordered)
    return np.sort(order[rank < members])


def kmeans_groups(centroids: NDArray[np.float32], levels: Sequence[int], seed: int) -> NDArray[np.int32]:
    """Which group each cluster belongs to, at each level: as `groups.group_clusters`, by K-Means from level to level.

    Args:
        centroids: float32[K, d] unit vectors.
        levels: how many groups to make at each of L levels, falling.
        seed: of the job.

    Returns:
        int32[K, L], the level of the fewest groups first; groups are numbered by their first cluster.
    """
    rows, group = centroids.astype(np.float16), np.arange(len(centroids))
    found = []
    for level, count in enumerate(levels):
        if count < len(rows):
            own = nth_seed(seed, level)
            above = resampled(rows, fitted(rows, count, own, ITERATIONS), own)
            labels = nearest(rows, above)
            used, first, place = np.unique(labels, return_index=True, return_inverse=True)
            order = np.argsort(first)
            group = np.argsort(order)[place][group]
            rows = above[used[order]].astype(np.float16)
        found.append(group)
    return np.stack(found[::-1], axis=1).astype(np.int32)
