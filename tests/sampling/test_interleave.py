import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.sampling import interleave as module
from curation.sampling.interleave import interleave, order_of
from curation.sampling.schedule import schedule


def whole(pieces, length):
    places = np.full(length, -1)
    for part, found in pieces:
        places[part] = found
    return places


@given(st.integers(0, 2**32 - 1), st.integers(0, 3000), st.sampled_from([2, 50, 10**9]), st.integers(1, 3))
def test_ranges_are_sorted_as_one(seed, length, distinct, threads):
    keys = np.random.default_rng(seed).integers(0, distinct, length) / 7.0
    module.RANGE, before = 64, module.RANGE
    try:
        assert np.array_equal(whole(order_of(keys, threads), length), np.argsort(keys, kind="stable"))
    finally:
        module.RANGE = before


def lines(draws, rng):
    """Keys of cells whose draws lie evenly on lines from 0 to an end of their own, with a random phase."""
    high = rng.uniform(0.2, 1.0, len(draws))
    keys = [(np.arange(n) + rng.random()) / n * end for n, end in zip(draws, high, strict=True)]
    return np.concatenate(keys), np.zeros(len(draws)), high


@given(st.integers(0, 2**32 - 1))
def test_large_cells_are_set_apart_and_every_draw_comes_once_in_its_cells_order(seed):
    rng = np.random.default_rng(seed)
    draws = np.concatenate([rng.integers(0, 30, 150), rng.integers(100, 3000, rng.integers(0, 5))])
    draws = rng.permutation(draws)
    keys, low, high = lines(draws, rng)
    places = whole(interleave(keys, draws, low, high), len(keys))
    assert np.array_equal(np.sort(places), np.arange(len(keys)))
    cell = np.repeat(np.arange(len(draws)), draws)[places]
    for number in range(len(draws)):
        assert (np.diff(places[cell == number]) > 0).all()
    # What is small is in the order of its keys, and so is what is large.
    for chosen in (draws > module.LARGE * len(keys), draws <= module.LARGE * len(keys)):
        assert (np.diff(keys[places[chosen[cell]]]) >= 0).all()


def test_without_large_cells_it_is_a_sort():
    rng = np.random.default_rng(0)
    for draws in (rng.integers(10, 20, 500), np.array([1000, 10, 5])):
        keys, low, high = lines(draws, rng)
        assert np.array_equal(whole(interleave(keys, draws, low, high), len(keys)), np.argsort(keys, kind="stable"))


def worst_deviation(source, weights):
    """The most that any source is ahead or behind of its share after any number of draws."""
    worst = 0.0
    for number, weight in enumerate(weights):
        at = np.flatnonzero(source == number)
        before = np.abs(np.arange(len(at)) - at * weight)
        after = np.abs(np.arange(1, len(at) + 1) - (at + 1) * weight)
        worst = max(worst, before.max(), after.max())
    return worst


@pytest.mark.parametrize("exponent", [0.0, 0.7, 1.0, 1.3])
def test_two_thousand_sources_of_any_skew_stay_within_five_draws_of_their_share(exponent):
    draws = 20 + np.floor(400_000 * (share := np.arange(1, 2001) ** -exponent) / share.sum()).astype(np.int64)
    cell = np.repeat(np.arange(2000), draws)
    ones = np.ones(len(cell), np.int16)
    for seed in range(3):
        drawn = schedule(np.arange(len(cell)), cell, ones, ones, draws[:, None].astype(float), "stationary", seed)
        assert worst_deviation(cell[drawn.document], draws / draws.sum()) < 5
