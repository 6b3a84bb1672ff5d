"""Mixtures of units (domains, or groups of clusters): what bounds them, and how one is brought within the bounds.

A mixture is a point on the simplex: the share of the drawn tokens that each unit gets. Two things bound it. The natural
mixture is a floor, so that a fitted mixture can't forget a unit: w_u >= floor * n_u, n the shares of tokens. And a unit
can't give more than its documents repeated up to the clip: w_u <= s_u, its supply as a share of the budget.

What is outside is brought within by scaling and cutting, `w_u = min(max(level * v_u, lower_u), upper_u)` with sum 1.
That is the point of the polytope that is nearest by KL divergence, as in `water_filling`, with a cut on either side.
The sum grows piecewise linearly with the level, so the level is found exactly from the sorted kinks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from curation.errors import JobError

Floats = NDArray[np.float64]

#: A sum may miss 1 by the rounding of floats.
ROUNDING = 1e-9
#: Least value that is scaled: below it a unit would need an endless level to get anything.
LEAST = 1e-12


@dataclass(frozen=True, eq=False)
class MixtureSpace:
    """The mixtures of U units that may be drawn."""

    natural: Floats
    """float64[U]: shares of the tokens, all above 0, sum 1."""
    lower: Floats
    """float64[U]: least weights."""
    upper: Floats
    """float64[U]: largest weights."""

    @property
    def even(self) -> Floats:
        """The even mixture, as far as the bounds allow."""
        found: Floats = within(np.ones((1, len(self.natural))), self)[0]
        return found

    @property
    def start(self) -> Floats:
        """The natural mixture, as far as the supply allows."""
        found: Floats = within(self.natural[None], self)[0]
        return found

    @property
    def is_point(self) -> bool:
        """Whether the bounds leave no choice."""
        narrow = (self.upper - self.lower <= ROUNDING).sum() >= len(self.natural) - 1
        return bool(narrow or self.lower.sum() >= 1 - ROUNDING or self.upper.sum() <= 1 + ROUNDING)


def mixture_space(
    tokens: Floats,
    supply: Floats,
    budget: float,
    floor: float,
    budget_key: str = "sampling.budget",
    clip_key: str = "sampling.clip",
) -> MixtureSpace:
    """The bounds of the mixtures of some units.

    Args:
        tokens: float64[U], tokens of each unit, all above 0.
        supply: float64[U], the most tokens that each can give: its tokens times the clip.
        budget: tokens to be drawn.
        floor: least weight of a unit as a multiple of its natural share, 0 to 1.
        budget_key: key of the job file that the budget comes from, for messages.
        clip_key: key that the clip comes from.

    Raises:
        JobError: all supply together is less than the budget.
    """
    natural = tokens / float(tokens.sum())
    upper = np.minimum(supply / budget, 1.0)
    if upper.sum() < 1 - ROUNDING:
        raise JobError(
            f"the budget asks for {budget:,.0f} tokens, and the clip lets {int(supply.sum()):,} be drawn: lower "
            f"{budget_key} or raise {clip_key}"
        )
    return MixtureSpace(natural, np.minimum(floor * natural, upper), upper)


def within(mixtures: Floats, space: MixtureSpace) -> Floats:
    """Mixtures brought within the bounds.

    Args:
        mixtures: float64[N, U], at least 0, any scale.
        space: the bounds.

    Returns:
        float64[N, U], each row with sum 1 (to the rounding of floats) and within the bounds.

    Example:
        >>> space = MixtureSpace(np.full(3, 1 / 3), np.full(3, 0.1), np.array([1.0, 1.0, 0.3]))
        >>> within(np.array([[0.0, 1.0, 3.0]]), space).tolist()
        [[0.1, 0.6, 0.3]]
    """
    scaled = np.maximum(mixtures / np.maximum(mixtures.max(axis=1, keepdims=True), LEAST), LEAST)
    kinks = np.concatenate([space.lower / scaled, space.upper / scaled], axis=1)
    bends = np.concatenate([scaled, -scaled], axis=1)  # a unit grows from its lower bound on, up to its upper one
    order = np.argsort(kinks, axis=1, kind="stable")
    kinks, bends = np.take_along_axis(kinks, order, 1), np.take_along_axis(bends, order, 1)
    slopes = np.maximum(np.cumsum(bends, axis=1), 0.0)
    sums = space.lower.sum() + np.cumsum(slopes[:, :-1] * np.diff(kinks, axis=1), axis=1)
    sums = np.concatenate([np.full((len(sums), 1), space.lower.sum()), sums], axis=1)
    piece = np.clip((sums < 1.0).sum(axis=1) - 1, 0, None)[:, None]
    at, have, slope = (np.take_along_axis(table, piece, 1) for table in (kinks, sums, slopes))
    level = at + np.divide(1.0 - have, slope, out=np.zeros_like(at), where=slope > 0)
    found = np.clip(level * scaled, space.lower, space.upper)
    # What rounding left over goes to those that are at no bound.
    free = (found > space.lower) & (found < space.upper)
    spare = (1.0 - found.sum(axis=1, keepdims=True)) / np.maximum(free.sum(axis=1, keepdims=True), 1)
    settled: Floats = np.clip(np.where(free, found + spare, found), space.lower, space.upper)
    return settled
