"""Trials are the plan in small: what each unit gives, how often documents come, and that chance is shared."""

from __future__ import annotations

import numpy as np
import pytest

from curation.sampling.trial_draws import chosen, copies, pool_sizes, random_places


def test_the_largest_units_are_cut_to_one_size():
    wanted, there = np.array([100.0, 50.0, 5.0, 40.0]), np.array([90.0, 50.0, 10.0, 1.0])
    assert pool_sizes(there, wanted, 1e9).tolist() == [90.0, 50.0, 5.0, 1.0]
    cut = pool_sizes(there, wanted, 66.0)
    assert cut.tolist() == [30.0, 30.0, 5.0, 1.0]


def test_documents_of_a_unit_are_chosen_in_order_until_it_is_full():
    unit, tokens = np.array([0, 1, 0, 1, 0]), np.full(5, 10.0)
    found = chosen(np.array([4, 3, 2, 1, 0]), unit, tokens, np.array([15.0, 1.0]))
    assert found.tolist() == [False, False, True, True, True]


def test_places_of_a_unit_are_spread_evenly():
    doc_id, unit = np.arange(1000), np.arange(1000) % 3
    place = random_places(0, 0, doc_id, unit)
    for number in range(3):
        own = np.sort(place[unit == number])
        assert np.diff(own) == pytest.approx(1 / len(own))
    assert not np.array_equal(place, random_places(0, 1, doc_id, unit))
    assert np.array_equal(place, random_places(0, 0, doc_id, unit))


def test_units_give_what_they_are_to_give_and_cells_their_part():
    rng = np.random.default_rng(0)
    n = 20_000
    cell = rng.integers(0, 6, n)
    unit = cell // 2
    tokens = rng.integers(10, 50, n).astype(np.float64)
    uses = np.array([1.0, 3.0, 0.5, 0.5, 2.0, 0.0])
    give = np.array([100_000.0, 7_000.0, 350_000.0])
    place = random_places(0, 0, np.arange(n), unit)
    drawn = copies(uses, cell, unit, tokens, give, place)
    assert np.bincount(unit, drawn * tokens) == pytest.approx(give, rel=0.02)
    by_cell = np.bincount(cell, drawn * tokens) / np.bincount(cell, tokens)
    assert by_cell[1] / by_cell[0] == pytest.approx(3.0, rel=0.05)
    assert by_cell[5] == 0
    more = copies(uses, cell, unit, tokens, 1.5 * give, place)
    assert (more >= drawn).all()  # who is drawn by a mixture is drawn by one that gives the unit more
    assert np.ptp(drawn[cell == 0]) <= 1


def test_a_unit_without_documents_gives_nothing():
    drawn = copies(np.ones(2), np.array([0, 0]), np.array([0, 0]), np.ones(2), np.array([2.0, 5.0]), np.zeros(2))
    assert drawn.tolist() == [1, 1]
