"""Domain weights computed from the texts: two convex problems, within bounds, each weight with its reasons.

The domains are points z_d in the space of their features (`feature_space`), the weights w lie on the simplex
between a lower and an upper bound for each domain.

cover: the mixture that covers the space best. Its diversity is the effective number of distinct domains,
of order 2 and sensitive to similarity (Leinster and Cobbold 2012, Measuring diversity: the importance of species
similarity, Ecology 93(3); its complement w^T (1 - K) w is the quadratic entropy of Rao 1982):

    1 / (w^T K w),   K_de the similarity of domains d and e

Its maximum is the minimum of w^T K w. There every domain that is at no bound is equally similar to the mixture, so
one that is unlike the others gets much and one that is like many gets little, and copies get together what one alone
would get. Equal weights would pay for every copy; weights by size would drown what is rare.

match: the mixture that is most like a target: least |sum_d w_d z_d - t|^2.

Neither need have one solution: it is open how copies share, or how to reach a target that lies among the domains.
So both add TIE * sum_d (w_d - p_d)^2 / p_d, p the shares of size. It is too small to matter where the texts say
something, and where they don't the weights are in proportion to size.

Either is a quadratic programme, semidefinite by construction since its matrix is given as a factor. An interior
point solver is run to near the rounding of floats, and what it returns must pass a certificate of its own: no weights
within the bounds lower the objective by more than GAP.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from curation.errors import JobError, RunError
from curation.sampling.feature_space import FeatureTable, Floats, coordinates, similarity

__all__ = ["AutoWeights", "FeatureTable", "Reason", "coordinates", "cover", "match"]

#: Weight of the pull towards shares of size. Objectives and coordinates are of order 1 by construction.
TIE = 1e-6
#: Below this share of size all pull alike, lest the pull matter: TIE / SMALL is the most that it adds to K_dd = 1.
SMALL = 1e-3
#: A weight nearer than this to its bound is at its bound.
NEAR = 1e-7
#: The most by which the objective may miss its minimum, by a limit that overstates it.
GAP = 1e-6
#: Bounds may miss a sum of 1 by the rounding of their sum.
ROUNDING = 1e-9
#: Domains that are more similar than this are reported as redundant.
ALIKE = 0.95
#: Reasons given for each domain.
REASONS = 5


@dataclass(frozen=True)
class Reason:
    """One feature's part in the weight of a domain."""

    feature: str
    """Name of the feature."""
    group: str
    """Its group."""
    value: float
    """The domain's mean, in the feature's unit."""
    other: float
    """The mean that it is compared with: of the mixture of the other domains (cover), of the target (match)."""
    effect: float
    """Signed share of the domain's effects, whose absolute values add up to 1 over all features. cover: part of the
    squared distance to the mixture of the others, positive where the domain lies above it. match: positive where the
    domain pulls the mixture by size towards the target, negative where it pulls it away."""


@dataclass(frozen=True)
class AutoWeights:
    """Weights of D domains, and why."""

    weights: Floats
    """float64[D]: sum 1, within the bounds."""
    objective: str
    """`cover` or `match`."""
    before: float
    """What is measured, at the shares of size brought within the bounds: the effective number of distinct domains
    (cover), the distance to the target, in which the whole range of one group of features is 1 (match)."""
    after: float
    """The same at the weights."""
    reasons: list[list[Reason]]
    """For each domain the features with the largest effects, largest first, at most 5."""
    at_bound: list[str | None]
    """For each domain the bound that holds its weight: `lower`, `upper` or None."""
    redundant: list[tuple[int, int, float]]
    """(d, e, similarity) of domains that are nearly alike, d < e, most alike first."""


def cover(table: FeatureTable, lower: Floats, upper: Floats, sizes: Floats) -> AutoWeights:
    """The weights with the largest effective number of distinct domains.

    Args:
        table: features of D domains.
        lower: float64[D], least weights, 0 to 1.
        upper: float64[D], largest weights, up to 1.
        sizes: float64[D], tokens or shares of tokens of each domain, any scale, at least 0.

    Raises:
        JobError: no weights are within the bounds.
        ValueError: shapes differ, or a number is out of its range.
    """
    shares = _checked_shares(table, lower, upper, sizes)
    points = coordinates(table)
    alike = similarity(points)
    values, vectors = np.linalg.eigh(alike)
    factor = (vectors * np.sqrt(np.maximum(values, 0.0))).T
    weights = _least_squares(factor, np.zeros(len(factor)), lower, upper, shares)
    before, after = (1.0 / float(w @ alike @ w) for w in (_within(shares, lower, upper), weights))
    reasons = [_cover_reasons(table, points, weights, shares, domain) for domain in range(len(weights))]
    return AutoWeights(weights, "cover", before, after, reasons, _at_bound(weights, lower, upper), _redundant(alike))


