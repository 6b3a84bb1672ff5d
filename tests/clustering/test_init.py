import numpy as np
import pytest
import torch

from curation.clustering.assign import nearest_two
from curation.clustering.init import _as_integers, _distances, kmeans_plus_plus
from curation.clustering.vectors import unit

from .data import mixture, unit16


@pytest.mark.parametrize("dimensions", [2, 384, 4096])
def test_distances_are_exact_integers(dimensions):
    sample = _as_integers(unit16(np.random.default_rng(0).standard_normal((50, dimensions))))
    sample[1] = -sample[0]  # the farthest that two can be
    whole = sample.numpy().astype(np.int64)
    lengths = (whole**2).sum(1)
    assert lengths.max() <= 2**24
    truth = ((whole[:5, None] - whole[None]) ** 2).sum(-1)
    assert np.array_equal(_distances(sample, lengths.astype(np.int32), np.arange(5)), truth)


def test_the_same_bits_for_any_number_of_threads_and_precision():
    sample = mixture(2000, 128, 30)
    results = []
    before = torch.get_num_threads()
    try:
        for threads, precision in ((1, "highest"), (2, "highest"), (1, "medium")):
            torch.set_num_threads(threads)
            torch.set_float32_matmul_precision(precision)
            results.append(kmeans_plus_plus(sample, 40, seed=3).tobytes())
    finally:
        torch.set_num_threads(before)
        torch.set_float32_matmul_precision("highest")
    assert len(set(results)) == 1
    assert kmeans_plus_plus(sample, 40, seed=4).tobytes() != results[0]


def test_centroids_are_different_vectors_of_the_sample():
    sample = mixture(500, 32, 10)
    centroids = kmeans_plus_plus(sample, 50, seed=0)
    assert centroids.shape == (50, 32)
    assert centroids.dtype == np.float32
    assert len(np.unique(centroids, axis=0)) == 50
    known = {row.tobytes() for row in unit(sample)}
    assert all(row.tobytes() in known for row in centroids)


def test_spreads_better_than_random_rows():
    for seed in range(5):
        sample = mixture(3000, 64, 40, seed=seed, spread=0.3)
        random = unit(sample[np.random.default_rng(seed).choice(3000, 40, replace=False)])
        greedy = kmeans_plus_plus(sample, 40, seed)
        assert 1 - nearest_two(sample, greedy)[1].mean() < 0.8 * (1 - nearest_two(sample, random)[1].mean())


def test_finds_every_group_of_a_clear_mixture():
    centres = np.eye(12)
    rng = np.random.default_rng(0)
    group = np.repeat(np.arange(12), [2000, 1000, 500, 200, 100, 50, 20, 10, 5, 5, 5, 5])
    sample = unit16(centres[group] + 0.01 * rng.standard_normal((len(group), 12)))
    assert sorted(kmeans_plus_plus(sample, 12, seed=0).argmax(1).tolist()) == list(range(12))


def test_fewer_different_vectors_than_clusters():
    different = mixture(4, 16, 4)
    copies = different[np.random.default_rng(0).integers(0, 4, 100)]
    centroids = kmeans_plus_plus(copies, 10, seed=0)
    assert {row.tobytes() for row in centroids} == {row.tobytes() for row in unit(different)}
    assert len(centroids) == 4
    assert len(kmeans_plus_plus(copies[:1], 10, seed=0)) == 1
    assert len(kmeans_plus_plus(np.repeat(copies[:1], 50, axis=0), 3, seed=0)) == 1
    assert kmeans_plus_plus(copies[:0], 3, seed=0).shape == (0, 16)
    assert len(kmeans_plus_plus(different, 4, seed=0)) == len(kmeans_plus_plus(different, 5, seed=0)) == 4


def test_vectors_too_near_for_the_integers_still_give_all_clusters():
    base = unit16(np.random.default_rng(0).standard_normal((1, 64)))
    sample = np.repeat(base, 30, axis=0)
    for row in range(30):
        sample[row, row] = np.nextafter(sample[row, row], np.float16(2))
    assert len(np.unique(kmeans_plus_plus(sample, 20, seed=0), axis=0)) == 20
    assert len(kmeans_plus_plus(sample, 40, seed=0)) == 30


def test_rows_that_are_no_unit_vectors_are_refused():
    with pytest.raises(ValueError, match="longer than a unit vector"):
        kmeans_plus_plus(2 * mixture(10, 16, 2), 3, seed=0)
