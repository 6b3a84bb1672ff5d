from typing import get_args

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from curation.sampling import grouping
from curation.sampling.copies import copies
from curation.sampling.schedule import Order, schedule
from curation.sampling.shard_cuts import shard_cuts

from .corpora import corpora, plan, random_corpus

ORDERS = get_args(Order)
BY_KEY = ["general_to_specific", "specific_to_general", "stationary"]
clips = st.integers(1, 8)
shares = st.floats(0.01, 1)
seeds = st.integers(0, 2**32 - 1)


def planned(corpus, share, clip, seed=0):
    """An allocation and its copies."""
    got = plan(corpus, share * clip, clip)
    return got, copies(corpus.doc_id, corpus.cell, corpus.tokens, got.target, np.full(corpus.domains, clip), seed)


def ordered(corpus, got, counts, order, seed=0, quality=None, curriculum="best_last"):
    return schedule(corpus.doc_id, corpus.cell, corpus.tokens, counts, got.pace, order, seed, quality, curriculum)


def some_quality(corpus, seed):
    rng = np.random.default_rng(seed)
    quality = rng.choice([0.2, np.nan, 1.0, 2.0], len(corpus.tokens))
    return np.where(quality == 2.0, rng.random(len(quality)), quality).astype(np.float32)


@given(corpora, clips, shares, seeds, st.sampled_from(ORDERS), st.sampled_from(["best_last", "best_first"]))
def test_each_document_is_scheduled_as_often_as_planned(corpus, clip, share, seed, order, curriculum):
    got, counts = planned(corpus, share, clip, seed)
    drawn = ordered(corpus, got, counts, order, seed, some_quality(corpus, seed), curriculum)
    assert np.array_equal(np.bincount(drawn.document, minlength=len(counts)), counts)
    for document in np.unique(drawn.document):  # repetitions count up as the document comes
        assert drawn.repetition[drawn.document == document].tolist() == list(range(counts[document]))


@given(corpora, clips, shares, seeds, st.sampled_from(BY_KEY))
def test_nobody_is_used_again_before_all_of_the_cell_were(corpus, clip, share, seed, order):
    got, counts = planned(corpus, share, clip, seed)
    drawn = ordered(corpus, got, counts, order, seed)
    cell = corpus.cell[drawn.document]
    for k in np.unique(cell):
        assert (np.diff(drawn.repetition[cell == k]) >= 0).all()


def drawn_before(corpus, drawn):
    """Tokens that each cell has given before each position: int64[positions + 1, cells]."""
    steps = np.zeros((len(drawn.document) + 1, corpus.clusters * corpus.domains), dtype=np.int64)
    steps[np.arange(1, len(steps)), corpus.cell[drawn.document]] = corpus.tokens[drawn.document]
    return np.cumsum(steps, axis=0)


@given(corpora, clips, shares, seeds, st.sampled_from(BY_KEY))
def test_after_any_prefix_each_cell_is_within_a_document_of_its_key(corpus, clip, share, seed, order):
    """There is one z for which every cell has given what its order says at z, give or take its longest document."""
    got, counts = planned(corpus, share, clip, seed)
    assume(counts.any())
    given_tokens = drawn_before(corpus, ordered(corpus, got, counts, order, seed))
    total, longest = given_tokens[-1], corpus.longest().ravel()
    some = total > 0
    total, longest, given_tokens = total[some], longest[some], given_tokens[:, some]
    pace = total if order == "stationary" else got.pace.ravel()[some]
    start = 1 - total / pace if order == "specific_to_general" else np.zeros(len(total))
    # Given g tokens, z lies between these; a cell that has not begun, or is spent, leaves one side open.
    least = np.where(given_tokens > 0, start + (given_tokens - longest) / pace, -np.inf)
    most = np.where(given_tokens < total, start + (given_tokens + longest) / pace, np.inf)
    assert (least.max(axis=1) <= most.min(axis=1) + 1e-9).all()


