"""In which order the draws come.

Within a cell, copy m of every document comes after copy m - 1 of all of them, and inside a copy the order is random.
Let a be the tokens drawn from a cell, and x those drawn before a draw, plus u times the draw's own, where u in
[0, 1) is a random phase of the cell (it keeps thousands of cells from all starting with their first draw at once).
A cell's draws are strung out on a line by a key, and the output is all draws sorted by key:

    order                  key                  between two keys z and z + dz the cell gives
    general_to_specific    x / pace             dz * pace from 0 on, until it is spent
    specific_to_general    1 - (a - x) / pace   dz * pace from where it must start to end at 1
    stationary             x / a                dz * a always: the mixture is the same everywhere
    curriculum             x / a                the same, the cell's documents in order of quality
    shuffled               random               whatever chance gives

pace = level_d * p_cd is what the cell would give if no clip stopped it. So in `general_to_specific` all clusters run
at one speed, the small ones are spent and drop out, and the large ones go on, as in ClusterClip's own loop (Shao et
al. 2024, arXiv 2402.14526), of which it is the mean; `specific_to_general` is its mirror image, in which small
clusters join late and all end together. `interleave` sorts the keys: after any prefix each cell is within one
document of what its key says.

`curriculum` cuts a cell's drawn documents at the quartiles of their quality into four bands; the copy rule above
then holds inside a band.

Cost, measured on one core: 0.2 microseconds a draw, whatever the number of cells. Memory: while sorting some 30 bytes a
draw, and 4 a document, beside the result's 6 a draw.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from curation import counter_rng
from curation.sampling.grouping import (
    BLOCK,
    blocks,
    cell_blocks,
    documents_by_cell,
    index_type,
    order_by,
    stable_argsort,
)
from curation.sampling.interleave import interleave

Order = Literal["general_to_specific", "specific_to_general", "stationary", "curriculum", "shuffled"]
Curriculum = Literal["best_last", "best_first"]

BANDS = 4
#: Bits for the copy number in the random id of a draw and in the sort key of a cell: up to 16,384 copies.
COPY_BITS = 14
#: Random bits in the sort key of a shuffled draw; what a document's index in its block leaves of 64.
SHUFFLE_BITS = np.uint64(64 - (BLOCK - 1).bit_length())

Numbers = NDArray[np.float64]

#: Key of a draw from x, the cell's drawn tokens a, and its pace: float64[draws] each.
_KEYS: dict[str, Callable[[Numbers, Numbers, Numbers], Numbers]] = {
    "general_to_specific": lambda x, drawn, pace: x / pace,
    "specific_to_general": lambda x, drawn, pace: 1.0 - (drawn - x) / pace,
    "stationary": lambda x, drawn, pace: x / drawn,
    "curriculum": lambda x, drawn, pace: x / drawn,
}


@dataclass(frozen=True)
class Schedule:
    """All draws in output order; a draw's position is its index."""

    document: NDArray[Any]
    """int32[draws] (int64 beyond 2^31 documents): index into the arrays that were scheduled."""
    repetition: NDArray[np.int16]
    """int16[draws]: how many times the document came before, from 0."""


