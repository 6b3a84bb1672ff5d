import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from curation.clustering.assign import nearest_two
from curation.clustering.strata import (
    Centroids,
    Sample,
    StratifiedRows,
    divided,
    fillable,
    first_centroids,
    nearest_two_within,
    parts_of,
    stratum_of_each,
    too_rare,
)
from curation.clustering.torch_engine import RowBlock, fit, merge_worst

from .data import mixture

sizes = st.lists(st.integers(1, 10**6), min_size=1, max_size=12).map(lambda given: np.array(given, np.int64))


@given(st.integers(1, 500), sizes)
def test_every_stratum_gets_clusters_by_the_root_of_its_documents(clusters, documents):
    shares = divided(clusters, documents)
    assert shares.min() >= 1
    assert (shares <= documents).all()
    assert shares.sum() == max(len(documents), min(clusters, documents.sum()))
    root = np.sqrt(documents)
    free = (shares > 1) & (shares < documents)
    if free.sum() > 1:  # no two of them are further apart than rounding can bring them
        assert np.ptp((shares / root)[free]) <= 2 / root[free].min()


def test_an_example_of_shares():
    assert divided(10, np.array([1600, 400, 400])).tolist() == [5, 3, 2]
    assert divided(2, np.array([9, 9, 9])).tolist() == [1, 1, 1]
    assert too_rare(10, np.array([10_000, 10_000, 100])).tolist() == [False, False, True]


def rows_in_strata(strata=3, rows=900):
    """Rows of one mixture, and a stratum for each by chance, so that strata overlap in meaning."""
    stratum = np.random.default_rng(5).integers(0, strata, rows).astype(np.int16)
    return mixture(rows, 16, 10), stratum


def held(rows, stratum, owner):
    """The rows of each actor, stratum by stratum."""
    ids = np.arange(len(rows))
    for actor in np.unique(owner):
        masks = [(owner == actor) & (stratum == number) for number in range(stratum.max() + 1)]
        yield StratifiedRows([RowBlock(rows[mask], ids[mask]) for mask in masks])


def fitted_over(rows, stratum, actors, counts):
    """A fit within strata over so many actors."""
    blocks = list(held(rows, stratum, np.random.default_rng(actors).integers(0, actors, len(rows))))
    first = first_centroids(Sample(rows, stratum), counts, 0)

    def step(centroids):
        results = [block.step(centroids, first.stratum) for block in blocks]
        return sum(results[1:], start=results[0])

    def worst(centroids, most):
        return merge_worst([block.worst(centroids, most, first.stratum) for block in blocks], most)

    state = fit(step, worst, first.centroids, max_iterations=4, tolerance=0.0, stratum=first.stratum)
    return Centroids(state.centroids, first.stratum)


def test_a_fit_within_strata_is_the_fit_of_each_alone():
    rows, stratum = rows_in_strata()
    counts = np.array([4, 1, 6])
    together = fitted_over(rows, stratum, 1, counts)
    assert np.array_equal(together.centroids, fitted_over(rows, stratum, 3, counts).centroids)
    for number, part in parts_of(together.stratum):
        mine = np.full((stratum == number).sum(), 0, np.int16)
        alone = fitted_over(rows[stratum == number], mine, 1, counts[[number]])
        assert np.array_equal(together.centroids[part], alone.centroids)


def test_an_empty_cluster_is_seeded_anew_from_its_stratum():
    rows, stratum = rows_in_strata()
    [block] = held(rows, stratum, np.zeros(len(rows)))
    init = first_centroids(Sample(rows, stratum), np.array([3, 3, 3]), 0)
    start = init.centroids.copy()
    start[4] = start[3]  # of equals the first takes all
    seen = []

    def step(centroids):
        seen.append(block.step(centroids, init.stratum))
        return seen[-1]

    def worst(centroids, most):
        return block.worst(centroids, most, init.stratum)

    state = fit(step, worst, start, max_iterations=2, tolerance=0.0, stratum=init.stratum)
    empty = seen[0].counts == 0
    assert state.history[0].reseeded == empty.sum() == 1
    assert seen[1].counts[empty].min() > 0


def test_an_actor_may_hold_no_row_of_a_stratum():
    rows, stratum = rows_in_strata(2)
    found = first_centroids(Sample(rows, stratum), np.array([2, 3]), 0)
    none = RowBlock([], np.zeros(0, np.int64))
    own = rows[stratum == 1]
    actor = StratifiedRows([none, RowBlock(own, np.arange(len(own)))])
    result = actor.step(found.centroids, found.stratum)
    assert result.counts[:2].tolist() == [0, 0]
    assert result.counts[2:].sum() == len(own)
    assert not result.sums[:2].any()
    assert actor.worst(found.centroids, 4, found.stratum).stratum.tolist() == [1] * 4


def test_rows_go_to_clusters_of_their_own_stratum():
    rows, stratum = rows_in_strata()
    found = first_centroids(Sample(rows, stratum), np.array([4, 1, 3]), 0)
    labels, similarity, second = nearest_two_within(rows, stratum, found)
    assert np.array_equal(found.stratum[labels], stratum)
    assert np.array_equal(np.isnan(second), stratum == 1)
    for number, part in parts_of(found.stratum):
        own = stratum == number
        expected = nearest_two(rows[own], found.centroids[part])
        assert np.array_equal(labels[own] - part.start, expected[0])
        assert np.array_equal(similarity[own], expected[1])


def test_strata_with_few_different_rows_get_what_they_can_fill():
    rows, stratum = rows_in_strata()
    rows[stratum == 2] = rows[stratum == 2][0]
    wanted = np.array([4, 2, 3])
    assert fillable(Sample(rows, stratum), wanted).tolist() == [4, 2, 1]
    found = first_centroids(Sample(rows, stratum), wanted, 0)
    assert np.array_equal(found.stratum, stratum_of_each([4, 2, 1]))
