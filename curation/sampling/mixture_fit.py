"""What trials say of mixtures that were not tried: a regression of losses over mixtures (RegMix, arXiv 2407.01492).

Each group of validation texts has a regression of its own, since a unit that lowers the loss of one raises that of
another; the target is computed from the predicted losses of all. RegMix takes LightGBM or a linear model over shares.
Here it is ridge regression with a quadratic form of the logarithms of the shares,

    L_g(w) = a_g + sum_u b_gu log w_u + sum_u c_gu (log w_u)^2,

because loss falls about as a power of the tokens that a text's kind gets: each doubling of a share takes off about as
much, and less and less. A curve of that kind needs few trials, goes on sensibly past them and has no steps, so that it
can be descended. Coordinates are standardised over the trials; the strength of the ridge is the one with the least
error of leaving one trial out (the closed form of Allen's PRESS), one for all groups.
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
#: Folds of the check on trials that the regression did not see.
FOLDS = 8


@dataclass(frozen=True, eq=False)
class Fit:
    """A regression over mixtures of U units for G groups."""

    centre: Floats
    """float64[2 U]."""
    scale: Floats
    """float64[2 U]."""
    offset: Floats
    """float64[G]."""
    slopes: Floats
    """float64[2 U, G]."""

    def losses(self, mixtures: Floats) -> Floats:
        """The predicted loss of each group: float64[N, G], for mixtures float64[N, U]."""
        found: Floats = self.offset + ((_features(mixtures) - self.centre) / self.scale) @ self.slopes
        return found


@dataclass(frozen=True)
class Quality:
    """How well trials are predicted by a regression that did not see them."""

    r2: float
    """Share of the variance of the target that is explained; below 0: worse than their mean."""
    rank_correlation: float
    """Spearman's, of predicted and measured targets."""


def fit_losses(mixtures: Floats, losses: Floats) -> Fit:
    """The regression.

    Args:
        mixtures: float64[N, U], all above 0.
        losses: float64[N, G].
    """
    raw = _features(mixtures)
    centre, scale = raw.mean(axis=0), raw.std(axis=0)
    scale = np.where(scale > 1e-9, scale, 1.0)
    offset = losses.mean(axis=0)
    left, values, right = np.linalg.svd((raw - centre) / scale, full_matrices=False)
    turned = left.T @ (losses - offset)
    found, least = 0.0, np.inf
    for ridge in RIDGES * float((values**2).mean()):
        kept = values**2 / (values**2 + ridge)
        # Residual of each trial had it been left out; the mean takes one more degree of freedom.
        missed = losses - offset - left @ (kept[:, None] * turned)
        leverage = (left**2 * kept).sum(axis=1) + 1 / len(losses)
        error = float(((missed / np.maximum(1 - leverage, 1e-3)[:, None]) ** 2).mean())
        if error < least:
            found, least = ridge, error
    shrunk = np.divide(values, values**2 + found, out=np.zeros_like(values), where=values > 0)
    return Fit(centre, scale, offset, right.T @ (shrunk[:, None] * turned))


def target_of(losses: Floats, measure: Measure) -> Floats:
    """What is to be low, for each of N trials: float64[N] from the losses of the groups, float64[N, G]."""
    found: Floats = losses.mean(axis=1) if measure == "mean" else losses.max(axis=1)
    return found


def fit_quality(mixtures: Floats, losses: Floats, measure: Measure) -> Quality:
    """How well trials are predicted from the others: `FOLDS` folds, trial i in fold i mod FOLDS.

    Args:
        mixtures: float64[N, U].
        losses: float64[N, G].
        measure: what is computed of the losses of the groups.
    """
    fold = np.arange(len(losses)) % FOLDS
    predicted = np.empty(len(losses))
    for number in range(min(FOLDS, len(losses))):
        seen = fold != number
        predicted[~seen] = target_of(fit_losses(mixtures[seen], losses[seen]).losses(mixtures[~seen]), measure)
    measured = target_of(losses, measure)
    spread = float(((measured - measured.mean()) ** 2).sum())
    missed = float(((measured - predicted) ** 2).sum())
    return Quality(1 - missed / spread if spread > 0 else 0.0, _correlation(_ranks(measured), _ranks(predicted)))


def _features(mixtures: Floats) -> Floats:
    """Logarithms of the shares and their squares, the latter about -log U so that both differ: float64[N, 2 U]."""
    logs = np.log(mixtures) + np.log(mixtures.shape[1])
    return np.concatenate([logs, logs**2], axis=1)


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
