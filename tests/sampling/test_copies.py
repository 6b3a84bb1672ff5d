import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.sampling.copies import copies

from .corpora import Corpus, corpora, plan, random_corpus

clips = st.integers(1, 8)
shares = st.floats(0.01, 1)
seeds = st.integers(0, 2**32 - 1)


def qualities(seed, documents):
    """Some missing, some 0, some equal."""
    rng = np.random.default_rng(seed)
    quality = rng.choice([0.0, 0.1, 1.0, np.nan, 2.0], documents).astype(np.float32)
    return np.where(quality == 2.0, rng.random(documents), quality).astype(np.float32)


def drawn(corpus, target, clip, seed=0, quality=None, used=None):
    clips = np.full(corpus.domains, clip)
    return copies(corpus.doc_id, corpus.cell, corpus.tokens, target, clips, seed, quality, used)


def promises_hold(corpus, target, clip, counts):
    """Within the clip; cells, domains and the plan off by less than their longest document."""
    assert counts.min() >= 0
    assert counts.max() <= clip
    off = corpus.totals(counts).reshape(target.shape) - target
    longest = corpus.longest()
    rounding = 1e-9 * target
    assert (np.abs(off) < longest + rounding)[target > 0].all()
    assert (off[target == 0] == 0).all()
    assert (np.abs(off.sum(axis=0)) < np.maximum(longest.max(axis=0), 1e-9) + rounding.sum(axis=0)).all()
    assert abs(off.sum()) <= longest.max() / 2 + rounding.sum()


@given(corpora, clips, shares, seeds)
def test_every_document_gets_the_floor_or_the_ceiling_of_its_cell(corpus, clip, share, seed):
    target = plan(corpus, share * clip, clip).target
    counts = drawn(corpus, target, clip, seed)
    promises_hold(corpus, target, clip, counts)
    rate = (target / np.maximum(corpus.cell_tokens, 1)).ravel()[corpus.cell]
    assert (counts >= np.floor(rate - 1e-9)).all()
    assert (counts <= np.ceil(rate + 1e-9)).all()


@given(corpora, clips, shares, seeds)
def test_promises_hold_with_domain_weights(corpus, clip, share, seed):
    weights = np.random.default_rng(seed).random(corpus.domains) + 0.01
    target = plan(corpus, share * clip, clip, domain_weights=weights).target
    promises_hold(corpus, target, clip, drawn(corpus, target, clip, seed))


@given(corpora, clips, shares, seeds)
def test_promises_hold_with_quality(corpus, clip, share, seed):
    target = plan(corpus, share * clip, clip).target
    quality = qualities(seed, len(corpus.tokens))
    counts = drawn(corpus, target, clip, seed, quality)
    promises_hold(corpus, target, clip, counts)
    worth = np.nan_to_num(quality, nan=1.0)
    for k in np.unique(corpus.cell):
        here = corpus.cell == k
        for value in np.unique(worth[here]):
            alike = counts[here & (worth == value)]
            assert alike.max() - alike.min() <= 1
            better = counts[here & (worth > value)]
            assert len(better) == 0 or better.min() >= alike.max() - 1
        bad = here & (worth == 0)
        if counts[bad].any():  # the documents of quality 0 only make up for what the others can't give
            assert counts[here & (worth > 0)].min(initial=clip) >= clip - 1


@given(corpora, clips, st.data())
def test_whole_epochs_are_whole_copies(corpus, clip, data):
    """A target of k times the cell is k copies of each document, though other cells leave a debt to pay."""
    tokens = corpus.cell_tokens
    rng = np.random.default_rng(data.draw(seeds))
    whole = rng.integers(0, clip + 1, tokens.shape)
    part = np.where(rng.random(tokens.shape) < 0.5, rng.random(tokens.shape), 1.0)
    # The noise of floats around a whole multiple must not cost or win a copy.
    noise = rng.choice([1.0, 1 - 2e-16, 1 + 2e-16, 1 - 1e-14, 1 + 1e-14], tokens.shape)
    counts = drawn(corpus, whole * tokens * part * noise, clip)
    exact = (part == 1.0).ravel()[corpus.cell]
    assert np.array_equal(counts[exact], whole.ravel()[corpus.cell][exact])


@given(corpora, clips, shares, seeds)
def test_the_order_of_arrival_does_not_matter(corpus, clip, share, seed):
    target = plan(corpus, share * clip, clip).target
    order = np.random.default_rng(seed).permutation(len(corpus.tokens))
    counts = drawn(corpus, target, clip, seed)
    assert np.array_equal(drawn(corpus.permuted(order), target, clip, seed), counts[order])
    assert np.array_equal(drawn(corpus, target, clip, seed), counts)


def test_another_seed_draws_others():
    corpus = random_corpus(0, documents=200, clusters=3, domains=2)
    target = plan(corpus, 0.5, 1).target
    assert not np.array_equal(drawn(corpus, target, 1, seed=0), drawn(corpus, target, 1, seed=1))


