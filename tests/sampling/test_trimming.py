"""After trimming every cap holds to the draw, within the clip, at no more cost than it must."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.sampling.cells import cell_totals
from curation.sampling.copies import copies
from curation.sampling.trimming import most_carriers, trim

from .corpora import corpora, plan

clips = st.integers(1, 5)
shares = st.floats(0.05, 0.9)
seeds = st.integers(0, 2**32 - 1)
limits = st.floats(0.005, 0.9)


def trimmed(corpus, counts, carries, caps, clip, most=None, seed=0):
    counts = counts.copy()
    told = trim(
        counts,
        carries,
        np.array(caps),
        doc_id=corpus.doc_id,
        cell=corpus.cell,
        tokens=corpus.tokens,
        most=np.full(len(counts), clip, np.int16) if most is None else most,
        n_cells=corpus.clusters * corpus.domains,
        n_domains=corpus.domains,
        seed=seed,
    )
    return counts, told


def drawn(corpus, clip, share):
    target = plan(corpus, share * clip, clip).target
    return copies(corpus.doc_id, corpus.cell, corpus.tokens, target, np.full(corpus.domains, clip), 0)


@settings(max_examples=40)
@given(corpora, clips, shares, seeds, limits, limits)
def test_caps_hold_exactly_and_nothing_else_breaks(corpus, clip, share, seed, first, second):
    rng = np.random.default_rng(seed)
    carries = rng.choice(4, len(corpus.tokens), p=[0.6, 0.2, 0.1, 0.1]).astype(np.uint32)
    before = drawn(corpus, clip, share)
    most = np.where(rng.random(len(before)) < 0.1, before, clip).astype(np.int16)  # some are not to be drawn again
    counts, told = trimmed(corpus, before, carries, [first, second], clip, most)
    draws = int(counts.sum())
    for bit, limit in enumerate((first, second)):
        members = (carries >> bit & 1).astype(bool)
        carriers = int(counts[members].sum())
        assert carriers <= most_carriers(draws, limit)
        assert not draws or carriers / draws <= limit
        assert told.draws[bit] == carriers
        assert told.tokens[bit] == counts[members] @ corpus.tokens[members]
        assert told.taken[bit] == (before - counts)[members].sum()
    assert counts.min(initial=0) >= 0
    assert (counts <= np.maximum(most, before)).all()
    free = carries == 0
    assert (counts[free] >= before[free]).all()
    assert (counts[~free] <= before[~free]).all()
    assert (counts[free] - before[free]).max(initial=0) <= 2
    off = _by_domain(corpus, counts) - _by_domain(corpus, before)
    assert (off <= corpus.tokens.max()).all()  # at most what was taken, but for whole documents


def _by_domain(corpus, counts):
    totals = cell_totals(corpus.cell, corpus.tokens, corpus.clusters * corpus.domains, counts)[1]
    return totals.reshape(-1, corpus.domains).sum(axis=0)


@settings(max_examples=40)
@given(corpora, clips, shares, seeds)
def test_where_caps_hold_nothing_changes(corpus, clip, share, seed):
    carries = np.random.default_rng(seed).choice(2, len(corpus.tokens)).astype(np.uint32)
    before = drawn(corpus, clip, share)
    draws, carriers = int(before.sum()), int(before[carries > 0].sum())
    counts, told = trimmed(corpus, before, carries, [carriers / max(draws, 1)], clip)
    assert np.array_equal(counts, before)
    assert told.taken.tolist() == [0]


@settings(max_examples=40)
@given(corpora, clips, shares, seeds, limits)
def test_no_more_is_taken_than_must_be(corpus, clip, share, seed, limit):
    """With one token: one draw less taken, and the cap would not hold."""
    carries = np.random.default_rng(seed).choice(2, len(corpus.tokens)).astype(np.uint32)
    before = drawn(corpus, clip, share)
    _, told = trimmed(corpus, before, carries, [limit], clip, most=before)
    taken, draws, carriers = int(told.taken[0]), int(before.sum()), int(before[carries > 0].sum())
    assert carriers - taken <= most_carriers(draws - taken, limit)
    assert not taken or carriers - taken + 1 > most_carriers(draws - taken + 1, limit)


def test_documents_of_the_cell_take_the_places_and_then_those_of_the_domain():
    cell = np.repeat([0, 1, 2, 3], 100)  # clusters 0 and 1 of domains 0 and 1
    carries = np.zeros(400, np.uint32)
    carries[:100] = 1  # all of cluster 0, domain 0
    counts = np.zeros(400, np.int16)
    counts[:100] = 1
    counts[100:150] = 1  # domain 1
    tokens = np.full(400, 7)
    options = {
        "doc_id": np.arange(400),
        "cell": cell,
        "tokens": tokens,
        "most": np.ones(400, np.int16),
        "n_cells": 4,
        "n_domains": 2,
        "seed": 0,
    }
    told = trim(counts, carries, np.array([0.2]), **options)
    assert told.taken.tolist() == [88]  # 12 of the 62 draws that are left; then others take the places
    assert counts[:100].sum() == 12
    assert counts[100:200].sum() == 50  # the other domain has no part in it
    assert counts[200:300].sum() == 88  # the other cluster of the domain took them all
    assert counts[300:].sum() == 0


def test_the_same_for_any_order_of_the_documents():
    rng = np.random.default_rng(0)
    size = 500
    columns = {
        "doc_id": np.arange(size),
        "cell": rng.integers(6, size=size),
        "tokens": rng.integers(1, 100, size),
        "most": np.full(size, 3, np.int16),
    }
    carries, counts = rng.integers(4, size=size).astype(np.uint32), rng.integers(3, size=size).astype(np.int16)
    order = rng.permutation(size)
    options = {"n_cells": 6, "n_domains": 3, "seed": 5}
    one, other = counts.copy(), counts[order]
    trim(one, carries, np.array([0.1, 0.2]), **columns, **options)
    shuffled = {name: column[order] for name, column in columns.items()}
    trim(other, carries[order], np.array([0.1, 0.2]), **shuffled, **options)
    assert np.array_equal(one[order], other)


@given(st.integers(0, 10**6), st.floats(1e-6, 0.999))
def test_the_most_carriers_are_the_most(draws, limit):
    most = most_carriers(draws, limit)
    assert most == 0 or most / draws <= limit
    assert not draws or (most + 1) / draws > limit


@pytest.mark.parametrize("limit", [1 / 3, 0.07, 0.29, 0.1])
def test_a_share_that_is_met_to_the_draw_is_allowed(limit):
    assert all(most_carriers(n, k / n) == k for n in range(1, 60) for k in range(n))
    assert most_carriers(300, limit) == round(limit * 300)