def match(
    table: FeatureTable, target_means: Floats, target_errors: Floats, lower: Floats, upper: Floats, sizes: Floats
) -> AutoWeights:
    """The weights whose mixture is nearest to a target.

    Args:
        table: features of D domains.
        target_means: float64[F], the target's means, in the units of the table; NaN where undefined.
        target_errors: float64[F], their standard errors.
        lower: float64[D], least weights, 0 to 1.
        upper: float64[D], largest weights, up to 1.
        sizes: float64[D], tokens or shares of tokens of each domain, any scale, at least 0.

    Raises:
        JobError: no weights are within the bounds.
        ValueError: shapes differ, or a number is out of its range.
    """
    shares = _checked_shares(table, lower, upper, sizes)
    *domains, goal = coordinates(table, (target_means, target_errors))
    points = np.stack(domains)
    weights = _least_squares(points.T, goal, lower, upper, shares)
    before, after = (float(np.linalg.norm(w @ points - goal)) for w in (_within(shares, lower, upper), weights))
    mixture = shares @ points
    pulls = (points - mixture) * (goal - mixture)
    reasons = [_strongest(table, pulls[d], table.means[d], target_means) for d in range(len(weights))]
    alike = _redundant(similarity(points))
    return AutoWeights(weights, "match", before, after, reasons, _at_bound(weights, lower, upper), alike)


def _checked_shares(table: FeatureTable, lower: Floats, upper: Floats, sizes: Floats) -> Floats:
    """The shares of size; raises where shapes differ or no weights are within the bounds."""
    domains = len(table.means)
    if not domains or any(array.shape != (domains,) for array in (lower, upper, sizes)):
        raise ValueError("lower, upper and sizes must have one number a domain")
    if not (np.isfinite(sizes).all() and (sizes >= 0).all() and sizes.sum() > 0):
        raise ValueError("sizes must be finite, not negative and not all 0")
    if not ((lower >= 0) & (lower <= upper) & (upper <= 1)).all():
        raise JobError("blending.bounds: bounds must be between 0 and 1, and a lower one at most the upper one")
    if lower.sum() > 1 + ROUNDING:
        raise JobError(
            f"blending.bounds: the lower bounds add up to {lower.sum():.4g}; weights add up to 1, lower some"
        )
    if upper.sum() < 1 - ROUNDING:
        raise JobError(
            f"blending.bounds: the upper bounds add up to {upper.sum():.4g}; weights add up to 1, raise some"
        )
    return np.asarray(sizes / sizes.sum())


def _least_squares(factor: Floats, goal: Floats, lower: Floats, upper: Floats, shares: Floats) -> Floats:
    """The w within the bounds with the least |factor @ w - goal|^2 + TIE * sum (w - p)^2 / p, p the shares.

    Args:
        factor: float64[n, D].
        goal: float64[n].
        lower: float64[D].
        upper: float64[D].
        shares: float64[D], sum 1.
    """
    if lower.sum() >= 1 - ROUNDING or upper.sum() <= 1 + ROUNDING:
        return _within(shares, lower, upper)  # the bounds leave no choice
    import cvxpy  # takes a second, and only this function needs it

    pull = np.sqrt(TIE / np.maximum(shares, SMALL))
    stacked = np.vstack([factor, np.diag(pull)])
    wanted = np.concatenate([goal, pull * shares])
    variable = cvxpy.Variable(len(shares))
    problem = cvxpy.Problem(
        cvxpy.Minimize(cvxpy.sum_squares(stacked @ variable - wanted)),
        [cvxpy.sum(variable) == 1, variable >= lower, variable <= upper],
    )
    try:
        problem.solve(solver=cvxpy.CLARABEL, tol_gap_abs=1e-13, tol_gap_rel=1e-13, tol_feas=1e-12)
    except cvxpy.SolverError as error:
        raise RunError(f"blending.weights: no weights were found ({error}); loosen blending.bounds") from error
    if variable.value is None:
        raise RunError(f"blending.weights: no weights were found ({problem.status}); loosen blending.bounds")
    weights = _settled(np.asarray(variable.value), lower, upper)
    missed = _gap(weights, 2 * (stacked.T @ (stacked @ weights - wanted)), lower, upper)
    if missed > GAP:
        raise RunError(f"blending.weights: the weights found are {missed:.1e} from the best; loosen blending.bounds")
    return weights


