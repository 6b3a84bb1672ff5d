import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.clustering import blocks, narrow
from curation.clustering.assign import nearest, nearest_to
from curation.clustering.blocks import Target, margin
from curation.clustering.narrow import labels_in_bfloat16, labels_in_float16
from curation.clustering.screen import Screen, rounding
from curation.clustering.torch_engine import RowBlock, fit
from curation.clustering.update import cluster_sums
from curation.clustering.vectors import full_float16_sums

from .data import mixture, unit16, unit32
from .test_assign import exact, near_ties
from .test_screen import CASES, needs_bfloat16

BOTH = [torch.bfloat16, torch.float16]


def away(rows=40, dimensions=32):
    """Rows that are far from all centroids: similarities of about zero, and below."""
    rng = np.random.default_rng(0)
    base = np.zeros(dimensions)
    base[0] = 1
    centroids = unit32(base + 0.1 * rng.standard_normal((9, dimensions)))
    across = rng.standard_normal((rows, dimensions))
    across[:, 0] = np.where(np.arange(rows) % 2, -3.0, 1e-4)
    return np.concatenate(
        [unit16(across), -centroids.astype(np.float16), np.zeros((1, dimensions), np.float16)]
    ), centroids


ALL = {**CASES, "away": away}


@pytest.fixture(params=list(ALL))
def case(request):
    return ALL[request.param]()


def target_of(centroids, dtype):
    single = torch.from_numpy(centroids)
    return Target(single, single.double(), Screen.of(single, dtype), margin(centroids.shape[1]))


def seen(rows, screen):
    """The similarities in the 16 bits of the screen."""
    dtype = screen.centroids.dtype
    product = torch.from_numpy(rows).to(dtype).double() @ screen.centroids.double().T
    return product.to(torch.float32).to(dtype)


def check_least(rows, centroids, dtype):
    """The nearest centroid is seen at the least or above; where it is negative, the least says nothing."""
    screen = target_of(centroids, dtype).screen
    lost = rounding(torch.from_numpy(rows)) if dtype == torch.bfloat16 else torch.zeros(len(rows))
    scores, truth = seen(rows, screen), exact(rows, centroids)
    least = screen.least(scores.amax(1), lost, margin(rows.shape[1])).numpy()
    winner = truth.argmax(1)
    everyone = np.arange(len(rows))
    useful = least > 0
    assert (scores.float().numpy()[everyone, winner] >= least)[useful].all()
    assert (truth[everyone, winner] >= 0)[useful].all()
    return useful


@pytest.mark.parametrize("dtype", BOTH)
def test_the_nearest_centroid_is_never_seen_below_the_least(case, dtype):
    check_least(*case, dtype)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(-9, 1), st.sampled_from(BOTH), st.integers(1, 80))
def test_nor_for_centroids_at_any_distance_from_each_other(seed, closeness, dtype, dimensions):
    rng = np.random.default_rng(seed)
    base = rng.standard_normal((1, dimensions))
    centroids = unit32(base + 2.0**closeness * rng.standard_normal((12, dimensions)))
    rows = unit16(base + rng.choice([0.01, 0.3, 3.0]) * rng.standard_normal((30, dimensions)))
    check_least(rows, centroids, dtype)
    assert np.array_equal(nearest_to(torch.from_numpy(rows), target_of(centroids, dtype)), nearest(rows, centroids))


def test_the_least_is_useful():
    rows, centroids = CASES["mixture"]()
    assert all(check_least(rows, centroids, dtype).mean() > 0.9 for dtype in BOTH)


def test_labels_of_both_ways_are_those_of_float32(case, monkeypatch):
    rows, centroids = case
    monkeypatch.setattr(blocks, "screen_of", lambda _: None)
    expected = nearest(rows, centroids)
    for dtype in BOTH:
        found = nearest_to(torch.from_numpy(rows), target_of(centroids, dtype))
        assert found.dtype == torch.int32
        assert np.array_equal(found, expected)


