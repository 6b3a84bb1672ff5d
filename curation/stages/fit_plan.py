"""What is fitted and what becomes of it: the numbers of clusters, the first centroids, and what follows the fit.

The centroids of a run (`fitting`) and those that a sweep makes anew (`recluster`) go by the same plan.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curation.clustering.auto_count import choose_count
from curation.clustering.hierarchical import FINE_ROUNDS, resampled
from curation.clustering.refine import Again, refined
from curation.clustering.spectral import evened, neighbours
from curation.clustering.strata import (
    Sample,
    divided,
    fillable,
    first_centroids,
    in_strata,
    nearest_two_within,
    stratum_of_each,
)
from curation.clustering.torch_engine import FitState
from curation.config import Job
from curation.config.clustering import MOST_AUTO
from curation.errors import RunError
from curation.stages.centroid_file import Fitted
from curation.stages.fits import Finished

#: A step over all rows: how many are nearest to each centroid, int64[K].
Sizes = Callable[[NDArray[np.float32], NDArray[np.int16] | None], NDArray[np.int64]]

#: What is said where a share of few documents is none.
NO_ROWS = "clustering: no document was chosen to fit on; set clustering.fit_rows higher"


@dataclass(frozen=True, eq=False)
class FitPlan:
    """What is to be fitted."""

    job: Job
    sample: Sample
    clusters: NDArray[np.int64]
    """int64[S], of each stratum."""
    stratum: NDArray[np.int16] | None
    """int16[K], of each centroid; None: there are no strata."""
    told: dict[str, Any] = field(default_factory=dict)
    """Where a criterion chose the numbers: its curve, and why."""

    @property
    def total(self) -> int:
        """Clusters in all strata."""
        return int(self.clusters.sum())

    @property
    def changes(self) -> bool:
        """Whether the centroids of the fit are not yet those that documents are assigned to."""
        asked = self.job.clustering
        return self.stratum is not None or asked.grouping != "ward" or asked.merge_above is not None

    def first(self, seed: int) -> NDArray[np.float32]:
        """The first centroids of a restart, float32[K, d]."""
        return first_centroids(self.sample, self.clusters, seed).centroids

    @property
    def _again(self) -> Again | None:
        """What makes the clusters even in meaning, where the job asks for it."""
        asked, seed = self.job.clustering, self.job.seed
        if asked.grouping == "kmeans":
            return lambda rows, centroids: resampled(rows, centroids, seed, FINE_ROUNDS)
        if asked.grouping == "spectral":
            return lambda rows, centroids: evened(rows, centroids, asked.levels, seed)
        return None

    def finish(self, state: FitState, sizes: Sizes) -> Finished:
        """What documents are assigned to."""
        asked, apart = self.job.clustering, self.stratum is not None
        found, told = refined(
            in_strata(state.centroids, self.stratum),
            self.sample,
            self._again,
            asked.merge_above,
            lambda now: sizes(now.centroids, now.stratum if apart else None),
        )
        shared = None
        if asked.grouping == "spectral":
            labels, _, _ = nearest_two_within(self.sample.rows, self.sample.stratum, found)
            shared = neighbours(self.sample.rows, found.centroids, labels)
        return Finished(Fitted(found.centroids, found.stratum if apart else None, shared), told)


def fit_plan(job: Job, sample: Sample, documents: NDArray[np.int64] | None) -> FitPlan:
    """The plan of a fit.

    Args:
        job: the job.
        sample: rows of every stratum.
        documents: int64[S], to fit on in each stratum; None: there are no strata.

    Raises:
        RunError: there is no row.
    """
    if not len(sample.rows):
        raise RunError(NO_ROWS)
    clusters, told = _clusters(job, sample, documents)
    stratum = None if documents is None else stratum_of_each(fillable(sample, clusters).tolist())
    return FitPlan(job, sample, clusters, stratum, told)


def _clusters(
    job: Job, sample: Sample, documents: NDArray[np.int64] | None
) -> tuple[NDArray[np.int64], dict[str, Any]]:
    """The number of clusters of each stratum; and how it was chosen, if it was."""
    asked = job.clustering
    if asked.clusters != "auto":
        return np.array([asked.fine]) if documents is None else divided(asked.fine, documents), {}
    strata = 1 if documents is None else len(documents)
    found = [choose_count(sample.of(number), MOST_AUTO, job.seed) for number in range(strata)]
    clusters = np.array([one.clusters for one in found], np.int64)
    each = f"{clusters.sum()} clusters in {strata} strata, the number in each by the same criterion"
    why = found[0].why if strata == 1 else each
    told = [{"clusters": one.clusters, "rows": one.rows, "curve": one.curve} for one in found]
    return clusters, {"auto": {"why": why, "strata": told}}
