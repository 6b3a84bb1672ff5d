"""Fitting the centroids: what the stage `centroids` does, with the libraries that take seconds to import.

Actors hold the rows (`gang`, or `cuml_gang` where cuML is used); the loop runs here. The state is committed as it goes
(`fits`), so a killed run goes on from the last saved iteration.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from curation.clustering.cuml_engine import CumlRank
from curation.clustering.segments import fit_in_segments
from curation.clustering.stability import agreement
from curation.clustering.strata import Sample, divided
from curation.clustering.torch_engine import FitState, fit
from curation.clustering.update import inertia, mean_similarity
from curation.config import Job
from curation.counter_rng import nth_seed
from curation.errors import RunError
from curation.stages.centroids import fit_share, init_share
from curation.stages.context import Result, Run
from curation.stages.cuml_gang import CumlGang
from curation.stages.engine import Engine, choose
from curation.stages.fit_plan import FitPlan, fit_plan
from curation.stages.fits import Fits, as_it_is, fit_restarts
from curation.stages.gang import Gang
from curation.stages.strata import Strata, load_strata
from curation.storage.store import Store


def fit_centroids(run: Run, rank_class: Any = CumlRank) -> Result:
    """The work of the stage. `rank_class`: what a rank of the cuML engine runs, see `CumlGang`."""
    documents, strata = counted_documents(run.store), load_strata(run.store, run.job)
    share, engine = fit_share(run.job, documents), choose(run.job)
    run.reporter.event("engine", stage="centroids", engine=engine.name, reason=engine.reason)
    with run.reporter.stage("centroids", 0) as progress:
        gang, loop = open_gang(run, engine, share, strata, rank_class)
        try:
            sample = init_sample(gang, run.job, share, documents, strata)
            progress.advance(text="number of clusters" if run.job.clustering.clusters == "auto" else "first centroids")
            plan = fit_plan(run.job, sample, strata.fitted if strata else None)
            rows, restarts = gang.rows, run.job.clustering.restarts

            def tell(number: int, now: FitState) -> None:
                value = now.history[-1].objective
                figures = f"inertia {inertia(value, rows):.6g}, mean similarity {mean_similarity(value, rows):.4f}"
                which = f"restart {number + 1} of {restarts}, " if restarts > 1 else ""
                progress.advance(text=f"{which}iteration {now.iteration}, {figures}")

            step, worst, finish = gang.step, gang.worst, as_it_is
            if plan.stratum is not None:
                step, worst = partial(gang.step, stratum=plan.stratum), partial(gang.worst, stratum=plan.stratum)
                loop = partial(loop, stratum=plan.stratum)
            if plan.changes:
                finish = partial(plan.finish, sizes=lambda *found: gang.step(*found).counts)
            fits = fit_restarts(run.store, run.job, plan.first, step, worst, tell, loop, finish)
        finally:
            gang.stop()
        progress.advance(text="stability")
        stats = fits.figures(rows) | {"engine": engine.name} | plan.told
        stats |= {"strata": len(strata.names)} if strata else stability(sample, run.job.seed, plan.total)
    if run.job.clustering.engine == "auto":
        stats["engine_reason"] = engine.reason
    for text in notes(fits, plan):
        run.reporter.event("note", stage="centroids", text=text)
    return Result(fits.parts, stats)


def notes(fits: Fits, plan: FitPlan) -> list[str]:
    """What a reader of the run should know of its clusters."""
    told, found = fits.finished.told, len(fits.best.centroids)
    said = [plan.told["auto"]["why"]] if plan.told else []
    if found < plan.total:
        said.append(f"{found} clusters instead of {plan.total}: there are no more different vectors")
    before = told.get("resampled", found)
    if told.get("merged", before) < before:
        said.append(f"{before} clusters were merged into {told['merged']}")
    return said


def open_gang(
    run: Run, engine: Engine, share: float, strata: Strata | None, rank_class: Any
) -> tuple[Gang | CumlGang, Callable[..., FitState]]:
    """The actors of an engine, and its loop, which is called as `torch_engine.fit`."""
    if engine.name == "torch":
        return Gang(run, share, strata), fit
    gang = CumlGang(run, share, rank_class)
    return gang, partial(fit_in_segments, gang.advance)


def counted_documents(store: Store) -> int:
    """Documents with an embedding that no earlier one has."""
    documents, repeats = store.marker("embeddings"), store.marker("repeats")
    if documents is None or repeats is None or not documents.stats.get("documents"):
        raise RunError("there is no document to cluster: none has an embedding")
    return int(documents.stats["documents"] - repeats.stats["repeats"])


def init_sample(gang: Gang | CumlGang, job: Job, share: float, documents: int, strata: Strata | None) -> Sample:
    """The rows that the first centroids are drawn from, a sample of this share of the documents, to fit on."""
    clusters = job.clustering.fine
    if strata is None:
        shares = np.array([init_share(clusters, documents * share)])
    else:
        shares = strata.init_shares(divided(clusters, strata.fitted), share)
    found = gang.ask(lambda actor: actor.sample.remote(shares))
    ids = [one[0] for actor in found for one in actor]
    rows = [one[1] for actor in found for one in actor if len(one[0])] or [np.zeros((0, 0), np.float16)]
    stratum = np.concatenate([np.full(len(one[0]), number) for actor in found for number, one in enumerate(actor)])
    order = np.argsort(np.concatenate(ids))
    return Sample(np.concatenate(rows)[order], stratum[order].astype(np.int16))


def stability(sample: Sample, seed: int, clusters: int) -> dict[str, Any]:
    """How alike two clusterings of a sample are whose seeds differ; nothing where there is too little to say."""
    found = agreement(sample.rows, clusters, nth_seed(seed, 1), nth_seed(seed, 2))
    if found is None:
        return {}
    return {"stability": found.index, "stability_rows": found.rows, "stability_clusters": found.clusters}
