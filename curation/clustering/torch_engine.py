"""Spherical K-Means over rows that several actors hold.

An actor holds a `RowBlock`. An iteration sends the centroids to every actor and adds up the `StepResult`s that come
back; only sums travel. `fit` is the loop, and knows nothing of actors: it is given a function that takes a step over
all of them. Labels are decided as in `assign` and sums are exact (`update`), so the centroids are the same bits for
any number of actors and any grouping of the rows, and an actor that died can start again from its rows alone.

Sums are kept from step to step and only rows that changed their cluster are moved, which after the first few
iterations are a few in a hundred.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from curation.clustering.assign import nearest, nearest_to, similarity_to
from curation.clustering.blocks import Target
from curation.clustering.device_rows import chunks, settled
from curation.clustering.screen import rounding
from curation.clustering.update import MOST_ROWS, centroids_from_sums, inertia, move_rows, objective
from curation.clustering.vectors import Rows, as_tensor, first_of_each, unit
from curation.errors import RunError

#: Unit vectors that differ by no more than this are the same as far as float16 can tell.
_SAME = 2.0**-11


@dataclass(frozen=True, eq=False)
class StepResult:
    """What an actor gives back for one step: `sums` float64[K, d], `counts` int64[K].

    `changed` counts rows whose label is not that of the actor's last step (all of them in its first).
    """

    sums: NDArray[np.float64]
    counts: NDArray[np.int64]
    changed: int

    def __add__(self, other: StepResult) -> StepResult:
        return StepResult(self.sums + other.sums, self.counts + other.counts, self.changed + other.changed)


@dataclass(frozen=True, eq=False)
class Worst:
    """Different vectors that fit worst, worst first: similarity, doc_id, the float16 rows [m, d], stratum of each."""

    similarity: NDArray[np.float64]
    doc_id: NDArray[np.int64]
    rows: NDArray[np.float16]
    stratum: NDArray[np.int16]

    def of_stratum(self, number: int) -> Worst:
        """The same, as rows of another stratum."""
        return replace(self, stratum=np.full(len(self.rows), number, np.int16))


@dataclass(frozen=True)
class Iteration:
    """One iteration: the objective (sum of x . c) after it, rows that changed, empty clusters re-seeded."""

    objective: float
    changed: int
    reseeded: int


@dataclass(frozen=True, eq=False)
class FitState:
    """All that the next iteration needs: a fit resumed from it goes on as if it had not been stopped.

    `Iteration.changed` is the exception: actors that start anew count all of their rows as changed.
    """

    centroids: NDArray[np.float32]
    iteration: int = 0
    history: tuple[Iteration, ...] = ()
    converged: bool = False


class RowBlock:
    """The rows of one actor, with the labels and sums of its last step."""

    def __init__(
        self,
        rows: Rows | Sequence[Rows],
        doc_ids: NDArray[np.int64],
        device: str = "cpu",
    ) -> None:
        """Takes float16 arrays [n_i, d] (not copied on a CPU) and the doc_id of each row, int64[n], in their order.

        On a GPU the rows are kept there if they fit into 80 % of its free memory, else they stream (`device_rows`).
        """
        parts = [rows] if isinstance(rows, np.ndarray | torch.Tensor) else list(rows)
        self._parts = settled([as_tensor(part) for part in parts if len(part)], device)
        self._device, self._doc_ids = device, doc_ids
        self._lost: dict[int, torch.Tensor] = {}
        self._labels = torch.full((len(doc_ids),), -1, dtype=torch.int32, device=device)
        self._centroids = np.zeros((0, 0), np.float32)
        self._sums = torch.zeros((0, 0), dtype=torch.float64, device=device)

    def step(self, centroids: NDArray[np.float32]) -> StepResult:
        """Assigns every row to its nearest centroid, float32[K, d], and sums the clusters."""
        if self._sums.shape != centroids.shape:
            self._sums = torch.zeros(centroids.shape, dtype=torch.float64, device=self._device)
            self._labels.fill_(-1)
        changed = 0
        for part, place, labels in self._nearest(centroids):
            changed += move_rows(self._sums, part, self._labels[place], labels)
            self._labels[place] = labels
        self._centroids = centroids.copy()
        counts = torch.bincount(self._labels, minlength=len(centroids))
        return StepResult(self._sums.cpu().numpy().copy(), counts.cpu().numpy(), changed)

    def worst(self, centroids: NDArray[np.float32], most: int) -> Worst:
        """Up to `most` different vectors with the lowest similarity to their nearest centroid.

        Of equal similarities, and of rows with the same vector, the lowest doc_id comes first.
        """
        similarity = np.zeros(len(self._doc_ids))
        known = np.array_equal(centroids, self._centroids)
        found = ((part, place, self._labels[place]) for part, place in chunks(self._parts, self._device))
        for part, place, labels in found if known else self._nearest(centroids):
            similarity[place] = similarity_to(part, labels.cpu().numpy(), centroids, self._device)
        order = np.lexsort((self._doc_ids, similarity))
        taken = min(len(order), 2 * most)
        while True:  # copies of one vector may fill any beginning of the order
            rows = self._rows(order[:taken], centroids.shape[1])
            first = first_of_each(rows)
            if len(first) >= most or taken == len(order):
                break
            taken = min(len(order), 4 * taken)
        chosen = order[first[:most]]
        return Worst(similarity[chosen], self._doc_ids[chosen], rows[first[:most]], np.zeros(len(chosen), np.int16))

    def _nearest(self, centroids: NDArray[np.float32]) -> Iterator[tuple[torch.Tensor, slice, torch.Tensor]]:
        """The rows in chunks on the device, the place of each chunk, and its labels there, int32."""
        target = Target.of(centroids, self._device)
        for part, place in chunks(self._parts, self._device):
            if target.screen and not part.is_cuda and place.start not in self._lost:  # the same in every step
                self._lost[place.start] = rounding(part)
            yield part, place, nearest_to(part, target, self._lost.get(place.start))

    def _places(self) -> list[tuple[torch.Tensor, slice]]:
        """The parts, each with its place among all rows."""
        ends = np.cumsum([len(part) for part in self._parts]).tolist()
        return [(part, slice(end - len(part), end)) for part, end in zip(self._parts, ends, strict=True)]

    def _rows(self, chosen: NDArray[np.int64], dimensions: int) -> NDArray[np.float16]:
        """Chosen rows, float16[len(chosen), d], on the host."""
        rows = np.zeros((len(chosen), dimensions), np.float16)
        for part, place in self._places():
            inside = np.flatnonzero((chosen >= place.start) & (chosen < place.stop))
            index = torch.from_numpy(chosen[inside] - place.start).to(part.device)
            rows[inside] = part[index].cpu().numpy()
        return rows


def merge_worst(parts: Sequence[Worst], most: int) -> Worst:
    """The worst of several actors' worst, in any grouping: what one actor with all rows would have said.

    Up to `most` of each stratum, the strata in order.
    """
    names = ("similarity", "doc_id", "rows", "stratum")
    similarity, doc_id, rows, stratum = (np.concatenate([getattr(part, name) for part in parts]) for name in names)
    order = np.lexsort((doc_id, similarity, stratum))
    chosen = []
    for mine in np.split(order, np.flatnonzero(np.diff(stratum[order])) + 1):
        chosen.append(mine[first_of_each(rows[mine])[:most]])
    kept = np.concatenate(chosen)
    return Worst(similarity[kept], doc_id[kept], rows[kept], stratum[kept])


def fit(
    step: Callable[[NDArray[np.float32]], StepResult],
    worst: Callable[[NDArray[np.float32], int], Worst],
    init: NDArray[np.float32],
    *,
    max_iterations: int,
    tolerance: float,
    on_iteration: Callable[[FitState], None] | None = None,
    start: FitState | None = None,
    stratum: NDArray[np.int16] | None = None,
) -> FitState:
    """Spherical K-Means (Dhillon and Modha 2001) from first centroids.

    Stops when an iteration lowers the inertia by no more than `tolerance` times it, or moves no centroid (then no
    label would change either; unlike the labels, the centroids are known after a resume too). An iteration that
    re-seeds empty clusters is not the last one, unless the one before it did so too and that was worth no more.

    Args:
        step: `RowBlock.step` over all actors, added up.
        worst: `RowBlock.worst` over all actors, merged by `merge_worst`; asked for only when a cluster is empty.
        init: float32[K, d] unit vectors.
        max_iterations: most iterations, those of `start` included.
        tolerance: see above.
        on_iteration: called with the state after each iteration, for example to save it.
        start: go on from here; `init` is not used then.
        stratum: int16[K], of each centroid, as `step` and `worst` keep to them; None: all are of stratum 0.

    Raises:
        RunError: there are no rows, or more than 2^29 in one cluster (sums would no longer be exact).
    """
    state = FitState(init) if start is None else start
    while not state.converged and state.iteration < max_iterations:
        state = _iterate(state, step(state.centroids), worst, tolerance, stratum)
        if on_iteration is not None:
            on_iteration(state)
    return state


def best_fit(states: Sequence[FitState]) -> int:
    """Which of several fits of the same rows has the highest objective; of equal ones the first."""
    return int(np.argmax([state.history[-1].objective for state in states]))


def _iterate(
    state: FitState,
    result: StepResult,
    worst: Callable[[NDArray[np.float32], int], Worst],
    tolerance: float,
    stratum: NDArray[np.int16] | None,
) -> FitState:
    """The state after one more iteration, whose step gave `result`."""
    documents = int(result.counts.sum())
    if documents == 0:
        raise RunError("clustering: there are no documents to fit on")
    if result.counts.max() > MOST_ROWS:
        raise RunError(
            f"clustering: a cluster has {result.counts.max():,} documents and sums are exact up to {MOST_ROWS:,}; "
            "set clustering.fit_rows lower, or clustering.clusters higher"
        )
    moved = centroids_from_sums(result.sums, result.counts, state.centroids)
    centroids, reseeded = _reseed(moved, result.counts, state.centroids, worst, stratum)
    value = objective(result.sums)
    done = np.array_equal(centroids, state.centroids)
    if state.history:
        before = inertia(state.history[-1].objective, documents)
        small = before - inertia(value, documents) <= tolerance * before
        done = done or (small and (reseeded == 0 or state.history[-1].reseeded > 0))
    entry = Iteration(value, result.changed, reseeded)
    return FitState(centroids, state.iteration + 1, (*state.history, entry), done)


def _reseed(
    centroids: NDArray[np.float32],
    counts: NDArray[np.int64],
    labelled_by: NDArray[np.float32],
    worst: Callable[[NDArray[np.float32], int], Worst],
    stratum: NDArray[np.int16] | None,
) -> tuple[NDArray[np.float32], int]:
    """Puts the centroids of empty clusters on the rows of their stratum that fit worst, each on another vector.

    A row on which there is a centroid already is no use: it would take nothing but that centroid's rows. So with
    fewer different vectors than clusters some clusters stay empty, and the fit still ends.
    """
    empty = np.flatnonzero(counts == 0)
    if not len(empty):
        return centroids, 0
    strata = np.zeros(len(counts), np.int16) if stratum is None else stratum
    found = merge_worst([worst(labelled_by, len(empty))], len(empty))
    result, reseeded = centroids.copy(), 0
    for number in np.unique(strata[empty]):
        rows, own = found.rows[found.stratum == number], centroids[strata == number]
        if len(rows):
            seeds = unit(rows)
            apart = np.abs(seeds - own[nearest(rows, own)]).max(axis=1) > _SAME
            seeded = empty[strata[empty] == number][: np.count_nonzero(apart)]
            result[seeded] = seeds[apart][: len(seeded)]
            reseeded += len(seeded)
    return result, reseeded
