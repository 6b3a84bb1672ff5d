"""Drawing by chance, with exactly the law of the paper's loop.

ClusterClip's loop (Shao et al. 2024, arXiv 2402.14526) picks a cluster at random among those that are not spent and
takes its next document. Give every cluster instead a clock of its own that rings at the arrivals of an independent
Poisson process, and let it give a document at each ring until it is spent. Whichever clusters are left, the next ring
is from each with a probability in proportion to its rate, since waiting times forget what was (memorylessness). So the
order of all rings is the loop's order, and how many draws each cluster has given when the budget is reached has the
loop's law too. But no draw waits for the one before: the rings of a cluster depend on (seed, cluster) alone.

A cluster's rate is its pace in tokens over the mean length of its documents, so that it gives its pace in tokens per
unit of time, on average, and the budget is reached at a time near 1. Where the clusters are to be even and documents
are of one mean length all rates are the same: that is the paper's loop, which draws contexts of one length. Where
lengths differ, a cluster of long documents rings less often, and the clusters are even by tokens. With domain weights
the same is done inside each domain until its own share of the budget is drawn, and times are measured as a part of
that. `specific_to_general` is the same output backwards in time, cluster by cluster.

Cost: as `schedule`, for a few draws more than come out.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curation import counter_rng
from curation.sampling.grouping import documents_by_cell, index_type, stable_argsort
from curation.sampling.interleave import order_of
from curation.sampling.schedule import COPY_BITS, Schedule

#: Rings of a cell that the random numbers have room for.
RING_BITS = 40
#: Waiting times are multiples of this, so that the last bits of a logarithm, in which processors differ, don't count.
TICK = 2.0**-32
#: A horizon is this many standard deviations of a Poisson number beyond what is expected.
SPARE = 8.0


def draw_by_chance(
    doc_id: NDArray[Any],
    cell: NDArray[Any],
    tokens: NDArray[Any],
    pace: NDArray[np.float64],
    budgets: NDArray[np.float64],
    clips: NDArray[np.int64],
    seed: int,
    *,
    backwards: bool = False,
    used: NDArray[np.int16] | None = None,
) -> Schedule:
    """All draws, in output order.

    Args:
        doc_id: integers[N], each once, below 2^49.
        cell: integers[N], `cluster * D + domain`.
        tokens: integers[N], at least 1.
        pace: float64[C, D], `Allocation.pace`; cells of pace 0 give nothing.
        budgets: float64[D], tokens that each domain gives; or float64[1]: that all give together.
        clips: int64[D], most draws of a document of each domain.
        seed: the job's seed.
        backwards: for `specific_to_general`.
        used: int16[N], draws of each document in earlier phases, which count towards the clip. None: none.

    Returns:
        A Schedule; `repetition` counts a document's draws from 0. The tokens of each budget differ from it by at
        most half of the document that ends it, or by what the clip forbids. Empty where the budgets are less than
        half of the first documents.

    Example:
        >>> drawn = draw_by_chance(np.arange(4), np.array([0, 0, 0, 1]), np.ones(4, int), np.array([[2.0], [2.0]]),
        ...                        np.array([4.0]), np.array([1]), seed=0)
        >>> sorted(drawn.document.tolist())
        [0, 1, 2, 3]
    """
    n_domains = pace.shape[1]
    domain = cell % n_domains
    had = np.zeros(len(cell), np.int16) if used is None else used
    left = np.where(pace.ravel()[cell] > 0, np.maximum(clips[domain] - had, 0), 0)
    whole = len(budgets) == 1  # then a clock is a cluster's, over all its domains; else a cluster's in a domain
    clock = cell // n_domains if whole else cell
    paces = pace.sum(axis=1, keepdims=True) if whole else pace
    rings = _Rings(doc_id, clock, tokens, paces, left, had, seed)
    pieces = [
        _until(rings, group, float(budget), tokens, backwards) for group, budget in enumerate(budgets) if budget > 0
    ]
    document = np.concatenate([np.zeros(0, index_type(len(cell))), *(piece[0] for piece in pieces)])
    copy = np.concatenate([np.zeros(0, np.int16), *(piece[1] for piece in pieces)])
    key = np.concatenate([np.zeros(0), *(piece[2] for piece in pieces)])
    result = Schedule(np.empty_like(document), np.empty_like(copy))
    for part, places in order_of(key):
        result.document[part] = document[places]
        result.repetition[part] = copy[places]
    return result


Piece = tuple[NDArray[Any], NDArray[np.int16], NDArray[np.float64]]


def _until(rings: _Rings, group: int, budget: float, tokens: NDArray[Any], backwards: bool) -> Piece:
    """The draws of a domain (or of all) until the budget is drawn: document, copy, and time as a part of the whole."""
    horizon = 1.05
    while True:
        pieces = [rings.of_clock(clock, horizon) for clock in rings.clocks(group)]
        document, copy, time, clock = (np.concatenate(arrays) for arrays in zip(*pieces, strict=True))
        order = stable_argsort(time)
        sums = np.cumsum(tokens[document[order]], dtype=np.int64)
        if (len(sums) and sums[-1] >= budget) or len(sums) == rings.most(group):
            break
        horizon *= 1.25
    # The last draw is taken if that is nearer to the budget.
    stop = int(np.searchsorted(sums, budget))
    if stop < len(sums) and sums[stop] - budget < budget - (sums[stop - 1] if stop else 0):
        stop += 1
    kept = np.zeros(len(time), np.bool_)
    kept[order[:stop]] = True
    end = float(time[order[stop - 1]]) if stop else 1.0
    document, copy, clock, key = document[kept], copy[kept], clock[kept], time[kept] / end
    return document, copy, _mirrored(key, clock) if backwards else key


def _mirrored(key: NDArray[np.float64], clock: NDArray[np.int64]) -> NDArray[np.float64]:
    """Times counted from the end; a clock's draws keep their order. The draws lie clock by clock in order of time."""
    cuts = [0, *(np.flatnonzero(np.diff(clock)) + 1).tolist(), len(clock)]
    mirrored = np.empty_like(key)
    for start, stop in itertools.pairwise(cuts):
        mirrored[start:stop] = 1.0 - key[start:stop][::-1]
    return mirrored


