"""How often each document is drawn.

Within a cell the copies follow quality: r_i = min(tau, mu * q_i) with sum r_i * t_i = a_cd, again a water-filling
(caps tau * t_i, preferences q_i * t_i); without quality r_i = a_cd / S_cd for all. Real numbers become whole ones
so that the cell hits its target: every document gets floor(r_i), and a random subset gets one more. The subset is
a prefix of the cell's documents in the order of u_i / phi_i, phi_i = r_i - floor(r_i), u_i uniform: sequential
Poisson sampling (Ohlsson 1998, Journal of Official Statistics 14:2), in which a document is drawn with probability
phi_i, nearly, and the size is ours to choose. With one phi it is a random order. Nobody is used three times before
everybody of the cell (of its quality) was used twice.

The prefix is the one whose tokens come nearest to what is left of the target, so a cell is off by at most half of
its longest document. What it is off by is carried into the next cell of the domain, and from domain to domain, so
that the errors don't add up. A cell takes in no more of the carry than half of its own longest document, a domain
no more than half of its longest; the rest is passed on. Hence, with t the longest document that can be drawn once
more (h <= t / 2 is its half), no cell and no domain is off by more than its own 2h, and the whole plan not by more
than one h: |carry| never grows beyond the largest h, since what a cell leaves is at most max(|carry|, h).

In a later phase the documents that were used least come first: r_i = max(0, h - used_i) instead of one r for all,
and with quality the caps are what the earlier phases left of the clip.

Cells of a domain are gone through in order of their clusters. Cost: a sort by cell and a sort within each cell;
measured on one core 0.15 microseconds a document at 5 million documents, 0.25 at 100 million (with quality about
twice that), and some 50 microseconds a cell. Memory beside the result: 4 bytes a document, and while grouping 16 more.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from curation import counter_rng
from curation.sampling.grouping import cell_blocks, documents_by_cell, order_by, stable_argsort
from curation.sampling.water_filling import ROUNDING, fill, water_level

#: Rates nearer than this to a whole number are whole: what is left is the rounding of the target's own sums.
WHOLE = 1e-10


def copies(
    doc_id: NDArray[Any],
    cell: NDArray[Any],
    tokens: NDArray[Any],
    target: NDArray[np.float64],
    clips: NDArray[np.int64],
    seed: int,
    quality: NDArray[Any] | None = None,
    used: NDArray[np.int16] | None = None,
) -> NDArray[np.int16]:
    """Draws of each document.

    Args:
        doc_id: integers[N], each once, ascending. (Another order gives the same copies, but for the rounding of
            sums of qualities.)
        cell: integers[N], `cluster * D + domain`.
        tokens: integers[N], at least 1.
        target: float64[C, D], tokens to draw from each cell, at most clip times those it has.
        clips: int64[D], most draws of a document of each domain, 1 to 10,000.
        seed: the job's seed.
        quality: float[N], at least 0; NaN (there is none) counts as 1. Documents of quality 0 are drawn only when
            the others of their cell are spent. None: all alike.
        used: int16[N], draws of each document in earlier phases, which count towards the clip. None: none.

    Returns:
        int16[N], 0 to clip, less what was used. The tokens drawn from a cell, and from a domain, differ from their
        target by less than the longest document in it; those of the whole plan by less than the longest document.

    Raises:
        ValueError: a target can't be met, a document has no tokens or a wrong quality, or the clip is out of range.

    Example:
        >>> ids = np.arange(4)
        >>> copies(ids, np.zeros(4, int), np.full(4, 10), np.array([[80.0]]), np.array([5]), seed=0).tolist()
        [2, 2, 2, 2]
    """
    if clips.shape != target.shape[1:] or clips.min() < 1 or clips.max() > 10_000:
        raise ValueError(f"there must be a clip in [1, 10000] a domain; they are {clips}")
    if len(tokens) and tokens.min() < 1:
        raise ValueError("every document must have at least 1 token")
    if quality is not None and (quality < 0).any():
        raise ValueError("qualities must not be negative")
    counts = np.zeros(len(cell), dtype=np.int16)
    documents, starts = documents_by_cell(cell, target.size)
    if quality is None:  # then u_i alone is the order: all that get one more have one phi
        _shuffle_cells(documents, starts, doc_id, seed)
    n_domains = target.shape[1]
    plan_debt = 0.0  # tokens that the domains so far still owe; below 0 if they gave too much
    for domain in range(n_domains):
        debt = 0.0  # what this domain owes: its own, and what it took over of the plan's
        taken_over = 0.0
        half = 0.0  # of the longest document that this domain could round with so far
        for flat in np.flatnonzero(target[:, domain]) * n_domains + domain:
            wanted = float(target.flat[flat])
            members = documents[starts[flat] : starts[flat + 1]]
            lengths = tokens.take(members).astype(np.int64)
            cell_quality = None if quality is None else quality[members]
            cell_used = None if used is None else np.minimum(used[members], clips[domain])
            rates = _rates(lengths, wanted, int(clips[domain]), cell_quality, cell_used)
            whole = np.floor(rates).astype(np.int16)
            counts[members] = whole
            uneven = np.flatnonzero(np.broadcast_to(rates != whole, lengths.shape))
            if not len(uneven):
                continue
            order = uneven
            if quality is not None:
                random = counter_rng.uniform(seed, "sampling.copies", doc_id[members[uneven]])
                order = uneven[stable_argsort(random / (rates - whole)[uneven])]
            cell_half = float(lengths[uneven].max()) / 2
            half = max(half, cell_half)
            share = min(max(plan_debt, -half), half)
            debt, taken_over = debt + share - taken_over, share
            left = wanted - float(np.broadcast_to(whole, lengths.shape).astype(np.int64) @ lengths)
            sums = np.cumsum(lengths[order])
            extra = _nearest_prefix(sums, left, min(max(debt, -cell_half), cell_half))
            counts[members[order[:extra]]] += 1
            debt += left - (float(sums[extra - 1]) if extra else 0.0)
        plan_debt += debt - taken_over
    return counts


def _shuffle_cells(documents: NDArray[Any], starts: NDArray[np.int64], doc_id: NDArray[Any], seed: int) -> None:
    """Puts the documents of each cell into the order of their u_i, in place, a block of cells at a time."""
    for low, high in cell_blocks(starts):
        part = documents[starts[low] : starts[high]]
        cell = np.repeat(np.arange(high - low), np.diff(starts[low : high + 1]))
        part[:] = part[order_by([cell], counter_rng.keys(seed, "sampling.copies", doc_id[part]))]


def _rates(
    lengths: NDArray[np.int64],
    wanted: float,
    clip: int,
    quality: NDArray[Any] | None,
    used: NDArray[np.int16] | None,
) -> NDArray[np.float64]:
    """r_i of a cell's documents: float64[n], or float64[1] for all alike; whole numbers exact, sum(r_i * t_i) = wanted.

    `used` is at most the clip; r_i at most what it leaves of the clip.
    """
    if not len(lengths):
        raise ValueError(f"{wanted:g} tokens are to be drawn from a cell without documents")
    room = np.full(1, clip, np.int64) if used is None else clip - used.astype(np.int64)
    if wanted > float((room * lengths).sum()) * (1 + ROUNDING):
        raise ValueError(f"{wanted:g} tokens are more than a cell can give at clip {clip}")
    if quality is not None:
        rates = _rates_by_quality(lengths, wanted, room, quality)
    elif used is not None:
        rates = _rates_after(lengths, wanted, clip, used)
    else:
        rates = np.full(1, wanted / int(lengths.sum()))
    nearest = np.rint(rates)
    rates = np.where(np.abs(rates - nearest) <= WHOLE * (1 + rates), nearest, rates)
    limited: NDArray[np.float64] = np.minimum(rates, room)
    return limited


def _rates_after(lengths: NDArray[np.int64], wanted: float, clip: int, used: NDArray[np.int16]) -> NDArray[np.float64]:
    """r_i = max(0, h - used_i): who was used least comes first, and all are brought to one height h."""
    tokens = np.bincount(used, lengths, clip)[:clip]  # by how often they were used; the spent ones left out
    growing = np.cumsum(tokens)  # tokens that a height between k and k + 1 adds to
    drawn = np.concatenate([[0.0], np.cumsum(growing)])  # up to height k
    step = min(int(np.searchsorted(drawn, wanted, side="right")) - 1, clip - 1)
    height = step + (wanted - float(drawn[step])) / float(growing[step]) if growing[step] else float(step)
    rates: NDArray[np.float64] = np.maximum(0.0, min(height, float(clip)) - used)
    return rates


def _rates_by_quality(
    lengths: NDArray[np.int64], wanted: float, room: NDArray[np.int64], quality: NDArray[Any]
) -> NDArray[np.float64]:
    """min(room_i, mu * q_i), and what the documents of quality 0 must add when the others are spent."""
    value = np.nan_to_num(quality.astype(np.float64), nan=1.0)
    caps = (lengths * room).astype(np.float64)
    good = value > 0
    spare = float(caps[good].sum())
    level = water_level(value * lengths, caps, min(wanted, spare))
    rates = fill(value * lengths, caps, level) / lengths
    if wanted > spare and not good.all():
        rates[~good] = (wanted - spare) * (caps / lengths)[~good] / float(caps[~good].sum())
    return rates


def _nearest_prefix(sums: NDArray[np.int64], left: float, debt: float) -> int:
    """How many of the first documents come nearest to `left + debt` tokens; between two, what is nearer to `left`.

    With |debt| and the gaps between `sums` bounded by h and 2h, the result is off from `left` by less than 2h.
    """
    above = int(np.searchsorted(sums, left + debt))
    if above == len(sums):
        return above
    over = float(sums[above]) - (left + debt)
    under = (left + debt) - (float(sums[above - 1]) if above else 0.0)
    return above + 1 if over < under or (over == under and debt < 0) else above
