"""Which draws of token files are looked at: properties of the choice."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from curation.verify.token_ids import DRAWS, SPLITS, quotas, some_splits, spread

rows = st.lists(st.integers(1, 10**9), min_size=1, max_size=50)


@given(rows, st.integers(1, 10**6), st.floats(0.001, 1.0))
def test_a_run_has_a_bound_and_every_prefix_a_share(rows, splits, sample):
    found = quotas(rows, splits, sample)
    assert sum(quota.draws for quota in found) <= DRAWS * sample + len(rows)
    assert all(1 <= quota.draws <= count for quota, count in zip(found, rows, strict=True))
    assert all(quota.splits >= 1 for quota in found)
    if splits > SPLITS * sample:
        assert sum(quota.splits for quota in found) <= SPLITS * sample + len(rows)


@given(st.lists(st.integers(1, DRAWS // 50), min_size=1, max_size=50), st.integers(1, SPLITS))
def test_a_small_run_is_looked_at_whole(rows, splits):
    for quota, count in zip(quotas(rows, splits, 1.0), rows, strict=True):
        assert quota.draws == count
        assert quota.splits >= splits


@given(st.integers(0, 2**32), st.integers(1, 10**9), st.floats(0, 1))
def test_what_is_looked_at_is_spread_over_the_prefix(seed, count, part):
    quota = max(1, int(min(count, 1000) * part))
    found = spread(seed, "web.bin", count, quota).tolist()
    assert len(found) == quota
    assert 0 <= found[0] <= found[-1] < count
    assert all(low < high for low, high in pairwise(found))
    assert all(number >= place * count // quota for place, number in enumerate(found))
    assert found == spread(seed, "web.bin", count, quota).tolist()


def test_of_everything_everything_is_looked_at():
    assert spread(1, "web.bin", 500, 500).tolist() == list(range(500))
    assert spread(1, "web.bin", 0, 0).tolist() == []
    assert spread(1, "web.bin", 10**6, 50).tolist() != spread(2, "web.bin", 10**6, 50).tolist()


@given(st.sets(st.integers(0, 10**6), min_size=1, max_size=200), st.integers(1, 50))
def test_prefixes_of_a_domain_share_their_splits(split_ids, most):
    everything = sorted(split_ids)
    found = some_splits(0, everything, most)
    assert found == sorted(found)
    assert len(found) == min(most, len(everything))
    assert set(found) <= split_ids
    half = everything[::2]
    assert set(some_splits(0, half, most)) >= set(found) & set(half)
