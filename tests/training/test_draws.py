import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.training.draws import Draws
from curation.training.pool import Pool


def pool_of(sizes, base, clips=None, seed=0):
    """Clusters of so many documents, of 1 to 60 tokens; positions count through them."""
    rng = np.random.default_rng(seed)
    count = sum(sizes)
    return Pool(
        np.arange(len(sizes), dtype=np.int32) * 3,
        np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        np.arange(count, dtype=np.int32),
        rng.integers(1, 60, count).astype(np.int32),
        np.full(count, 2, np.int16) if clips is None else np.array(clips, np.int16),
        np.array(base) / np.sum(base),
    )


def clusters_of(pool, drawn):
    return np.searchsorted(pool.starts, drawn, side="right") - 1


@given(st.lists(st.floats(0.01, 1), min_size=1, max_size=12), st.integers(0, 99))
def test_every_cluster_is_within_one_document_of_its_share(weights, seed):
    pool = pool_of([400] * len(weights), weights, seed=seed)
    drawn = Draws(pool, seed).take(300)
    tokens = pool.tokens[drawn]
    given = np.cumsum((clusters_of(pool, drawn)[:, None] == np.arange(len(weights))) * tokens[:, None], axis=0)
    assert np.abs(given - np.cumsum(tokens)[:, None] * pool.base).max() <= 2 * 60


@pytest.mark.parametrize("steps", [1, 7, 1000])
def test_all_is_drawn_as_often_as_the_clips_allow_pass_after_pass(steps):
    rng = np.random.default_rng(3)
    clips = rng.integers(1, 5, 90)
    clips[:20] = 3
    pool = pool_of([20, 40, 30], [1, 5, 2], clips)
    draws, drawn = Draws(pool, 0), []
    while len(part := draws.take(steps)):
        drawn.append(part)
    drawn = np.concatenate(drawn)
    assert (np.bincount(drawn, minlength=90) == clips).all()
    for k in range(3):
        mine = drawn[clusters_of(pool, drawn) == k]
        members = np.arange(pool.starts[k], pool.starts[k + 1])
        wanted = np.concatenate([members[clips[members] > copy] for copy in range(5)])
        assert mine.tolist() == wanted.tolist()
    assert draws.uses() == {0: (3, 3), 3: (1, 4), 6: (1, 4)}


def test_how_many_are_taken_at_a_time_changes_nothing():
    pool = pool_of([50, 30, 10], [3, 2, 1])
    whole = Draws(pool, 1).take(150)
    other = Draws(pool, 1)
    assert np.concatenate([other.take(count) for count in (1, 50, 0, 13, 200)]).tolist()[:150] == whole.tolist()


def test_new_shares_count_from_now_on():
    pool = pool_of([5000, 5000], [9, 1])
    draws = Draws(pool, 0)
    draws.take(500)
    draws.set_shares(np.array([0.2, 0.8]))
    drawn = draws.take(1000)
    tokens = np.bincount(clusters_of(pool, drawn), pool.tokens[drawn])
    assert abs(tokens[1] - 0.8 * tokens.sum()) <= 2 * 60  # neither cluster has a debt from before


@given(st.integers(0, 200), st.integers(0, 2**32 - 1))
def test_the_state_brings_it_back(steps, seed):
    rng = np.random.default_rng(seed)
    pool = pool_of([20, 40, 30], [1, 5, 2], rng.integers(1, 5, 90))
    draws, shares = Draws(pool, 0), pool.base
    for _ in range(steps % 7):
        draws.take(steps // 7)
        shares = rng.dirichlet([1, 1, 1]) + 0.01
        draws.set_shares(shares)
    state = json.loads(json.dumps(draws.state()))
    other = Draws(pool, 0)
    other.restore(state, shares)
    for shares in (None, np.array([0.5, 0.1, 0.4])):
        if shares is not None:
            draws.set_shares(shares)
            other.set_shares(shares)
        assert draws.take(40).tolist() == other.take(40).tolist()
