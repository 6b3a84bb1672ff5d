"""What a strategy draws from a pool: clustered and planned by the functions that a run of its job uses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curation.config import Job
from curation.probe.pool import Pool
from curation.probe.strategies import Strategy
from curation.stages.centroid_file import Fitted
from curation.stages.clusters import paths_of, paths_to_even
from curation.stages.draws import draw_phases
from curation.stages.eligible import Eligible, cells_of


@dataclass(frozen=True, eq=False)
class Drawn:
    """What a strategy draws: `copies` int16[n] of each document of the pool, `order` int[draws]: which, in order."""

    copies: NDArray[np.int16]
    order: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Clustered:
    """Some documents of the pool in clusters; one where nobody asked for clusters."""

    documents: Eligible
    fitted: Fitted


def documents_of(pool: Pool, places: NDArray[np.int64]) -> Eligible:
    """Some documents of the pool as the planner has them, all in one cluster; tokens are the probe's."""
    return Eligible(
        doc_id=pool.doc_id[places],
        cell=pool.domain[places],
        tokens=pool.text.lengths[places].astype(np.int32),
        bytes=np.zeros(len(places), np.int32),
        quality=None,
        content=None,
        ends=np.array([len(places)], np.int64),
    )


def cluster(job: Job, strategy: Strategy, pool: Pool, places: NDArray[np.int64]) -> Clustered:
    """Clusters some documents of the pool as a strategy's job asks for it; one cluster where it needs none."""
    documents = documents_of(pool, places)
    if not strategy.clustered:
        return Clustered(documents, Fitted(np.zeros((1, pool.vectors.shape[1]), np.float32)))
    from curation.stages.recluster import Sample, cluster_anew

    languages = None if pool.languages is None else pool.languages.take(pa.array(places))
    return Clustered(*cluster_anew(job, Sample(documents, [pool.vectors[places]], languages), lambda _: None))


def draw(job: Job, clustered: Clustered, pool: Pool, places: NDArray[np.int64]) -> Drawn:
    """What a strategy's job draws from clustered documents, as draws of the pool's."""
    fitted = clustered.fitted
    groups = None if job.sampling.balance == "clusters" else paths_to_even(job, paths_of(job, fitted))
    cells = cells_of(job, clustered.documents, len(fitted.centroids), groups)
    phases, used = draw_phases(job, clustered.documents, cells, None)
    copies = np.zeros(len(pool.doc_id), np.int16)
    copies[places] = used
    return Drawn(copies, places[np.concatenate([phase.drawn.document for phase in phases])])
