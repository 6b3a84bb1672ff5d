"""The allocation is the KL projection: against a convex solver on random tables, with every kind of condition.

The solver's objective is good to 1e-9, its table to some 1e-5, since the objective is flat around the optimum. So the
objective is compared at 1e-7 and the table at 2e-5, and Lagrange's conditions, which prove the optimum, hold to 1e-8.
"""

import cvxpy
import numpy as np
import pytest

from curation.errors import JobError
from curation.sampling.allocation import allocate

INSTANCES = 70  # of each kind; there are five


def random_table(rng):
    """Tokens of cells: Zipf-like clusters and domains, some cells empty, no cluster and no domain."""
    clusters, domains = int(rng.integers(2, 9)), int(rng.integers(1, 5))
    tokens = np.ceil(10 ** rng.uniform(0, 3, (clusters, 1)) * 10 ** rng.uniform(0, 1.5, (1, domains)))
    tokens[rng.random(tokens.shape) < 0.3] = 0
    tokens[np.arange(clusters), rng.integers(0, domains, clusters)] += 5
    tokens[rng.integers(0, clusters, domains), np.arange(domains)] += 5
    return tokens.astype(np.int64)


def projection(preference, caps, total, domain_totals, low, high):
    """The least sum a log(a / p) by an interior point method, in units of the total."""
    a = cvxpy.Variable(preference.shape, nonneg=True)
    some = preference > 0
    conditions = [a <= caps / total, cvxpy.sum(a) == 1]
    if domain_totals is not None:
        conditions.append(cvxpy.sum(a, axis=0) == domain_totals / total)
    if low is not None:
        conditions += [cvxpy.sum(a, axis=1) >= low / total, cvxpy.sum(a, axis=1) <= high / total]
    conditions.append(a[~some] == 0) if (~some).any() else None
    where = np.argwhere(some)
    cells = cvxpy.hstack([a[c, d] for c, d in where])
    objective = cvxpy.sum(cvxpy.kl_div(cells, preference[some]))
    problem = cvxpy.Problem(cvxpy.Minimize(objective), conditions)
    problem.solve(solver=cvxpy.CLARABEL, tol_gap_abs=1e-10, tol_gap_rel=1e-10, tol_feas=1e-10)
    assert problem.status in ("optimal", "optimal_inaccurate")  # the comparison says whether it is near enough
    return a.value.clip(0) * total


def divergence(amounts, preference):
    some = (amounts > 0) & (preference > 0)
    return float((amounts[some] * np.log(amounts[some] / preference[some])).sum())


def is_projection(got, caps, *, domain_totals=None, low=None, high=None):
    total = got.total
    expected = projection(got.preference, caps, total, domain_totals, low, high)
    assert (got.target <= caps).all()
    assert got.target.sum() == pytest.approx(total, rel=1e-9)
    share = got.target / total
    assert divergence(share, got.preference) == pytest.approx(divergence(expected / total, got.preference), abs=1e-7)
    assert share == pytest.approx(expected / total, abs=2e-5)
    keeps_lagranges_conditions(got, caps, by_domain=domain_totals is not None, low=low, high=high)


def keeps_lagranges_conditions(got, caps, *, by_domain, low, high):
    """The factor a / p is row * level where the cap does not bind, and less where it does."""
    some = got.preference > 0
    factor = np.divide(got.pace, got.preference, out=np.full(caps.shape, np.nan), where=some)
    assert got.target[some] == pytest.approx(np.minimum(caps, got.pace)[some], rel=1e-9)
    by_cluster = got.target.sum(axis=1)
    spent = (got.target >= caps).all(axis=1)  # then any pace that is high enough will do
    inside = ~spent if low is None else ~spent & (by_cluster > low * (1 + 1e-8)) & (by_cluster < high * (1 - 1e-8))
    free = factor[inside]
    columns = [free[:, d] for d in range(caps.shape[1])] if by_domain else [free.ravel()]
    levels = [column[~np.isnan(column)] for column in columns]
    for column in levels:
        assert column == pytest.approx(np.full(len(column), column.mean() if len(column) else 0), rel=1e-8)
    if low is not None and not by_domain and inside.any():
        level = levels[0].mean()
        own = np.nanmean(factor, axis=1)
        assert (own[by_cluster <= low * (1 + 1e-9)] >= level * (1 - 1e-8)).all()
        assert (own[by_cluster >= high * (1 - 1e-9)] <= level * (1 + 1e-8)).all()


