"""What trials say of mixtures that were not tried: a regression of losses over mixtures (RegMix, arXiv 2407.01492).

Each group of validation texts has a regression of its own, since a unit that lowers the loss of one raises that of
another; the target is computed from the predicted losses of all. RegMix takes LightGBM or a linear model over shares.
Here it is ridge regression with a quadratic form of the logarithms of the shares,

    L_g(w) = a_g + sum_u b_gu log w_u + sum_u c_gu (log w_u)^2,

because loss falls about as a power of the tokens that a text's kind gets: each doubling of a share takes off about as
much, and less and less. A curve of that kind needs few trials, goes on sensibly past them and has no steps, so that it
can be descended. Where it is known which units hold texts of a group's kind, and how much of each they are, the share
of such text in the whole mixture, o_g = sum_u t_gu w_u, is a coordinate too (log o_g and its square): units that hold
the same kind stand in for each other, which no sum over units can say. It is shrunk less than the others.

Coordinates are standardised over the trials; the strength of the ridge is the one with the least error of leaving one
trial out (the closed form of Allen's PRESS), one for all groups.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Measure = Literal["mean", "worst"]

#: Strengths of the ridge that are tried, as multiples of the mean squared singular value.
RIDGES = 10.0 ** np.arange(-7.0, 1.0, 0.5)
#: How much less the coordinates of a group's own share are shrunk, as a factor of their scale.
TRUST = 5.0
#: Least share of a group's own kind: it may be in no unit.
LEAST_OWN = 1e-6
#: Folds of the check on trials that the regression did not see.
FOLDS = 8


@dataclass(frozen=True, eq=False)
class Trials:
    """What was tried: N mixtures of U units, and the losses of G groups."""

    mixtures: Floats
    """float64[N, U], all above 0."""
    losses: Floats
    """float64[N, G], nats a token."""
    alike: Floats | None = None
    """float64[G, U], the share of each unit that is text of each group's kind; None: not known."""

    def only(self, which: NDArray[np.bool_]) -> Trials:
        """Some of them."""
        return Trials(self.mixtures[which], self.losses[which], self.alike)


@dataclass(frozen=True, eq=False)
class Fit:
    """A regression over mixtures of U units for G groups; C coordinates, those of a group's own share last."""

    alike: Floats | None
    centre: Floats
    """float64[1 or G, C]; 1 where the coordinates of all groups are the same."""
    scale: Floats
    """float64[1 or G, C]."""
    offset: Floats
    """float64[G]."""
    slopes: Floats
    """float64[G, C]."""

    def losses(self, mixtures: Floats) -> Floats:
        """The predicted loss of each group: float64[N, G], for mixtures float64[N, U]."""
        slopes = self.slopes / self.scale
        offset = self.offset - (slopes * self.centre).sum(axis=1)
        common = _common(mixtures)
        found: Floats = offset + common @ slopes[:, : common.shape[1]].T
        if self.alike is not None:
            own = _own(mixtures, self.alike)
            found = found + own * slopes[:, -2] + own**2 * slopes[:, -1]
        return found


@dataclass(frozen=True)
class Quality:
    """How well trials are predicted by a regression that did not see them."""

    r2: float
    """Share of the variance of the target that is explained; below 0: worse than their mean."""
    rank_correlation: float
    """Spearman's, of predicted and measured targets."""


def fit_losses(trials: Trials) -> Fit:
    """The regression of all trials."""
    raw = _coordinates(trials)
    centre, scale = raw.mean(axis=1), raw.std(axis=1)
    scale = np.where(scale > 1e-9, scale, 1.0)
    if trials.alike is not None:
        scale[:, -2:] /= TRUST
    offset = trials.losses.mean(axis=0)
    left, values, right = np.linalg.svd((raw - centre[:, None]) / scale[:, None], full_matrices=False)
    rest = (trials.losses - offset).T[:, :, None]  # [G, N, 1]
    turned = left.transpose(0, 2, 1) @ rest
    strength, least = 0.0, np.inf
    for ridge in RIDGES * float((values**2).mean()):
        kept = (values**2 / (values**2 + ridge))[:, :, None]
        # Residual of each trial had it been left out; the mean takes one more degree of freedom.
        missed = (rest - left @ (kept * turned))[:, :, 0]
        leverage = (left**2 @ kept)[:, :, 0] + 1 / len(trials.losses)
        error = float(((missed / np.maximum(1 - leverage, 1e-3)) ** 2).mean())
        if error < least:
            strength, least = ridge, error
    shrunk = np.divide(values, values**2 + strength, out=np.zeros_like(values), where=values > 0)
    slopes = (right.transpose(0, 2, 1) @ (shrunk[:, :, None] * turned))[:, :, 0]
    return Fit(trials.alike, centre, scale, offset, slopes)


def target_of(losses: Floats, measure: Measure) -> Floats:
    """What is to be low, for each of N trials: float64[N] from the losses of the groups, float64[N, G]."""
    found: Floats = losses.mean(axis=1) if measure == "mean" else losses.max(axis=1)
    return found


def fit_quality(trials: Trials, measure: Measure) -> Quality:
    """How well trials are predicted from the others: `FOLDS` folds, trial i in fold i mod FOLDS.

    Args:
        trials: all trials.
        measure: what is computed of the losses of the groups.
    """
    fold = np.arange(len(trials.losses)) % FOLDS
    predicted = np.empty(len(fold))
    for number in range(min(FOLDS, len(fold))):
        seen = fold != number
        predicted[~seen] = target_of(fit_losses(trials.only(seen)).losses(trials.mixtures[~seen]), measure)
    measured = target_of(trials.losses, measure)
    spread = float(((measured - measured.mean()) ** 2).sum())
    missed = float(((measured - predicted) ** 2).sum())
    return Quality(1 - missed / spread if spread > 0 else 0.0, _correlation(_ranks(measured), _ranks(predicted)))


def _coordinates(trials: Trials) -> Floats:
    """float64[1 or G, N, C]."""
    common = _common(trials.mixtures)
    if trials.alike is None:
        return common[None]
    own = _own(trials.mixtures, trials.alike).T[:, :, None]  # [G, N, 1]
    several = np.broadcast_to(common, (len(own), *common.shape))
    return np.concatenate([several, own, own**2], axis=2)


def _common(mixtures: Floats) -> Floats:
    """Logarithms of the shares and their squares, about -log U so that both differ: float64[N, 2 U]."""
    logs = np.log(mixtures) + np.log(mixtures.shape[1])
    return np.concatenate([logs, logs**2], axis=1)


def _own(mixtures: Floats, alike: Floats) -> Floats:
    """The logarithm of the share of text of each group's kind: float64[N, G]."""
    found: Floats = np.log(np.maximum(mixtures @ alike.T, LEAST_OWN)) + np.log(len(alike))
    return found


def _ranks(values: Floats) -> Floats:
    """Ranks, those of equal values their mean."""
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    found: Floats = (np.cumsum(count) - (count - 1) / 2)[place]
    return found


def _correlation(one: Floats, other: Floats) -> float:
    """Pearson's; 0 where either is constant."""
    a, b = one - one.mean(), other - other.mean()
    size = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / size if size > 0 else 0.0
