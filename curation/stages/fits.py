"""Fits: K-Means from one or several first centroids, committed as they go.

The best of several fits is kept (`clustering.restarts`): how good a fit gets is in part the luck of its first
centroids. Restart r draws them with a seed of its own, the job's for the first, from the same sample; rows and actors
are the same. With one fit its state is saved under the name of the result. With several each has a file of its own, so
that a killed run goes on with the restart it was in; they are removed when the winner is committed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curation.clustering.torch_engine import FitState, Iteration, StepResult, Worst, best_fit, fit
from curation.clustering.update import inertia, mean_similarity
from curation.config import Job
from curation.counter_rng import nth_seed
from curation.stages.centroid_file import CENTROIDS, Fitted, save_neighbours
from curation.storage.store import Part, Store

#: Seconds between two saves of the state.
SAVE_EVERY = 5.0


@dataclass(frozen=True, eq=False)
class Finished:
    """What a fit comes to, and what was done."""

    fitted: Fitted
    told: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Fits:
    """The fits of a run."""

    states: list[FitState]
    """One for each restart."""
    parts: list[Part]
    """The committed centroids and, where groups are made of them, their neighbours."""
    finished: Finished
    """What the best one came to."""

    @property
    def winner(self) -> int:
        """The number of the best one."""
        return best_fit(self.states)

    @property
    def best(self) -> FitState:
        """The best one."""
        return self.states[self.winner]

    def figures(self, rows: int) -> dict[str, Any]:
        """What the fits say of themselves.

        Of the best one: iterations, mean similarity and inertia of each, clusters re-seeded. Of all: final inertia.
        """
        state = self.best
        return {
            "rows": rows,
            "clusters": len(self.finished.fitted.centroids),
            "iterations": state.iteration,
            "converged": state.converged,
            "mean_similarity": [mean_similarity(step.objective, rows) for step in state.history],
            "inertia": [inertia(step.objective, rows) for step in state.history],
            "reseeded": sum(step.reseeded for step in state.history),
            "restart": self.winner,
            "restart_inertia": [inertia(one.history[-1].objective, rows) for one in self.states],
            **self.finished.told,
        }


def as_it_is(state: FitState) -> Finished:
    """A fit whose centroids are those that documents are assigned to."""
    return Finished(Fitted(state.centroids))


def fit_restarts(
    store: Store,
    job: Job,
    first: Callable[[int], NDArray[np.float32]],
    step: Callable[[NDArray[np.float32]], StepResult],
    worst: Callable[[NDArray[np.float32], int], Worst],
    tell: Callable[[int, FitState], None],
    loop: Callable[..., FitState] = fit,
    finish: Callable[[FitState], Finished] = as_it_is,
) -> Fits:
    """Does every restart, or what is left of it, and commits what the best comes to.

    Args:
        store: the run directory.
        job: the job.
        first: the first centroids, float32[K, d], by the seed of a restart.
        step: see `fit`.
        worst: see `fit`.
        tell: hears of each iteration: the number of the restart and its state.
        loop: the engine's K-Means, called as `fit`.
        finish: makes of the best fit what documents are assigned to.
    """
    asked = job.clustering
    names = [f"centroids/restart-{restart:02}.npz" for restart in range(asked.restarts)]
    if asked.restarts == 1 and finish is as_it_is:
        names = [CENTROIDS]
    states = []
    for number, name in enumerate(names):
        saved = time.monotonic()

        def keep(now: FitState, number: int = number, name: str = name) -> None:
            nonlocal saved
            tell(number, now)
            if time.monotonic() - saved >= SAVE_EVERY:
                save_state(store, name, now)
                saved = time.monotonic()

        start = load_state(store, name)
        init = start.centroids if start else first(nth_seed(job.seed, number))
        most, tolerance = asked.max_iterations, asked.tolerance
        states.append(loop(step, worst, init, max_iterations=most, tolerance=tolerance, on_iteration=keep, start=start))
        if name != CENTROIDS:
            save_state(store, name, states[-1])
    best = states[best_fit(states)]
    finished = finish(best)
    found = finished.fitted
    parts = [] if found.neighbours is None else [save_neighbours(store, found.neighbours)]
    parts.append(save_state(store, CENTROIDS, replace(best, centroids=found.centroids), found.stratum))
    store.remove(name for name in names if name != CENTROIDS)
    return Fits(states, parts, finished)


def save_state(store: Store, name: str, state: FitState, stratum: NDArray[np.int16] | None = None) -> Part:
    """Commits a fit as far as it is, in place of what it was before; with the strata, when it is finished."""
    history = {
        "objective": np.array([step.objective for step in state.history]),
        "reseeded": np.array([step.reseeded for step in state.history], np.int64),
    }
    now = {"iteration": np.array(state.iteration), "converged": np.array(state.converged)}
    known = {} if stratum is None else {"stratum": stratum}
    arrays = {"centroids": state.centroids, **now, **history, **known}
    return store.write_arrays(name, arrays)


def load_state(store: Store, name: str) -> FitState | None:
    """The fit that an interrupted run left, or None."""
    known = store.started("centroids").get("known", {})
    if not store.exists(name) or known.get(name, store.hash(name)[1]) != store.hash(name)[1]:
        return None
    arrays = store.read_arrays(name)
    columns = zip(arrays["objective"].tolist(), arrays["reseeded"].tolist(), strict=True)
    history = tuple(Iteration(objective, 0, reseeded) for objective, reseeded in columns)
    iteration = int(arrays.get("iteration", len(history)))  # the file of an earlier version has none
    return FitState(arrays["centroids"], iteration, history, bool(arrays["converged"]))
