"""How many tokens each cell gives: the plan's heart.

`allocate` finds the amounts a_cd closest to the preference p_cd (least KL divergence) that spend the budget B and
let no document be used more than `clip` (tau) times, a_cd <= tau * S_cd:

- without domain weights, one water-filling over all cells: a_cd = min(tau * S_cd, level * p_cd). With even clusters
  this is the limit that drawing a cluster at random and dropping it when it is spent tends to (ClusterClip);
- with weights w_d, first the domains' totals b_d with sum b_d = B, then one water-filling a domain:
  a_cd = min(tau * S_cd, level_d * p_cd) with sum_c a_cd = b_d.

When some domain's cap tau * S_d is below B * w_d, budget and ratios can't both hold, and the job file says what
gives. Sizes [8, 16], even weights, budget 24:

    when_short     b_d                                         clip 1     clip 2
    hold_budget    min(tau * S_d, mu * w_d), sum is B          [8, 16]    [12, 12]
    hold_ratio     T * w_d, T = min(B, min_d tau * S_d / w_d)  [8, 8]     [12, 12]
    strict         B * w_d, or an error                        error      [12, 12]

Cost: D + 1 water-fillings of at most C x D cells: milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from curation.errors import JobError
from curation.sampling.preference import preference
from curation.sampling.water_filling import ROUNDING, breakpoints, fill, water_level

WhenShort = Literal["hold_budget", "hold_ratio", "strict"]


@dataclass(frozen=True)
class Allocation:
    """What was decided for each cell and domain. Amounts are tokens."""

    target: NDArray[np.float64]
    """float64[C, D]: a_cd, what each cell is to give."""
    preference: NDArray[np.float64]
    """float64[C, D]: p_cd, sums to 1."""
    level: NDArray[np.float64]
    """float64[D]: the domain's water level; without domain weights one level for all. 0: the domain gives nothing."""
    domain_weights: NDArray[np.float64]
    """float64[D]: share of the total that each domain gets in fact."""
    clipped: NDArray[np.bool_]
    """bool[C, D]: the cell gives all that the clip allows (and has tokens)."""
    total: float
    """Tokens to be drawn; below the budget only under hold_ratio."""

    @property
    def pace(self) -> NDArray[np.float64]:
        """float64[C, D]: level_d * p_cd, what each cell would give without a clip, and so how fast it is drawn."""
        return self.level * self.preference


def allocate(
    cell_tokens: NDArray[np.int64],
    *,
    budget: float,
    clip: int,
    exponent: float,
    domain_weights: NDArray[np.float64] | None,
    when_short: WhenShort,
    domain_names: list[str],
) -> Allocation:
    """Tokens to draw from each cell.

    Args:
        cell_tokens: int64[C, D], tokens available in each cell.
        budget: tokens to draw, above 0.
        clip: most times that any document is used, at least 1.
        exponent: alpha of `preference`; 0 for even clusters.
        domain_weights: float64[D] of any scale, at least 0, or None: domains fall where the clusters put them.
            Normalised over the domains that have tokens.
        when_short: what gives when a domain can't supply its share; read only with domain weights.
        domain_names: D names, for messages.

    Raises:
        JobError: the clip leaves no way to draw the budget (or, under `strict`, to draw it in the ratios asked
            for). The message says what can be drawn and which clip would do.
        ValueError: a shape or value that no checked job file leads to.

    Example:
        >>> sizes = np.array([[8], [16]])
        >>> allocate(sizes, budget=20, clip=1, exponent=0.0, domain_weights=None, when_short="hold_budget",
        ...          domain_names=["web"]).target.tolist()
        [[8.0], [12.0]]
    """
    n_domains = cell_tokens.shape[1]
    if len(domain_names) != n_domains:
        raise ValueError(f"{len(domain_names)} domain names for {n_domains} domains")
    if clip < 1 or not 0 < budget < np.inf:
        raise ValueError(f"clip must be at least 1 and the budget above 0; they are {clip} and {budget}")
    share = preference(cell_tokens, exponent)
    caps = (cell_tokens * clip).astype(np.float64)
    if domain_weights is None:
        _check_reachable(budget, clip, int(cell_tokens.sum()))
        level = np.full(n_domains, water_level(share.ravel(), caps.ravel(), budget))
    else:
        domain_tokens = cell_tokens.sum(axis=0)
        weights = _normalised(domain_weights, domain_tokens)
        totals = _domain_totals(domain_tokens, weights, budget, clip, when_short, domain_names)
        level = np.array([water_level(share[:, d], caps[:, d], totals[d]) for d in range(n_domains)])
    target = fill(share, caps, level)
    drawn = target.sum(axis=0)
    return Allocation(
        target=target,
        preference=share,
        level=level,
        domain_weights=drawn / drawn.sum(),
        clipped=(cell_tokens > 0) & (breakpoints(share, caps) <= level),
        total=float(drawn.sum()),
    )


def _normalised(weights: NDArray[np.float64], domain_tokens: NDArray[np.int64]) -> NDArray[np.float64]:
    """Weights that sum to 1 over the domains that have tokens, and are 0 elsewhere."""
    if weights.shape != domain_tokens.shape or not np.isfinite(weights).all() or (weights < 0).any():
        raise ValueError("domain weights must be one finite number a domain, not negative")
    present = np.where(domain_tokens > 0, weights, 0.0).astype(np.float64)
    if not present.any():
        raise JobError("blending.weights: every domain with a weight above 0 is empty; there is nothing to draw")
    present /= present.max()  # first, so that tiny or huge weights don't under- or overflow in the sum
    scaled: NDArray[np.float64] = present / present.sum()
    return scaled


def _domain_totals(
    domain_tokens: NDArray[np.int64],
    weights: NDArray[np.float64],
    budget: float,
    clip: int,
    when_short: WhenShort,
    domain_names: list[str],
) -> NDArray[np.float64]:
    """Tokens to draw from each domain, b_d: float64[D]."""
    caps = (domain_tokens * clip).astype(np.float64)
    if when_short == "hold_budget":
        _check_reachable(budget, clip, int(domain_tokens[weights > 0].sum()))
        return fill(weights, caps, water_level(weights, caps, budget))
    supply = breakpoints(weights, caps)  # the total at which each domain runs short
    shortest = int(np.argmin(supply))
    if when_short == "strict" and budget > supply[shortest] * (1 + ROUNDING):
        asked, reachable = budget * weights[shortest], floor(supply[shortest])
        needed = _smallest_clip(asked, int(domain_tokens[shortest]))
        raise JobError(
            f"blending.when_short is strict, and domain {domain_names[shortest]!r} falls short: its weight asks for "
            f"{ceil(asked):,} tokens, and sampling.clip {clip} lets it give {int(caps[shortest]):,}. At these weights "
            f"{reachable:,} tokens can be drawn: lower sampling.budget to that, or raise sampling.clip to {needed}"
        )
    return fill(weights, caps, min(budget, float(supply[shortest])))


def _check_reachable(budget: float, clip: int, available: int) -> None:
    """Refuses a budget that the clip can't meet."""
    if budget > available * clip * (1 + ROUNDING):
        raise JobError(
            f"sampling.budget asks for {ceil(budget):,} tokens, but there are {available:,}, and sampling.clip {clip} "
            f"lets {available * clip:,} be drawn: lower sampling.budget to that, or raise sampling.clip to "
            f"{_smallest_clip(budget, available)}"
        )


def _smallest_clip(asked: float, available: int) -> int:
    """The smallest clip at which `available` tokens can supply what is asked, rounding of floats forgiven."""
    return ceil(asked / available / (1 + ROUNDING))
