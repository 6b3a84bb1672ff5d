"""Other clusters of documents whose vectors are stored, made in this process.

As in the stages `centroids` and `assignments`: the bits of the centroids don't depend on which actor holds a row, so
these are the clusters that a run would make.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curation.clustering import strata as clustering_strata
from curation.clustering.assign import nearest
from curation.clustering.hashes import vector_hashes
from curation.clustering.strata import StratifiedRows, divided, in_strata, nearest_two_within
from curation.clustering.torch_engine import FitState, RowBlock, best_fit, fit
from curation.config import Job
from curation.counter_rng import nth_seed
from curation.errors import JobError
from curation.sampling.cells import cell_of
from curation.stages.centroid_file import Fitted
from curation.stages.centroids import fit_share, init_share
from curation.stages.duplicates import copies_of
from curation.stages.eligible import Eligible
from curation.stages.fit_plan import fit_plan
from curation.stages.gang import is_fitted_on, is_in_init
from curation.stages.strata import Strata, counted, strata_of


@dataclass(frozen=True)
class Sample:
    """Documents, their vectors split by split, float16[n_i, d], and the language of each, if the run knows it."""

    documents: Eligible
    vectors: list[NDArray[np.float16]]
    languages: pa.Array | None = None


def cluster_anew(job: Job, sample: Sample, tell: Callable[[FitState], None]) -> tuple[Eligible, Fitted]:
    """The documents of a sample in the clusters that a run on them would make, and these.

    With one block of rows for each stratum in place of actors; `tell` hears of each iteration.

    Raises:
        JobError: documents are to be clustered by language, and the run has not found out theirs.
        RunError: so few are to be fitted on that there is none.
    """
    documents, asked = sample.documents, job.clustering
    hashes = np.concatenate([vector_hashes(part) for part in sample.vectors])
    ids = documents.doc_id.astype(np.int64)
    repeated, _ = copies_of(ids, hashes.view(np.uint64).reshape(-1, 2))
    distinct = len(ids) - len(repeated)
    share = fit_share(job, distinct)
    strata, number = _strata(job, sample, repeated)
    if strata is None:
        chosen = is_fitted_on(job.seed, ids, share, repeated)
        some = is_in_init(job.seed, ids, init_share(asked.fine, distinct * share))
    else:
        chosen = strata.is_fitted_on(job.seed, ids, number, share, repeated)
        some = is_in_init(job.seed, ids, strata.init_shares(divided(asked.fine, strata.fitted), share)[number])
    held = StratifiedRows([_block(sample, chosen & (number == one)) for one in range(number.max() + 1)])
    first = clustering_strata.Sample(_rows(sample, chosen & some), number[chosen & some])
    plan = fit_plan(job, first, strata.fitted if strata else None)
    states, each = [], plan.stratum
    step, worst = partial(held.step, stratum=each), partial(held.worst, stratum=each)
    for restart in range(asked.restarts):
        init = plan.first(nth_seed(job.seed, restart))
        most, tolerance = asked.max_iterations, asked.tolerance
        states.append(fit(step, worst, init, max_iterations=most, tolerance=tolerance, on_iteration=tell, stratum=each))
    finished = plan.finish(states[best_fit(states)], lambda now, own: held.step(now, own).counts)
    best = finished.fitted
    within = in_strata(best.centroids, best.stratum)
    parts = zip(sample.vectors, np.split(number, documents.ends[:-1]), strict=True)
    if strata is None:
        cluster = np.concatenate([nearest(part, best.centroids) for part in sample.vectors])
    else:
        cluster = np.concatenate([nearest_two_within(part, own, within)[0] for part, own in parts])
    cell = cell_of(cluster, documents.cell % len(job.domains), len(job.domains))
    return replace(documents, cell=cell), best


def _strata(job: Job, sample: Sample, repeated: NDArray[np.int64]) -> tuple[Strata | None, NDArray[np.int16]]:
    """The strata that the job asks for, if it does, and the stratum of each document, int16[n]."""
    documents, within = sample.documents, job.clustering.within
    if within == "none":
        return None, np.zeros(len(documents.doc_id), np.int16)
    values = sample.languages
    if within == "domain":
        values = pa.array(job.domains).take(pa.array(documents.cell % len(job.domains)))
    if values is None:
        raise JobError("clustering.within is language, and the run knows no languages: run the job with it first")
    strata = strata_of(job, *counted(documents.doc_id, values, repeated))
    return strata, strata.numbers(values)


def _block(sample: Sample, mine: NDArray[np.bool_]) -> RowBlock:
    """Some of the rows, as an actor would hold them."""
    masks = np.split(mine, sample.documents.ends[:-1])
    rows = [part if some.all() else part[some] for part, some in zip(sample.vectors, masks, strict=True)]
    return RowBlock(rows, sample.documents.doc_id[mine].astype(np.int64))


def _rows(sample: Sample, mine: NDArray[np.bool_]) -> NDArray[np.float16]:
    masks = np.split(mine, sample.documents.ends[:-1])
    return np.concatenate([part[some] for part, some in zip(sample.vectors, masks, strict=True)])
