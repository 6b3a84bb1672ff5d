"""Token caps in the allocation: carriers of a token are thinned until few enough of the draws carry it.

Every cell is cut into *classes* of documents that carry the same tokens. Without caps the classes of a cell share what
it gives by their tokens, which is nearest to the preference on this finer table too. Where more than the share s_k of
the draws would carry token k, all its carriers are paced f_k times as fast, f_k in (0, 1]; what is then missing in a
domain (without domain weights: in all) is water-filled as before,

    a_j = min(room_j, level_d * pace_j * product of f_k over the tokens k that j carries).

By Lagrange's conditions this is the least KL divergence from the preference among the allocations that spend the same,
keep the clip, and give the carriers of k no more *tokens* than this one. The cap is of *documents*, though: f_k is the
largest at which the draws expected, sum over the carriers of a_j / length_j, are s_k of all. As a condition of the
projection itself the share of documents would favour whatever is short, since a draw of ten tokens dilutes as much as
one of a thousand; one factor for the carriers leaves the proportions of all others, and of the carriers among
themselves, as they were. Where documents are of one length the two are the same.

As f_k falls every carrier of k gives less and everything else more, so f_k is the root of a monotone function. Several
tokens are brought in line in turn until all hold: the dual problem by coordinates (Hildreth 1957).

What can't be kept, since too many documents carry a token, follows `when_short`: `hold_budget` lets the domains'
weights go (one level for all), `hold_ratio` draws less, `strict` and a job without weights are refused.

Cost: per step a water-filling of all classes; some ten steps for each token that binds, times the rounds. Measured on
one core with 3 tokens, 20,000 cells and 8 classes: 4 s, whole documents included. Finding out how much can be drawn
where the caps can't be kept takes some ten times as long.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil, exp, log

import numpy as np
from numpy.typing import NDArray

from curation.errors import JobError
from curation.sampling.allocation import Allocation, WhenShort
from curation.sampling.water_filling import fill, water_level

#: The smallest factor: carriers are then as good as left out.
SMALLEST = 1e-12
#: Rounds over the tokens that bind, the relative error of a share at which they end, and the one that is no failure:
#: whole documents are counted after rounding anyway.
ROUNDS, CLOSE, CLOSE_ENOUGH = 30, 1e-6, 1e-3
#: Halvings in the search for what can be drawn within the caps, and the share of the budget below which nothing can.
HALVINGS, NOTHING = 10, 1e-6

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Classes:
    """What there is of each class in each cell: C clusters, D domains, M classes, K tokens."""

    tokens: Numbers
    """float64[C, D, M]: tokens that may be drawn."""
    room: Numbers
    """float64[C, D, M]: the most tokens that each can give."""
    draws: Numbers
    """float64[C, D, M]: draws that a token drawn stands for: 1 / the mean length."""
    carried: Numbers
    """float64[K, M]: the share of a class's documents that carry each token: 0 or 1, or where rare classes were put
    together between."""


@dataclass(frozen=True)
class Caps:
    """The caps of a phase, K tokens."""

    limits: Numbers
    """float64[K]: the largest share of the draws; 1 where a token has no cap."""
    tokens: list[str]
    """Their names, and the keys of the job file, for messages."""
    key: str
    budget_key: str


@dataclass(frozen=True)
class Kept:
    """An allocation within the caps. Amounts are tokens."""

    allocation: Allocation
    target: Numbers | None
    """float64[C, D, M]: what each class is to give; None where the caps hold by themselves."""
    pace: Numbers | None
    """float64[C, D, M]: what it would give without a clip, and so how fast it is drawn."""
    factors: Numbers
    """float64[K]: how often the carriers of each token are drawn, beside documents without it."""
    uncapped: Numbers
    """float64[K]: tokens that the carriers of each would give without caps."""


@dataclass(frozen=True)
class _Problem:
    """The classes that have something, n of them, and what each group of them gives together."""

    pace: Numbers
    room: Numbers
    draws: Numbers
    of_class: NDArray[np.int64]
    carried: Numbers
    limits: Numbers
    groups: list[NDArray[np.int64]]
    totals: Numbers


def keep_caps(allocation: Allocation, classes: Classes, caps: Caps, weighted: bool, when_short: WhenShort) -> Kept:
    """The allocation, changed where it passes a cap.

    Args:
        allocation: what `allocate` gives.
        classes: what is in its cells.
        caps: of the phase.
        weighted: whether each domain has a total of its own.
        when_short: what gives where the caps can't be kept with these totals.

    Returns:
        What is given of each class. Of no domain more than before, but where `hold_budget` lets weights go.

    Raises:
        JobError: the caps leave no way to draw the budget.
    """
    some = np.flatnonzero(classes.tokens)
    problem = _problem(allocation, classes, caps, some, weighted)
    none = np.ones(len(caps.limits))
    plain = _amounts(problem, none)[0]
    uncapped = _by_token(problem, plain)
    if not _passed(problem, _shares(problem, plain)).any():
        return Kept(allocation, None, None, none, uncapped)
    factors = _factors(problem)
    if weighted and when_short == "hold_budget" and _over(problem, factors).any():
        problem = _problem(allocation, classes, caps, some, weighted=False)
        factors = _factors(problem)
    if _over(problem, factors).any():
        scale = _reachable(problem)
        if not (scale and weighted and when_short == "hold_ratio"):
            raise JobError(_refusal(problem, factors, caps, scale, weighted))
        problem = _scaled(problem, scale)
        factors = _factors(problem)
    amounts, pace = _amounts(problem, factors)
    target, paces = np.zeros(classes.tokens.shape), np.zeros(classes.tokens.shape)
    target.flat[some], paces.flat[some] = amounts, pace
    cells = target.sum(axis=2)
    by_domain = cells.sum(axis=0)
    found = replace(
        allocation,
        target=cells,
        pace=paces.sum(axis=2),
        domain_weights=by_domain / by_domain.sum(),
        clipped=classes.tokens.any(axis=2) & (cells >= classes.room.sum(axis=2)),
        total=float(by_domain.sum()),
    )
    return Kept(found, target, paces, factors, uncapped)


def _problem(allocation: Allocation, classes: Classes, caps: Caps, some: NDArray[np.int64], weighted: bool) -> _Problem:
    """The classes in one long row, paced so that factors of 1 give the allocation itself."""
    _, n_domains, n_classes = classes.tokens.shape
    whole = classes.tokens.sum(axis=2, keepdims=True)
    paces = allocation.pace[:, :, None] * classes.tokens / np.where(whole > 0, whole, 1.0)
    domain = some // n_classes % n_domains
    by_domain = allocation.target.sum(axis=0)
    found = np.flatnonzero(by_domain)
    return _Problem(
        pace=paces.ravel()[some],
        room=classes.room.ravel()[some],
        draws=classes.draws.ravel()[some],
        of_class=some % n_classes,
        carried=classes.carried,
        limits=caps.limits,
        groups=[np.flatnonzero(domain == d) for d in found] if weighted else [np.arange(len(some))],
        totals=by_domain[found] if weighted else np.array([allocation.total]),
    )


def _scaled(problem: _Problem, scale: float) -> _Problem:
    return replace(problem, totals=problem.totals * scale)


def _amounts(problem: _Problem, factors: Numbers) -> tuple[Numbers, Numbers]:
    """What each class gives, and its pace, at some factors: float64[n] each."""
    thin = np.prod(factors[:, None] ** problem.carried, axis=0)
    pace = problem.pace * thin[problem.of_class]
    amounts = np.zeros(len(pace))
    for rows, total in zip(problem.groups, problem.totals, strict=True):
        own, room = pace[rows], problem.room[rows]
        level = water_level(own, room, min(float(total), float(room[own > 0].sum())))
        amounts[rows], pace[rows] = fill(own, room, level), level * own
    return amounts, pace


def _shares(problem: _Problem, amounts: Numbers) -> Numbers:
    """The share of the draws expected that carry each token: float64[K]."""
    draws = np.bincount(problem.of_class, amounts * problem.draws, problem.carried.shape[1])
    shares: Numbers = (problem.carried * draws).sum(axis=1) / draws.sum()
    return shares


def _by_token(problem: _Problem, amounts: Numbers) -> Numbers:
    """The tokens that carriers of each token give: float64[K]."""
    given: Numbers = (problem.carried * np.bincount(problem.of_class, amounts, problem.carried.shape[1])).sum(axis=1)
    return given


def _passed(problem: _Problem, shares: Numbers, close: float = CLOSE) -> NDArray[np.bool_]:
    passed: NDArray[np.bool_] = shares > problem.limits * (1 + close)
    return passed


def _over(problem: _Problem, factors: Numbers) -> NDArray[np.bool_]:
    """Which caps don't hold at these factors."""
    return _passed(problem, _shares(problem, _amounts(problem, factors)[0]), CLOSE_ENOUGH)


