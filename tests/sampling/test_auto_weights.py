import time
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from curation.errors import JobError
from curation.sampling.auto_weights import SMALL, TIE, FeatureTable, coordinates, cover, match
from curation.sampling.feature_space import REACH, similarity

seeds = st.integers(0, 2**32 - 1)


def few(*strategies):
    """`given` with few examples: each of them runs a solver."""
    return lambda test: settings(max_examples=25, deadline=None)(given(*strategies)(test))


def table_of(means, errors=None, groups=None):
    means = np.asarray(means, dtype=float)
    count = means.shape[1]
    errors = np.full(means.shape, 0.001) if errors is None else np.asarray(errors, dtype=float)
    return FeatureTable([f"f{i}" for i in range(count)], groups or [f"g{i % 4}" for i in range(count)], means, errors)


def random_table(rng, domains, features=24):
    """Features of all units and sizes, some without a value."""
    means = rng.random((domains, features)) * 10.0 ** rng.uniform(-4, 4, features)
    errors = 1e-3 * means
    means[rng.random(means.shape) < 0.05] = np.nan
    return table_of(means, errors)


def rows(table, index):
    return FeatureTable(table.names, table.groups, table.means[index], table.errors[index])


def slack(domains):
    return np.zeros(domains), np.ones(domains)


@st.composite
def problems(draw):
    """A table, bounds that leave room, sizes over orders of magnitude, and a target near the domains."""
    domains = draw(st.integers(2, 12))
    rng = np.random.default_rng(draw(seeds))
    table = random_table(rng, domains)
    if draw(st.booleans()):  # some domains are copies
        table = rows(table, rng.integers(0, domains, domains))
    middle = rng.dirichlet(np.ones(domains))
    lower = middle * rng.random(domains) * (rng.random(domains) < 0.5)
    upper = np.minimum(1.0, middle * (1 + 3 * rng.random(domains)))
    if draw(st.booleans()):
        held = int(rng.integers(domains))
        lower[held] = upper[held] = middle[held]
    target = np.nan_to_num(table.means).mean(axis=0) * rng.uniform(0.7, 1.3, len(table.names))
    return table, target, lower, upper, 10.0 ** rng.uniform(-3, 0, domains)


def both(problem):
    """Each solution with what it minimises and the gradient of that, written down from the formulas."""
    table, target, lower, upper, sizes = problem
    shares, nothing = sizes / sizes.sum(), np.zeros(len(target))
    pull = TIE / np.maximum(shares, SMALL)
    alike = similarity(coordinates(table))
    *domains, goal = coordinates(table, (target, nothing))
    points = np.array(domains)
    yield (
        cover(table, lower, upper, sizes),
        lambda w: w @ alike @ w + pull @ (w - shares) ** 2,
        lambda w: 2 * (alike @ w + pull * (w - shares)),
    )
    yield (
        match(table, target, nothing, lower, upper, sizes),
        lambda w: ((w @ points - goal) ** 2).sum() + pull @ (w - shares) ** 2,
        lambda w: 2 * (points @ (w @ points - goal) + pull * (w - shares)),
    )


@few(problems())
def test_weights_add_up_to_1_within_the_bounds(problem):
    _, _, lower, upper, _ = problem
    for best, *_ in both(problem):
        assert best.weights.sum() == pytest.approx(1, abs=1e-9)
        assert (best.weights >= lower).all()
        assert (best.weights <= upper).all()
        for weight, low, high, name in zip(best.weights, lower, upper, best.at_bound, strict=True):
            assert name == ("lower" if weight == low else "upper" if weight == high else None)


@few(problems())
def test_the_conditions_of_karush_kuhn_and_tucker_hold(problem):
    """Both problems are convex, so they are sufficient: equal gradients, but at a bound, where more would be worse."""
    _, _, lower, upper, _ = problem
    for best, _, derivative in both(problem):
        gradient = derivative(best.weights)
        can_give, can_take = gradient[best.weights > lower], gradient[best.weights < upper]
        assert can_give.max(initial=-np.inf) <= can_take.min(initial=np.inf) + 2e-6