def test_most_rows_are_decided_and_the_others_named():
    rows, centroids = CASES["mixture"]()
    expected, tensor = nearest(rows, centroids), torch.from_numpy(rows)
    labels, undecided = labels_in_float16(tensor, target_of(centroids, torch.float16))
    assert len(undecided) < 0.1 * len(rows)
    certain = np.setdiff1d(np.arange(len(rows)), undecided.numpy())
    assert np.array_equal(labels[certain], expected[certain])
    labels, hopeless = labels_in_bfloat16(tensor, target_of(centroids, torch.bfloat16), None)
    assert len(hopeless) == 0
    assert np.array_equal(labels, expected)
    rows, centroids = away()
    for way in (
        labels_in_float16(torch.from_numpy(rows), target_of(centroids, torch.float16)),
        labels_in_bfloat16(torch.from_numpy(rows), target_of(centroids, torch.bfloat16), None),
    ):
        assert len(rows) - 1 in way[1].tolist()


@pytest.mark.parametrize("dtype", BOTH)
def test_near_ties_are_left_to_float64(dtype):
    rows, centroids = near_ties()
    assert np.array_equal(
        nearest_to(torch.from_numpy(rows), target_of(centroids, dtype)), exact(rows, centroids).argmax(1)
    )
    quick = seen(rows, target_of(centroids, dtype).screen).float().argmax(1)
    assert (quick.numpy() != nearest(rows, centroids)).any()  # else this is no test


@pytest.mark.parametrize("dtype", BOTH)
def test_the_same_for_any_block(dtype, monkeypatch):
    rows, centroids = CASES["mixture"]()
    expected = nearest(rows, centroids)
    for size in (1, 7, 300):
        monkeypatch.setattr(narrow, "narrow_block_rows", lambda *_, size=size: size)
        assert np.array_equal(nearest_to(torch.from_numpy(rows), target_of(centroids, dtype)), expected)


@pytest.mark.parametrize("dtype", BOTH)
def test_no_rows_and_one_cluster(dtype):
    target = target_of(unit32(np.ones((1, 16))), dtype)
    rows = torch.from_numpy(mixture(5, 16, 1))
    assert nearest_to(rows[:0], target).shape == (0,)
    assert nearest_to(rows, target).tolist() == [0] * 5
    assert nearest_to(-rows, target).tolist() == [0] * 5


@pytest.mark.parametrize("dtype", [pytest.param(torch.bfloat16, marks=needs_bfloat16), torch.float16])
@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_steps_from_any_centroids_to_any_others_are_those_of_brute_force(dtype, seed):
    """Small moves, jumps, copies of a centroid, another number of clusters: labels and sums are those of float64."""
    rng = np.random.default_rng(seed)
    rows = np.concatenate([mixture(150, 24, 5, seed=1), mixture(20, 24, 1, seed=2)[rng.integers(0, 20, 60)]])
    block = RowBlock([rows[:70], rows[70:]], np.arange(len(rows)))
    centroids = unit32(rng.standard_normal((8, 24)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "screen_of", lambda single: Screen.of(single, dtype))
        for _ in range(6):
            labels = exact(rows, centroids).argmax(1).astype(np.int32)
            sums, counts = cluster_sums(rows, labels, len(centroids))
            result = block.step(centroids)
            assert np.array_equal(result.counts, counts)
            assert result.sums.tobytes() == sums.tobytes()
            moved = unit32(centroids + rng.choice([1e-4, 0.1, 2.0], (len(centroids), 1)) * rng.standard_normal((1, 24)))
            moved[rng.integers(len(moved))] = moved[0]
            centroids = moved[: rng.choice([len(moved), max(1, len(moved) - 1)])]


def test_a_fit_in_float16_is_the_same_bits(monkeypatch):
    rows, init = mixture(400, 64, 6), unit32(mixture(12, 64, 6, seed=3))

    def centroids():
        block = RowBlock([rows[:150], rows[150:]], np.arange(400))
        return fit(block.step, block.worst, init, max_iterations=20, tolerance=0.0).centroids.tobytes()

    expected = centroids()
    monkeypatch.setattr(blocks, "screen_of", lambda single: Screen.of(single, torch.float16))
    assert centroids() == expected


def test_float16_products_of_a_gpu_are_set_to_add_in_float32_and_set_back():
    before = torch.backends.cuda.matmul.allow_fp16_reduced_precision_reduction
    torch.backends.cuda.matmul.allow_fp16_reduced_precision_reduction = True
    try:
        with full_float16_sums():
            assert not torch.backends.cuda.matmul.allow_fp16_reduced_precision_reduction
        assert torch.backends.cuda.matmul.allow_fp16_reduced_precision_reduction
    finally:
        torch.backends.cuda.matmul.allow_fp16_reduced_precision_reduction = before
