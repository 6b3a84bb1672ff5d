"""Stability: would another seed have found the same clusters?

Two fits of the same rows that differ in nothing but the seed of their first centroids are compared by the adjusted
Rand index (Hubert and Arabie 1985, Comparing partitions, Journal of Classification 2): over all pairs of rows, how
often the two agree on together or apart, less what chance gives. 1: the same clusters; 0: no more alike than by
chance. Real text has no sharp borders, and 0.3 to 0.6 is common with many clusters; what it tells is whether fewer
clusters, or restarts, would give something that lasts.

It is a question to a sample: few rows, few iterations, and no more clusters than the sample can fill.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from curation.clustering.assign import nearest
from curation.clustering.in_memory import fitted

#: Fewer rows say nothing.
LEAST_ROWS = 200

#: Rows that are clustered twice: a fifth of those given, within these limits.
ROWS = (5_000, 20_000)

#: Rows a cluster, at least, and iterations of each fit, at most.
ROWS_A_CLUSTER, ITERATIONS = 20, 20


@dataclass(frozen=True)
class Agreement:
    """How alike two clusterings are."""

    index: float
    """Adjusted Rand index, at most 1."""
    rows: int
    clusters: int


def agreement(sample: NDArray[np.float16], clusters: int, seed: int, other_seed: int) -> Agreement | None:
    """The agreement of two clusterings of a sample.

    Args:
        sample: float16[m, d] unit vectors by ascending doc_id; evenly spaced ones are taken.
        clusters: K of the job; fewer are made where there would be less than 20 rows for each.
        seed: of the first fit.
        other_seed: of the second.

    Returns:
        None below 200 rows.
    """
    if len(sample) < LEAST_ROWS:
        return None
    from sklearn.metrics import adjusted_rand_score

    count = min(len(sample), ROWS[1], max(ROWS[0], len(sample) // 5))
    rows = sample[np.arange(count) * len(sample) // count]
    clusters = min(clusters, count // ROWS_A_CLUSTER)
    labels = [nearest(rows, fitted(rows, clusters, one, ITERATIONS)) for one in (seed, other_seed)]
    return Agreement(round(float(adjusted_rand_score(*labels)), 6), count, clusters)
