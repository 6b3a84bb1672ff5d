import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.training.shares import moved, within


@st.composite
def boxes(draw):
    """Wishes over many orders of magnitude, and bounds round a base that sums to 1."""
    n = draw(st.integers(1, 30))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    base = rng.dirichlet(np.full(n, draw(st.sampled_from([0.3, 1.0, 20.0])))) + 1e-6
    base /= base.sum()
    low, high = base * rng.uniform(0.01, 1, n), base * rng.uniform(1, 10, n)
    if draw(st.booleans()):
        low, high = base * 0.5, base * 2.0
    return base * np.exp(rng.normal(0, draw(st.sampled_from([0.0, 0.1, 3.0, 30.0])), n)), low, high


@given(boxes())
def test_the_nearest_shares_keep_to_the_bounds_and_to_the_ratios_between_them(box):
    """The conditions of Lagrange for the least KL divergence; the problem is convex, so they are sufficient."""
    wish, low, high = box
    found = within(wish, low, high)
    assert found.sum() == pytest.approx(1, abs=1e-9)
    assert (found >= low).all()
    assert (found <= high).all()
    level = found / wish
    free = (found > low * (1 + 1e-9)) & (found < high * (1 - 1e-9))
    if free.any():
        middle = level[free].mean()
        assert level[free] == pytest.approx(middle, rel=1e-6)
        assert (level[found <= low * (1 + 1e-9)] >= middle * (1 - 1e-6)).all()  # raised to the floor
        assert (level[found >= high * (1 - 1e-9)] <= middle * (1 + 1e-6)).all()  # held down at the cap


def test_the_update_is_group_dro_s():
    shares, losses = np.array([0.5, 0.3, 0.2]), np.array([1.0, 2.0, 4.0])
    wide = np.full(3, 1e-9), np.full(3, 1.0)
    wanted = shares * np.exp(0.3 * losses)
    assert moved(shares, losses, 0.3, *wide) == pytest.approx(wanted / wanted.sum())
    assert moved(shares, losses, 0.0, *wide) == pytest.approx(shares)


def test_a_cluster_without_a_loss_counts_as_average():
    shares, nan = np.array([0.5, 0.3, 0.2]), np.nan
    wide = np.full(3, 1e-9), np.full(3, 1.0)
    assert moved(shares, np.array([nan, 7.0, nan]), 0.5, *wide) == pytest.approx(shares)  # nothing to compare it with
    assert (moved(shares, np.full(3, nan), 0.5, *wide) == shares).all()
    found = moved(shares, np.array([1.0, nan, 3.0]), 0.5, *wide)
    mean = (0.5 * 1 + 0.2 * 3) / 0.7
    wanted = shares * np.exp(0.5 * np.array([1 - mean, 0, 3 - mean]))
    assert found == pytest.approx(wanted / wanted.sum())


def test_again_and_again_it_comes_to_the_bounds_and_back():
    base = np.array([0.6, 0.3, 0.1])
    low, high, shares = base * 0.5, base * 3, base
    for _ in range(1000):
        shares = moved(shares, np.array([1.0, 1.0, 50.0]), 1.0, low, high)
    assert shares[2] == pytest.approx(0.3)
    assert shares[:2] == pytest.approx(base[:2] * 0.7 / 0.9)
    shares = moved(shares, np.array([1.0, 1.0, 0.0]), 1.0, low, high)
    assert shares[2] < 0.2  # at once: a bound is no debt
