import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.clustering.groups import group_clusters

from .data import mixture, unit32


def vectors(count, seed=0):
    return unit32(np.random.default_rng(seed).standard_normal((count, 6)))


def added(centroids, groups):
    """The sum of squared distances to the means of the groups, which Ward keeps low."""
    wide = centroids.astype(np.float64)
    parts = [wide[groups == group] for group in np.unique(groups)]
    return sum(((part - part.mean(axis=0)) ** 2).sum() for part in parts)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 30), st.integers(1, 30), st.integers(0, 2**32 - 1))
def test_every_number_is_used_and_they_count_by_their_first_cluster(clusters, wanted, seed):
    groups = group_clusters(vectors(clusters, seed), [wanted])[:, 0]
    numbers, first = np.unique(groups, return_index=True)
    assert numbers.tolist() == list(range(min(clusters, wanted)))
    assert first.tolist() == sorted(first.tolist())


@settings(max_examples=25, deadline=None)
@given(st.integers(3, 20), st.integers(0, 2**32 - 1))
def test_a_level_joins_two_groups_of_the_level_below_those_that_cost_least(clusters, seed):
    centroids = vectors(clusters, seed)
    for wanted in range(2, clusters):
        coarse, fine = group_clusters(centroids, [wanted, wanted - 1]).T
        pairs = [(a, b) for a in range(wanted) for b in range(a)]
        best = min(added(centroids, np.where(fine == a, b, fine)) for a, b in pairs)
        assert added(centroids, coarse) == pytest.approx(best)


def test_planted_groups_are_found():
    rng = np.random.default_rng(0)
    centres = np.eye(5, 8)[rng.permutation(np.repeat(np.arange(5), 12))]
    groups = group_clusters(unit32(centres + 0.05 * rng.standard_normal(centres.shape)), [5])[:, 0]
    planted = centres.argmax(axis=1)
    assert len({(a, b) for a, b in zip(groups, planted, strict=True)}) == 5


def test_equal_centroids_and_two_thousand_of_them():
    assert group_clusters(np.ones((4, 2), np.float32), [2]).max() == 1
    begun = time.monotonic()
    assert group_clusters(mixture(2000, 128, 40).astype(np.float32), [100]).max() == 99
    assert time.monotonic() - begun < 20


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 30), st.sets(st.integers(1, 30), min_size=2, max_size=4), st.integers(0, 2**32 - 1))
def test_each_level_lies_inside_the_one_above_and_is_what_it_is_alone(clusters, wanted, seed):
    centroids, levels = vectors(clusters, seed), sorted(wanted, reverse=True)
    paths = group_clusters(centroids, levels)
    assert paths.shape == (clusters, len(levels))
    for level, groups in enumerate(levels):
        assert np.array_equal(paths[:, -1 - level], group_clusters(centroids, [groups])[:, 0])
    for above, below in zip(paths.T, paths.T[1:], strict=False):
        assert len(np.unique(np.stack([above, below]), axis=1).T) == len(np.unique(below))
