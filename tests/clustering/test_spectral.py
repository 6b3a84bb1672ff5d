"""Groups by normalised cuts: one wide chain of clusters is one group, narrow ones apart from it are their own."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from curation.clustering.assign import nearest
from curation.clustering.groups import group_clusters
from curation.clustering.in_memory import fitted
from curation.clustering.spectral import evened, neighbours, spectral_groups


def arc_and_points(seed: int = 0) -> tuple[NDArray[np.float16], NDArray[np.float32], NDArray[np.int64]]:
    """Rows along a wide arc, and round three narrow points near one another; centroids; what each centroid is of."""
    rng = np.random.default_rng(seed)
    turn = rng.uniform(0, 0.9 * np.pi, 3000)
    arc = np.stack([np.cos(turn), np.sin(turn), np.zeros(3000)], axis=1)
    tips = np.array([[0.0, 0.45, 1.0], [0.4, -0.2, 1.0], [-0.4, -0.2, 1.0]])
    rows = np.concatenate([arc, np.repeat(tips, 30, axis=0)]) + rng.normal(0, 0.01, (3090, 3))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    turns = np.linspace(0, 0.9 * np.pi, 24)
    centroids = np.concatenate([np.stack([np.cos(turns), np.sin(turns), np.zeros(24)], axis=1), tips])
    centroids /= np.linalg.norm(centroids, axis=1, keepdims=True)
    return rows.astype(np.float16), centroids.astype(np.float32), np.array([0] * 24 + [1, 2, 3])


def shares(rows: NDArray[np.float16], centroids: NDArray[np.float32]) -> NDArray[np.float64]:
    return neighbours(rows, centroids, nearest(rows, centroids))


def test_a_wide_kind_is_one_group_where_ward_makes_several() -> None:
    rows, centroids, kinds = arc_and_points()
    groups = spectral_groups(shares(rows, centroids), [4], 0)[:, 0]
    assert len({(kind, group) for kind, group in zip(kinds.tolist(), groups.tolist(), strict=True)}) == 4
    ward = group_clusters(centroids, [4])[:, 0]
    assert len(set(ward[kinds == 0].tolist())) > 1


def test_rows_of_the_graph_are_shares_whatever_the_sizes() -> None:
    rows, centroids, _ = arc_and_points()
    shared = shares(rows, centroids)
    np.testing.assert_allclose(shared.sum(axis=1), 1, atol=1e-4)
    lonely = np.concatenate([centroids, [[0.0, 0.0, -1.0]]]).astype(np.float32)
    assert shares(rows, lonely)[-1, -1] == 1
    other = (nearest(rows, centroids) + 1) % 27  # as within strata: a row's own cluster need not be the nearest
    np.testing.assert_allclose(neighbours(rows, centroids, other)[(np.arange(27) + 1) % 27], shared, atol=1e-4)
    twice = np.concatenate([rows, rows[-90:], rows[-90:]])
    np.testing.assert_allclose(shares(twice, centroids), shared, atol=1e-3)


def test_levels_are_numbered_by_their_first_cluster_and_repeat() -> None:
    rows, centroids, _ = arc_and_points()
    shared = shares(rows, centroids)
    found = spectral_groups(shared, [8, 4, 2], 3)
    assert found.shape == (27, 3)
    assert np.array_equal(found, spectral_groups(shared, [8, 4, 2], 3))
    for level in found.T:
        _, first = np.unique(level, return_index=True)
        assert (np.diff(first) > 0).all()
    assert [len(np.unique(level)) for level in found.T] == [2, 4, 8]


def test_as_many_groups_as_clusters_leave_them_as_they_are() -> None:
    rows, centroids, _ = arc_and_points()
    found = spectral_groups(shares(rows, centroids), [40, 27, 5], 0)
    assert np.array_equal(found[:, 2], np.arange(27))
    assert np.array_equal(found[:, 1], np.arange(27))


def test_the_second_fit_gives_rare_kinds_clusters_of_their_own() -> None:
    rows, _, _ = arc_and_points()
    kind = np.repeat([0, 1, 2, 3], [3000, 30, 30, 30])
    kept = np.flatnonzero((kind == 0) | (np.arange(3090) % 2 == 0))  # 15 rows of each narrow one
    rows, kind = rows[kept], kind[kept]
    first = fitted(rows, 10, 0, 25)
    rare = [len(set(nearest(rows, found)[kind > 0].tolist())) for found in (first, evened(rows, first, [6, 4], 0))]
    assert rare[1] > rare[0]
    assert np.array_equal(evened(rows, first, [6, 4], 0), evened(rows, first, [6, 4], 0))