def _settled(weights: Floats, lower: Floats, upper: Floats) -> Floats:
    """A solver's weights with those near a bound put on it, and the others scaled to the sum of 1."""
    low, high = weights <= lower + NEAR, weights >= upper - NEAR
    held = np.where(low, lower, upper)
    settled = _within(np.where(low | high, held, weights), np.where(high, held, lower), np.where(low, held, upper))
    return settled if abs(settled.sum() - 1) < ROUNDING else _within(weights, lower, upper)


def _within(weights: Floats, lower: Floats, upper: Floats) -> Floats:
    """Weights in proportion, as far as the bounds allow: `clip(level * weights, lower, upper)` with sum 1.

    The sum is piecewise linear in the level, with kinks where a weight meets a bound.
    """
    some = np.maximum(weights, 1e-12)
    levels = np.sort(np.concatenate([[0.0], lower / some, upper / some]))
    sums = np.clip(levels[:, None] * some, lower, upper).sum(axis=1)
    return np.asarray(np.clip(np.interp(1.0, sums, levels) * some, lower, upper))


def _gap(weights: Floats, gradient: Floats, lower: Floats, upper: Floats) -> float:
    """Upper limit of what a convex objective is above its minimum: gradient @ (weights - v) for the best v.

    v is linear programming on the bounded simplex: from the lower bounds up, steepest descent first.
    """
    order = np.argsort(gradient, kind="stable")
    filled = np.minimum(np.cumsum((upper - lower)[order]), 1.0 - lower.sum())
    best = lower[order] + np.diff(filled, prepend=0.0)
    return float(gradient @ weights - gradient[order] @ best)


def _cover_reasons(table: FeatureTable, points: Floats, weights: Floats, shares: Floats, domain: int) -> list[Reason]:
    """Which features make a domain unlike the mixture of the others."""
    others = weights.copy()
    others[domain] = 0.0
    if others.sum() < NEAR:
        others = shares.copy()  # it got all the weight: compare with what is left out
        others[domain] = 0.0
    if others.sum() <= 0.0:
        return []
    others /= others.sum()
    away = points[domain] - others @ points
    known = np.where(np.isnan(table.means), 0.0, others[:, None])
    total = known.sum(axis=0)
    mixture = np.divide(
        (known * np.nan_to_num(table.means)).sum(axis=0), total, out=np.full_like(total, np.nan), where=total > 0
    )
    return _strongest(table, np.sign(away) * away**2, table.means[domain], mixture)


def _strongest(table: FeatureTable, effects: Floats, values: Floats, others: Floats) -> list[Reason]:
    """The features with the largest effects, as shares of all; those without a value to show have none."""
    effects = np.where(np.isnan(values) | np.isnan(others), 0.0, effects)
    total = float(np.abs(effects).sum())
    order = np.argsort(-np.abs(effects), kind="stable")[:REASONS]
    return [
        Reason(table.names[f], table.groups[f], float(values[f]), float(others[f]), float(effects[f]) / total)
        for f in order.tolist()
        if effects[f] != 0.0
    ]


def _at_bound(weights: Floats, lower: Floats, upper: Floats) -> list[str | None]:
    """Which bound holds each weight."""
    return [
        "lower" if weight <= low else "upper" if weight >= high else None
        for weight, low, high in zip(weights.tolist(), lower.tolist(), upper.tolist(), strict=True)
    ]


def _redundant(alike: Floats) -> list[tuple[int, int, float]]:
    """The pairs of domains that are nearly alike, most alike first."""
    first, second = np.nonzero(np.triu(alike > ALIKE, k=1))
    pairs = [(d, e, float(alike[d, e])) for d, e in zip(first.tolist(), second.tolist(), strict=True)]
    return sorted(pairs, key=lambda pair: (-pair[2], pair[0], pair[1]))