def test_general_to_specific_drops_small_clusters_early_and_the_mirror_starts_them_late():
    corpus = random_corpus(3, documents=3000, clusters=10, domains=1, spread=0.5)
    got, counts = planned(corpus, 0.3, 5)
    assert got.clipped.any()
    assert not got.clipped.all()
    small, large = np.flatnonzero(got.clipped[:, 0])[0], np.flatnonzero(~got.clipped[:, 0])[0]
    for order, early, late in [("general_to_specific", 0.0, None), ("specific_to_general", None, 1.0)]:
        drawn = ordered(corpus, got, counts, order)
        where = np.cumsum(corpus.tokens[drawn.document]) / got.total
        place = {k: where[corpus.cluster[drawn.document] == k] for k in (small, large)}
        assert place[large][0] < 0.02
        assert place[large][-1] > 0.98
        if late is None:
            assert place[small][0] < 0.05
            assert place[small][-1] < 0.9
        if early is None:
            assert place[small][0] > 0.1
            assert place[small][-1] > 0.95


def test_cells_have_phases_of_their_own():
    """A thousand equal cells of 20 draws: in the first 500 draws all parts of the table come, not its first half."""
    cell = np.repeat(np.arange(1000), 20).astype(np.int32)
    ones, pace = np.ones(20_000, np.int16), np.full((1000, 1), 20.0)
    drawn = schedule(np.arange(20_000), cell, ones, ones, pace, "stationary", seed=0)
    early = cell[drawn.document[:500]]
    assert abs((early < 500).sum() - 250) < 5 * np.sqrt(125)
    assert len(np.unique(early)) == 500


def test_equal_keys_are_ordered_by_cell(monkeypatch):
    monkeypatch.setattr("curation.counter_rng.uniform", lambda seed, purpose, ids: np.full(len(ids), 0.5))
    cell = np.repeat(np.arange(1000), 20).astype(np.int32)
    ones, pace = np.ones(20_000, np.int16), np.full((1000, 1), 20.0)
    for order in BY_KEY:
        drawn = schedule(np.arange(20_000), cell, ones, ones, pace, order, seed=0)
        assert np.array_equal(cell[drawn.document], np.tile(np.arange(1000), 20))


