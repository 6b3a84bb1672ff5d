import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.clustering.hierarchical import resampled
from curation.clustering.merging import merged
from curation.clustering.refine import refined
from curation.clustering.strata import Centroids, Sample

from .data import mixture, unit32


def near(count, copies, spread, seed=0):
    """So many directions, each some times with a little noise, in order."""
    rng = np.random.default_rng(seed)
    centres = np.repeat(np.eye(count, 2 * count), copies, axis=0)
    return unit32(centres + spread * rng.standard_normal(centres.shape))


def test_those_that_are_alike_become_the_mean_by_size():
    centroids = near(4, 3, 0.02)
    sizes = np.arange(12, dtype=np.int64)
    found = merged(centroids, sizes, 0.9)
    assert len(found) == 4
    for number, one in enumerate(found):
        part = slice(3 * number, 3 * number + 3)
        assert one == pytest.approx(
            unit32((sizes[part, None] * centroids[part]).sum(axis=0, keepdims=True))[0], abs=1e-6
        )
    assert np.array_equal(merged(centroids, sizes, 0.99999), centroids)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 25), st.floats(0.1, 0.99), st.integers(0, 2**32 - 1))
def test_every_mean_is_of_clusters_that_are_all_alike(clusters, above, seed):
    """A chain a, b, c where a and c are unlike is not merged into one: the mean is near to all that went into it."""
    centroids = unit32(np.random.default_rng(seed).standard_normal((clusters, 4)))
    found = merged(centroids, np.ones(clusters, np.int64), above)
    assert np.linalg.norm(found, axis=1) == pytest.approx(1, abs=1e-5)

    best = (centroids.astype(np.float64) @ found.T.astype(np.float64)).max(axis=1)
    assert (best >= above - 1e-5).all()


def test_a_chain_stays_two():
    angles = np.deg2rad([0, 20, 40])
    chain = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    assert len(merged(chain, np.ones(3, np.int64), 0.9)) == 2  # cos 20 is .94, cos 40 is .77


def test_one_centroid_and_groups_without_rows():
    one = near(1, 1, 0.0)
    assert merged(one, np.array([5]), 0.5) is one
    found = merged(near(2, 2, 0.01), np.zeros(4, np.int64), 0.9)
    assert found.shape == (2, 4)
    assert np.linalg.norm(found, axis=1) == pytest.approx(1)


def test_strata_are_refined_each_by_itself():
    rows = mixture(800, 8, 6)
    stratum = (np.arange(800) % 2).astype(np.int16)
    centroids = np.concatenate([near(4, 1, 0.0), near(4, 1, 0.0)])

    def again(rows, centroids):
        return resampled(rows, centroids, 0)

    given = Centroids(centroids, np.repeat(np.arange(2, dtype=np.int16), 4))
    found, told = refined(given, Sample(rows, stratum), None, 0.9, lambda now: np.ones(len(now.centroids), np.int64))
    assert told == {"merged": 8}  # the same ones in both strata are not merged
    found, told = refined(given, Sample(rows, stratum), again, None, lambda now: pytest.fail("nothing is merged"))
    assert told == {"resampled": 8}
    assert found.stratum.tolist() == given.stratum.tolist()
    other = Sample(rows[stratum == 0], stratum[stratum == 0])
    first = Centroids(centroids[:4], np.zeros(4, np.int16))
    alone, _ = refined(first, other, again, None, lambda now: pytest.fail("nothing is merged"))
    assert np.array_equal(found.centroids[:4], alone.centroids)