@few(problems())
def test_an_independent_solver_finds_nothing_better(problem):
    _, _, lower, upper, sizes = problem
    one = {"type": "eq", "fun": lambda w: w.sum() - 1}
    bounds = list(zip(lower, upper, strict=True))
    for best, objective, gradient in both(problem):
        middle = np.clip(np.full(len(sizes), 1 / len(sizes)), lower, upper)
        found = minimize(objective, middle, jac=gradient, method="SLSQP", bounds=bounds, constraints=one)
        assert found.x.sum() == pytest.approx(1, abs=1e-8)
        assert objective(best.weights) <= objective(np.clip(found.x, lower, upper)) + 1e-8
        measured = 1 / best.after if best.objective == "cover" else best.after**2
        assert measured == pytest.approx(objective(best.weights), abs=TIE / SMALL)


@few(seeds, st.integers(2, 8), st.integers(1, 2))
def test_copies_get_together_what_one_would_get_alone(seed, domains, copies):
    rng = np.random.default_rng(seed)
    table = random_table(rng, domains)
    twice = rows(table, [*range(domains), *[0] * copies])
    assert np.array_equal(coordinates(twice)[:domains], coordinates(table))
    sizes, target = rng.random(domains) + 0.1, np.nan_to_num(table.means[-1])
    more = np.append(sizes, rng.random(copies) + 0.1)
    alone = cover(table, *slack(domains), sizes)
    together = cover(twice, *slack(domains + copies), more)
    assert summed(together.weights, domains) == pytest.approx(alone.weights, abs=1e-3)
    assert together.after == pytest.approx(alone.after, rel=1e-4)
    assert {pair[:2] for pair in together.redundant} >= {(0, domains + copy) for copy in range(copies)}
    alone = match(table, target, 0 * target, *slack(domains), sizes)
    together = match(twice, target, 0 * target, *slack(domains + copies), more)
    assert summed(together.weights, domains) == pytest.approx(alone.weights, abs=1e-3)


def summed(weights, domains):
    """Weights of the first domains, with those of the copies given to the first."""
    return np.append(weights[0] + weights[domains:].sum(), weights[1:domains])


def test_copies_share_in_proportion_to_size():
    table = rows(random_table(np.random.default_rng(5), 3), [0, 1, 2, 2, 2])
    weights = cover(table, *slack(5), np.array([5.0, 3.0, 1.0, 2.0, 4.0])).weights
    assert weights[2:] / weights[2:].sum() == pytest.approx([1 / 7, 2 / 7, 4 / 7], abs=1e-4)


@few(problems(), seeds)
def test_the_order_of_the_domains_does_not_matter(problem, seed):
    table, target, lower, upper, sizes = problem
    order = np.random.default_rng(seed).permutation(len(sizes))
    other = (rows(table, order), target, lower[order], upper[order], sizes[order])
    for (one, *_), (two, *_) in zip(both(problem), both(other), strict=True):
        assert two.weights == pytest.approx(one.weights[order], abs=1e-4)


@few(seeds)
def test_a_mixture_of_the_domains_is_found(seed):
    rng = np.random.default_rng(seed)
    domains = int(rng.integers(2, 8))
    table = table_of(rng.random((domains, 40)))
    for known in (np.eye(domains)[rng.integers(domains)], rng.dirichlet(np.ones(domains))):
        found = match(table, known @ table.means, np.zeros(40), *slack(domains), np.ones(domains))
        assert found.weights == pytest.approx(known, abs=1e-3)
        assert found.after < 1e-3 * max(found.before, 1)


def odd_one_out():
    """Five domains that are nearly alike, and one in which two features are unlike theirs, up and down."""
    rng = np.random.default_rng(3)
    means = 0.5 + 0.0005 * rng.normal(size=(6, 20))
    means[5, 7], means[5, 13] = 0.9, 0.2
    return table_of(means, errors=np.full((6, 20), 0.001), groups=["words"] * 10 + ["lines"] * 10)


