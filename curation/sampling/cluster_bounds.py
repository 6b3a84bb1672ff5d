"""Floors and caps of a cluster's share: the least KL divergence with bounds on the rows of the table.

The problem of `allocation` with one more condition, low <= sum_d a_cd <= high for each cluster c. By Lagrange's
conditions the answer is

    a_cd = min(cap_cd, row_c * level_d * p_cd),

row_c above 1 only where the cluster is at its floor, below 1 only where it is at its cap, else 1. Without domain
weights there is one level for all, and the rows' factors don't hang on each other: each cluster's own level is the
common one, held between the level at which its floor is met and the one at which its cap is, so the common level is
the root of one monotone piecewise-linear function, found exactly. With domain weights the rows and the columns are
brought into line in turn, each time exactly, as in matrix scaling (Sinkhorn 1967; Bregman 1967: it maximises the
concave dual one block at a time), until both hold.

Cost: a sort of the table, per round: 40,000 cells take 10 ms, and some ten to a hundred rounds.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from curation.errors import JobError, RunError
from curation.sampling.water_filling import ROUNDING, breakpoints, fill

#: Rounds of the alternation, the relative error of a domain's total at which it stops, and the one that will do at
#: the end: conditions that can just be met are approached slowly.
ROUNDS, CLOSE, CLOSE_ENOUGH = 5_000, 1e-10, 1e-4

Table = NDArray[np.float64]


def bounded_paces(
    preference: Table,
    caps: Table,
    totals: NDArray[np.float64],
    low: float,
    high: float,
    names: list[str],
) -> Table:
    """What each cell would get without its own cap; `fill` of it and the caps is the allocation.

    Args:
        preference: float64[C, D], at least 0.
        caps: float64[C, D], at least 0: the most a cell can give.
        totals: float64[D], what each domain gives; or float64[1]: what all give together.
        low: tokens that a cluster gives at least. One that can't give so many gives all it has.
        high: tokens that a cluster gives at most.
        names: D names of the domains, for messages.

    Returns:
        float64[C, D]: row_c * level_d * p_cd.

    Raises:
        JobError: no allocation keeps to the bounds.
    """
    usable = np.where(preference > 0, caps, 0.0)
    reach = usable.sum(axis=1)
    floor = np.minimum(low, reach)
    _check(reach, floor, high, float(totals.sum()))
    if len(totals) == 1:
        return _one_level(preference, caps, float(totals[0]), floor, high)
    _check_feasible(usable, totals, floor, high, names)
    return _alternate(preference, caps, totals, floor, high)


def row_levels(preference: Table, caps: Table, totals: NDArray[np.float64]) -> NDArray[np.float64]:
    """`water_level` of every row of a table at once.

    Args:
        preference: float64[R, n].
        caps: float64[R, n].
        totals: float64[R]; infinity, or more than a row can give: infinity.

    Returns:
        float64[R]; 0 where the total is 0.
    """
    points = np.where((preference > 0) & (caps > 0), breakpoints(preference, caps), np.inf)
    order = np.argsort(points, axis=1, kind="stable")
    points = np.take_along_axis(points, order, axis=1)
    known = np.isfinite(points)
    cap = np.where(known, np.take_along_axis(caps, order, axis=1), 0.0)
    share = np.where(known, np.take_along_axis(preference, order, axis=1), 0.0)
    before = np.cumsum(cap, axis=1) - cap
    after = np.cumsum(share[:, ::-1], axis=1)[:, ::-1]
    drawn = np.where(known, before + np.where(known, points, 0.0) * after, np.inf)
    piece = (drawn < totals[:, None]).sum(axis=1)
    inside = np.minimum(piece, points.shape[1] - 1)
    rows = np.arange(len(points))
    slope = after[rows, inside]
    spent = totals >= cap.sum(axis=1) * (1 - ROUNDING)
    with np.errstate(invalid="ignore"):
        level = np.divide(totals - before[rows, inside], slope, out=np.full(len(points), np.inf), where=slope > 0)
    level = np.where(spent, np.inf, level)
    return np.where(totals <= 0, 0.0, np.maximum(level, 0.0))


def _check(reach: NDArray[np.float64], floor: NDArray[np.float64], high: float, total: float) -> None:
    """Refuses bounds that leave no way to draw the total, whatever the domains."""
    most = float(np.minimum(reach, high).sum())
    if total > most * (1 + ROUNDING):
        raise JobError(
            f"sampling.max_cluster_share lets the {np.count_nonzero(reach)} clusters give {most:,.0f} tokens within "
            f"the clip, and {total:,.0f} are to be drawn: raise it, or raise sampling.clip"
        )
    least = float(floor.sum())
    if least > total * (1 + ROUNDING):
        raise JobError(
            f"sampling.min_cluster_share asks for {least:,.0f} tokens from {np.count_nonzero(reach)} clusters, and "
            f"{total:,.0f} are to be drawn: lower it to at most 1 / clusters"
        )


def _one_level(preference: Table, caps: Table, total: float, floor: NDArray[np.float64], high: float) -> Table:
    """Exact: each cell gives its share of the common level, held between what its cluster's bounds make of it."""
    least = row_levels(preference, caps, floor)
    most = row_levels(preference, caps, np.full(len(caps), high))
    # A cluster whose floor is all it has gives all at any level.
    spent = np.isinf(least)
    finite = np.where(spent, 0.0, least)
    bottom = np.where(spent[:, None], caps, fill(preference, caps, finite[:, None])) * (preference > 0)
    held = np.where(np.isinf(most), 0.0, most)
    top = np.where(np.isinf(most)[:, None], caps, fill(preference, caps, held[:, None])) * (preference > 0)
    level = _level_between(preference.ravel(), bottom.ravel(), top.ravel(), total)
    own = np.clip(level, finite, most)
    # Spent clusters are paced so that every cap binds.
    points = np.where((preference > 0) & (caps > 0), breakpoints(preference, caps), 0.0).max(axis=1)
    own = np.where(spent, np.maximum(points * (1 + 1e-12), level), own)
    paces: Table = own[:, None] * preference
    return paces