def test_shuffled_draws_fall_anywhere():
    corpus = random_corpus(1, documents=2000, clusters=5, domains=2)
    got, counts = planned(corpus, 0.4, 5)
    drawn = ordered(corpus, got, counts, "shuffled")
    halves = np.zeros((2, len(counts)))
    np.add.at(halves, ((np.arange(len(drawn.document)) * 2 // len(drawn.document)), drawn.document), 1)
    for k in range(10):
        first, second = halves[:, corpus.cell == k].sum(axis=1)
        assert abs(first - second) < 5 * np.sqrt(first + second) + 1


@given(corpora, clips, shares, seeds)
def test_a_curriculum_raises_quality_within_each_cell(corpus, clip, share, seed):
    got, counts = planned(corpus, share, clip, seed)
    quality = some_quality(corpus, seed)
    rising = ordered(corpus, got, counts, "curriculum", seed, quality)
    falling = ordered(corpus, got, counts, "curriculum", seed, quality, "best_first")
    worth = np.where(np.isnan(quality), -1.0, quality)
    for drawn, sign in ((rising, 1), (falling, -1)):
        for k in np.unique(corpus.cell[drawn.document]):
            here = drawn.document[corpus.cell[drawn.document] == k]
            members = np.unique(here)
            known = np.sort(quality[members][~np.isnan(quality[members])])
            edges = [known[i * len(known) // 4] for i in (1, 2, 3)] if len(known) else []
            band = sum((worth[here] >= edge).astype(int) for edge in edges) * np.ones(len(here))
            assert (sign * np.diff(band) >= 0).all()
            for value in np.unique(band):  # inside a band the copies come one after the other
                repetition = drawn.repetition[corpus.cell[drawn.document] == k][band == value]
                assert (np.diff(repetition) >= 0).all()


def test_a_curriculum_keeps_the_mixture():
    corpus = random_corpus(2, documents=3000, clusters=6, domains=2, spread=0.5)
    got, counts = planned(corpus, 0.3, 5)
    quality = np.random.default_rng(0).random(3000)
    drawn = ordered(corpus, got, counts, "curriculum", 0, quality)
    given_tokens = drawn_before(corpus, drawn)
    share = given_tokens.sum(axis=1, keepdims=True) / given_tokens[-1].sum()
    assert (np.abs(given_tokens - share * given_tokens[-1]) < 3 * corpus.tokens.max()).all()
    quarter = len(drawn.document) // 4
    means = [quality[drawn.document[i * quarter : (i + 1) * quarter]].mean() for i in range(4)]
    assert means == pytest.approx([1 / 8, 3 / 8, 5 / 8, 7 / 8], abs=0.05)


@given(corpora, clips, shares, seeds, st.sampled_from(ORDERS))
def test_the_order_of_arrival_does_not_matter(corpus, clip, share, seed, order):
    got, counts = planned(corpus, share, clip, seed)
    quality = some_quality(corpus, seed)
    drawn = ordered(corpus, got, counts, order, seed, quality)
    arrival = np.random.default_rng(seed).permutation(len(counts))
    other = ordered(corpus.permuted(arrival), got, counts[arrival], order, seed, quality[arrival])
    assert np.array_equal(arrival[other.document], drawn.document)
    assert np.array_equal(other.repetition, drawn.repetition)


@pytest.mark.parametrize("order", ORDERS)
def test_the_size_of_blocks_does_not_matter_and_the_seed_does(order, monkeypatch):
    corpus = random_corpus(5, documents=500, clusters=5, domains=2)
    got, counts = planned(corpus, 0.4, 5)
    quality = some_quality(corpus, 0)
    drawn = ordered(corpus, got, counts, order, 0, quality)
    monkeypatch.setattr(grouping, "BLOCK", 64)
    again = ordered(corpus, got, counts, order, 0, quality)
    assert np.array_equal(drawn.document, again.document)
    assert np.array_equal(drawn.repetition, again.repetition)
    assert not np.array_equal(drawn.document, ordered(corpus, got, counts, order, 1, quality).document)


def test_the_most_copies_that_a_job_file_allows():
    pace, counts = np.array([[20_000.0]]), np.array([10_000, 9_999], np.int16)
    for order in ORDERS:
        drawn = schedule(np.array([0, 2**48]), np.zeros(2, int), np.ones(2, int), counts, pace, order, 0, np.ones(2))
        assert drawn.repetition.max() == 9_999
        if order != "shuffled":
            assert drawn.repetition.tolist() == [m for m in range(10_000) for _ in range(2)][:-1]


def test_nothing_drawn_is_an_empty_schedule():
    for order in ORDERS:
        nobody = np.zeros(0, np.int16)
        drawn = schedule(nobody, nobody, nobody, nobody, np.array([[0.0]]), order, 0, np.zeros(0))
        assert len(drawn.document) == len(drawn.repetition) == 0


def test_what_cannot_be_ordered_is_refused():
    one = np.ones(1, np.int16)
    cell = np.zeros(1, np.int32)
    with pytest.raises(ValueError, match="quality"):
        schedule(one, cell, one, one, np.array([[1.0]]), "curriculum", 0)
    with pytest.raises(ValueError, match="pace"):
        schedule(one, cell, one, one, np.array([[0.0]]), "stationary", 0)
    for count in (-1, 16_384):
        with pytest.raises(ValueError, match="copies"):
            schedule(one, cell, one, np.array([count], np.int16), np.array([[1.0]]), "stationary", 0)


@given(st.lists(st.integers(0, 50), max_size=200), st.integers(1, 100))
def test_shards_hold_what_they_should(sizes, shard_bytes):
    cuts = shard_cuts(np.array(sizes, dtype=np.int32), shard_bytes)
    if not sizes:
        assert len(cuts) == 0
        return
    assert cuts[0] == 0
    assert (np.diff(cuts) > 0).all()
    longest = max(sizes)
    held = np.add.reduceat(sizes, cuts)
    assert (held < shard_bytes + longest + (longest == 0)).all()
    if longest <= shard_bytes:  # only the last may be short by more than a document
        assert (held[:-1] > shard_bytes - longest - 1).all()


def test_shards_of_a_long_output():
    """Sums pass 2^31."""
    cuts = shard_cuts(np.full(5000, 1_000_003, dtype=np.int32), 10**8)
    assert cuts.tolist() == [0] + [k for k in range(1, 5000) if k * 1_000_003 // 10**8 > (k - 1) * 1_000_003 // 10**8]
    with pytest.raises(ValueError, match="shard_bytes"):
        shard_cuts(np.array([1]), 0)
