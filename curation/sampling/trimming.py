"""Token caps in whole documents: the share of the draws that carry a token, exact.

The allocation keeps the caps in what is expected. Whole documents differ from it by chance, and where a class gives
less than a document short ones are likelier, so that there are more of them. So draws of carriers are taken back, one
from each of those that are drawn most often, by chance among equals, until every cap holds to the draw: carriers /
draws <= limit. Documents that carry no capped token take their places, of the same cell as far as they are there and of
the same domain after that, those drawn least first and each once more at most, never beyond the clip. They add to the
draws alone, so no cap breaks again. What no document can take stays short.

Cost: nothing where the caps hold; else a sort of the carriers, and one of the other documents in their cells.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import floor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curation.counter_rng import keys


@dataclass(frozen=True)
class Carried:
    """What is drawn of the carriers of each token: int64[K] each."""

    draws: NDArray[np.int64]
    tokens: NDArray[np.int64]
    taken: NDArray[np.int64]
    """Draws that were taken back from them."""


def most_carriers(draws: int, limit: float) -> int:
    """The most of so many draws that may carry a token: the largest whole c with `c / draws <= limit`.

    Example:
        >>> most_carriers(100, 0.29), most_carriers(99, 0.29), most_carriers(0, 0.5)
        (29, 28, 0)
    """
    most = floor(limit * draws)
    if draws and (most + 1) / draws <= limit:
        most += 1
    while most and most / draws > limit:
        most -= 1
    return most


def trim(
    counts: NDArray[np.int16],
    carries: NDArray[np.uint32],
    limits: NDArray[np.float64],
    *,
    doc_id: NDArray[Any],
    cell: NDArray[Any],
    tokens: NDArray[Any],
    most: NDArray[np.int16],
    n_cells: int,
    n_domains: int,
    seed: int,
) -> Carried:
    """Takes draws from carriers until every cap holds, and gives them to others; in place.

    Args:
        counts: int16[N], draws of each document. Changed.
        carries: uint32[N], bit k where a document carries token k.
        limits: float64[K], the largest share of the draws of each token; 1: any.
        doc_id: integers[N], each once.
        cell: integers[N], `cluster * n_domains + domain`.
        tokens: integers[N].
        most: int16[N], draws that a document may have; 0 for one that is not to be drawn.
        n_cells: number of cells.
        n_domains: number of domains.
        seed: the job's seed.

    Returns:
        What is left to the carriers of each token. `carriers / draws <= limit` holds for each; the tokens drawn are as
        before, less what no other document could take, and but for whole documents.
    """
    taken = np.zeros(len(limits), np.int64)
    carriers = [np.flatnonzero(carries & _bit(k)) for k in range(len(limits))]
    members = {k: carriers[k] for k in np.flatnonzero(limits < 1).tolist()}
    gone = [np.zeros(0, np.int64)]
    draws = int(counts.sum(dtype=np.int64))
    while over := [k for k in members if _drawn(counts, members[k]) > most_carriers(draws, limits[k])]:
        k = over[0]
        # Taking e of them back leaves `found - e` of `draws - e`; this is the least e that will do, or one below.
        found, limit = _drawn(counts, members[k]), float(limits[k])
        wanted = max(1, floor((found - limit * draws) / (1 - limit)))
        chosen = _last_draws(counts, members[k], wanted, doc_id, seed)
        counts[chosen] -= 1
        draws -= len(chosen)
        gone.append(chosen)
        taken += [np.count_nonzero(carries[chosen] & _bit(other)) for other in range(len(limits))]
    lost = np.concatenate(gone)
    if len(lost):
        free = (carries & np.bitwise_or.reduce([_bit(k) for k in members])) == 0
        by_cell = np.bincount(cell[lost], tokens[lost], n_cells).astype(np.float64)
        left = _fill(counts, by_cell, free, cell, tokens, most, doc_id, seed)
        by_domain = left.reshape(-1, n_domains).sum(axis=0)
        _fill(counts, by_domain, free, cell % n_domains, tokens, most, doc_id, seed)
    draws_of = [_drawn(counts, found) for found in carriers]
    tokens_of = [int(counts[found].astype(np.int64) @ tokens[found].astype(np.int64)) for found in carriers]
    return Carried(np.array(draws_of, np.int64), np.array(tokens_of, np.int64), taken)


def _bit(k: int) -> np.uint32:
    return np.uint32(1 << k)


def _drawn(counts: NDArray[np.int16], members: NDArray[np.int64]) -> int:
    """Draws of some documents."""
    return int(counts[members].sum(dtype=np.int64))


def _last_draws(
    counts: NDArray[np.int16], members: NDArray[np.int64], wanted: int, doc_id: NDArray[Any], seed: int
) -> NDArray[np.int64]:
    """So many of the members that are drawn, or all of them: those drawn most often first, by chance among equals."""
    drawn = members[counts[members] > 0]
    order = np.lexsort((keys(seed, "sampling.token_caps", doc_id[drawn]), -counts[drawn]))
    return drawn[order[:wanted]]


def _fill(
    counts: NDArray[np.int16],
    need: NDArray[np.float64],
    free: NDArray[np.bool_],
    group: NDArray[Any],
    tokens: NDArray[Any],
    most: NDArray[np.int16],
    doc_id: NDArray[Any],
    seed: int,
) -> NDArray[np.float64]:
    """Draws free documents of each group once more, until they come nearest to the tokens it needs; in place.

    Returns:
        float64[groups]: what each still needs; below 0 where it got more.
    """
    able = np.flatnonzero(free & (counts < most) & (need[group] > 0))
    order = np.lexsort((keys(seed, "sampling.token_caps", doc_id[able]), counts[able], group[able]))
    able = able[order]
    own, lengths = group[able], tokens[able].astype(np.float64)
    before = np.cumsum(lengths) - lengths
    starts = np.searchsorted(own, own)  # the first of each group
    # Of a group those are taken whose middle lies before what it needs: the prefix that comes nearest.
    chosen = before - before[starts] + lengths / 2 <= need[own]
    counts[able[chosen]] += 1
    left: NDArray[np.float64] = need - np.bincount(own[chosen], lengths[chosen], len(need))
    return left
