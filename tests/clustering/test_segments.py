import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.clustering import segments
from curation.clustering.init import kmeans_plus_plus
from curation.clustering.segments import Advance, fit_in_segments
from curation.clustering.torch_engine import FitState, fit
from curation.clustering.update import inertia
from curation.clustering.vectors import unit
from curation.errors import RunError
from tests.clustering.data import mixture, over_actors, unit32
from tests.clustering.lloyd import lloyd


def run(rows, init, tolerance=1e-4, most=300, **options):
    wide = rows.astype(np.float32)
    asked = []

    def advance(centroids, iterations):
        asked.append(iterations)
        assert np.allclose(np.linalg.norm(centroids, axis=1), 1, atol=1e-6)
        return lloyd(wide, centroids, iterations, tolerance)

    steps = over_actors(rows, 1)
    return fit_in_segments(advance, *steps, init, max_iterations=most, tolerance=tolerance, **options), asked


@pytest.mark.parametrize("segment", [1, 8])
@pytest.mark.parametrize("seed", range(2))
def test_ends_as_good_as_the_spherical_engine(monkeypatch, segment, seed):
    monkeypatch.setattr(segments, "SEGMENT", segment)
    rows = mixture(800, 16, 12, seed, spread=1.0)
    init = kmeans_plus_plus(rows, 16, seed)
    other = fit(*over_actors(rows, 1), init, max_iterations=300, tolerance=1e-4)
    state, _ = run(rows, init)
    assert state.converged
    assert state.history[-1].objective / other.history[-1].objective > 0.995
    assert state.iteration > len(state.history)


def test_one_iteration_a_segment_is_spherical_kmeans(monkeypatch):
    monkeypatch.setattr(segments, "SEGMENT", 1)
    rows = mixture(800, 24, 6)
    init = kmeans_plus_plus(rows, 6, 0)
    state, _ = run(rows, init, tolerance=0.0, most=6)
    other = fit(*over_actors(rows, 1), init, max_iterations=6, tolerance=0.0)
    assert state.iteration == 6
    assert [entry.objective for entry in state.history] == pytest.approx(
        [entry.objective for entry in other.history[1::2]], rel=1e-12
    )
    assert np.abs(state.centroids - other.centroids).max() < 1e-6


@settings(max_examples=8, deadline=None)
@given(st.integers(1, 40))
def test_iterations_of_both_kinds_are_counted(most):
    rows = mixture(200, 8, 5, spread=2.0)
    state, asked = run(rows, kmeans_plus_plus(rows, 10, 0), tolerance=0.0, most=most)
    assert state.iteration <= most
    assert state.converged or state.iteration == most
    assert all(1 <= iterations <= segments.SEGMENT for iterations in asked)


def test_resuming_after_any_segment_changes_nothing(monkeypatch):
    monkeypatch.setattr(segments, "SEGMENT", 2)
    rows = mixture(250, 8, 4, spread=2.0)
    init = kmeans_plus_plus(rows, 6, 0)
    states = [FitState(init)]
    whole, _ = run(rows, init, on_iteration=states.append)
    assert len(states) > 3
    for state in states:
        again, _ = run(rows, init, start=state)
        assert again.centroids.tobytes() == whole.centroids.tobytes()
        assert again.history == whole.history or [e.objective for e in again.history] == [
            e.objective for e in whole.history
        ]
        assert (again.iteration, again.converged) == (whole.iteration, whole.converged)


def test_clusters_that_the_engine_leaves_empty_are_seeded():
    rows = np.concatenate([mixture(300, 32, 6), mixture(60, 32, 1, seed=5, spread=0.001)])
    init = unit32(np.random.default_rng(1).standard_normal((12, 32)))
    state, _ = run(rows, init)
    assert sum(entry.reseeded for entry in state.history) > 0
    assert np.bincount((rows.astype(np.float64) @ state.centroids.T).argmax(1), minlength=12).min() > 0
    values = [inertia(entry.objective, len(rows)) for entry in state.history]
    assert values[-1] < values[0]


def test_centroids_that_are_no_numbers_end_the_fit():
    rows = mixture(50, 8, 2)
    broken = np.full((2, 8), np.nan, np.float32)
    with pytest.raises(RunError, match=r"not finite numbers; try clustering\.engine: torch"):
        fit_in_segments(
            lambda *_: Advance(broken, 1), *over_actors(rows, 1), unit(rows[:2]), max_iterations=9, tolerance=0.0
        )


def test_a_mean_of_length_zero_stays_where_it_was():
    rows = mixture(50, 8, 2)
    init = kmeans_plus_plus(rows, 2, 0)
    state = fit_in_segments(
        lambda centroids, _: Advance(centroids * [[0], [3]], 1),
        *over_actors(rows, 1),
        init,
        max_iterations=2,
        tolerance=0.0,
    )
    other = fit(*over_actors(rows, 1), init, max_iterations=1, tolerance=0.0)
    assert np.array_equal(state.centroids, other.centroids)
