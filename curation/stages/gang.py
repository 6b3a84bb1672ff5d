"""The actors that hold the rows which the centroids are fitted on.

Each holds the vectors of some splits in memory; an iteration sends the centroids out and gets sums back
(`clustering.torch_engine`). An actor that dies is started again, reads its splits again and repeats the step. Where
the cluster has no place for all of them any more, a smaller gang takes over. Neither changes a bit of the result.

The rows to fit on, and the smaller sample for the first centroids, are chosen by doc_id alone among the documents
whose vector no earlier one has (`repeats`), so the same ones are fitted whatever the splits are.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curation.clustering.strata import StratifiedRows
from curation.clustering.torch_engine import RowBlock, StepResult, Worst, merge_worst
from curation.counter_rng import uniform
from curation.stages import ray_cluster, workers
from curation.stages.board import board, in_hand
from curation.stages.context import Run
from curation.stages.embeddings import load_vectors
from curation.stages.repeats import repeated_documents
from curation.stages.splits import load_splits, part_name
from curation.stages.strata import Strata, load_numbers
from curation.stages.waiting import LOOK, note_lost, ready
from curation.storage.store import Store

#: Rows that are looked at together, at least; many small splits make one block.
BLOCK_ROWS = 4096


def is_fitted_on(seed: int, doc_id: NDArray[Any], share: float, repeated: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which documents the centroids are fitted on: bool[n].

    Args:
        seed: of the job.
        doc_id: int[n], ascending.
        share: of the documents that no earlier one repeats; the others are never fitted on.
        repeated: int64[m], ascending, the documents whose vector an earlier one has.
    """
    chosen: NDArray[np.bool_] = uniform(seed, "clustering.fit", doc_id) < share
    chosen[np.isin(doc_id, repeated, assume_unique=True)] = False
    return chosen


