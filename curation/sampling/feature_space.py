"""Domains as points: measured features of their texts, on one scale, so that distances mean something.

A feature is a mean over a domain's documents: a rate, a share, a score. Features differ in unit, in how well they
are known and in how many say the same, so each is put on a scale of its own:

    z_df = (x_df - middle_f) / (scale_f * sqrt(n_g)),   scale_f = max(range_f, (NOISE * error_f)^2 / range_f)

The middle and the range are those of the least and the largest mean among the domains, the error is the largest
standard error of a mean.

- Extremes, not means and deviations over the domains: a domain that is there twice would shift those, so that
  copying a source would move every weight. With extremes a copy changes no coordinate of any domain.
- A feature whose differences are sampling noise has a range of a few standard errors. Below NOISE of them it shrinks
  with the square, to (range_f / (NOISE * error_f))^2: in a hundred features that tell nothing, noise adds up.
- n_g is the effective number of features of the group that tell domains apart: with r_f = range_f / scale_f,
  sum_f r_f^2 / max_f r_f^2. So a group spans the length of its best feature, and thirty shares of scripts don't
  outvote three readability scores; nor do features that are constant or noise take anything from their group.

A group spans a length of at most 1, so the box that G groups span has a squared diagonal of at most G. Similarity is
Gaussian in the distance, with a bandwidth that is a fixed part of that diagonal; a copy leaves that alone, too:

    K_de = exp(-|z_d - z_e|^2 / (2 h^2)),   h^2 = BANDWIDTH * max(1, squared diagonal)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: A range of fewer standard errors than this is shrunk. Means of 20 domains that differ by noise alone have a range of
#: 3.7 standard errors: forty such features beside forty real ones then move no weight by more than 1 %.
NOISE = 12.0
#: h^2 as a part of the squared diagonal. Chosen on 15 kinds of files (104 features, 30 to 120 documents each): at 1/48
#: Python sources of two libraries are 0.9 alike, C headers and C sources 0.2, Python and JSON 0.07, the halves of one
#: kind 0.8 to 0.95, and the 15 count as 8. At 1/8 they count as 2 and all Python gets nothing; at 1/128 they count as
#: 11, and halves are as little as 0.6 alike.
BANDWIDTH = 1 / 48
#: A range below this part of the values is rounding, not a difference.
ROUNDING = 1e-9
#: How far from the middle a target counts, in units of the domains' range; the domains lie within 0.5.
REACH = 1.0

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class FeatureTable:
    """What was measured of D domains."""

    names: list[str]
    """F names of features."""
    groups: list[str]
    """F names: the group that each feature belongs to."""
    means: Floats
    """float64[D, F], in the feature's own unit; NaN where a domain has no value."""
    errors: Floats
    """float64[D, F], standard errors of the means; NaN where not known."""

    def __post_init__(self) -> None:
        if self.means.ndim != 2 or self.errors.shape != self.means.shape:
            raise ValueError("means and errors must be 2-D and of one shape")
        if not len(self.names) == len(self.groups) == self.means.shape[1]:
            raise ValueError("names and groups must have one entry a feature")
        if np.isinf(self.means).any() or np.isinf(self.errors).any() or (self.errors < 0).any():
            raise ValueError("means must be finite or NaN, errors also not negative")


def coordinates(table: FeatureTable, target: tuple[Floats, Floats] | None = None) -> Floats:
    """The domains as points, by the formula above.

    A missing value gives 0, the middle, and so does a feature in which all domains agree.

    A target doesn't stretch the scale: the domains keep their distances, however far away it lies. It counts as at
    most REACH from the middle, so that one feature that no mixture can reach doesn't drown those that one can. Its
    errors count like a domain's, and a feature that it has no value for is 0 for all.

    Args:
        table: means and errors of D domains.
        target: means float64[F] and standard errors float64[F] of a target, in the units of the table.

    Returns:
        float64[D, F], or float64[D + 1, F] with the target last.

    Raises:
        ValueError: there is no domain, or the target's shapes aren't [F].
    """
    means, errors = table.means, table.errors
    domains, features = means.shape
    if not domains:
        raise ValueError("a table of features needs a domain")
    if target is not None:
        if target[0].shape != (features,) or target[1].shape != (features,):
            raise ValueError(f"the target must have {features} means and errors")
        errors = np.vstack([errors, target[1]])
    low, high = np.fmin.reduce(means), np.fmax.reduce(means)
    spread = high - low
    spread[~(spread > ROUNDING * np.fmax(np.abs(low), np.abs(high)))] = 0.0
    never = np.full_like(spread, np.inf)
    noise = (NOISE * np.nan_to_num(np.fmax.reduce(errors))) ** 2
    scale = np.maximum(spread, np.divide(noise, spread, out=never, where=spread > 0))
    middle = np.nan_to_num((low + high) / 2)
    points: Floats = (means - middle) / scale
    if target is not None:
        points = np.vstack([points, np.clip((target[0] - middle) / scale, -REACH, REACH)])
        points[:, np.isnan(target[0])] = 0.0
    _, group = np.unique(np.asarray(table.groups, dtype=object).astype(str), return_inverse=True)
    telling = (spread / scale) ** 2
    count = np.bincount(group, weights=telling)
    best = np.zeros_like(count)
    np.maximum.at(best, group, telling)
    effective = np.divide(count, best, out=np.ones_like(count), where=best > 0)
    return np.nan_to_num(points) / np.sqrt(effective)[group]


def similarity(points: Floats) -> Floats:
    """How alike the domains are: 1 for the same point, near 0 for opposite corners.

    Args:
        points: float64[D, F], coordinates of the domains, without a target.

    Returns:
        float64[D, D], symmetric, positive semidefinite, 1 on the diagonal.
    """
    diagonal = float(((points.max(axis=0) - points.min(axis=0)) ** 2).sum())
    squares = np.stack([((points - point) ** 2).sum(axis=1) for point in points])
    return np.asarray(np.exp(-squares / (2 * BANDWIDTH * max(1.0, diagonal))))
