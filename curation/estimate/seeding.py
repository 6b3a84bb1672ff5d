"""What the driver does of a fit, on a sample: first centroids, resampling, the number of clusters, stability.

All of it is distances of rows to centroids, so it is counted in pairs of the two.
"""

from __future__ import annotations

import math

from curation.clustering import auto_count, hierarchical, stability
from curation.estimate.rates import Rates
from curation.estimate.work import Work
from curation.stages.centroids import INIT_ROWS, INIT_ROWS_A_CLUSTER


def seeding(work: Work, rates: Rates) -> float:
    """Seconds of the driver."""
    rows = min(work.fit_rows, max(INIT_ROWS, INIT_ROWS_A_CLUSTER * work.clusters))
    looked_at = work.restarts * rows * candidates(min(work.clusters, rows))
    few = min(rows, stability.ROWS[1], max(stability.ROWS[0], rows / 5))
    looked_at += 2 * _fit(few, min(work.clusters, few / stability.ROWS_A_CLUSTER), stability.ITERATIONS)
    if work.resampled:
        looked_at += hierarchical.FINE_ROUNDS * (
            rows * work.clusters + _fit(rows / 2, work.clusters, hierarchical.ITERATIONS)
        )
    if work.chosen:
        half = min(rows, auto_count.ROWS) / 2
        tried = auto_count.numbers(int(min(work.clusters, half / auto_count.ROWS_A_CLUSTER)))
        looked_at += sum(_fit(half, clusters, auto_count.ITERATIONS) for clusters in tried)
    return looked_at / rates.seeded


def _fit(rows: float, clusters: float, iterations: int) -> float:
    """Pairs of a fit in memory, with as many iterations as it may take."""
    return rows * (candidates(clusters) + iterations * clusters)


def candidates(clusters: float) -> float:
    """Vectors whose distance to all rows greedy k-means++ looks at for so many centroids."""
    return clusters * (2 + math.log(max(1.0, clusters)))
