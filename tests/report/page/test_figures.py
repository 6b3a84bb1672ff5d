"""What is drawn follows from the figures."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.report.page.figures import NAMES, POINTS, flow, largest_names, lorenz, size_bands
from curation.report.page.projection import map_places
from curation.sampling.balance import gini
from tests.report.made import summary

sizes = st.lists(st.integers(0, 10**9), min_size=1, max_size=60).map(lambda values: np.array(values, np.int64))


@settings(max_examples=60)
@given(sizes)
def test_lorenz_curves_rise_under_the_diagonal_and_enclose_the_gini_coefficient(tokens):
    curve = lorenz(tokens, np.ones_like(tokens))
    at, before = np.array(curve["clusters"]), np.array(curve["before"])
    assert (at[0], at[-1], before[0]) == (0, 1, 0)
    assert (np.diff(before) >= 0).all()
    assert (before <= at + 1e-5).all()
    np.testing.assert_allclose(curve["after"], at, atol=2e-5)
    if tokens.any():
        assert before[-1] == 1
        assert 1 - 2 * np.trapezoid(before, at) == pytest.approx(gini(tokens), abs=1e-4)


def test_lorenz_curves_of_many_clusters_have_few_points():
    assert len(lorenz(np.arange(5000), np.arange(5000))["before"]) == POINTS + 1


@settings(max_examples=60)
@given(sizes)
def test_bands_hold_every_cluster_once_largest_first(tokens):
    names, band = size_bands(tokens)
    assert sorted(set(band.tolist())) == list(range(len(names)))
    for smaller in range(1, len(names)):
        assert tokens[band == smaller].max() <= tokens[band == smaller - 1].min()
    for number, name in enumerate(names):
        assert f"({(band == number).sum():,} cluster" in name


@settings(max_examples=40)
@given(sizes)
def test_names_are_the_largest_and_the_others(tokens):
    given_names = [f"name {number}" for number in range(len(tokens))]
    names, place = largest_names(given_names, tokens)
    sums = np.bincount(place, tokens, len(names))
    assert sums.sum() == tokens.sum()
    if len(tokens) <= NAMES + 1:
        assert [names[index] for index in place] == given_names
    else:
        assert len(names) == NAMES + 1
        assert names[-1] == f"{len(tokens) - NAMES} others"
        assert tokens[place == NAMES].max() <= tokens[place < NAMES].min()


def test_flow_tells_every_step_that_there_was():
    made = summary(["web", "books"], False, "none", "too short")
    made["plan"] |= {"rows": 650, "row_tokens": 6500, "validation": {"documents": 20, "tokens": 200, "shards": 1}}
    made["shards"] = {"shards": 3}
    lines = flow(made)
    steps = ["read", "rejected", "copies dropped", "held out for validation", "to draw from", "left out"]
    assert [line["step"] for line in lines] == [*steps, "used at least once", "drawn", "written"]
    assert [line["documents"] for line in lines] == [1030, 3, 27, 20, 1000, 11, 650, 700, 650]
    assert lines[-1] == {
        "step": "written",
        "documents": 650,
        "tokens": 6500,
        "note": "once each, with a weight; 3 shards",
    }


@pytest.mark.parametrize(("rows", "width"), [(40, 8), (8, 40), (2, 3), (3, 1)])
def test_the_map_keeps_the_two_directions_of_most_variance(rows, width):
    x = np.random.default_rng(rows).normal(size=(rows, width)).astype(np.float32)
    places, share = map_places(x)
    centred = x - x.mean(axis=0)
    left, values, _ = np.linalg.svd(centred.astype(np.float64), full_matrices=False)
    wanted = np.pad(left[:, :2] * values[:2], ((0, 0), (0, max(0, 2 - width))))
    assert share == pytest.approx((values[:2] ** 2).sum() / (values**2).sum())
    np.testing.assert_allclose(np.abs(places), np.abs(wanted) / np.abs(wanted).max(), atol=1e-3)
    assert np.abs(places).max() == 1


def test_the_map_does_not_hang_on_signs_or_the_number_of_dimensions():
    x = np.random.default_rng(0).normal(size=(30, 6)).astype(np.float32)
    places, _ = map_places(x)
    wider, _ = map_places(np.hstack([x, np.zeros((30, 40), np.float32)]))  # the other of the two eigenvalue problems
    np.testing.assert_allclose(places, wider, atol=2e-4)
    farthest = np.abs(places).argmax(axis=0)
    assert (places[farthest, [0, 1]] > 0).all()


def test_clusters_that_do_not_differ_lie_in_the_middle():
    for x in (np.ones((1, 4)), np.ones((5, 4))):
        places, share = map_places(x.astype(np.float32))
        assert not places.any()
        assert share == 1
