import math

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.clustering.update import (
    centroids_from_sums,
    cluster_sums,
    inertia,
    mean_similarity,
    move_rows,
    objective,
)

from .data import mixture, unit32


def test_sums_are_exact():
    rows = mixture(3000, 20, 4)
    labels = np.random.default_rng(0).integers(0, 5, 3000).astype(np.int32)
    sums, counts = cluster_sums(rows, labels, 6)
    for cluster in range(6):
        own = rows[labels == cluster].astype(np.float64)
        assert counts[cluster] == len(own)
        assert sums[cluster].tolist() == [math.fsum(column) for column in own.T]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 7))
def test_sums_are_the_same_bits_in_any_grouping_and_order(seed, groups):
    rng = np.random.default_rng(seed)
    rows, labels = mixture(400, 16, 4), rng.integers(0, 9, 400).astype(np.int32)
    sums, counts = cluster_sums(rows, labels, 9)
    parts = [cluster_sums(rows[p], labels[p], 9) for p in np.array_split(rng.permutation(400), groups)]
    assert sum(part[0] for part in parts).tobytes() == sums.tobytes()
    assert sum(part[1] for part in parts).tobytes() == counts.tobytes()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0, 1))
def test_moving_rows_gives_the_bits_of_adding_all_anew(seed, share):
    rng = np.random.default_rng(seed)
    rows, before = mixture(300, 16, 4), rng.integers(0, 5, 300).astype(np.int32)
    after = np.where(rng.random(300) < share, rng.integers(0, 5, 300), before).astype(np.int32)
    sums = torch.from_numpy(cluster_sums(rows, before, 5)[0])
    old, new = torch.from_numpy(before), torch.from_numpy(after)
    assert move_rows(sums, torch.from_numpy(rows), old, new) == (before != after).sum()
    assert sums.numpy().tobytes() == cluster_sums(rows, after, 5)[0].tobytes()
    # Some rows are new, some are moved, some stay.
    old[rng.random(300) < share] = -1
    known = old.numpy() >= 0
    sums = torch.from_numpy(cluster_sums(rows[known], before[known], 5)[0])
    assert move_rows(sums, torch.from_numpy(rows), old, new) == (old != new).sum()
    assert sums.numpy().tobytes() == cluster_sums(rows, after, 5)[0].tobytes()


def test_centroids_are_unit_and_keep_the_previous_one_where_there_is_nothing_to_average():
    rows = np.array([[1, 0, 0], [-1, 0, 0], [0, 0.6, 0.8], [0, 0.6, 0.8]], np.float16)
    previous = unit32(np.random.default_rng(0).standard_normal((3, 3)))
    sums, counts = cluster_sums(rows, np.array([0, 0, 1, 1], np.int32), 3)
    centroids = centroids_from_sums(sums, counts, previous)
    assert centroids.dtype == np.float32
    assert np.array_equal(centroids[0], previous[0])  # opposite vectors
    assert np.array_equal(centroids[2], previous[2])  # no rows
    assert np.allclose(np.linalg.norm(centroids, axis=1), 1, atol=1e-6)
    assert np.allclose(centroids[1], [0, 0.6, 0.8], atol=1e-3)


def test_objective_is_the_similarity_to_the_new_centroids():
    rows, labels = mixture(500, 16, 4), np.random.default_rng(0).integers(0, 5, 500).astype(np.int32)
    sums, counts = cluster_sums(rows, labels, 5)
    centroids = centroids_from_sums(sums, counts, np.zeros((5, 16), np.float32)).astype(np.float64)
    value = objective(sums)
    assert np.isclose(value, (rows.astype(np.float64) * centroids[labels]).sum(), rtol=1e-6)
    unit_rows = rows / np.linalg.norm(rows.astype(np.float64), axis=1, keepdims=True)
    assert np.isclose(inertia(value, 500), ((unit_rows - centroids[labels]) ** 2).sum(), rtol=1e-3)
    assert mean_similarity(value, 500) == value / 500
    assert inertia(500.1, 500) == 0
