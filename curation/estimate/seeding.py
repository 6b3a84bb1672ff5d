"""What the driver does of a fit, on a sample: first centroids, other ones after it, how many clusters, stability.

Nearly all of it is distances of rows to centroids, so it is counted in pairs of the two. Spectral groups take
eigenvectors of a table of clusters besides.
"""

from __future__ import annotations

import math

from curation.clustering import auto_count, hierarchical, spectral, stability
from curation.estimate.rates import Rates
from curation.estimate.work import Work
from curation.stages.centroids import INIT_ROWS, INIT_ROWS_A_CLUSTER

#: Of n rows, n drawn with repetition are at most this share of them, on average.
DRAWN = 1 - 1 / math.e
#: Multiplications a second of one slot, of eigenvectors and K-Means; iterations of each of the fits to these.
CUT, CUT_ITERATIONS = 7e9, 10


def seeding(work: Work, rates: Rates) -> float:
    """Seconds of the driver."""
    rows = _sample_rows(work)
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
    return looked_at / rates.seeded + (_evening(work, rates) if work.cut else 0.0)


def _evening(work: Work, rates: Rates) -> float:
    """Seconds until centroids are evened over spectral groups, and their neighbours known.

    With n rows of the sample and K clusters: 3 n K pairs for the cluster of each row and for the neighbours before and
    after; the first groups (`cutting`); and a fit to at most (1 - 1/e) n rows, whose iterations are assignments.
    """
    rows = _sample_rows(work)
    drawn = DRAWN * rows
    looked_at = 3 * rows * work.clusters + drawn * candidates(min(work.clusters, drawn))
    return looked_at / rates.seeded + spectral.ITERATIONS * drawn / rates.assigned_documents + cutting(work)


def cutting(work: Work) -> float:
    """Seconds to cut K clusters into G spectral groups at all levels: K^3 for eigenvectors, K G^2 for each iteration.

    0 where there are no such groups. Measured on one thread: 0.3 s for K = 1,000 and G = 180; 4 s for 3,000 and 330.
    """
    if not work.cut:
        return 0.0
    return work.clusters * (work.clusters**2 + spectral.FITS * CUT_ITERATIONS * work.cut**2) / CUT


def _sample_rows(work: Work) -> float:
    """Rows of the sample that the driver holds."""
    return min(work.fit_rows, max(INIT_ROWS, INIT_ROWS_A_CLUSTER * work.clusters))


def _fit(rows: float, clusters: float, iterations: int) -> float:
    """Pairs of a fit in memory, with as many iterations as it may take."""
    return rows * (candidates(clusters) + iterations * clusters)


def candidates(clusters: float) -> float:
    """Vectors whose distance to all rows greedy k-means++ looks at for so many centroids."""
    return clusters * (2 + math.log(max(1.0, clusters)))