def _factors(problem: _Problem) -> Numbers:
    """The factor of each token, to nine digits, since the last ones differ from processor to processor: float64[K]."""
    factors = np.ones(len(problem.limits))
    for _ in range(ROUNDS):
        shares = _shares(problem, _amounts(problem, factors)[0])
        over = _passed(problem, shares)
        under = (factors < 1) & (shares < problem.limits * (1 - CLOSE))
        if not (over | under).any() or (over & (factors <= SMALLEST)).any():
            break
        for k in np.flatnonzero(over | under).tolist():
            factors[k] = _root(problem, factors, k)
    return np.array([float(f"{factor:.8e}") for factor in factors])


def _root(problem: _Problem, factors: Numbers, k: int) -> float:
    """The largest factor of token k at which its cap holds, the others' as they are."""
    from scipy.optimize import brentq

    def excess(exponent: float) -> float:
        trial = factors.copy()
        trial[k] = exp(exponent)
        share = float(_shares(problem, _amounts(problem, trial)[0])[k])
        return log(max(share, 1e-300) / float(problem.limits[k]))

    if excess(0.0) <= 0:
        return 1.0
    if excess(log(SMALLEST)) >= 0:
        return SMALLEST
    return exp(brentq(excess, log(SMALLEST), 0.0, xtol=1e-10))


