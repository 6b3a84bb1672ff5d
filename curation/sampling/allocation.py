"""How many tokens each cell gives: the plan's heart.

`allocate` finds the amounts a_cd closest to the preference p_cd (least KL divergence) that spend the budget B and
let no document be used more often than its domain's clip tau_d, a_cd <= tau_d * S_cd:

- without domain weights, one water-filling over all cells: a_cd = min(tau_d * S_cd, level * p_cd). With even clusters
  this is the limit that drawing a cluster at random and dropping it when it is spent tends to (ClusterClip);
- with weights w_d, first the domains' totals b_d with sum b_d = B, then one water-filling a domain:
  a_cd = min(tau_d * S_cd, level_d * p_cd) with sum_c a_cd = b_d.

When some domain's cap tau_d * S_d is below B * w_d, budget and ratios can't both hold, and the job file says what
gives. Sizes [8, 16], even weights, budget 24:

    when_short     b_d                                         clip 1     clip 2
    hold_budget    min(tau * S_d, mu * w_d), sum is B          [8, 16]    [12, 12]
    hold_ratio     T * w_d, T = min(B, min_d tau * S_d / w_d)  [8, 8]     [12, 12]
    strict         B * w_d, or an error                        error      [12, 12]

In a later phase the caps are what the phases before left: `room`. Floors and caps of a cluster's share are the
business of `cluster_bounds`.

Cost: D + 1 water-fillings of at most C x D cells: milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from curation.errors import JobError
from curation.sampling.cluster_bounds import bounded_paces
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
    pace: NDArray[np.float64]
    """float64[C, D]: level_d * p_cd, what each cell would give without a clip, and so how fast it is drawn."""
    domain_weights: NDArray[np.float64]
    """float64[D]: share of the total that each domain gets in fact."""
    clipped: NDArray[np.bool_]
    """bool[C, D]: the cell gives all that the clip allows (and has tokens)."""
    total: float
    """Tokens to be drawn; below the budget only under hold_ratio."""


def allocate(
    cell_tokens: NDArray[np.int64],
    *,
    budget: float,
    clips: NDArray[np.int64],
    exponent: float,
    domain_weights: NDArray[np.float64] | None,
    when_short: WhenShort,
    domain_names: list[str],
    budget_key: str = "sampling.budget",
    clip_keys: list[str] | None = None,
    room: NDArray[np.int64] | None = None,
    used: NDArray[np.int64] | None = None,
    min_share: float = 0.0,
    max_share: float = 1.0,
    groups: NDArray[np.int32] | None = None,
    group_weights: NDArray[np.float64] | None = None,
    level_exponent: float | None = None,
) -> Allocation:
    """Tokens to draw from each cell.

    Args:
        cell_tokens: int64[C, D], tokens available in each cell.
        budget: tokens to draw, above 0.
        clips: int64[D], most times that any document of a domain is used, at least 1.
        exponent: alpha of `preference`; 0 for even clusters.
        domain_weights: float64[D] of any scale, at least 0, or None: domains fall where the clusters put them.
            Normalised over the domains that have tokens.
        when_short: what gives when a domain can't supply its share; read only with domain weights.
        domain_names: D names, for messages.
        budget_key: key of the job file that the budget comes from, for messages.
        clip_keys: D keys that the clips come from; None: sampling.clip.
        room: int64[C, D], the most tokens that each cell can give, at most clip * cell_tokens. None: all of these.
        used: int64[D], tokens that were drawn before `room` was left, for messages.
        min_share: least share of what is drawn that each cluster with tokens gets, as far as it can give it.
        max_share: largest share.
        groups: int32[C, L], see `preference`.
        group_weights: float64[G], see `preference`.
        level_exponent: beta, see `preference`.

    Raises:
        JobError: the clip leaves no way to draw the budget (or, under `strict`, to draw it in the ratios asked
            for; or within the clusters' shares). The message says what can be drawn and which clip would do.
        ValueError: a shape or value that no checked job file leads to.

    Example:
        >>> sizes = np.array([[8], [16]])
        >>> allocate(sizes, budget=20, clips=np.array([1]), exponent=0.0, domain_weights=None,
        ...          when_short="hold_budget", domain_names=["web"]).target.tolist()
        [[8.0], [12.0]]
    """
    n_domains = cell_tokens.shape[1]
    if len(domain_names) != n_domains:
        raise ValueError(f"{len(domain_names)} domain names for {n_domains} domains")
    if clips.shape != (n_domains,) or clips.min() < 1 or not 0 < budget < np.inf:
        raise ValueError(f"clips must be at least 1 and the budget above 0; they are {clips} and {budget}")
    share = preference(cell_tokens, exponent, groups, group_weights, level_exponent)
    whole = cell_tokens * clips
    reach = (whole if room is None else room).sum(axis=0)
    keys = clip_keys or ["sampling.clip"] * n_domains
    before = np.zeros(n_domains, np.int64) if used is None else used
    supply = Supply(cell_tokens.sum(axis=0), reach, clips, before, domain_names, keys, budget_key)
    caps = (whole if room is None else room).astype(np.float64)
    # One total for all, or one for each domain.
    totals = (
        np.array([_reachable(budget, supply)])
        if domain_weights is None
        else _domain_totals(supply, _normalised(domain_weights, supply.tokens), budget, when_short)
    )
    if min_share > 0 or max_share < 1:
        drawn = float(totals.sum())
        pace = bounded_paces(share, caps, totals, min_share * drawn, max_share * drawn, domain_names)
        target = fill(pace, caps, 1.0)
    else:
        # Where one total is for all, so is one level.
        parts = [slice(None)] if domain_weights is None else [slice(d, d + 1) for d in range(n_domains)]
        found = [
            water_level(share[:, part].ravel(), caps[:, part].ravel(), total)
            for part, total in zip(parts, totals, strict=True)
        ]
        level = np.broadcast_to(found, n_domains)
        pace, target = level * share, fill(share, caps, level)
    by_domain = target.sum(axis=0)
    return Allocation(
        target=target,
        preference=share,
        pace=pace,
        domain_weights=by_domain / by_domain.sum(),
        clipped=(cell_tokens > 0) & (target >= caps),
        total=float(by_domain.sum()),
    )


@dataclass(frozen=True)
class Supply:
    """What the domains have and can give, int64[D] each; their names, and the keys to name."""

    tokens: NDArray[np.int64]
    room: NDArray[np.int64]
    clips: NDArray[np.int64]
    used: NDArray[np.int64]
    names: list[str]
    clip_keys: list[str]
    budget_key: str

    def of(self, domains: NDArray[np.intp]) -> Supply:
        """The same of some domains."""
        names, keys = ([every[d] for d in domains] for every in (self.names, self.clip_keys))
        arrays = (self.tokens[domains], self.room[domains], self.clips[domains], self.used[domains])
        return Supply(*arrays, names, keys, self.budget_key)

    def limits(self) -> str:
        """The clips, in words."""
        found = {key: int(clip) for key, clip in zip(self.clip_keys, self.clips, strict=True)}
        return " and ".join(f"{key} {clip}" for key, clip in found.items())

    def raised(self, clip: int) -> str:
        """What to raise, and to what, so that no clip is below this one."""
        below = dict.fromkeys(key for key, own in zip(self.clip_keys, self.clips, strict=True) if own < clip)
        return f"raise {' and '.join(below)} to {clip}"


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
    supply: Supply, weights: NDArray[np.float64], budget: float, when_short: WhenShort
) -> NDArray[np.float64]:
    """Tokens to draw from each domain, b_d: float64[D]."""
    caps = supply.room.astype(np.float64)
    if when_short == "hold_budget":
        _reachable(budget, supply.of(np.flatnonzero(weights)))
        return fill(weights, caps, water_level(weights, caps, budget))
    reach = breakpoints(weights, caps)  # the total at which each domain runs short
    shortest = int(np.argmin(reach))
    if when_short == "strict" and budget > reach[shortest] * (1 + ROUNDING):
        asked, reachable = budget * weights[shortest], floor(reach[shortest] * (1 + ROUNDING))
        own = supply.of(np.array([shortest]))
        raise JobError(
            f"blending.when_short is strict, and domain {own.names[0]!r} falls short: its weight asks for "
            f"{ceil(asked):,} tokens, and {own.limits()} lets it give {int(caps[shortest]):,}. At these weights "
            f"{reachable:,} tokens can be drawn: lower {own.budget_key} to that, or "
            f"{own.raised(_smallest_clip(asked, own))}"
        )
    if reach[shortest] <= 0:
        raise JobError(
            f"blending.when_short is {when_short}, and the phases before left nothing of domain "
            f"{supply.names[shortest]!r}: raise its clip, or give it no weight"
        )
    return fill(weights, caps, min(budget, float(reach[shortest])))


def _reachable(budget: float, supply: Supply) -> float:
    """The budget; refuses one that the clip can't meet."""
    room, tokens = int(supply.room.sum()), int(supply.tokens.sum())
    if budget > room * (1 + ROUNDING):
        left = ", after the phases before," if supply.used.any() else ""
        lower = f"lower {supply.budget_key} to that, or " if room else ""
        raise JobError(
            f"{supply.budget_key} asks for {ceil(budget):,} tokens, but there are {tokens:,}, and with "
            f"{supply.limits()}{left} {room:,} can be drawn: {lower}{supply.raised(_smallest_clip(budget, supply))}"
        )
    return budget


def _smallest_clip(asked: float, supply: Supply) -> int:
    """The smallest clip that suffices if no domain's is below it, the rounding of floats forgiven."""
    tokens, spent = supply.tokens, supply.used
    least = asked / (1 + ROUNDING)
    low = 0
    high = ceil((asked + float(spent.sum())) / float(tokens.sum())) + ceil(float((spent / np.maximum(tokens, 1)).max()))
    while low < high:  # the supply grows with the clip
        middle = (low + high) // 2
        if float(np.maximum(tokens * np.maximum(middle, supply.clips) - spent, 0).sum()) >= least:
            high = middle
        else:
            low = middle + 1
    return high
