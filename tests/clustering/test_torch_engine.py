import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.clustering.assign import nearest, nearest_two
from curation.clustering.init import kmeans_plus_plus
from curation.clustering.torch_engine import FitState, Iteration, RowBlock, StepResult, Worst, fit, merge_worst
from curation.clustering.update import MOST_ROWS, centroids_from_sums, objective
from curation.clustering.vectors import unit
from curation.errors import RunError

from .data import mixture, over_actors, unit16, unit32


def run(rows, init, groups=1, seed=0, parts=1, **options):
    step, worst = over_actors(rows, groups, seed, parts)
    return fit(step, worst, init, **{"max_iterations": 50, "tolerance": 0.0, **options})


def path(state):
    """All of a state but the counts of changed rows, which start anew with the actors."""
    history = [(entry.objective, entry.reseeded) for entry in state.history]
    return state.centroids.tobytes(), state.iteration, history, state.converged


def oracle(rows, centroids, iterations):
    """Spherical K-Means as one would write it down, in float64."""
    wide, centroids = rows.astype(np.float64), centroids.astype(np.float64)
    for _ in range(iterations):
        labels = (wide @ centroids.T).argmax(1)
        for cluster in range(len(centroids)):
            total = wide[labels == cluster].sum(0)
            if np.linalg.norm(total) > 0:
                centroids[cluster] = total / np.linalg.norm(total)
        centroids = centroids.astype(np.float32).astype(np.float64)
    return centroids, (wide @ centroids.T).argmax(1)


@pytest.mark.parametrize("seed", range(3))
def test_agrees_with_plain_float64_kmeans(seed):
    rows = mixture(600, 24, 8, seed)
    state = run(rows, kmeans_plus_plus(rows, 8, seed))
    assert state.converged
    assert sum(entry.reseeded for entry in state.history) == 0
    centroids, labels = oracle(rows, kmeans_plus_plus(rows, 8, seed), state.iteration)
    assert np.abs(state.centroids - centroids).max() < 1e-6
    assert np.array_equal(nearest(rows, state.centroids), labels)
    values = [entry.objective for entry in state.history]
    assert all(after >= before - 1e-4 for before, after in itertools.pairwise(values))


@settings(max_examples=12, deadline=None)
@given(st.sampled_from([1, 2, 7]), st.integers(0, 2**32 - 1), st.integers(1, 4), st.sampled_from([1, 2]))
def test_the_same_bits_for_any_grouping_and_threads(groups, seed, parts, threads):
    rows = np.concatenate([mixture(300, 32, 6), mixture(60, 32, 1, seed=5, spread=0.001)])
    init = unit32(np.random.default_rng(1).standard_normal((12, 32)))  # poor on purpose: some clusters get no rows
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(threads)
        state = run(rows, init, groups, seed, parts)
    finally:
        torch.set_num_threads(before)
    expected = run(rows, init)
    assert sum(entry.reseeded for entry in expected.history) > 0
    assert path(state) == path(expected)
    assert [entry.changed for entry in state.history] == [entry.changed for entry in expected.history]


@pytest.mark.parametrize("tolerance", [0.0, 1e-3])
def test_resuming_after_any_iteration_changes_nothing(tolerance):
    rows = mixture(500, 32, 6)
    init = unit32(np.random.default_rng(1).standard_normal((12, 32)))
    states = [FitState(init)]
    whole = run(rows, init, tolerance=tolerance, on_iteration=states.append)
    assert whole.converged
    assert len(states) == whole.iteration + 1 > 4
    for index, state in enumerate(states):
        again = run(rows, init, groups=2, seed=index, tolerance=tolerance, start=state)
        assert path(again) == path(whole)


def test_stops_at_max_iterations_and_goes_on_from_there():
    rows = mixture(500, 32, 6)
    init = kmeans_plus_plus(rows, 6, 0)
    state = run(rows, init, max_iterations=2)
    assert (state.iteration, state.converged) == (2, False)
    assert path(run(rows, init, start=state)) == path(run(rows, init))
    assert path(run(rows, init, start=state, max_iterations=2)) == path(state)


def test_a_tolerance_stops_earlier():
    rows = mixture(2000, 32, 30, spread=1.0)
    init = kmeans_plus_plus(rows, 20, 0)
    assert run(rows, init, tolerance=1e-2).iteration < run(rows, init).iteration