def schedule(
    doc_id: NDArray[Any],
    cell: NDArray[Any],
    tokens: NDArray[Any],
    counts: NDArray[np.int16],
    pace: NDArray[np.float64],
    order: Order,
    seed: int,
    quality: NDArray[Any] | None = None,
    curriculum: Curriculum = "best_last",
) -> Schedule:
    """The order of all draws.

    Args:
        doc_id: integers[N], each once, below 2^49.
        cell: integers[N], `cluster * D + domain`.
        tokens: integers[N], at least 1.
        counts: int16[N], draws of each document, as `copies` gives them.
        pace: float64[C, D], `Allocation.pace`; above 0 where something is drawn.
        order: one of `Order`.
        seed: the job's seed.
        quality: float[N], read by `curriculum` only; NaN (there is none) counts as lowest.
        curriculum: whether the best documents come last or first.

    Returns:
        A Schedule of sum(counts) draws. Equal keys are ordered by cell, then by order within the cell.

    Raises:
        ValueError: a count is out of range, `curriculum` has no quality, or a cell is drawn at pace 0.

    Example:
        >>> one = np.array([1, 1, 1])
        >>> drawn = schedule(np.arange(3), np.zeros(3, int), one, np.array([2, 1, 2], np.int16),
        ...                  np.array([[5.0]]), "general_to_specific", seed=0)
        >>> drawn.repetition.tolist(), sorted(drawn.document[:3].tolist())
        ([0, 0, 0, 1, 1], [0, 1, 2])
    """
    if len(counts) and (counts.min() < 0 or counts.max() >= 1 << COPY_BITS):
        raise ValueError(f"copies must lie in [0, {1 << COPY_BITS})")
    if order == "shuffled":
        return _shuffled(doc_id, counts, seed)
    if order == "curriculum" and quality is None:
        raise ValueError("the order `curriculum` needs a quality")
    banded = quality if order == "curriculum" else None
    phase = counter_rng.uniform(seed, "sampling.phase", np.arange(pace.size))
    by_cell, starts = documents_by_cell(cell, pace.size)
    document, repetition = _empty_draws(counts)
    key = np.empty(len(document), dtype=np.float64)
    number, total = np.zeros(pace.size, np.int64), np.zeros(pace.size)
    speed = pace.ravel()
    end = 0
    for low, high in cell_blocks(starts):
        drawn = _drawn_members(by_cell[starts[low] : starts[high]], starts[low : high + 1] - starts[low], counts)
        if not len(drawn.members):
            continue
        band = None if banded is None else _bands(banded[drawn.members], drawn.ends, curriculum)
        place, copy = _cell_order(doc_id[drawn.members], drawn, band, seed)
        start, end = end, end + len(place)
        document[start:end] = drawn.members[place]
        repetition[start:end] = copy
        which = drawn.cell[place]
        here = _string_out(tokens[drawn.members][place], which, phase[low:high])
        number[low:high], total[low:high] = here.draws, here.total
        if ((here.total > 0) & (speed[low:high] <= 0)).any():
            raise ValueError("a cell is drawn, but its pace is 0")
        key[start:end] = _KEYS[order](here.x, here.total[which], speed[low:high][which])
    some = number > 0
    ends = (_KEYS[order](x[some], total[some], speed[some]) for x in (np.zeros_like(total), total))
    result = Schedule(np.empty_like(document), np.empty_like(repetition))
    for part, places in interleave(key, number[some], *ends):
        document.take(places, out=result.document[part], mode="clip")
        repetition.take(places, out=result.repetition[part], mode="clip")
    return result


def _shuffled(doc_id: NDArray[Any], counts: NDArray[np.int16], seed: int) -> Schedule:
    """All draws by a random key each."""
    document, repetition = _empty_draws(counts)
    key = np.empty(len(document), dtype=np.uint64)
    end = 0
    for block in blocks(len(counts)):
        which, copy = _draws(counts[block])
        start, end = end, end + len(which)
        document[start:end] = which + block.start
        repetition[start:end] = copy
        random = counter_rng.keys(seed, "sampling.shuffle", _draw_id(doc_id[block][which], copy))
        # A document's copies are numbered as they come, so its keys are put in order among themselves: one sort
        # of (document, key) packed into 64 bits. The documents are in order already and stay where they are.
        packed = (which.astype(np.uint64) << SHUFFLE_BITS) | (random >> (np.uint64(64) - SHUFFLE_BITS))
        packed.sort()
        key[start:end] = packed & ((np.uint64(1) << SHUFFLE_BITS) - np.uint64(1))
    places = stable_argsort(key)
    del key
    return Schedule(document[places], repetition[places])


@dataclass(frozen=True)
class _Members:
    """The documents of a block of cells that are drawn, cell by cell."""

    members: NDArray[Any]
    """Their indices."""
    cell: NDArray[np.int64]
    """The cell of each, counted in the block."""
    counts: NDArray[np.int16]
    """How often each is drawn."""
    ends: NDArray[np.int64]
    """int64[cells]: where each cell ends in `members`."""


