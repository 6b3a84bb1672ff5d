"""Centroids: fits K-Means on the embeddings.

Reads `embeddings`. Actors each hold the vectors of some splits in memory; an iteration sends the centroids out and
gets sums back (`clustering.torch_engine`). The state is committed as it goes (`fits`), so a killed run goes on from the
last saved iteration, and an actor that dies is started again, reads its splits again and repeats the step. Neither
changes a bit of the result.

The rows to fit on, and the smaller sample for the first centroids, are chosen by doc_id alone, so the same documents
are fitted whatever the splits are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from curation.clustering.stability import agreement
from curation.clustering.torch_engine import FitState, RowBlock, StepResult, Worst, merge_worst
from curation.clustering.update import mean_similarity
from curation.config import Job
from curation.counter_rng import nth_seed, uniform
from curation.errors import RunError
from curation.stages import workers
from curation.stages.context import Result, Run, Stage
from curation.stages.embeddings import load_vectors
from curation.stages.fits import fit_restarts
from curation.stages.splits import load_splits, part_name
from curation.store import Store

#: Rows that the first centroids are drawn from: at least so many, and so many a cluster.
INIT_ROWS, INIT_ROWS_A_CLUSTER = 20_000, 50

Answer = TypeVar("Answer")


def settings(job: Job) -> dict[str, Any]:
    """What the centroids depend on besides the embeddings."""
    clustering = job.clustering.model_dump(exclude={"engine", "clusters"}) | {"clusters": job.clustering.fine}
    return {"clustering": clustering, "seed": job.seed}


def work(run: Run) -> Result:
    """The stage."""
    documents = counted_documents(run.store)
    share = fit_share(run.job, documents)
    with run.reporter.stage("centroids", 0) as progress:
        gang = Gang(run, share)
        try:
            sample = init_sample(gang, run.job, documents * share)
            rows, restarts = gang.rows, run.job.clustering.restarts

            def tell(number: int, now: FitState) -> None:
                similarity = mean_similarity(now.history[-1].objective, rows)
                which = f"restart {number + 1} of {restarts}, " if restarts > 1 else ""
                progress.advance(text=f"{which}iteration {now.iteration}, mean similarity {similarity:.4f}")

            fits = fit_restarts(run.store, run.job, sample, gang.step, gang.worst, tell)
        finally:
            gang.stop()
        progress.advance(text="stability")
        stats = fits.figures(rows) | stability(sample, run.job)
    if len(fits.best.centroids) < run.job.clustering.fine:
        wanted = run.job.clustering.fine
        text = f"{len(fits.best.centroids)} clusters instead of {wanted}: there are no more different vectors"
        run.reporter.event("note", stage="centroids", text=text)
    return Result([fits.part], stats)


STAGE = Stage("centroids", ("centroids",), ("embeddings",), settings, work)


def counted_documents(store: Store) -> int:
    """Documents with an embedding."""
    marker = store.marker("embeddings")
    if marker is None or not marker.stats.get("documents"):
        raise RunError("there is no document to cluster: none has an embedding")
    return int(marker.stats["documents"])


def init_sample(gang: Gang, job: Job, rows: float) -> NDArray[np.float16]:
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


def fit_share(job: Job, documents: int) -> float:
    """The share of the documents that the centroids are fitted on."""
    wanted = job.clustering.fit_rows
    return 1.0 if wanted == "all" else min(1.0, wanted / documents)


def init_share(clusters: int, rows: float) -> float:
    """The share of these rows that the first centroids are drawn from; above 1: all."""
    return max(INIT_ROWS, INIT_ROWS_A_CLUSTER * clusters) / max(1.0, rows)


def is_fitted_on(seed: int, doc_id: NDArray[Any], share: float) -> NDArray[np.bool_]:
    """Which documents the centroids are fitted on: bool[n], by their ids alone."""
    chosen: NDArray[np.bool_] = uniform(seed, "clustering.fit", doc_id) < share
    return chosen


def is_in_init(seed: int, doc_id: NDArray[Any], share: float) -> NDArray[np.bool_]:
    """Which of these the first centroids are drawn from: bool[n]."""
    chosen: NDArray[np.bool_] = uniform(seed, "clustering.init.sample", doc_id) < share
    return chosen


class Gang:
    """The actors that hold the rows, and what they are asked together."""

    def __init__(self, run: Run, share: float) -> None:
        self._store, self._job, self._share = run.store, run.job, share
        names = [part_name("embeddings", split.split_id) for split in load_splits(run.store)]
        wanted = run.job.resources.clustering_actors
        self._gpus = workers.gpus_per_actor(run.job.resources)
        most = int(workers.gpus() / self._gpus) if self._gpus else workers.cpus()
        automatic = most if self._gpus else min(most, 16)
        count = max(1, min(len(names), most, automatic if wanted == "auto" else wanted))
        self._names = [names[index::count] for index in range(count)]
        self._actors = [self._start(names) for names in self._names]
        self.rows: int = sum(self.ask(lambda actor: actor.count.remote()))

    def _start(self, names: list[str]) -> Any:
        import ray

        resources = {"num_gpus": self._gpus} if self._gpus else {"num_cpus": 1}
        device = "cuda" if self._gpus else "cpu"
        return ray.remote(**resources)(RowActor).remote(self._store, names, self._share, self._job.seed, device)

    def ask(self, call: Callable[[Any], Any]) -> list[Any]:
        """The answers of all actors, in their order; an actor that is lost is started again and asked again."""
        import ray

        waiting = [call(actor) for actor in self._actors]
        answers: list[Any] = []
        for index, reference in enumerate(waiting):
            for attempt in range(workers.RETRIES + 1):
                try:
                    answers.append(ray.get(reference))
                    break
                except ray.exceptions.RayActorError as error:
                    if attempt == workers.RETRIES or workers.died_starting(error):
                        text = f"a K-Means actor was lost {attempt + 1} times: {workers.cause_of(error)}"
                        raise RunError(text) from error
                    ray.kill(self._actors[index])  # or one that only can't be reached would keep its place
                    self._actors[index] = self._start(self._names[index])
                    reference = call(self._actors[index])
                except ray.exceptions.RayError as error:
                    raise RunError(f"clustering failed: {workers.cause_of(error)}") from error
        return answers

    def step(self, centroids: NDArray[np.float32]) -> StepResult:
        """One step of all actors, added up."""
        shared = workers.share(centroids)
        answers: Sequence[StepResult] = self.ask(lambda actor: actor.step.remote(shared))
        return reduce(StepResult.__add__, answers)

    def worst(self, centroids: NDArray[np.float32], most: int) -> Worst:
        """The rows that fit worst over all actors."""
        shared = workers.share(centroids)
        found: Sequence[Worst] = self.ask(lambda actor: actor.worst.remote(shared, most))
        return merge_worst(found, most)

    def stop(self) -> None:
        """Ends the actors, and with them the memory they hold."""
        import ray

        for actor in self._actors:
            ray.kill(actor)


class RowActor:
    """Holds the rows of some splits that the centroids are fitted on."""

    def __init__(self, store: Store, names: list[str], share: float, seed: int, device: str) -> None:
        import torch

        torch.set_num_threads(1 if device == "cpu" else 4)
        ids, rows = [], []
        for name in names:
            doc_id, vectors = load_vectors(store, name)
            chosen = is_fitted_on(seed, doc_id, share)
            ids.append(doc_id[chosen])
            rows.append(vectors[chosen])
        self._ids, self._rows, self._seed = np.concatenate(ids), rows, seed
        self._block = RowBlock(rows, self._ids, device)

    def count(self) -> int:
        """Rows held."""
        return len(self._ids)

    def sample(self, share: float) -> tuple[NDArray[np.int64], NDArray[np.float16]]:
        """About this share of the rows, with their doc_ids."""
        chosen = is_in_init(self._seed, self._ids, share)
        ends = np.cumsum([len(rows) for rows in self._rows])
        parts = [rows[chosen[end - len(rows) : end]] for rows, end in zip(self._rows, ends, strict=True)]
        return self._ids[chosen], np.concatenate(parts)

    def step(self, centroids: NDArray[np.float32]) -> StepResult:
        """See `RowBlock.step`."""
        return self._block.step(centroids)

    def worst(self, centroids: NDArray[np.float32], most: int) -> Worst:
        """See `RowBlock.worst`."""
        return self._block.worst(centroids, most)
