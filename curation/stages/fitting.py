"""Fitting the centroids: what the stage `centroids` does, with the libraries that take seconds to import.

Actors hold the rows (`gang`, or `cuml_gang` where cuML is used); the loop runs here. The state is committed as it goes
(`fits`), so a killed run goes on from the last saved iteration.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curation.clustering.cuml_engine import CumlRank
from curation.clustering.segments import fit_in_segments
from curation.clustering.stability import agreement
from curation.clustering.torch_engine import FitState, fit
from curation.clustering.update import inertia, mean_similarity
from curation.config import Job
from curation.counter_rng import nth_seed
from curation.errors import RunError
from curation.stages.centroids import fit_share, init_share
from curation.stages.context import Result, Run
from curation.stages.cuml_gang import CumlGang
from curation.stages.engine import Engine, choose
from curation.stages.fits import fit_restarts
from curation.stages.gang import Gang
from curation.storage.store import Store


def fit_centroids(run: Run, rank_class: Any = CumlRank) -> Result:
    """The work of the stage. `rank_class`: what a rank of the cuML engine runs, see `CumlGang`."""
    documents = counted_documents(run.store)
    share, engine = fit_share(run.job, documents), choose(run.job)
    run.reporter.event("engine", stage="centroids", engine=engine.name, reason=engine.reason)
    with run.reporter.stage("centroids", 0) as progress:
        gang, loop = open_gang(run, engine, share, rank_class)
        try:
            sample = init_sample(gang, run.job, documents * share)
            rows, restarts = gang.rows, run.job.clustering.restarts

            def tell(number: int, now: FitState) -> None:
                value = now.history[-1].objective
                figures = f"inertia {inertia(value, rows):.6g}, mean similarity {mean_similarity(value, rows):.4f}"
                which = f"restart {number + 1} of {restarts}, " if restarts > 1 else ""
                progress.advance(text=f"{which}iteration {now.iteration}, {figures}")

            fits = fit_restarts(run.store, run.job, sample, gang.step, gang.worst, tell, loop)
        finally:
            gang.stop()
        progress.advance(text="stability")
        stats = fits.figures(rows) | {"engine": engine.name} | stability(sample, run.job)
    if run.job.clustering.engine == "auto":
        stats["engine_reason"] = engine.reason
    if len(fits.best.centroids) < run.job.clustering.fine:
        wanted = run.job.clustering.fine
        text = f"{len(fits.best.centroids)} clusters instead of {wanted}: there are no more different vectors"
        run.reporter.event("note", stage="centroids", text=text)
    return Result([fits.part], stats)


def open_gang(
    run: Run, engine: Engine, share: float, rank_class: Any
) -> tuple[Gang | CumlGang, Callable[..., FitState]]:
    """The actors of an engine, and its loop, which is called as `torch_engine.fit`."""
    if engine.name == "torch":
        return Gang(run, share), fit
    gang = CumlGang(run, share, rank_class)
    return gang, partial(fit_in_segments, gang.advance)


def counted_documents(store: Store) -> int:
    """Documents with an embedding that no earlier one has."""
    documents, repeats = store.marker("embeddings"), store.marker("repeats")
    if documents is None or repeats is None or not documents.stats.get("documents"):
        raise RunError("there is no document to cluster: none has an embedding")
    return int(documents.stats["documents"] - repeats.stats["repeats"])


def init_sample(gang: Gang | CumlGang, job: Job, rows: float) -> NDArray[np.float16]:
    """The rows that the first centroids are drawn from, float16[m, d], a sample of those to fit on, by doc_id."""
    share = init_share(job.clustering.fine, rows)
    found = gang.ask(lambda actor: actor.sample.remote(share))
    ids = np.concatenate([ids for ids, _ in found])
    vectors: NDArray[np.float16] = np.concatenate([vectors for _, vectors in found])
    return vectors[np.argsort(ids)]


def stability(sample: NDArray[np.float16], job: Job) -> dict[str, Any]:
    """How alike two clusterings of a sample are whose seeds differ; nothing where there is too little to say."""
    found = agreement(sample, job.clustering.fine, nth_seed(job.seed, 1), nth_seed(job.seed, 2))
    if found is None:
        return {}
    return {"stability": found.index, "stability_rows": found.rows, "stability_clusters": found.clusters}
