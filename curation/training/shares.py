r"""Shares of clusters that follow the losses: multiplicative weights, within bounds.

The rule is the online update of group DRO (Sagawa et al. 2020, arXiv 1911.08731, algorithm 1), which is Hedge (Freund
and Schapire 1997) with losses as gains: each share is multiplied by exp(rate * loss) and all are scaled to sum to 1. So
the clusters that are learnt worst are drawn more often. Two things are added:

- A share stays within [floor, cap] times its share in the plan. The point of that box nearest to the multiplied shares
  in KL divergence is clip(level * share), the level the root of a monotone piecewise-linear function, found exactly:
  multiplicative weights projected in their own geometry.
- A cluster that has no loss this time counts as average, so that it moves only because others do.

Losses that can't be lowered draw their cluster to its cap: where there are losses of a reference model, give the excess
over them, as DoReMi does (Xie et al. 2023, arXiv 2305.10429).
"""

from __future__ import annotations

from bisect import bisect_right

import numpy as np
from numpy.typing import NDArray

#: The most that one update raises or lowers the logarithm of a share, before they are scaled.
STEEPEST = 30.0

Shares = NDArray[np.float64]


def moved(shares: Shares, losses: Shares, rate: float, low: Shares, high: Shares) -> Shares:
    """The shares after one update.

    Args:
        shares: float64[K], above 0, sum 1.
        losses: float64[K]; NaN where there is none.
        rate: step size of the update, in 1 / unit of the losses; 0 moves nothing.
        low: float64[K], above 0: the least that each may be.
        high: float64[K]: the most. sum(low) <= 1 <= sum(high).

    Returns:
        float64[K], sum 1.
    """
    known = ~np.isnan(losses)
    if not known.any():
        return shares
    mean = float(np.average(losses[known], weights=shares[known]))
    gain = np.where(known, losses - mean, 0.0)
    return within(shares * np.exp(np.clip(rate * gain, -STEEPEST, STEEPEST)), low, high)


def within(wish: Shares, low: Shares, high: Shares) -> Shares:
    """Least KL divergence from `wish` with sum 1 and low <= x <= high: `clip(level * wish, low, high)`.

    Args:
        wish: float64[K], above 0, any scale.
        low: float64[K], at least 0.
        high: float64[K], at least `low`. sum(low) <= 1 <= sum(high).

    Returns:
        float64[K], sum 1 but for rounding.

    Example:
        >>> within(np.array([8.0, 1.0, 1.0]), np.full(3, 0.1), np.full(3, 0.6)).tolist()
        [0.6, 0.2, 0.2]
    """
    # Where a share leaves its low, and where it reaches its high; between two such levels the sum is linear.
    leaves, reaches = low / wish, high / wish
    points = np.sort(np.concatenate([leaves, reaches]))
    piece = bisect_right(points, 1.0, key=lambda level: float(np.clip(level * wish, low, high).sum())) - 1
    level = points[max(piece, 0)]
    free = (leaves <= level) & (level < reaches)
    if free.any():  # summed anew: differences of running sums drown small shares in the rounding of large ones
        level = (1.0 - low[leaves > level].sum() - high[reaches <= level].sum()) / wish[free].sum()
    nearest: Shares = np.clip(level * wish, low, high)
    return nearest
