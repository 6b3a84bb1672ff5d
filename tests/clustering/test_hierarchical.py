import numpy as np
import pytest

from curation.clustering.assign import nearest
from curation.clustering.hierarchical import kmeans_groups, nearest_members, resampled
from curation.clustering.in_memory import fitted

from .data import unit16, unit32


def skewed(rows=6000, themes=12, dimensions=16, seed=0):
    """Rows about themes whose sizes fall from most of all to a few, and the theme of each."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((themes, dimensions))
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    sizes = 0.55 ** np.arange(themes)
    theme = np.sort(rng.choice(themes, rows, p=sizes / sizes.sum()))
    return unit16(centres[theme] + 0.15 * rng.standard_normal((rows, dimensions))), theme


def themes_even_over(rows, theme, centroids):
    """The effective number of themes when every cluster has the same weight."""
    labels = nearest(rows, centroids)
    table = np.zeros((len(centroids), theme.max() + 1))
    np.add.at(table, (labels, theme), 1)
    table = table[table.any(axis=1)]
    share = (table / table.sum(axis=1, keepdims=True)).mean(axis=0)
    share = share[share > 0]
    return np.exp(-(share * np.log(share)).sum())


def test_resampling_makes_clusters_even_in_meaning():
    rows, theme = skewed()
    flat = fitted(rows, 100, 0, 50)
    even = resampled(rows, flat, 0)
    assert even.shape == flat.shape
    assert np.linalg.norm(even, axis=1) == pytest.approx(1, abs=1e-5)
    assert themes_even_over(rows, theme, even) > 1.15 * themes_even_over(rows, theme, flat)


def test_resampling_is_the_same_each_time_and_leaves_small_samples_alone():
    rows, _ = skewed(600)
    flat = fitted(rows, 20, 0, 50)
    assert np.array_equal(resampled(rows, flat, 3, 2), resampled(rows, flat, 3, 2))
    assert resampled(rows[:79], flat, 3) is flat


def test_the_nearest_members_are_those_of_a_sort():
    rng = np.random.default_rng(0)
    labels, similarity = rng.integers(0, 9, 400).astype(np.int32), rng.integers(0, 50, 400).astype(np.float32)
    kept = nearest_members(labels, similarity, 7)
    for label in range(9):
        own = np.flatnonzero(labels == label)
        best = sorted(own.tolist(), key=lambda row: (-similarity[row], row))[:7]
        assert np.intersect1d(kept, own).tolist() == sorted(best)


@pytest.mark.parametrize("clusters", [1, 3, 40])
def test_groups_of_groups_lie_in_each_other_and_count_by_their_first_cluster(clusters):
    centroids = unit32(np.random.default_rng(clusters).standard_normal((clusters, 5)))
    paths = kmeans_groups(centroids, [20, 7, 3], 0)
    assert paths.shape == (clusters, 3)
    for above, below in zip(paths.T, paths.T[1:], strict=False):
        assert len(np.unique(np.stack([above, below]), axis=1).T) == len(np.unique(below))
    for level, most in zip(paths.T, [3, 7, 20], strict=True):
        numbers, first = np.unique(level, return_index=True)
        assert numbers.tolist() == list(range(len(numbers)))
        assert len(numbers) <= most
        assert first.tolist() == sorted(first.tolist())


def test_planted_groups_are_found():
    rng = np.random.default_rng(0)
    planted = np.repeat(np.arange(5), 12)
    paths = kmeans_groups(unit32(np.eye(5, 8)[planted] + 0.05 * rng.standard_normal((60, 8))), [5], 0)
    assert np.array_equal(paths[:, 0], planted)
