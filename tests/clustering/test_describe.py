import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.clustering.describe import merge_medoids, silhouette_sums, silhouettes, top_by_cluster


def documents(rows, clusters, seed=0):
    rng = np.random.default_rng(seed)
    cluster = rng.integers(0, clusters, rows).astype(np.int32)
    similarity = (rng.integers(0, 8, rows) / 8).astype(np.float32)  # many ties
    return cluster, similarity, (similarity * rng.random(rows)).astype(np.float32), rng.permutation(rows)


def test_silhouettes():
    one, nan = np.float32(1), np.float32(np.nan)
    got = silhouettes(np.array([0.8, 1, 1.001, 0.5, 0.9], np.float32), np.array([0.2, one, 0.5, 0.5, nan], np.float32))
    assert np.allclose(got, [0.75, 0, 1, 0, 0])


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.integers(1, 4))
def test_sums_and_medoids_are_the_same_for_any_splits(seed, splits, most):
    cluster, similarity, second, doc_id = documents(100, 7, seed)
    parts = np.array_split(np.random.default_rng(seed).permutation(100), splits)
    sums = [silhouette_sums(cluster[p], similarity[p], second[p], 8) for p in parts]
    whole = silhouette_sums(cluster, similarity, second, 8)
    merged = sum(sums[1:], start=sums[0])
    assert np.array_equal(merged.coherence, whole.coherence, equal_nan=True)
    assert np.array_equal(merged.mean_similarity, whole.mean_similarity, equal_nan=True)
    assert np.array_equal(merged.documents, np.bincount(cluster, minlength=8))
    tops = [top_by_cluster(cluster[p], similarity[p], doc_id[p], most) for p in parts]
    lists = merge_medoids(tops, most).by_cluster(8)
    for number, ids in enumerate(lists):
        own = np.flatnonzero(cluster == number)
        assert ids == sorted(doc_id[own].tolist(), key=lambda d: (-similarity[doc_id == d][0], d))[:most]


def test_means():
    cluster, similarity, second, _ = documents(1000, 5)
    sums = silhouette_sums(cluster, similarity, second, 6)
    for number in range(5):
        own = cluster == number
        assert np.isclose(sums.mean_similarity[number], similarity[own].mean(dtype=np.float64), atol=1e-8)
        assert np.isclose(sums.coherence[number], silhouettes(similarity, second)[own].mean(), atol=1e-8)
    assert np.isnan(sums.mean_similarity[5])
    assert np.isnan(sums.coherence[5])


def test_no_documents():
    nothing = np.zeros(0, np.int32), np.zeros(0, np.float32)
    assert top_by_cluster(*nothing, np.zeros(0, np.int64), 3).by_cluster(2) == [[], []]
    assert silhouette_sums(*nothing, nothing[1], 2).documents.tolist() == [0, 0]