def test_empty_clusters_are_reseeded_from_the_rows_that_fit_worst():
    rows = np.concatenate([mixture(200, 16, 1, spread=0.1), unit16(-np.eye(16)[:3])])
    init = np.concatenate([unit(rows[:1]), np.tile(unit32(np.ones((1, 16))), (3, 1))])
    init[1:] = -init[0]  # three copies: the lowest takes their rows, two are empty
    state = run(rows, init)
    assert state.history[0].reseeded == 2
    assert state.converged
    counts = np.bincount(nearest(rows, state.centroids), minlength=4)
    assert (counts > 0).all()
    assert len(np.unique(state.centroids, axis=0)) == 4


@pytest.mark.parametrize("different", [1, 2, 5])
@pytest.mark.parametrize("start", ["random", "copies"])
def test_fewer_different_vectors_than_clusters_ends(different, start):
    vectors = mixture(different, 16, different, seed=3, spread=2.0)
    rows = np.concatenate([vectors, vectors[np.random.default_rng(0).integers(0, different, 100)]])
    random = unit32(np.random.default_rng(1).standard_normal((9, 16)))
    state = run(rows, random if start == "random" else np.repeat(unit(rows[:1]), 9, axis=0), max_iterations=1000)
    assert state.converged
    assert state.iteration < 30
    labels, similarity, _ = nearest_two(rows, state.centroids)
    assert len(np.unique(labels)) == different
    assert np.allclose(similarity, 1, atol=1e-3)


def test_more_clusters_than_documents_and_a_single_document():
    rows = mixture(3, 16, 3)
    for count in (1, 3):
        state = run(rows[:count], unit32(np.random.default_rng(0).standard_normal((8, 16))))
        assert state.converged
        assert len(set(nearest(rows[:count], state.centroids).tolist())) == count
    state = run(rows, unit(rows[:1]))
    assert state.converged
    assert state.centroids.shape == (1, 16)


def test_no_documents_and_too_many_are_errors():
    with pytest.raises(RunError, match="no documents"):
        run(mixture(5, 8, 1)[:0], unit32(np.ones((2, 8))))
    many = StepResult(np.ones((1, 8)), np.array([MOST_ROWS + 1]), 0)
    with pytest.raises(RunError, match="fit_rows"):
        fit(lambda _: many, lambda *_: None, unit32(np.ones((1, 8))), max_iterations=1, tolerance=0.0)


def test_a_block_counts_changes_and_keeps_exact_sums():
    rows = mixture(400, 16, 6)
    block = RowBlock([rows[:150], rows[150:150], rows[150:]], np.arange(400))
    centroids = kmeans_plus_plus(rows, 6, 0)
    first = block.step(centroids)
    assert first.changed == 400
    assert block.step(centroids).changed == 0
    moved = centroids_from_sums(first.sums, first.counts, centroids)
    second = block.step(moved)
    assert second.changed == (nearest(rows, moved) != nearest(rows, centroids)).sum()
    anew = RowBlock(rows, np.arange(400)).step(moved)
    assert second.sums.tobytes() == anew.sums.tobytes()
    assert np.array_equal(second.counts, anew.counts)
    assert objective(second.sums) >= objective(first.sums)
    assert block.step(centroids[:3]).changed == 400  # another number of clusters starts anew
    empty = RowBlock([], np.zeros(0, np.int64)).step(centroids)
    assert (empty.changed, empty.counts.sum(), empty.sums.any()) == (0, 0, False)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 5), st.integers(1, 60), st.integers(0, 2**32 - 1))
def test_the_worst_rows_are_different_sorted_and_the_same_in_any_grouping(groups, most, seed):
    rng = np.random.default_rng(seed)
    rows = mixture(30, 8, 5)[rng.integers(0, 30, 120)]  # copies
    centroids = unit32(mixture(4, 8, 4, seed=1))
    _, worst = over_actors(rows, groups, seed)
    found = worst(centroids, most)
    truth = nearest_two(rows, centroids)[1]
    assert len(found.doc_id) == min(most, len(np.unique(rows, axis=0)))
    assert np.array_equal(rows[found.doc_id], found.rows)
    assert np.allclose(found.similarity, truth[found.doc_id], atol=1e-7)
    expected: dict[bytes, int] = {}
    for doc in np.lexsort((np.arange(120), truth)):
        expected.setdefault(rows[doc].tobytes(), int(doc))
    assert found.doc_id.tolist() == list(expected.values())[:most]
    again = merge_worst([found, found], most)
    assert again.doc_id.tolist() == found.doc_id.tolist()


def test_the_worst_of_no_rows_is_nothing():
    found = RowBlock([], np.zeros(0, np.int64)).worst(unit32(np.ones((1, 8))), 3)
    assert (len(found.similarity), len(found.doc_id), found.rows.shape) == (0, 0, (0, 8))
    assert isinstance(found, Worst)
    assert Iteration(1.0, 2, 3) == Iteration(1.0, 2, 3)