def is_in_init(seed: int, doc_id: NDArray[Any], share: float | NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which of these the first centroids are drawn from, by one share or one for each: bool[n]."""
    chosen: NDArray[np.bool_] = uniform(seed, "clustering.init.sample", doc_id) < share
    return chosen


@dataclass(frozen=True)
class Piece:
    """Of the rows of a split that are fitted on, those from `start` to `stop`; None: to the end."""

    split_id: int
    start: int = 0
    stop: int | None = None

    @property
    def name(self) -> str:
        """The split's part of `embeddings`."""
        return part_name("embeddings", self.split_id)


class Gang:
    """The actors that hold the rows, and what they are asked together."""

    def __init__(self, run: Run, share: float, strata: Strata | None = None) -> None:
        """Starts the actors on this share of the documents, stratum by stratum where there are strata."""
        self._store, self._job, self._share, self._tell = run.store, run.job, share, run.reporter.event
        self._strata = strata
        self._gpus = ray_cluster.gpus_per_actor(run.job.resources)
        self._wanted = {"GPU": self._gpus} if self._gpus else {"CPU": 1.0}
        self._gather()
        self.rows: int = sum(self.ask(lambda actor: actor.count.remote()))

    def _gather(self) -> None:
        """Starts the actors, as many as the job asks for and the cluster has place for."""
        pieces = [Piece(split.split_id) for split in load_splits(self._store)]
        wanted, most = self._job.resources.clustering_actors, self._places()
        automatic = most if self._gpus else min(most, 16)
        count = max(1, min(len(pieces), most, automatic if wanted == "auto" else wanted))
        self._pieces = [pieces[index::count] for index in range(count)]
        self._actors = [self._start(pieces) for pieces in self._pieces]

    def _places(self) -> int:
        return int(ray_cluster.gpus() / self._gpus) if self._gpus else ray_cluster.cpus()

    def _start(self, pieces: list[Piece]) -> Any:
        import ray

        resources = {"num_gpus": self._gpus} if self._gpus else {"num_cpus": 1}
        device = "cuda" if self._gpus else "cpu"
        arguments = (self._store, pieces, self._share, self._job.seed, device, board(), self._strata)
        return ray.remote(**resources)(RowActor).remote(*arguments)

    def ask(self, call: Callable[[Any], Any]) -> list[Any]:
        """The answers of all actors, in their order; an actor that is lost is started again and asked again.

        Raises:
            RunError: an actor was lost again and again, or found no place for long.
        """
        while True:
            board().ask.remote()
            try:
                waiting = [call(actor) for actor in self._actors]
                return [self._answer(index, reference, call) for index, reference in enumerate(waiting)]
            except _NoPlaceError:
                self.stop()
                self._gather()
                text = f"a K-Means actor found no machine to start on again: {len(self._actors)} hold the rows now"
                self._tell("note", stage="centroids", text=text)

    def _answer(self, index: int, reference: Any, call: Callable[[Any], Any]) -> Any:
        import ray

        for attempt in range(workers.RETRIES + 1):
            try:
                while not ready([reference], "centroids", self._wanted, LOOK):
                    if max(1, self._places()) < len(self._actors):
                        raise _NoPlaceError
                return workers.outcome(reference, "clustering")
            except workers.LostError as error:
                if attempt == workers.RETRIES:
                    pieces = self._pieces[index]
                    what = f"a K-Means actor that holds {pieces[0].name} and {len(pieces) - 1} more"
                    raise workers.lost_too_often(what, error) from error
                note_lost("a K-Means actor", error)
                ray.kill(self._actors[index])  # or one that only can't be reached would keep its place
                self._actors[index] = self._start(self._pieces[index])
                reference = call(self._actors[index])
        raise AssertionError("the last attempt returns or raises")

    def step(self, centroids: NDArray[np.float32], stratum: NDArray[np.int16] | None = None) -> StepResult:
        """One step of all actors, added up; `stratum` int16[K], of each centroid, where there are strata."""
        shared = ray_cluster.share((centroids, stratum))
        answers: Sequence[StepResult] = self.ask(lambda actor: actor.step.remote(shared))
        return reduce(StepResult.__add__, answers)

    def worst(self, centroids: NDArray[np.float32], most: int, stratum: NDArray[np.int16] | None = None) -> Worst:
        """The rows that fit worst over all actors, of each stratum."""
        shared = ray_cluster.share((centroids, stratum))
        found: Sequence[Worst] = self.ask(lambda actor: actor.worst.remote(shared, most))
        return merge_worst(found, most)

    def stop(self) -> None:
        """Ends the actors, and with them the memory they hold."""
        import ray

        for actor in self._actors:
            ray.kill(actor)


class _NoPlaceError(Exception):
    """The cluster has fewer places than the gang has actors."""


def in_blocks(parts: Iterable[NDArray[np.float16]]) -> list[NDArray[np.float16]]:
    """The rows of the parts, [n_i, d], in blocks of at least BLOCK_ROWS: each block costs a step some calls."""
    blocks: list[NDArray[np.float16]] = []
    held: list[NDArray[np.float16]] = []
    rows = 0
    for part in parts:
        held.append(part)
        rows += len(part)
        if rows >= BLOCK_ROWS:
            blocks.append(np.concatenate(held))
            held, rows = [], 0
    return [*blocks, np.concatenate(held)] if held else blocks


def _taken_out(parts: list[NDArray[np.float16]]) -> Iterator[NDArray[np.float16]]:
    """The parts in order, each let go when it was given, so that memory holds the rows once."""
    parts.reverse()
    while parts:
        yield parts.pop()


class RowActor:
    """Holds the rows of some splits that the centroids are fitted on; notes on the board when it works."""

    def __init__(
        self,
        store: Store,
        pieces: list[Piece],
        share: float,
        seed: int,
        device: str,
        board: Any,
        strata: Strata | None = None,
    ) -> None:
        import torch

        torch.set_num_threads(1 if device == "cpu" else 4)
        self._board, self._key = board, f"rows {uuid.uuid4().hex}"
        ids: list[list[NDArray[np.int64]]] = [[] for _ in strata.names] if strata else [[]]
        parts: list[list[NDArray[np.float16]]] = [[] for _ in ids]
        with in_hand(board, self._key):
            repeated = repeated_documents(store)
            for piece in pieces:
                doc_id, vectors = load_vectors(store, piece.name)
                if strata is None:
                    chosen = is_fitted_on(seed, doc_id, share, repeated)
                    number = np.zeros(len(doc_id), np.int16)
                else:
                    number = load_numbers(store, piece.split_id)
                    chosen = strata.is_fitted_on(seed, doc_id, number, share, repeated)
                places = np.flatnonzero(chosen)[piece.start : piece.stop]
                for one in np.unique(number[places]):
                    mine = places[number[places] == one]
                    ids[one].append(doc_id[mine])
                    parts[one].append(vectors[mine])
            self._rows = [in_blocks(_taken_out(own)) for own in parts]
        self._ids = [np.concatenate([np.zeros(0, np.int64), *own]) for own in ids]
        self._seed = seed
        blocks = [RowBlock(rows, own, device) for rows, own in zip(self._rows, self._ids, strict=True)]
        self._block = StratifiedRows(blocks)

    def count(self) -> int:
        """Rows held."""
        return sum(len(ids) for ids in self._ids)

    def sample(self, shares: NDArray[np.float64]) -> list[tuple[NDArray[np.int64], NDArray[np.float16]]]:
        """About this share of the rows of each stratum, with their doc_ids."""
        found = []
        for ids, blocks, share in zip(self._ids, self._rows, shares.tolist(), strict=True):
            chosen = is_in_init(self._seed, ids, share)
            ends = np.cumsum([len(rows) for rows in blocks])
            parts = [rows[chosen[end - len(rows) : end]] for rows, end in zip(blocks, ends, strict=True)]
            found.append((ids[chosen], np.concatenate(parts) if parts else np.zeros((0, 0), np.float16)))
        return found

    def step(self, of: tuple[NDArray[np.float32], NDArray[np.int16] | None]) -> StepResult:
        """See `StratifiedRows.step`; without strata all centroids are of the one."""
        with in_hand(self._board, self._key):
            return self._block.step(*of)

    def worst(self, of: tuple[NDArray[np.float32], NDArray[np.int16] | None], most: int) -> Worst:
        """See `StratifiedRows.worst`."""
        with in_hand(self._board, self._key):
            centroids, stratum = of
            return self._block.worst(centroids, most, stratum)