def totals_of(weights, caps, budget, when_short):
    """The domains' totals by the definition of the policy, found by bisection."""
    weights = weights / weights.sum()
    if when_short == "hold_ratio":
        return weights * min(budget, (caps / weights).min())
    low, high = 0.0, (caps / weights).max()
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if np.minimum(caps, middle * weights).sum() < budget else (low, middle)
    return np.minimum(caps, high * weights)


def options(table, **more):
    domains = table.shape[1]
    defaults = {
        "exponent": 0.0,
        "clips": np.full(domains, 3),
        "domain_weights": None,
        "when_short": "hold_budget",
        "domain_names": [str(d) for d in range(domains)],
    }
    return defaults | more


@pytest.mark.parametrize("seed", range(INSTANCES))
def test_without_domain_weights(seed):
    rng = np.random.default_rng(seed)
    table = random_table(rng)
    clips = rng.integers(1, 6, table.shape[1])
    budget = rng.uniform(0.05, 0.95) * (table * clips).sum()
    got = allocate(table, budget=budget, **options(table, clips=clips, exponent=rng.uniform(0, 1)))
    assert got.total == pytest.approx(budget)
    is_projection(got, table * clips)


@pytest.mark.parametrize("seed", range(INSTANCES))
def test_with_domain_weights(seed):
    rng = np.random.default_rng(1000 + seed)
    table = random_table(rng)
    clips = rng.integers(1, 6, table.shape[1])
    budget = rng.uniform(0.05, 0.95) * (table * clips).sum()
    weights = 10 ** rng.uniform(-1, 1, table.shape[1])
    short = ["hold_budget", "hold_ratio"][seed % 2]
    got = allocate(table, budget=budget, **options(table, clips=clips, domain_weights=weights, when_short=short))
    totals = totals_of(weights, (table * clips).sum(axis=0), budget, short)
    assert got.target.sum(axis=0) == pytest.approx(totals, rel=1e-9)
    is_projection(got, table * clips, domain_totals=totals)


@pytest.mark.parametrize("seed", range(INSTANCES))
def test_with_what_earlier_phases_left(seed):
    rng = np.random.default_rng(2000 + seed)
    table = random_table(rng)
    room = (table * 3 * rng.uniform(0, 1, table.shape)).astype(np.int64) + (table > 0)
    budget = rng.uniform(0.05, 0.95) * room.sum()
    got = allocate(table, budget=budget, **options(table, room=room))
    is_projection(got, room)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("seed", range(INSTANCES))
def test_with_floors_and_caps_of_clusters(seed, weighted):
    rng = np.random.default_rng(3000 + seed)
    table = random_table(rng)
    clips = rng.integers(1, 6, table.shape[1])
    caps = table * clips
    weights = 10 ** rng.uniform(-0.5, 0.5, table.shape[1]) if weighted else None
    budget = rng.uniform(0.05, 0.6) * caps.sum()
    bounds = {"min_share": rng.uniform(0, 0.9) / len(table), "max_share": min(1.0, rng.uniform(1.1, 3) / len(table))}
    try:
        got = allocate(
            table, budget=budget, **options(table, clips=clips, domain_weights=weights, **bounds, exponent=0.7)
        )
    except JobError:
        assert not feasible(table, caps, budget, weights, bounds)
        return
    low, high = np.minimum(bounds["min_share"] * budget, caps.sum(axis=1)), bounds["max_share"] * budget
    by_cluster = got.target.sum(axis=1)
    assert (by_cluster >= low * (1 - 1e-9)).all()
    assert (by_cluster <= high * (1 + 1e-9)).all()
    totals = totals_of(weights, caps.sum(axis=0), budget, "hold_budget") if weighted else None
    is_projection(got, caps, domain_totals=totals, low=low, high=high)


def feasible(table, caps, budget, weights, bounds):
    """Whether any table keeps to the conditions; a little tightened, so that the edge counts as outside."""
    a = cvxpy.Variable(table.shape, nonneg=True)
    low = np.minimum(bounds["min_share"] * budget, caps.sum(axis=1)) * (1 + 1e-7)
    conditions = [a <= caps * (1 - 1e-7), cvxpy.sum(a, axis=1) >= np.minimum(low, caps.sum(axis=1) * (1 - 1e-7))]
    conditions += [cvxpy.sum(a, axis=1) <= bounds["max_share"] * budget * (1 - 1e-7)]
    if weights is None:
        conditions.append(cvxpy.sum(a) == budget)
    else:
        conditions.append(cvxpy.sum(a, axis=0) == totals_of(weights, caps.sum(axis=0), budget, "hold_budget"))
    problem = cvxpy.Problem(cvxpy.Minimize(0), conditions)
    problem.solve(solver=cvxpy.HIGHS)
    return problem.status == "optimal"