def test_an_odd_domain_gets_more_than_its_size_and_the_reasons_say_why():
    best = cover(odd_one_out(), *slack(6), np.array([30.0, 20.0, 20.0, 15.0, 10.0, 5.0]))
    assert best.weights[5] > 0.4
    assert best.before < 1.2 < 1.8 < best.after < 2.2
    up, down = sorted(best.reasons[5][:2], key=lambda reason: -reason.effect)
    assert (up.feature, up.group, up.value) == ("f7", "words", 0.9)
    assert (down.feature, down.group, down.value) == ("f13", "lines", 0.2)
    assert up.other == pytest.approx(0.5, abs=0.01)
    assert (up.effect, down.effect) == pytest.approx((0.5, -0.5), abs=0.01)
    assert sorted(pair[:2] for pair in best.redundant) == list(combinations(range(5), 2))


def test_reasons_of_a_match_name_what_pulls_to_the_target():
    table = odd_one_out()
    target = table.means[5].copy()
    best = match(table, target, np.zeros(20), *slack(6), np.ones(6))
    assert {reason.feature for reason in best.reasons[5][:2]} == {"f7", "f13"}
    assert all(reason.effect > 0 and reason.value == reason.other for reason in best.reasons[5])
    assert all(reason.effect < 0 for reason in best.reasons[0][:2])
    assert best.after < 0.01 < best.before


@few(problems())
def test_reasons_are_the_strongest_first_and_shares_of_one(problem):
    for best, *_ in both(problem):
        for reasons in best.reasons:
            size = [abs(reason.effect) for reason in reasons]
            assert size == sorted(size, reverse=True)
            assert len(size) <= 5
            assert sum(size) <= 1 + 1e-9
            assert all(np.isfinite([reason.value, reason.other]).all() for reason in reasons)


@few(seeds)
def test_noise_hardly_matters(seed):
    """Forty features that differ by sampling alone, in a group of their own, beside forty that tell domains apart."""
    rng = np.random.default_rng(seed)
    real, noise = rng.random((12, 40)), rng.normal(size=(12, 40))
    known, unknown = np.full((12, 40), 0.002), np.ones((12, 40))
    groups = [f"g{i % 4}" for i in range(40)]
    plain = cover(table_of(real, known, groups), *slack(12), np.ones(12))
    noisy = table_of(np.hstack([real, noise]), np.hstack([known, unknown]), groups + ["noise"] * 40)
    assert cover(noisy, *slack(12), np.ones(12)).weights == pytest.approx(plain.weights, abs=0.05 / 12)


def test_every_group_counts_the_same():
    """Two domains differ in all; thirty features that say the same and ten constant ones count as much as one alone."""
    means = np.vstack([np.zeros(41), np.concatenate([np.ones(31), np.zeros(10)])])
    points = coordinates(table_of(means, groups=["one"] + ["many"] * 40))
    assert ((points[0] - points[1]) ** 2)[0] == pytest.approx(1)
    assert ((points[0] - points[1]) ** 2)[1:].sum() == pytest.approx(1)


def test_coordinates_by_hand():
    means = [[1.0, 5.0, 0.0, np.nan], [3.0, 5.0, 0.1, np.nan], [2.5, 5.0, np.nan, np.nan]]
    table = table_of(means, errors=np.full((3, 4), 0.05), groups=["a", "b", "c", "d"])
    target = (np.array([99.0, 9.0, 0.05, 1.0]), np.zeros(4))
    points = coordinates(table, target)
    by_feature = [[-0.5, 0.5, 0.25, REACH], [0, 0, 0, 0], [-0.5 / 36, 0.5 / 36, 0, 0], [0, 0, 0, 0]]
    assert points == pytest.approx(np.array(by_feature).T)
    unknown = coordinates(table, (np.array([np.nan, 5.0, 0.05, 1.0]), np.full(4, np.nan)))
    assert not unknown[:, 0].any()


