"""Trials: every strategy, seed and evaluator is a cell, done in Ray tasks, a file each when it is done.

A task takes what shares a clustering: one seed and the strategies that draw from the same clusters, so that nothing is
clustered twice. A cell's file names what it depends on, so a probe that was killed, or is asked for more strategies
or seeds, does what is missing and nothing again. A task has one thread: as many run as there are CPUs.

Under `--hold-back` there are folds: what a fold holds back is neither clustered nor drawn, and its validation text is
what the fold is asked about.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curation.config import Job
from curation.language_model.ngram import Questions, questions
from curation.language_model.ngram_pool import Answers, Part, join, losses, part
from curation.probe.drawing import Clustered, Drawn, cluster, draw
from curation.probe.figures import Scope, draw_figures, loss_figures, scope_of
from curation.probe.pool import Pool
from curation.probe.strategies import Strategy, strategy_job
from curation.progress import Reporter
from curation.stages import centroids
from curation.stages.ray_cluster import gpus, share
from curation.stages.workers import map_items
from curation.storage.store import Store, fingerprint

#: Raise it when a cell's figures change for the same pool and strategy.
TRIALS_VERSION = 4
#: The key of a cell's file under which the loss on each validation document is.
BY_DOCUMENT = "by_document"
#: Documents of the pool that a task compiles for the n-gram model.
TASK_DOCUMENTS = 8_192


@dataclass(frozen=True)
class Fold:
    """Indices of the domains that are held back; none: all are trained on and asked about."""

    held_back: tuple[int, ...] = ()


@dataclass(frozen=True)
class Plan:
    """What is compared: the same for all cells.

    Attributes:
        folder: of the probe's files in the run directory.
        job: the run's.
        budget: tokens that each strategy draws.
        folds: see the module.
    """

    folder: str
    job: Job
    budget: int
    folds: tuple[Fold, ...]


@dataclass(frozen=True)
class Unit:
    """The cells of one task."""

    evaluator: str
    seed: int
    strategies: tuple[Strategy, ...]

    @property
    def label(self) -> str:
        """What it is about, for messages."""
        names = ", ".join(strategy.name for strategy in self.strategies)
        return f"probe of {names} (seed {self.seed}, {self.evaluator})"


def scope_of_plan(plan: Plan, pool: Pool) -> Scope:
    """What the figures of all cells are taken over: what the folds hold back, or everything where they hold nothing."""
    held = sorted({index for fold in plan.folds for index in fold.held_back})
    return scope_of(pool, plan.job.domains, held or None)


def cell_name(plan: Plan, strategy: Strategy, seed: int, evaluator: str) -> str:
    """The file of a cell."""
    return f"{plan.folder}/cells/{strategy.name}-{seed}-{evaluator}.json"


def cell_key(plan: Plan, strategy: Strategy, seed: int, evaluator: str) -> str:
    """Hash of what a cell depends on besides the probe's folder: what clusters and draws read of the job."""
    job = strategy_job(plan.job, strategy, plan.budget, seed)
    clustering = job.clustering.model_dump(mode="json", exclude={"engine"})  # a pool is clustered without one
    drawing = job.model_dump(mode="json", include={"seed", "sampling", "blending"})
    importance = job.importance if "proportional" in job.strategies else None
    return fingerprint([TRIALS_VERSION, clustering, drawing, importance, evaluator])[:16]


def state_names(plan: Plan, strategy: Strategy, seed: int, evaluator: str) -> list[str]:
    """The files, one a fold, that the trainings for a cell are kept in on their way; no other training's."""
    stem = cell_name(plan, strategy, seed, evaluator).removesuffix(".json")
    key = cell_key(plan, strategy, seed, evaluator)
    return [f"{stem}-{key}-{number}.state" for number in range(len(plan.folds))]


def done_cell(store: Store, plan: Plan, strategy: Strategy, seed: int, evaluator: str) -> dict[str, Any] | None:
    """A cell that is done, or None."""
    cell: dict[str, Any] | None = store.read_json(cell_name(plan, strategy, seed, evaluator))
    return cell if cell and cell["key"] == cell_key(plan, strategy, seed, evaluator) else None


def units(store: Store, plan: Plan, strategies: list[Strategy], seeds: dict[str, int]) -> list[Unit]:
    """The tasks for all cells that are not done; `seeds`: how many of each evaluator."""
    found: list[Unit] = []
    for evaluator, count in seeds.items():
        for seed in range(count):
            together: dict[str, list[Strategy]] = {}
            for strategy in strategies:
                if done_cell(store, plan, strategy, seed, evaluator) is None:
                    key = _clustering(plan, strategy, seed) if evaluator == "ngram" else strategy.name
                    together.setdefault(key, []).append(strategy)
            found += [Unit(evaluator, seed, tuple(members)) for members in together.values()]
    return found


def _clustering(plan: Plan, strategy: Strategy, seed: int) -> str:
    """What a strategy's clusters depend on; strategies without clusters share a task."""
    if not strategy.clustered:
        return ""
    return fingerprint(centroids.settings(strategy_job(plan.job, strategy, plan.budget, seed)))


