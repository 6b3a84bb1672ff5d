"""The sample of learned weights: validation never in the pool, halves of one size, units as large as asked for."""

from __future__ import annotations

import numpy as np
import pytest

from curation.config import Job
from curation.sampling.mixture_space import mixture_space
from curation.stages.learning_sample import (
    CHECK,
    FIT,
    HELD,
    LEAST_HELD,
    POOL,
    Listed,
    choose_sample,
    together,
    trial_scale,
)
from curation.stages.learning_units import Mixing

DOMAINS = ["large", "small", "left out", "tiny"]
#: Clusters, and documents of each domain in the excerpts.
CLUSTERS, DOCUMENTS = 3, [3000, 400, 300, 12]


def job(**learning):
    sources = [{"domain": name, "path": "x"} for name in DOMAINS]
    return Job.model_validate({"run_dir": "r", "sources": sources, "learning": learning})


def listed():
    rng = np.random.default_rng(0)
    domain = rng.permutation(np.repeat(np.arange(4), DOCUMENTS))
    cell = rng.integers(0, CLUSTERS, len(domain)) * 4 + domain
    tokens = rng.integers(50, 150, len(domain)).astype(np.float32)
    cell_tokens = np.bincount(cell, tokens, CLUSTERS * 4).astype(np.int64).reshape(CLUSTERS, 4)
    split = np.arange(len(domain)) // 500
    return Listed(cell_tokens, np.arange(len(domain)) * 2, split.astype(np.int32), cell.astype(np.int32), tokens)


def mixing(found, budget=100_000.0):
    """Weights of domains, one of which may not be drawn."""
    tokens = found.cell_tokens.copy()
    tokens[:, 2] = 0
    numbers = np.array([0, 1, 3])
    place = np.array([0, 1, -1, 2], np.int32)
    sums = tokens.sum(axis=0)[numbers]
    space = mixture_space(sums, 5 * sums, budget, 0.1)
    names = [DOMAINS[number] for number in numbers]
    unit, clips = np.tile(place, CLUSTERS), np.full(4, 5)
    return Mixing("domains", names, numbers, unit, tokens, None, space, budget, clips, 1.0, (0.0, 1.0), DOMAINS)


def by_domain():
    return np.tile(np.arange(4, dtype=np.int32), CLUSTERS)


def test_validation_is_never_in_the_pool_and_halves_are_of_one_size():
    found = listed()
    sample = choose_sample(job(), mixing(found), found, by_domain())
    assert (np.diff(sample.doc_id) > 0).all()
    held = sample.role != POOL
    for domain in (0, 1):
        own = sample.role[held & (sample.group == domain)]
        assert np.count_nonzero(own == FIT) == np.count_nonzero(own == CHECK) == HELD // 2
    assert set(sample.group[held]) == {0, 1}  # of 12 documents a fifth are too few, and what is left out asks for none
    assert (sample.group[~held] == -1).all()
    assert not (sample.cell % 4 == 2).any()
    assert LEAST_HELD > 12 * 0.2


def test_texts_of_one_s_own_take_none_of_the_corpus():
    found = listed()
    sample = choose_sample(job(), mixing(found), found, None)
    assert (sample.role == POOL).all()


def test_the_pool_is_the_corpus_by_trial_over_budget_and_its_largest_units_are_cut():
    found = listed()
    units = mixing(found)
    asked = job(trial_tokens=50_000)
    assert trial_scale(asked, units, found) == 0.5
    sample = choose_sample(asked, units, found, by_domain())
    pool = sample.only(sample.role == POOL)
    got = np.bincount(pool.unit, pool.tokens)
    assert got == pytest.approx(0.5 * units.unit_tokens, abs=150)
    cut = choose_sample(job(trial_tokens=50_000, pool_tokens=45_000), units, found, by_domain())
    pool = cut.only(cut.role == POOL)
    less = np.bincount(pool.unit, pool.tokens)
    assert less.sum() == pytest.approx(45_000, abs=450)
    assert less[1:] == pytest.approx(got[1:])


def test_excerpts_that_may_not_be_drawn_do_not_count_for_the_scale():
    found = listed()
    units = mixing(found)
    half = np.flatnonzero((found.cell % 4 == 2) | (np.arange(len(found.cell)) % 2 == 0))
    fewer = Listed(found.cell_tokens, *(getattr(found, name)[half] for name in ("doc_id", "split", "cell", "tokens")))
    drawn = fewer.tokens[fewer.cell % 4 != 2].sum()
    assert trial_scale(job(trial_tokens=10**6), units, fewer) == pytest.approx(drawn / units.tokens.sum())


def test_parts_come_together_in_the_order_of_the_documents():
    found = listed()
    cuts = [slice(2000, None), slice(0, 2000)]
    names = ("doc_id", "split", "cell", "tokens")
    parts = [Listed(found.cell_tokens, *(getattr(found, name)[cut] for name in names)) for cut in cuts]
    again = together(parts)
    assert np.array_equal(again.cell_tokens, 2 * found.cell_tokens)
    assert all(np.array_equal(getattr(again, name), getattr(found, name)) for name in names)


def test_cells_of_a_mixture_add_up_to_its_weights():
    found = listed()
    units = mixing(found)
    weights = np.array([0.5, 0.4, 0.1 * units.space.upper[2]])
    weights[0] = 1 - weights[1:].sum()
    target = units.cell_tokens(weights)
    assert np.bincount(units.unit[units.unit >= 0], target[units.unit >= 0]) == pytest.approx(weights * units.budget)
    assert (target[units.unit < 0] == 0).all()