def test_identical_domains_get_their_size_shares():
    table, sizes = table_of(np.full((4, 6), 0.3)), np.array([1.0, 2.0, 3.0, 4.0])
    for best in (cover(table, *slack(4), sizes), match(table, np.ones(6), np.zeros(6), *slack(4), sizes)):
        assert best.weights == pytest.approx(sizes / 10, abs=1e-6)
        assert best.reasons == [[], [], [], []]
        assert len(best.redundant) == 6
        assert best.before == pytest.approx(best.after)
    capped = cover(table, np.zeros(4), np.array([1.0, 1.0, 1.0, 0.1]), sizes)
    assert capped.weights == pytest.approx([0.15, 0.3, 0.45, 0.1], abs=1e-6)
    assert capped.at_bound == [None, None, None, "upper"]


def test_one_domain_gets_all():
    table = random_table(np.random.default_rng(0), 1)
    for best in (cover(table, *slack(1), np.ones(1)), match(table, np.ones(24), np.ones(24), *slack(1), np.ones(1))):
        assert best.weights.tolist() == [1.0]
        assert (best.reasons, best.redundant) == ([[]], [])


def test_bounds_that_leave_no_choice_are_the_weights():
    table, given_weights = random_table(np.random.default_rng(1), 3), np.array([0.2, 0.3, 0.5])
    assert cover(table, given_weights, np.ones(3), np.ones(3)).weights.tolist() == given_weights.tolist()
    assert cover(table, np.zeros(3), given_weights, np.ones(3)).weights.tolist() == given_weights.tolist()


def test_two_hundred_domains_take_seconds():
    rng = np.random.default_rng(2)
    table = random_table(rng, 200, 150)
    cover(rows(table, [0, 1]), *slack(2), np.ones(2))  # the solver is imported
    start = time.perf_counter()
    cover(table, *slack(200), rng.random(200))
    match(table, np.nan_to_num(table.means[0]), np.zeros(150), *slack(200), rng.random(200))
    assert time.perf_counter() - start < 5


@pytest.mark.parametrize(
    ("lower", "upper", "message"),
    [
        ([0.6, 0.6], [1.0, 1.0], r"blending\.bounds: the lower bounds add up to 1\.2"),
        ([0.0, 0.0], [0.3, 0.6], r"blending\.bounds: the upper bounds add up to 0\.9"),
        ([0.4, 0.0], [0.3, 1.0], r"blending\.bounds: bounds must"),
        ([0.0, 0.0], [1.0, float("nan")], r"blending\.bounds: bounds must"),
    ],
)
def test_bounds_that_nothing_is_within_are_refused(lower, upper, message):
    table = random_table(np.random.default_rng(0), 2)
    with pytest.raises(JobError, match=message):
        cover(table, np.array(lower), np.array(upper), np.ones(2))


def test_shapes_that_do_not_fit_are_refused():
    table, two, three = random_table(np.random.default_rng(0), 2), np.ones(2), np.ones(3)
    for lower, sizes in ((0 * two, three), (0 * three, two)):
        with pytest.raises(ValueError, match="one number a domain"):
            cover(table, lower, two, sizes)
    with pytest.raises(ValueError, match="24 means and errors"):
        match(table, three, three, 0 * two, two, two)
    for sizes in (0 * two, -two, np.nan * two):
        with pytest.raises(ValueError, match="sizes"):
            cover(table, 0 * two, two, sizes)
    for names, means, errors in ((["a"], [[1.0]], [[1.0, 1.0]]), ([], [[1.0]], [[1.0]]), (["a"], [[np.inf]], [[1.0]])):
        with pytest.raises(ValueError, match=r"one shape|one entry a feature|finite or NaN"):
            FeatureTable(names, ["a"], np.array(means), np.array(errors))
