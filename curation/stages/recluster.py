"""Other clusters of documents whose vectors are stored, made in this process.

As in the stages `centroids` and `assignments`: the bits of the centroids don't depend on which actor holds a row, so
these are the clusters that a run would make.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from curation.clustering.assign import nearest
from curation.clustering.hashes import vector_hashes
from curation.clustering.init import kmeans_plus_plus
from curation.clustering.torch_engine import FitState, RowBlock, best_fit, fit
from curation.config import Job
from curation.counter_rng import nth_seed
from curation.sampling.cells import cell_of
from curation.stages.centroids import fit_share, init_share
from curation.stages.duplicates import copies_of
from curation.stages.eligible import Eligible
from curation.stages.gang import is_fitted_on, is_in_init


@dataclass(frozen=True)
class Sample:
    """Documents, and their vectors split by split, float16[n_i, d]."""

    documents: Eligible
    vectors: list[NDArray[np.float16]]


def cluster_anew(job: Job, sample: Sample, tell: Callable[[FitState], None]) -> tuple[Eligible, NDArray[np.float32]]:
    """The documents of a sample in the clusters that a run on them would make, and the centroids, float32[K, d].

    With one block of rows in place of actors; `tell` hears of each iteration.
    """
    documents, asked = sample.documents, job.clustering
    hashes = np.concatenate([vector_hashes(part) for part in sample.vectors])
    repeated, _ = copies_of(documents.doc_id.astype(np.int64), hashes.view(np.uint64).reshape(-1, 2))
    distinct = len(documents.doc_id) - len(repeated)
    share = fit_share(job, distinct)
    chosen = np.split(is_fitted_on(job.seed, documents.doc_id, share, repeated), documents.ends[:-1])
    rows = [part if mine.all() else part[mine] for part, mine in zip(sample.vectors, chosen, strict=True)]
    ids = documents.doc_id[np.concatenate(chosen)].astype(np.int64)
    some = is_in_init(job.seed, ids, init_share(asked.fine, distinct * share))
    of_parts = np.split(some, np.cumsum([len(part) for part in rows])[:-1])
    first = np.concatenate([part[mine] for part, mine in zip(rows, of_parts, strict=True)])
    block, most = RowBlock(rows, ids), asked.max_iterations
    states = []
    for number in range(asked.restarts):
        init = kmeans_plus_plus(first, asked.fine, nth_seed(job.seed, number))
        step, worst, tolerance = block.step, block.worst, asked.tolerance
        states.append(fit(step, worst, init, max_iterations=most, tolerance=tolerance, on_iteration=tell))
    found = states[best_fit(states)].centroids
    cluster = np.concatenate([nearest(part, found) for part in sample.vectors])
    cell = cell_of(cluster, documents.cell % len(job.domains), len(job.domains))
    return replace(documents, cell=cell), found
