"""Groups of clusters by who borders on whom, whatever their width: normalised cuts on the graph of clusters.

Ward and K-Means measure distance, so a wide kind of text takes many groups, and narrow ones that lie near one another
share one. What holds a kind of text together is rather that its clusters run into each other: documents of one lie
nearly as close to the next. Here an edge is how much of the documents of a cluster would as soon be in another one: a
document is shared out over its nearest centroids by the softmax of their similarities, and the shares of all documents
of a cluster, which sum to 1, are its row. So every cluster counts as one, large or small, wide or narrow. The groups
are those of Ng, Jordan, Weiss (2002, On spectral clustering): K-Means on the rows of the first eigenvectors of the
normalised graph, which cut it where least is shared.

K-Means gives its clusters to what there is most of, so the few documents of a rare kind share clusters with others, and
no cut can part them. So it is done twice (`evened`): groups of the first clusters tell how rare each row is, K-Means is
fitted anew to rows drawn by that, and the groups that count are those of the second clusters.

Which cluster is a row's own is decided exactly (`assign`), but not what it shares with others: products in float32,
eigenvectors and K-Means on these are the same bits on the same machine and libraries, for any number of workers. On
another kind of processor last bits differ, and a row whose fifth and sixth centroid are nearly tied, or a cluster on
the boundary of two groups, can fall otherwise; the second fit then starts from other rows.

Cost: some similarities of a sample, and G eigenvectors of a K x K table: 300 clusters take 0.1 s, 3,000 some 10 s.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from curation.clustering.assign import nearest
from curation.clustering.in_memory import fitted
from curation.counter_rng import uniform

#: Centroids that a document is shared out over, and the width of the softmax, in cosine.
SHARED_BY, WIDTH = 5, 0.02
#: Rows that are shared out at a time, and decimals kept, which swallow most of what last bits do.
BLOCK, DECIMALS = 4096, 6
#: Fits of K-Means on the eigenvectors, of which the best one is kept.
FITS = 3
#: How even the rows are drawn over the first groups: a group of S rows has a share like S to this power.
EXPONENT = 0.15
#: Iterations of the second fit, at most.
ITERATIONS = 25


def neighbours(
    rows: NDArray[np.float16], centroids: NDArray[np.float32], labels: NDArray[np.int32]
) -> NDArray[np.float64]:
    """How the documents of each cluster are shared out over all.

    Args:
        rows: float16[n, d] unit vectors, a sample in a fixed order.
        centroids: float32[K, d] unit vectors.
        labels: int32[n], the cluster of each row; within strata that need not be the nearest of all.

    Returns:
        float64[K, K], each row sums to 1; a cluster without rows keeps all to itself.
    """
    from threadpoolctl import threadpool_limits

    count, most = len(centroids), min(SHARED_BY, len(centroids))
    shared = np.zeros((count, count))
    with threadpool_limits(limits=1):  # a product's last bits hang on how threads divide it
        for start in range(0, len(rows), BLOCK):
            similar = rows[start : start + BLOCK].astype(np.float32) @ centroids.T
            near = np.argpartition(-similar, most - 1, axis=1)[:, :most]
            close = np.take_along_axis(similar, near, axis=1).astype(np.float64)
            weight = np.exp((close - close.max(axis=1, keepdims=True)) / WIDTH)
            weight /= weight.sum(axis=1, keepdims=True)
            flat = (labels[start : start + BLOCK, None].astype(np.int64) * count + near).ravel()
            shared += np.bincount(flat, weight.ravel(), count * count).reshape(count, count)
    totals = shared.sum(axis=1)
    shared[totals == 0, totals == 0] = 1.0
    rows_of_one: NDArray[np.float64] = np.round(shared / np.maximum(shared.sum(axis=1, keepdims=True), 1e-12), DECIMALS)
    return rows_of_one


def evened(
    rows: NDArray[np.float16], centroids: NDArray[np.float32], levels: Sequence[int], seed: int
) -> NDArray[np.float32]:
    """Centroids that are fitted to rows of all groups nearly alike, whatever the groups' sizes.

    Args:
        rows: float16[n, d] unit vectors in a fixed order.
        centroids: float32[K, d], of a fit to all rows.
        levels: of the groups, see `spectral_groups`; a row's weight is the mean over them.
        seed: of the job.

    Returns:
        float32[K', d] unit vectors, K' = K unless the rows drawn are fewer different ones.
    """
    labels = nearest(rows, centroids)
    paths = spectral_groups(neighbours(rows, centroids, labels), levels, seed)[labels]
    weight = np.zeros(len(rows))
    for level in paths.T:
        sizes = np.bincount(level).astype(np.float64)
        shares = np.where(sizes > 0, sizes, 1.0) ** (EXPONENT - 1)
        weight += (shares / (shares * sizes).sum())[level]
    upto = np.cumsum(weight)
    draws = uniform(seed, "clustering.evened", np.arange(len(rows))) * upto[-1]
    drawn = np.unique(np.minimum(np.searchsorted(upto, draws, side="right"), len(rows) - 1))
    return fitted(rows[drawn], len(centroids), seed, ITERATIONS)


def spectral_groups(shared: NDArray[np.float64], levels: Sequence[int], seed: int) -> NDArray[np.int32]:
    """Which group each cluster belongs to, at each level. The levels divide the clusters each by itself.

    Args:
        shared: float64[K, K], see `neighbours`.
        levels: how many groups to make at each of L levels, falling.
        seed: of the job.

    Returns:
        int32[K, L], the level of the fewest groups first; groups are numbered by their first cluster.
    """
    from scipy.linalg import eigh
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    count = len(shared)
    graph = shared + shared.T
    degree = np.sqrt(graph.sum(axis=1))
    found = []
    with threadpool_limits(limits=1):
        most = min(max(levels), count)
        vectors = eigh(graph / degree[:, None] / degree[None, :], subset_by_index=[count - most, count - 1])[1]
        for level, groups in enumerate(levels):
            if groups >= count:
                found.append(np.arange(count))
                continue
            rows = vectors[:, -groups:]
            unit = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
            labels = KMeans(groups, n_init=FITS, random_state=(seed + level) % 2**32).fit_predict(unit)
            _, first, place = np.unique(labels, return_index=True, return_inverse=True)
            found.append(np.argsort(np.argsort(first))[place])
    return np.stack(found[::-1], axis=1).astype(np.int32)
