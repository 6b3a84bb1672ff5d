"""Drawing by chance has the law of the paper's loop, and keeps every promise of a plan."""

from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.sampling.arrivals import draw_by_chance

from .corpora import corpora, plan

clips = st.integers(1, 6)
shares = st.floats(0.02, 1)
seeds = st.integers(0, 2**32 - 1)


def by_chance(corpus, got, clip, seed, budgets=None, **options):
    return draw_by_chance(
        corpus.doc_id,
        corpus.cell,
        corpus.tokens,
        got.pace,
        np.array([got.total]) if budgets is None else budgets,
        np.full(corpus.domains, clip),
        seed,
        **options,
    )


def law_of_the_loop(left, rates, draws):
    """The probability of each sequence of clusters that the loop can give, exactly."""
    if not draws:
        return {(): Fraction(1)}
    active = [c for c, n in enumerate(left) if n]
    total = sum(rates[c] for c in active)
    law = {}
    for c in active:
        rest = tuple(n - (i == c) for i, n in enumerate(left))
        for sequence, p in law_of_the_loop(rest, rates, draws - 1).items():
            law[(c, *sequence)] = p * Fraction(rates[c], total)
    return law


@pytest.mark.parametrize(
    ("sizes", "clip", "draws", "rates", "lengths"),
    [
        ((1, 2, 3), 1, 4, (1, 1, 1), (1, 1, 1)),
        ((1, 2), 2, 5, (1, 1), (1, 1)),
        ((3, 1, 2), 1, 3, (1, 4, 2), (1, 1, 1)),  # a cluster of twice the pace is picked twice as often
        ((2, 2), 1, 2, (1, 1), (3, 3)),
    ],
)
@pytest.mark.parametrize("domains", [1, 2])
def test_sequences_of_clusters_have_the_law_of_the_loop(sizes, clip, draws, rates, lengths, domains):
    """Chi-square over all sequences; the limit is passed by chance once in 100,000 times. Domains don't matter."""
    cluster = np.repeat(np.arange(len(sizes)), sizes)
    cell = cluster * domains + np.arange(len(cluster)) % domains
    tokens = np.repeat(lengths, sizes).astype(np.int32)
    pace = np.zeros(len(sizes) * domains)
    share = np.array(rates) / np.bincount(cluster)  # a cell's pace is its part of its cluster's
    np.add.at(pace, cell, share[cluster])
    expected = law_of_the_loop(tuple(n * clip for n in sizes), rates, draws)
    runs = 2000
    seen = Counter()
    for seed in range(runs):
        got = draw_by_chance(
            np.arange(len(cell)),
            cell,
            tokens,
            pace.reshape(-1, domains),
            np.array([float(draws * lengths[0])]),
            np.full(domains, clip),
            seed,
        )
        seen[tuple(cluster[got.document].tolist())] += 1
    assert set(seen) <= set(expected)
    statistic = sum((seen[s] - runs * float(p)) ** 2 / (runs * float(p)) for s, p in expected.items())
    freedom = len(expected) - 1
    assert statistic < freedom + 6 * np.sqrt(2 * freedom) + 15


def test_on_the_mean_clusters_give_their_targets_whatever_the_lengths():
    """Long documents come less often, clusters thinly spread over domains lose nothing: over 300 seeds."""
    rng = np.random.default_rng(0)
    cluster = np.repeat([0, 1, 2], [4000, 400, 4000])
    domain = np.where(cluster == 2, np.arange(8400) % 20, 0)
    tokens = np.where(cluster == 1, 100, 10).astype(np.int32)
    cell = (cluster * 20 + domain)[order := rng.permutation(8400)].astype(np.int32)
    tokens, cluster = tokens[order], cluster[order]
    pace = np.bincount(cell, tokens, 60).reshape(3, 20)
    pace = pace / pace.sum(axis=1, keepdims=True) * 10_000
    taken = np.zeros(3)
    for seed in range(300):
        drawn = draw_by_chance(np.arange(8400), cell, tokens, pace, np.array([3e4]), np.ones(20, int), seed)
        taken += np.bincount(cluster[drawn.document], tokens[drawn.document], 3)
    assert taken / 300 == pytest.approx([1e4, 1e4, 1e4], rel=0.01)