@pytest.mark.parametrize("with_quality", [False, True])
def test_on_average_a_document_is_drawn_at_its_rate(with_quality):
    """Over 2,000 seeds. The order is random, so long documents are drawn as often as short ones."""
    rng = np.random.default_rng(0)
    tokens = np.maximum(1, rng.lognormal(3, 1, 60)).astype(np.int32)
    quality = rng.choice([0.2, 0.5, 1.0], 60) if with_quality else np.ones(60)
    corpus = Corpus(np.arange(60), np.zeros(60, np.int32), np.zeros(60, np.int16), tokens, 1, 1)
    target = np.array([[1.4 * tokens @ quality]])
    mean = np.mean([drawn(corpus, target, 5, seed, quality) for seed in range(2000)], axis=0)
    assert mean == pytest.approx(1.4 * quality, abs=0.06)  # the noise of a mean is at most 0.011


def test_a_debt_of_long_documents_does_not_spoil_cells_of_short_ones():
    """One cell of books, a thousand of notes: the books' rounding error is paid back a note at a time."""
    tokens = np.concatenate([np.full(3, 1_000_001), np.full(20_000, 10)]).astype(np.int32)
    cluster = np.concatenate([np.zeros(3), 1 + np.arange(20_000) % 1000]).astype(np.int32)
    for domain in (np.zeros(20_003, np.int16), (np.arange(20_003) >= 3).astype(np.int16)):
        corpus = Corpus(np.arange(20_003), cluster, domain, tokens, 1001, int(domain.max()) + 1)
        target = 0.5 * corpus.cell_tokens
        promises_hold(corpus, target, 1, drawn(corpus, target, 1))


@pytest.mark.parametrize("owed", [5, 7])
def test_between_two_as_near_the_debt_gives_way(owed):
    """The first cell leaves a debt of 5 or -5, half a document of the second; that one hits its target of 10."""
    tokens, cluster = np.array([12, 12, 10, 10, 10], np.int32), np.array([0, 0, 1, 1, 1], np.int32)
    corpus = Corpus(np.arange(5), cluster, np.zeros(5, np.int16), tokens, 2, 1)
    target = np.array([[owed], [10.0]])
    counts = drawn(corpus, target, 1)
    promises_hold(corpus, target, 1, counts)
    assert corpus.totals(counts).tolist() == [0 if owed == 5 else 12, 10]


@given(corpora, clips, st.lists(st.floats(0.05, 1), min_size=2, max_size=4), seeds)
def test_phases_use_up_the_clip_together_and_the_least_used_first(corpus, clip, parts, seed):
    used = np.zeros(len(corpus.tokens), np.int16)
    for number, part in enumerate(parts):
        room = corpus.totals(clip - used).reshape(corpus.clusters, corpus.domains)
        epochs = part * room.sum() / len(parts) / corpus.tokens.sum()
        if epochs * corpus.tokens.sum() < 1:
            break
        target = plan(corpus, epochs, clip, room=room).target
        counts = drawn(corpus, target, clip, seed + number, used=used)
        assert counts.min() >= 0
        off = np.abs(corpus.totals(counts).reshape(target.shape) - target)
        assert (off < np.maximum(corpus.longest(), 1e-6)).all()
        used = used + counts
        assert used.max() <= clip
        for cell in np.unique(corpus.cell):
            assert np.ptp(used[corpus.cell == cell]) <= 1


@given(corpora, clips, shares, seeds)
def test_a_later_phase_by_quality_keeps_to_what_the_clip_leaves(corpus, clip, share, seed):
    rng = np.random.default_rng(seed)
    used, quality = rng.integers(0, clip + 3, len(corpus.tokens)).astype(np.int16), rng.random(len(corpus.tokens))
    left = np.maximum(clip - used, 0)
    room = corpus.totals(left).reshape(corpus.clusters, corpus.domains)
    if share * room.sum() < 1:
        return
    target = plan(corpus, share * room.sum() / corpus.tokens.sum(), clip, room=room).target
    counts = drawn(corpus, target, clip, seed, quality, used)
    assert (counts <= left).all()
    assert (np.abs(corpus.totals(counts).reshape(target.shape) - target) < np.maximum(corpus.longest(), 1e-6)).all()


@given(corpora, seeds)
def test_every_domain_has_a_clip_of_its_own(corpus, seed):
    limits = np.random.default_rng(seed).integers(1, 6, corpus.domains)
    target = (corpus.cell_tokens * limits).astype(float)
    counts = copies(corpus.doc_id, corpus.cell, corpus.tokens, target, limits, seed)
    assert np.array_equal(counts, limits[corpus.domain])


def test_what_cannot_be_drawn_is_refused():
    ids, cell, tokens, one = np.arange(2), np.array([0, 0]), np.array([5, 5]), np.array([1])
    for target, message in [([[10.1]], "more than a cell"), ([[5.0], [1.0]], "without documents")]:
        with pytest.raises(ValueError, match=message):
            copies(ids, cell, tokens, np.array(target), one, 0)
        with pytest.raises(ValueError, match=message):
            copies(ids, cell, tokens, np.array(target), one, 0, np.array([0.5, 1.0]))
    with pytest.raises(ValueError, match="token"):
        copies(ids, cell, np.array([0, 5]), np.array([[5.0]]), one, 0)
    with pytest.raises(ValueError, match="negative"):
        copies(ids, cell, tokens, np.array([[5.0]]), one, 0, np.array([-0.5, 1.0]))
    for clip in (0, 10_001):
        with pytest.raises(ValueError, match="clip"):
            copies(ids, cell, tokens, np.array([[5.0]]), np.array([clip]), 0)
