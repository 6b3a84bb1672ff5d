"""Learned mixtures on planted problems: losses are known functions of the mixture, so the optimum is known, too."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize

from curation.errors import JobError
from curation.sampling.learning import first_mixtures, last_mixtures, next_mixtures
from curation.sampling.mixture_fit import Trials, fit_losses, fit_quality, target_of
from curation.sampling.mixture_space import MixtureSpace, mixture_space, within


def planted(seed, units, groups):
    """A corpus, and the losses of groups as powers of the tokens that are like them, with little noise."""
    rng = np.random.default_rng(seed)
    sizes = np.exp(rng.normal(0, 1.6, units))
    tokens = np.maximum(sizes / sizes.sum() * 50e6, 1000).astype(np.int64)
    alike = rng.dirichlet(np.full(units, 0.1), groups) + 0.002
    floor, scale = rng.uniform(1, 3, groups), rng.uniform(0.5, 1.5, groups)
    power = rng.uniform(0.1, 0.4, groups)

    def losses(mixtures):
        return floor + scale * (mixtures @ alike.T) ** -power

    return mixture_space(tokens, 5 * tokens, 2.5e6, 0.1), losses, alike


def learned(space, losses, measure="mean", trials=96, rounds=3, seed=0, alike=None):
    """All trials, and the best of them."""
    noise = np.random.default_rng(seed)

    def tried(mixtures):
        found = losses(mixtures)
        return Trials(mixtures, found + noise.normal(0, 0.002, found.shape), alike)

    known = tried(first_mixtures(space, trials // rounds, seed))
    for number in range(1, rounds + 1):
        if number < rounds:
            mixtures = next_mixtures(space, known, measure, number, trials // rounds, seed)
        else:
            mixtures = last_mixtures(space, known, measure, number, seed)
        more = tried(mixtures)
        both = [(known.mixtures, more.mixtures), (known.losses, more.losses)]
        known = Trials(*(np.concatenate(pair) for pair in both), alike)
    return known, known.mixtures[np.argmin(target_of(known.losses, measure))]


def best_of(space, losses, measure="mean"):
    """The least target within the bounds, by a solver that sees the true losses."""

    def of(logs):
        return float(target_of(losses(within(np.exp(logs)[None], space)), measure)[0])

    starts = (space.start, space.even)
    return min(optimize.minimize(of, np.log(start), method="L-BFGS-B", options={"maxiter": 40}).fun for start in starts)


@pytest.mark.parametrize(("units", "groups", "least"), [(6, 6, 0.95), (20, 25, 0.80)])
def test_most_of_what_can_be_won_is_won(units, groups, least):
    space, losses, alike = planted(3, units, groups)
    natural, best = losses(space.start[None]).mean(), best_of(space, losses)
    won = []
    for known in (None, alike):
        trials, found = learned(space, losses, alike=known)
        won.append((natural - losses(found[None]).mean()) / (natural - best))
        assert fit_quality(trials, "mean").rank_correlation > 0.9
    assert won[0] >= least
    assert won[1] >= 0.97  # where it is known which units hold what


def test_the_worst_group_is_helped_where_that_is_the_target():
    space, losses, _ = planted(5, 6, 6)
    _, found = learned(space, losses, "worst")
    natural, even = (float(losses(one[None]).max()) for one in (space.start, space.even))
    assert losses(found[None]).max() < min(natural, even)


def test_every_mixture_that_is_tried_is_within_the_bounds():
    space, losses, _ = planted(1, 12, 10)
    known, _ = learned(space, losses, trials=64)
    assert (known.mixtures >= space.lower - 1e-8).all()
    assert (known.mixtures <= space.upper + 1e-8).all()
    assert known.mixtures.sum(axis=1) == pytest.approx(1.0, abs=1e-7)
    assert known.mixtures[0] == pytest.approx(space.start, abs=1e-9)
    assert known.mixtures[1] == pytest.approx(space.even, abs=1e-9)


def test_the_same_trials_give_the_same_proposals_and_other_seeds_give_others():
    space, losses, _ = planted(2, 8, 8)
    first, again = (first_mixtures(space, 16, 7) for _ in range(2))
    assert np.array_equal(first, again)
    assert not np.allclose(first[2:], first_mixtures(space, 16, 8)[2:])
    known = Trials(first, losses(first))
    proposed = [next_mixtures(space, known, "mean", 1, 16, 7) for _ in range(2)]
    assert np.array_equal(*proposed)
    assert not np.allclose(proposed[0][1:], next_mixtures(space, known, "mean", 2, 16, 7)[1:])


def test_a_mixture_is_brought_within_the_bounds_as_one_by_one_would():
    """Against scaling by bisection."""
    rng = np.random.default_rng(0)
    natural = rng.dirichlet(np.full(15, 0.5)) + 1e-4
    space = MixtureSpace(natural / natural.sum(), 0.1 * natural / natural.sum(), rng.uniform(0.08, 0.6, 15))
    mixtures = rng.dirichlet(np.full(15, 0.2), 50)
    found = within(mixtures, space)
    for mixture, got in zip(mixtures, found, strict=True):
        low, high = 0.0, 1e12
        for _ in range(300):
            level = (low + high) / 2
            total = np.clip(level * mixture, space.lower, space.upper).sum()
            low, high = (level, high) if total < 1 else (low, level)
        assert got == pytest.approx(np.clip(level * mixture, space.lower, space.upper), abs=1e-7)
    assert within(found, space) == pytest.approx(found, abs=1e-9)  # what is within stays


def test_a_share_too_small_to_be_written_is_not_nothing():
    tokens = np.array([10**12, 10**12, 100])
    space = mixture_space(tokens, 5 * tokens, 1e12, 0.1)
    tried = first_mixtures(space, 16, 0)
    assert tried.min() == 1e-9
    known = Trials(tried, -np.log(tried[:, :2]))
    assert np.isfinite(next_mixtures(space, known, "mean", 1, 8, 0)).all()


def test_bounds_follow_from_floor_clip_and_budget():
    tokens = np.array([900, 90, 10])
    space = mixture_space(tokens, 5 * tokens, budget=500.0, floor=0.1)
    assert space.natural.tolist() == [0.9, 0.09, 0.01]
    assert space.lower == pytest.approx([0.09, 0.009, 0.001])
    assert space.upper.tolist() == [1.0, 0.9, 0.1]
    assert space.even == pytest.approx([0.45, 0.45, 0.1])
    with pytest.raises(JobError, match=r"5,000 be drawn: lower sampling.budget or raise sampling.clip"):
        mixture_space(tokens, 5 * tokens, budget=5001.0, floor=0.1)
    with pytest.raises(JobError, match=r"lower phases.0.budget or raise phases.0.clip"):
        mixture_space(tokens, 5 * tokens, 5001.0, 0.1, "phases.0.budget", "phases.0.clip")
    assert mixture_space(tokens, 5 * tokens, budget=5000.0, floor=0.1).is_point
    assert not space.is_point


def test_a_quadratic_in_the_logarithms_is_found_exactly():
    rng = np.random.default_rng(0)
    mixtures = rng.dirichlet(np.full(4, 2.0), 60)
    logs = np.log(mixtures)
    losses = np.stack([2 - 0.3 * logs[:, 0] + 0.05 * logs[:, 1] ** 2, 3 + 0.1 * logs[:, 2]], axis=1)
    fit = fit_losses(Trials(mixtures[:50], losses[:50]))
    assert fit.losses(mixtures[50:]) == pytest.approx(losses[50:], abs=1e-3)
    assert fit_quality(Trials(mixtures, losses), "mean").r2 > 0.999


def test_noise_is_not_taken_for_a_trend():
    rng = np.random.default_rng(1)
    mixtures = rng.dirichlet(np.full(10, 2.0), 60)
    noise = rng.normal(size=(60, 3))
    quality = fit_quality(Trials(mixtures, noise), "mean")
    assert quality.r2 < 0.3
    assert np.abs(fit_losses(Trials(mixtures, noise)).losses(mixtures) - noise.mean(axis=0)).mean() < 0.5
    assert fit_quality(Trials(mixtures, np.ones((60, 3))), "mean").rank_correlation == 0.0