class _Rings:
    """The rings of every clock up to any horizon. Clock c is of group c % groups, where `paces` is [C, groups]."""

    def __init__(
        self,
        doc_id: NDArray[Any],
        clock: NDArray[Any],
        tokens: NDArray[Any],
        paces: NDArray[np.float64],
        left: NDArray[Any],
        had: NDArray[np.int16],
        seed: int,
    ) -> None:
        self._doc_id, self._tokens, self._paces = doc_id, tokens, paces
        self._left, self._had, self._seed = left, had, seed
        self._documents, self._starts = documents_by_cell(clock, paces.size)
        self._some = (paces.ravel() > 0) & (np.diff(self._starts) > 0)

    def clocks(self, group: int) -> list[int]:
        """The clocks of a group that can ring."""
        found = np.flatnonzero(self._some)
        return [int(clock) for clock in found[found % self._paces.shape[1] == group]]

    def most(self, group: int) -> int:
        """Draws that a group can give within the clip."""
        return sum(int(self._left[self._members(clock)].sum(dtype=np.int64)) for clock in self.clocks(group))

    def _members(self, clock: int) -> NDArray[Any]:
        return self._documents[self._starts[clock] : self._starts[clock + 1]]

    def of_clock(
        self, clock: int, horizon: float
    ) -> tuple[NDArray[Any], NDArray[np.int16], NDArray[np.float64], NDArray[np.int64]]:
        """A clock's draws that ring before the horizon, in order: document, copy, time, clock."""
        members = self._members(clock)
        members = members[self._left[members] > 0]
        left, had = self._left[members].astype(np.int64), self._had[members].astype(np.int64)
        rate = float(self._paces.flat[clock]) * len(members) / max(1, int(self._tokens[members].sum(dtype=np.int64)))
        expected = rate * horizon
        number = min(int(left.sum()), int(expected + SPARE * np.sqrt(expected) + 2 * SPARE))
        ring = (np.int64(clock) << RING_BITS) | np.arange(number)
        waits = np.rint(-np.log1p(-counter_rng.uniform(self._seed, "sampling.arrivals", ring)) / TICK)
        time = np.cumsum(waits.astype(np.int64)).astype(np.float64) * (TICK / max(rate, TICK**4))
        number = int(np.searchsorted(time, horizon))
        which, copy = self._sequence(members, left, had, number)
        return members[which], copy.astype(np.int16), time[:number], np.full(number, clock, np.int64)

    def _sequence(
        self, members: NDArray[Any], left: NDArray[np.int64], had: NDArray[np.int64], number: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The first so many draws of a clock: who was used least comes first, and among equals it is by chance."""
        height = int(had.min(initial=0))
        while int(np.minimum(left, np.maximum(height - had, 0)).sum()) < number:
            height += 1
        draws = np.minimum(left, np.maximum(height - had, 0))
        which = np.repeat(np.arange(len(members)), draws)
        copy = np.arange(len(which)) - np.repeat(np.cumsum(draws) - draws - had, draws)
        ids = (self._doc_id[members[which]].astype(np.int64) << COPY_BITS) | copy
        random = counter_rng.keys(self._seed, "sampling.order", ids) >> np.uint64(COPY_BITS)
        order = stable_argsort((copy.astype(np.uint64) << np.uint64(64 - COPY_BITS)) | random)[:number]
        # Counted from 0 in this phase, as `schedule` does.
        return which[order], (copy - had[which])[order]