def _reachable(problem: _Problem) -> float:
    """The largest part of the totals that can be drawn within the caps; 0 where nothing can."""
    low, high = NOTHING, 1.0
    if _over(_scaled(problem, low), _factors(_scaled(problem, low))).any():
        return 0.0
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        part = _scaled(problem, middle)
        low, high = (low, middle) if _over(part, _factors(part)).any() else (middle, high)
    return low


def _refusal(problem: _Problem, factors: Numbers, caps: Caps, scale: float, weighted: bool) -> str:
    """Which cap can't be kept, and what would do."""
    shares = _shares(problem, _amounts(problem, factors)[0])
    k = int(np.argmax(shares / problem.limits))
    least, limit, asked = ceil(float(shares[k]) * 1e4) / 1e4, float(problem.limits[k]), float(problem.totals.sum())
    what = f"{caps.key}: {caps.tokens[k]!r} may be in {limit:.4g} of the draws"
    within = "in the domains' weights and within the clip" if weighted else "within the clip"
    if scale:
        return (
            f"{what}, and {within} {asked:,.0f} tokens can't be drawn so, but {int(asked * scale):,} can: lower "
            f"{caps.budget_key} to that, raise the clip, or raise its max_share to {least:g}"
        )
    if least >= 1:
        return f"{what}, and every document that can be drawn carries it: take the cap out, or sources in"
    instead = ", or give the domains that are full of it less weight" if weighted else ""
    return f"{what}, and {within} it is in {least:g} of them at least: raise its max_share to that{instead}"
