"""The actor that is one rank of the cuML engine, and which rows each rank holds.

Ranks wait for each other in every iteration, so the slowest sets the pace and rows are dealt evenly by count: the rows
to fit on, in the order of their ids, are cut into as many runs as there are ranks, wherever in a split a cut falls.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curation.clustering.segments import Advance
from curation.stages.context import Run
from curation.stages.gang import Piece, RowActor, is_fitted_on
from curation.stages.repeats import repeated_documents
from curation.stages.splits import load_splits, part_name
from curation.stages.workers import map_items
from curation.storage.store import Store

#: Splits whose rows a task counts.
_SPLITS_A_TASK = 64


class RankActor(RowActor):
    """A rank, with the rows that it fits; its exact iterations are those of `RowActor`."""

    def __init__(
        self,
        rank_class: Any,
        place: tuple[int, int],
        store: Store,
        pieces: list[Piece],
        share: float,
        seed: int,
        board: Any,
    ) -> None:
        """Reads the rows. `place`: which rank this is, of how many. `rank_class`: `CumlRank`, or one like it."""
        super().__init__(store, pieces, share, seed, rank_class.DEVICE, board)
        self._place, self._rank = place, rank_class(self._rows[0])

    def new_id(self) -> bytes:
        """See `CumlRank.new_id`."""
        made: bytes = self._rank.new_id()
        return made

    def connect(self, unique_id: bytes) -> None:
        """See `CumlRank.connect`."""
        self._rank.connect(*self._place, unique_id)

    def advance(self, centroids: NDArray[np.float32], iterations: int, tolerance: float) -> Advance | None:
        """See `CumlRank.advance`; all ranks have the same centroids then, and rank 0 gives them back."""
        made: Advance = self._rank.advance(centroids, iterations, tolerance)
        return None if self._place[0] else made

    def close(self) -> None:
        """See `CumlRank.close`."""
        self._rank.close()


def rows_to_fit(run: Run, share: float) -> dict[int, int]:
    """How many rows of each split, by its id, are fitted on; splits in the order of their documents."""
    splits = [split.split_id for split in load_splits(run.store)]
    counts: dict[int, int] = {}
    left = iter(splits)
    batches = iter(lambda: list(islice(left, _SPLITS_A_TASK)), [])
    for batch, found in map_items(batches, _count, run.store, share, run.job.seed, tasks=run.job.resources.tasks):
        counts |= dict(zip(batch, found, strict=True))
    return {split: counts[split] for split in splits}


def _count(splits: list[int], store: Store, share: float, seed: int) -> list[int]:
    repeated = repeated_documents(store)
    ids = (store.read_table(part_name("embeddings", one), ["doc_id"])["doc_id"].to_numpy() for one in splits)
    return [int(np.count_nonzero(is_fitted_on(seed, doc_id, share, repeated))) for doc_id in ids]


def even_pieces(counts: dict[int, int], ranks: int) -> list[list[Piece]]:
    """The rows cut into so many runs, whose lengths differ by at most 1: the pieces of splits in each."""
    total = sum(counts.values())
    ends = [total * rank // ranks for rank in range(ranks + 1)]
    return [list(_between(counts, start, stop)) for start, stop in pairwise(ends)]


def _between(counts: dict[int, int], start: int, stop: int) -> Iterator[Piece]:
    """The pieces that hold the rows from `start` to `stop`, counted through all splits."""
    begin = 0
    for split, count in counts.items():
        first, last = max(start - begin, 0), min(stop - begin, count)
        if first < last:
            yield Piece(split, first, last)
        begin += count