def test_a_budget_of_less_than_half_a_document_draws_nothing():
    drawn = draw_by_chance(
        np.arange(2), np.zeros(2, int), np.array([50, 50]), np.array([[1.0]]), np.ones(1), np.ones(1, int), 0
    )
    assert len(drawn.document) == 0


@given(corpora, clips, shares, seeds, st.booleans())
def test_the_budget_is_met_and_the_clip_kept(corpus, clip, share, seed, backwards):
    got = plan(corpus, share * clip, clip)
    drawn = by_chance(corpus, got, clip, seed, backwards=backwards)
    counts = np.bincount(drawn.document, minlength=len(corpus.tokens))
    assert counts.max() <= clip
    assert abs(corpus.tokens[drawn.document].sum() - got.total) <= corpus.tokens.max() / 2
    for document in np.unique(drawn.document):
        assert drawn.repetition[drawn.document == document].tolist() == list(range(counts[document]))
    for cell in np.unique(corpus.cell):
        inside = corpus.cell[drawn.document] == cell
        assert (np.diff(drawn.repetition[inside]) >= 0).all()  # nobody again before everybody


@given(corpora, clips, shares, seeds)
def test_each_domain_gets_its_budget(corpus, clip, share, seed):
    weights = np.random.default_rng(seed).uniform(0.2, 1, corpus.domains)
    got = plan(corpus, share * clip, clip, domain_weights=weights)
    budgets = got.target.sum(axis=0)
    drawn = by_chance(corpus, got, clip, seed, budgets)
    for d in np.flatnonzero(budgets > 0):
        own = corpus.tokens[corpus.domain == d]
        given_tokens = corpus.tokens[drawn.document[corpus.domain[drawn.document] == d]].sum()
        assert abs(given_tokens - budgets[d]) <= own.max() / 2


@given(corpora, clips, seeds)
def test_a_budget_of_all_there_is_gives_all(corpus, clip, seed):
    drawn = by_chance(corpus, plan(corpus, clip, clip), clip, seed)
    assert (np.bincount(drawn.document, minlength=len(corpus.tokens)) == clip).all()


@given(corpora, shares, seeds)
def test_what_was_used_counts_towards_the_clip_and_comes_last(corpus, share, seed):
    used = np.random.default_rng(seed).integers(0, 4, len(corpus.tokens)).astype(np.int16)
    left = np.maximum(3 - used, 0)
    room = corpus.totals(left).reshape(corpus.clusters, corpus.domains)
    if share * room.sum() < 1:
        return
    got = plan(corpus, share * room.sum() / corpus.tokens.sum(), 3, room=room)
    drawn = by_chance(corpus, got, 3, seed, used=used)
    counts = np.bincount(drawn.document, minlength=len(used))
    assert (counts <= left).all()
    for cell in np.unique(corpus.cell):
        inside = drawn.document[corpus.cell[drawn.document] == cell]
        height = used[inside] + drawn.repetition[corpus.cell[drawn.document] == cell]
        assert (np.diff(height) >= 0).all()


@given(corpora, clips, shares, seeds)
def test_arrival_order_of_documents_does_not_matter_and_the_seed_does(corpus, clip, share, seed):
    got = plan(corpus, share * clip, clip)
    drawn = by_chance(corpus, got, clip, seed)
    order = np.random.default_rng(seed).permutation(len(corpus.tokens))
    other = by_chance(corpus.permuted(order), got, clip, seed)
    assert np.array_equal(order[other.document], drawn.document)
    assert np.array_equal(other.repetition, drawn.repetition)


def test_backwards_is_the_mirror_image():
    """Small clusters, spent early forwards, come late backwards; the clusters drawn are the same."""
    cell = np.repeat([0, 1], [20, 2000])
    arguments = (
        np.arange(2020),
        cell,
        np.ones(2020, np.int32),
        np.full((2, 1), 500.0),
        np.array([500.0]),
        np.array([1]),
    )
    forwards, backwards = (draw_by_chance(*arguments, 0, backwards=flag) for flag in (False, True))
    assert np.array_equal(cell[backwards.document], cell[forwards.document][::-1])
    assert np.array_equal(np.sort(forwards.document), np.sort(backwards.document))
    assert np.flatnonzero(cell[forwards.document] == 0).max() < 100
    assert np.flatnonzero(cell[backwards.document] == 0).min() > 400