def run_trials(store: Store, plan: Plan, pool: Pool, scope: Scope, todo: list[Unit], reporter: Reporter) -> None:
    """Does the cells of some units; each is committed when it is done.

    Args:
        store: the run directory, locked.
        plan: what is compared.
        pool: the documents.
        scope: what the figures are taken over.
        todo: the units.
        reporter: shows how far it is.
    """
    shared = (store, plan, share(pool), share(scope))
    cells = sum(len(unit.strategies) for unit in todo)
    with reporter.stage("trials", 0) as progress:
        done = 0

        def tell(unit: Unit) -> None:
            nonlocal done
            done += len(unit.strategies)
            progress.advance(text=f"{done} of {cells} trials")

        cheap = [unit for unit in todo if unit.evaluator == "ngram"]
        if cheap:
            progress.advance(text="n-grams of the pool")
            compiled = compile_pool(pool, plan.job)
            for unit, _ in map_items(cheap, try_unit, *shared, share(compiled), tasks=plan.job.resources.tasks):
                tell(unit)
        dear = [unit for unit in todo if unit.evaluator == "gpt"]
        wanted = 1.0 if dear and gpus() else 0.0
        for unit, _ in map_items(dear, try_unit, *shared, None, tasks=plan.job.resources.tasks, gpus=wanted):
            tell(unit)


@dataclass(frozen=True, eq=False)
class Compiled:
    """The validation text and the pool, compiled for the n-gram model."""

    asked: Questions
    pool: Answers


def compile_pool(pool: Pool, job: Job) -> Compiled:
    """Compiles the pool in tasks."""
    asked = questions(pool.validation.text)
    ranges = [(at, at + TASK_DOCUMENTS) for at in range(0, len(pool.doc_id), TASK_DOCUMENTS)]
    found = dict(map_items(ranges, compile_part, share(asked), share(pool), tasks=job.resources.tasks))
    return Compiled(asked, join(asked, [found[places] for places in ranges]))


def compile_part(places: tuple[int, int], asked: Questions, pool: Pool) -> Part:
    """The part of the pool from one place to another."""
    chosen = np.arange(places[0], min(places[1], len(pool.doc_id)))
    return part(asked, pool.text.take(chosen))


def try_unit(unit: Unit, store: Store, plan: Plan, pool: Pool, scope: Scope, compiled: Compiled | None) -> None:
    """Commits the cells of a unit."""
    import torch
    from threadpoolctl import threadpool_limits

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            for strategy, cell in _cells(unit, store, plan, pool, scope, compiled):
                store.write_json(cell_name(plan, strategy, unit.seed, unit.evaluator), cell)
                if compiled is None:
                    store.remove(state_names(plan, strategy, unit.seed, unit.evaluator))
    finally:
        torch.set_num_threads(threads)


def _cells(
    unit: Unit, store: Store, plan: Plan, pool: Pool, scope: Scope, compiled: Compiled | None
) -> Iterator[tuple[Strategy, dict[str, Any]]]:
    """The cells of a unit, one after the other."""
    fitted = [_clusters_of(unit, plan, pool, fold) for fold in plan.folds]
    for strategy in unit.strategies:
        job = strategy_job(plan.job, strategy, plan.budget, unit.seed)
        found = np.zeros(len(pool.validation.domain))
        figures: list[dict[str, Any]] = []
        states = state_names(plan, strategy, unit.seed, unit.evaluator)
        for fold, (places, clustered), state in zip(plan.folds, fitted, states, strict=True):
            drawn = draw(job, clustered, pool, places)
            own = evaluate(unit, drawn, pool, compiled, store, state)
            mine = np.isin(pool.validation.domain, fold.held_back) if fold.held_back else slice(None)
            found[mine] = own[mine]
            figures.append(draw_figures(drawn.copies, pool.text.lengths, pool.domain))
        cell = {"strategy": strategy.name, "seed": unit.seed, "evaluator": unit.evaluator}
        cell |= loss_figures(scope, found) | _mean(figures)
        cell |= {"key": cell_key(plan, strategy, unit.seed, unit.evaluator), BY_DOCUMENT: np.round(found, 5).tolist()}
        yield strategy, cell


def _clusters_of(unit: Unit, plan: Plan, pool: Pool, fold: Fold) -> tuple[NDArray[np.int64], Clustered]:
    """The documents of the pool that a fold trains on, and their clusters, which all strategies of a unit share."""
    places = np.flatnonzero(~np.isin(pool.domain, fold.held_back))
    job = strategy_job(plan.job, unit.strategies[0], plan.budget, unit.seed)
    return places, cluster(job, unit.strategies[0], pool, places)


def evaluate(
    unit: Unit, drawn: Drawn, pool: Pool, compiled: Compiled | None, store: Store, state: str
) -> NDArray[np.float64]:
    """float64[v]: the loss on each validation document of a model that is trained on what was drawn.

    A training of the small GPT that was killed goes on from its last `state`, a file of the run directory, which is
    removed when the cell is there.
    """
    if compiled is not None:
        return losses(compiled.asked, compiled.pool, drawn.copies)
    from curation.language_model.gpt import GptConfig, gpt_losses, train_gpt

    stream = pool.text.take(drawn.order).tokens
    kept = store.read_bytes(state) if store.exists(state) else None
    gpt = train_gpt(stream, GptConfig(), unit.seed, 1, state=kept, keep=lambda now: store.write_bytes(state, now))
    return gpt_losses(gpt, pool.validation.text)


def _mean(figures: list[dict[str, Any]]) -> dict[str, Any]:
    """The figures of several folds as one: their means, whole numbers rounded."""
    if len(figures) == 1:
        return figures[0]
    merged: dict[str, Any] = {}
    for name, first in figures[0].items():
        mean = float(np.mean([one[name] for one in figures]))
        merged[name] = round(mean) if isinstance(first, int) else round(mean, 6)
    return merged