def _level_between(
    preference: NDArray[np.float64], bottom: NDArray[np.float64], top: NDArray[np.float64], total: float
) -> float:
    """The level at which sum(clip(level * preference, bottom, top)) is `total`."""
    moves = (preference > 0) & (top > bottom)
    p, low, high = preference[moves], bottom[moves], top[moves]
    if not len(p):
        return 0.0
    points = np.concatenate([low / p, high / p])
    slopes = np.concatenate([p, -p])
    order = np.argsort(points, kind="stable")
    points, slope = points[order], np.cumsum(slopes[order])
    drawn = float(bottom.sum()) + np.concatenate([[0.0], np.cumsum(np.diff(points) * slope[:-1])])
    piece = int(np.clip(np.searchsorted(drawn, total) - 1, 0, len(points) - 2))
    level = float(points[piece])
    if slope[piece] > 0:
        level += (total - float(drawn[piece])) / float(slope[piece])
    level = min(max(level, float(points[piece])), float(points[piece + 1]))
    # The running sums have rounded; the slope there, summed anew, mends the last digits.
    inside = (level * p > low) & (level * p < high)
    if inside.any():
        given = float(bottom[~moves].sum()) + float(np.clip(level * p, low, high).sum())
        level += (total - given) / float(p[inside].sum())
    return level


def _alternate(
    preference: Table, caps: Table, totals: NDArray[np.float64], floor: NDArray[np.float64], high: float
) -> Table:
    """Brings domains and clusters into line in turn until both hold."""
    row = np.ones(len(caps))
    ceiling = np.full(len(caps), high)
    most = np.where((preference > 0) & (caps > 0), breakpoints(preference, caps), 0.0).max(initial=0.0)
    wanted = np.maximum(totals, 1e-300)
    for _ in range(ROUNDS):
        scaled = row[:, None] * preference
        level = _finite(row_levels(scaled.T, caps.T, totals), most / max(float(row[row > 0].min(initial=1.0)), 1e-12))
        paced = level * preference
        row = _held(paced, caps, floor, ceiling)
        paces: Table = row[:, None] * paced
        error = np.abs(fill(paces, caps, 1.0).sum(axis=0) - totals) / wanted
        if error.max(initial=0.0) < CLOSE:
            return paces
    if error.max() < CLOSE_ENOUGH:
        return paces
    raise RunError(f"the shares of the clusters could not be brought in line with the domains' ({error.max():.1e} off)")


def _check_feasible(
    usable: Table, totals: NDArray[np.float64], floor: NDArray[np.float64], high: float, names: list[str]
) -> None:
    """Refuses bounds that leave no way to draw the domains' totals: a linear programme without an objective."""
    from scipy.optimize import linprog
    from scipy.sparse import coo_array, vstack

    at = np.argwhere(usable > 0)
    scale = totals.sum()
    cells = np.arange(len(at))
    ones = np.ones(len(at))
    rows = coo_array((ones, (at[:, 0], cells)), shape=(len(usable), len(at)))
    columns = coo_array((ones, (at[:, 1], cells)), shape=(len(totals), len(at)))
    upper = np.concatenate([np.full(len(usable), high), -floor * (1 - ROUNDING)]) / scale
    found = linprog(
        np.zeros(len(at)),
        A_ub=vstack([rows, -rows]),
        b_ub=upper,
        A_eq=columns,
        b_eq=totals / scale,
        bounds=np.column_stack([np.zeros(len(at)), usable[usable > 0] / scale]),
    )
    if found.status != 2:
        return
    short = totals - np.minimum(usable, high).sum(axis=0)
    worst = int(np.argmax(short / np.maximum(totals, 1e-300)))
    told = f"; domain {names[worst]!r} lies in too few clusters" if short[worst] > 0 else ""
    raise JobError(
        "sampling.min_cluster_share and max_cluster_share leave no way to draw the domains in their weights"
        f"{told}: widen them, or set blending.weights: none"
    )


def _held(paced: Table, caps: Table, floor: NDArray[np.float64], ceiling: NDArray[np.float64]) -> NDArray[np.float64]:
    """The factor of each row: 1, but where its floor or its cap asks for another."""
    given = fill(paced, caps, 1.0).sum(axis=1)
    short, over = given < floor, given > ceiling
    row = np.ones(len(caps))
    if short.any():
        points = np.where((paced > 0) & (caps > 0), breakpoints(paced, caps), 0.0).max(axis=1)
        row[short] = _finite(row_levels(paced[short], caps[short], floor[short]), points[short])
    if over.any():
        row[over] = row_levels(paced[over], caps[over], ceiling[over])
    return row


def _finite(levels: NDArray[np.float64], instead: Any) -> NDArray[np.float64]:
    """Levels, and where one is infinite (all caps bind) a finite one at which they all do."""
    return np.where(np.isinf(levels), instead * (1 + 1e-12), levels)
