import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.sampling.water_filling import fill, water_level


@st.composite
def problems(draw):
    """Preferences over many orders of magnitude, with zeros and ties; caps; and a total within reach."""
    n = draw(st.integers(1, 40))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    preference = 10.0 ** rng.uniform(-draw(st.sampled_from([0, 3, 30, 200])), 0, n)
    caps = rng.integers(0, draw(st.sampled_from([2, 1000, 10**12])), n).astype(float)
    if draw(st.booleans()):  # ties: the same breakpoint again and again
        caps = np.ceil(caps / 100) * 100
        preference = np.where(rng.random(n) < 0.7, np.maximum(caps, 1) * 2.0**-20, preference)
    preference[rng.random(n) < draw(st.sampled_from([0.0, 0.3]))] = 0.0
    reachable = caps[preference > 0].sum()
    return preference, caps, reachable * draw(st.floats(0, 1))


@given(problems())
def test_the_total_is_met_within_the_caps(problem):
    preference, caps, total = problem
    amounts = fill(preference, caps, water_level(preference, caps, total))
    assert amounts.sum() == pytest.approx(total, rel=1e-9)
    assert (amounts <= caps).all()
    assert (amounts >= 0).all()
    assert (amounts[preference == 0] == 0).all()


@given(problems())
def test_shares_are_the_preferences_wherever_no_cap_binds(problem):
    """The conditions of Lagrange for the least KL divergence; the problem is convex, so they are sufficient."""
    preference, caps, total = problem
    amounts = fill(preference, caps, water_level(preference, caps, total))
    usable = (preference > 0) & (caps > 0)
    ratio = amounts[usable] / preference[usable]
    free = amounts[usable] < caps[usable]
    if free.any():
        assert ratio[free] == pytest.approx(ratio[free].max(), rel=1e-9)
        assert (ratio <= ratio[free].max() * (1 + 1e-9)).all()


@given(problems(), st.integers(0, 2**32 - 1))
def test_no_other_way_to_spend_the_total_is_closer(problem, seed):
    """Spot check of the same by its definition: shift tokens between two random entries, within the caps."""
    preference, caps, total = problem
    amounts = fill(preference, caps, water_level(preference, caps, total))
    usable = np.flatnonzero((preference > 0) & (caps > 0))
    rng = np.random.default_rng(seed)
    for _ in range(20 if len(usable) > 1 else 0):
        giver, taker = rng.choice(usable, 2, replace=False)
        shift = rng.random() * min(amounts[giver], caps[taker] - amounts[taker])
        other = amounts.copy()
        other[giver] -= shift
        other[taker] += shift
        assert divergence(other, preference) >= divergence(amounts, preference) - 1e-9 * max(total, 1.0) * 500


def divergence(amounts, preference):
    some = amounts > 0
    return float((amounts[some] * np.log(amounts[some] / preference[some])).sum())


@given(problems())
def test_all_that_is_reachable_gives_every_cap_exactly(problem):
    preference, caps, _ = problem
    amounts = fill(preference, caps, water_level(preference, caps, caps[preference > 0].sum()))
    assert np.array_equal(amounts, np.where(preference > 0, caps, 0))


@given(problems(), st.floats(0, 1))
def test_more_in_total_is_less_for_nobody(problem, part):
    preference, caps, total = problem
    less = fill(preference, caps, water_level(preference, caps, total * part))
    more = fill(preference, caps, water_level(preference, caps, total))
    assert (less <= more * (1 + 1e-9)).all()


@given(problems(), st.floats(1e-3, 1e3))
def test_the_scale_of_the_preference_does_not_matter(problem, scale):
    preference, caps, total = problem
    amounts = fill(preference, caps, water_level(preference, caps, total))
    scaled = fill(preference * scale, caps, water_level(preference * scale, caps, total))
    assert scaled == pytest.approx(amounts, rel=1e-6, abs=1e-9 * max(total, 1))


@given(st.integers(0, 2**32 - 1))
def test_a_total_on_a_kink_gives_the_cap_to_the_bit(seed):
    rng = np.random.default_rng(seed)
    preference, caps = rng.random(20) + 0.01, rng.random(20) + 0.01
    for level in caps / preference:  # where each cap starts to bind
        total = np.minimum(caps, level * preference).sum()
        amounts = fill(preference, caps, water_level(preference, caps, total))
        assert np.array_equal(amounts == caps, caps / preference <= level)


def test_all_that_is_reachable_gives_a_small_last_cap_too():
    """The rounding of 100,000 sums is larger than the last cap, so it can't be found as what is left of the total."""
    rng = np.random.default_rng(0)
    preference, caps = np.append(rng.random(100_000) + 1, 1e-20), np.append(rng.random(100_000), 1e-15)
    amounts = fill(preference, caps, water_level(preference, caps, caps.sum()))
    assert np.array_equal(amounts, caps)


def test_levels_by_hand():
    even = np.array([1.0, 1.0, 1.0])
    assert water_level(even, np.array([1.0, 5.0, 9.0]), 0.0) == 0.0
    assert water_level(even, np.array([1.0, 5.0, 9.0]), 3.0) == 1.0
    assert water_level(even, np.array([1.0, 5.0, 9.0]), 7.0) == 3.0
    assert water_level(even, np.array([1.0, 5.0, 9.0]), 13.0) == 7.0
    assert water_level(even, np.array([1.0, 5.0, 9.0]), 15.0) == 9.0
    assert water_level(np.zeros(0), np.zeros(0), 0.0) == 0.0


@pytest.mark.parametrize(
    ("preference", "caps", "total", "message"),
    [
        ([1.0, 1.0], [1.0, 2.0], 3.1, "more than the 3"),
        ([1.0, 0.0], [1.0, 2.0], 1.1, "more than the 1"),
        ([1.0], [1.0], -1.0, "finite"),
        ([1.0], [1.0], float("nan"), "finite"),
        ([1.0], [float("inf")], 1.0, "finite"),
        ([-1.0], [1.0], 0.0, "negative"),
        ([1.0], [-1.0], 0.0, "negative"),
        ([1.0, 1.0], [1.0], 1.0, "one length"),
        ([1e-320], [1e10], 1.0, "too small"),
    ],
)
def test_what_has_no_level_is_refused(preference, caps, total, message):
    with pytest.raises(ValueError, match=message):
        water_level(np.array(preference), np.array(caps), total)
