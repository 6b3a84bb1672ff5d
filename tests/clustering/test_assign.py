import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.clustering import assign, narrow
from curation.clustering.assign import nearest, nearest_two, similarity_to
from curation.clustering.blocks import block_rows, margin, narrow_block_rows

from .data import mixture, unit16, unit32


def exact(rows, centroids):
    """Dot products rounded once: products of float16 and float32 are exact in float64, fsum adds them exactly."""
    products = rows.astype(np.float64)[:, None, :] * centroids.astype(np.float64)[None]
    return np.array([[math.fsum(pair) for pair in row] for row in products])


def near_ties(rows=200, clusters=24, dimensions=48, seed=0):
    """Centroids that differ by a few units in the last place of float32, and rows near all of them."""
    rng = np.random.default_rng(seed)
    base = unit32(rng.standard_normal((1, dimensions)))
    nudges = rng.integers(-3, 4, (clusters, dimensions)) * np.spacing(np.abs(base))
    return unit16(base + 0.1 * rng.standard_normal((rows, dimensions))), (base + nudges).astype(np.float32)


def test_agrees_with_exact_arithmetic():
    rows, centroids = mixture(300, 24, 5), unit32(np.random.default_rng(1).standard_normal((7, 24)))
    truth = exact(rows, centroids)
    labels, similarity, second = nearest_two(rows, centroids)
    assert labels.dtype == np.int32
    assert similarity.dtype == second.dtype == np.float32
    assert np.array_equal(labels, truth.argmax(1))
    assert np.array_equal(labels, nearest(rows, centroids))
    ranked = np.sort(truth, axis=1)
    assert np.abs(similarity - ranked[:, -1]).max() < 1e-7
    assert np.abs(second - ranked[:, -2]).max() < 1e-7


def test_near_ties_are_decided_as_in_float64():
    rows, centroids = near_ties()
    truth = exact(rows, centroids)
    labels, similarity, second = nearest_two(rows, centroids)
    assert np.array_equal(labels, truth.argmax(1))
    assert np.array_equal(labels, nearest(rows, centroids))
    assert np.array_equal(similarity, truth.max(1).astype(np.float32))
    assert np.array_equal(second, np.sort(truth, axis=1)[:, -2].astype(np.float32))
    single = (rows.astype(np.float32) @ centroids.T).argmax(1)
    assert (single != labels).any()  # else the rows above are no test


def test_exact_ties_go_to_the_lowest_cluster():
    centroids = unit32(np.random.default_rng(0).standard_normal((3, 40)))[[0, 1, 0, 2, 1, 0]]
    labels, similarity, second = nearest_two(mixture(100, 40, 3), centroids)
    assert set(labels.tolist()) <= {0, 1, 3}
    twins = labels != 3
    assert np.array_equal(similarity[twins], second[twins])
    assert nearest(np.zeros((2, 40), np.float16), centroids).tolist() == [0, 0]


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 200), st.integers(1, 70), st.booleans())
def test_the_same_bits_for_any_block(size, start, ties):
    rows, centroids = near_ties() if ties else (mixture(200, 48, 5), unit32(mixture(9, 48, 9, seed=2)))
    whole = [nearest(rows, centroids), *nearest_two(rows, centroids)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(assign, "block_rows", lambda *_: size)
        patch.setattr(narrow, "narrow_block_rows", lambda *_: size)
        pieces = [nearest(rows[start:], centroids), *nearest_two(rows[start:], centroids)]
    for one, other in zip(whole, pieces, strict=True):
        assert one[start:].tobytes() == other.tobytes()


def test_the_same_bits_for_any_number_of_threads():
    rows, centroids = mixture(3000, 384, 20), unit32(mixture(200, 384, 20, seed=1))
    results = []
    before = torch.get_num_threads()
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            results.append([part.tobytes() for part in nearest_two(rows, centroids)])
    finally:
        torch.set_num_threads(before)
    assert results[0] == results[1]


def test_a_lower_precision_that_the_process_has_set_changes_nothing():
    rows, centroids = near_ties(dimensions=512)
    expected = nearest(rows, centroids)
    torch.set_float32_matmul_precision("medium")
    try:
        assert np.array_equal(nearest(rows, centroids), expected)
    finally:
        torch.set_float32_matmul_precision("highest")


@pytest.mark.parametrize("dimensions", [8, 384, 2048])
def test_float32_products_stay_inside_the_margin(dimensions):
    rng = np.random.default_rng(0)
    rows, centroids = unit16(rng.random((200, dimensions))), unit32(rng.random((50, dimensions)))
    single = (torch.from_numpy(rows).float() @ torch.from_numpy(centroids).T).numpy()
    double = rows.astype(np.float64) @ centroids.astype(np.float64).T
    assert 2 * np.abs(single - double).max() < margin(dimensions)


def test_one_cluster_one_row_no_rows():
    rows = mixture(5, 16, 1)
    centroids = unit32(np.ones((1, 16)))
    labels, similarity, second = nearest_two(rows, centroids)
    assert labels.tolist() == nearest(rows, centroids).tolist() == [0] * 5
    assert np.isnan(second).all()
    assert np.array_equal(similarity, similarity_to(rows, labels, centroids).astype(np.float32))
    assert nearest(rows[:1], centroids).tolist() == [0]
    assert len(nearest(rows[:0], centroids)) == 0
    assert [len(part) for part in nearest_two(rows[:0], centroids)] == [0, 0, 0]


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("clusters", [1, 100, 1000, 100_000, 10_000_000])
def test_blocks_are_bounded(clusters, device):
    rows = block_rows(clusters, 384, device)
    assert rows >= 1
    assert rows * clusters * 4 <= 64 << 20
    assert rows * 384 * 4 <= 64 << 20
    rows = narrow_block_rows(clusters, 384, device)
    assert rows >= 1
    assert rows * clusters * 2 <= 64 << 20
    assert rows * 384 * 2 <= 64 << 20