def _drawn_members(members: NDArray[Any], starts: NDArray[np.int64], counts: NDArray[np.int16]) -> _Members:
    """Those of a block's documents that are drawn at all."""
    cell = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    times = counts[members]
    some = times > 0
    if not some.all():
        members, cell, times = members[some], cell[some], times[some]
    return _Members(members, cell, times, np.searchsorted(cell, np.arange(len(starts) - 1), side="right"))


@dataclass(frozen=True)
class _Line:
    """Draws of a block strung out: `x` float64[draws], tokens of the cell before each; of each cell the number of its
    draws, int64[cells], and their tokens, float64[cells].
    """

    x: NDArray[np.float64]
    draws: NDArray[np.int64]
    total: NDArray[np.float64]


def _string_out(tokens: NDArray[Any], cell: NDArray[np.int64], phase: NDArray[np.float64]) -> _Line:
    """Where each draw lies on its cell's line. The draws are sorted by cell, and within a cell in their order."""
    lengths = tokens.astype(np.int64)
    sums = np.cumsum(lengths)
    ends = np.searchsorted(cell, np.arange(len(phase)), side="right")
    until = np.concatenate([np.zeros(1, np.int64), sums])[ends]  # exact: integers
    before = np.concatenate([np.zeros(1, np.int64), until[:-1]])
    x = (sums - before[cell]) - (1.0 - phase[cell]) * lengths
    return _Line(x, np.diff(ends, prepend=0), (until - before).astype(np.float64))


def _cell_order(
    doc_id: NDArray[Any], drawn: _Members, band: NDArray[np.uint64] | None, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """A block's draws, cell by cell in order: index of the document and copy number of each, both int64[draws].

    Sorted by cell, band, copy and a random number.
    """
    which, copy = _draws(drawn.counts)
    fields = [drawn.cell[which], copy] if band is None else [drawn.cell[which], band[which].astype(np.int64), copy]
    random = counter_rng.keys(seed, "sampling.order", _draw_id(doc_id[which], copy))
    order = order_by(fields, random)
    return which[order], copy[order]


def _bands(quality: NDArray[Any], ends: NDArray[np.int64], curriculum: Curriculum) -> NDArray[np.uint64]:
    """The place of each document's quality band in the order of bands: uint64[n] in [0, BANDS).

    Cut at the quartiles of the qualities that there are in a cell; equal qualities share a band.
    """
    band = np.zeros(len(quality), dtype=np.uint64)
    for start, stop in itertools.pairwise([0, *ends.tolist()]):
        here = quality[start:stop]
        known = np.sort(here[~np.isnan(here)])
        if len(known):
            edges = known[np.arange(1, BANDS) * len(known) // BANDS]
            # NaN sorts above every edge, so it is put back where the worst are.
            band[start:stop] = np.where(np.isnan(here), 0, np.searchsorted(edges, here, side="right"))
    return band if curriculum == "best_last" else np.uint64(BANDS - 1) - band


def _draws(counts: NDArray[np.int16]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Index of the document and copy number of each draw, document by document: both int64[sum(counts)]."""
    if counts.max(initial=0) <= 1:
        which = np.flatnonzero(counts)
        return which, np.zeros(len(which), np.int64)
    which = np.repeat(np.arange(len(counts)), counts)
    first = np.cumsum(counts, dtype=np.int64) - counts
    return which, np.arange(len(which)) - first[which]


def _draw_id(doc_id: NDArray[Any], copy: NDArray[np.int64]) -> NDArray[np.int64]:
    """A number of its own for each draw, for the random generator."""
    return (doc_id.astype(np.int64) << COPY_BITS) | copy


def _empty_draws(counts: NDArray[np.int16]) -> tuple[NDArray[Any], NDArray[np.int16]]:
    """Room for every draw: document and repetition."""
    draws = int(counts.sum(dtype=np.int64))
    return np.empty(draws, dtype=index_type(len(counts))), np.empty(draws, dtype=np.int16)
