"""What becomes of the centroids of a fit before documents are assigned: resampled, then merged, as the job asks.

Each stratum by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curation.clustering.merging import merged
from curation.clustering.strata import Centroids, Sample, parts_of, stratum_of_each

#: How many rows are nearest to each of some centroids: int64[K].
Sizes = Callable[[Centroids], NDArray[np.int64]]

#: Other centroids for rows float16[n, d] that have some, float32[K, d].
Again = Callable[[NDArray[np.float16], NDArray[np.float32]], NDArray[np.float32]]


def refined(
    found: Centroids, sample: Sample, again: Again | None, merge_above: float | None, sizes: Sizes
) -> tuple[Centroids, dict[str, Any]]:
    """The centroids that documents are assigned to, and what was done.

    Args:
        found: of the fit.
        sample: rows for the resampling.
        again: makes the clusters even in meaning, see `hierarchical` and `spectral`; None: they stay.
        merge_above: see `merging`; None: nothing is merged.
        sizes: counts the rows of each cluster; asked only where clusters are merged.

    Returns:
        Centroids; and `resampled`, `merged`: how many clusters there were after each of the two.
    """
    told: dict[str, Any] = {}
    if again is not None:
        make, first = again, found
        found = _each(first, lambda number, part: make(sample.of(number), first.centroids[part]))
        told["resampled"] = len(found.centroids)
    if merge_above is not None:
        above, before, counts = merge_above, found, sizes(found)
        found = _each(before, lambda _, part: merged(before.centroids[part], counts[part], above))
        told["merged"] = len(found.centroids)
    return found, told


def _each(found: Centroids, change: Callable[[int, slice], NDArray[np.float32]]) -> Centroids:
    """The centroids with those of each stratum changed."""
    changed = [np.zeros((0, found.centroids.shape[1]), np.float32)] * (int(found.stratum[-1]) + 1)
    for number, part in parts_of(found.stratum):
        changed[number] = change(number, part)
    return Centroids(np.concatenate(changed), stratum_of_each([len(one) for one in changed]))
