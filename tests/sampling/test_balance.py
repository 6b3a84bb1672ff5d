import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.sampling import grouping
from curation.sampling.balance import coverage, effective_number, effective_tokens, gini

sizes_lists = st.lists(st.integers(0, 10**12), min_size=1, max_size=50).filter(any)


@given(sizes_lists)
def test_gini_is_half_the_relative_mean_difference(sizes):
    x = np.array(sizes, dtype=float)
    mean_difference = np.abs(x[:, None] - x[None, :]).mean()
    assert gini(x) == pytest.approx(mean_difference / (2 * x.mean()), abs=1e-12)


@given(sizes_lists)
def test_effective_number_lies_between_one_and_all(sizes):
    n = effective_number(np.array(sizes))
    assert 1 - 1e-12 <= n <= sum(size > 0 for size in sizes) * (1 + 1e-12)
    assert effective_number(np.repeat(sizes, 2)) == pytest.approx(2 * n)  # twice as many of the same: twice
    assert effective_number(np.array(sizes) * 0.1) == pytest.approx(n)


def test_the_ends():
    assert gini(np.full(7, 3)) == 0
    assert gini(np.array([0, 0, 0, 5])) == pytest.approx(3 / 4)
    assert effective_number(np.full(7, 3)) == pytest.approx(7)
    assert effective_number(np.array([0, 0, 5])) == pytest.approx(1)
    for nothing in (np.zeros(3), np.zeros(0)):
        assert gini(nothing) == 0
        assert effective_number(nothing) == 0


def test_effective_tokens_as_in_muennighoff():
    assert effective_tokens(100, 100) == 100
    assert effective_tokens(100, 400) == pytest.approx(100 + 1500 * (1 - np.exp(-0.2)))
    assert effective_tokens(100, 10**6) == pytest.approx(1600)  # repetition without end is worth 15 more epochs
    assert effective_tokens(0, 0) == 0


@given(st.lists(st.tuples(st.integers(1, 10**9), st.integers(0, 10_000)), min_size=1, max_size=50))
def test_coverage_counts(pairs):
    tokens, counts = np.array(pairs, dtype=np.int32).T
    seen = coverage(tokens, counts.astype(np.int16))
    assert seen.documents == len(pairs)
    assert seen.used_documents == sum(n > 0 for _, n in pairs)
    assert seen.tokens == sum(t for t, _ in pairs)
    assert seen.unique_tokens == sum(t for t, n in pairs if n)
    assert seen.drawn_tokens == sum(t * n for t, n in pairs)
    assert seen.repetitions.tolist() == np.bincount([n for _, n in pairs]).tolist()
    assert seen.document_share == seen.used_documents / len(pairs)
    assert seen.token_share == seen.unique_tokens / seen.tokens
    assert seen.effective_tokens == pytest.approx(effective_tokens(seen.unique_tokens, seen.drawn_tokens))
    assert seen.unique_tokens <= seen.effective_tokens <= max(seen.unique_tokens, seen.drawn_tokens) * (1 + 1e-12)


def test_coverage_over_many_blocks(monkeypatch):
    tokens, counts = np.arange(1, 1001), (np.arange(1000) % 7).astype(np.int16)
    whole = coverage(tokens, counts)
    monkeypatch.setattr(grouping, "BLOCK", 13)
    parts = coverage(tokens, counts)
    assert parts.repetitions.tolist() == whole.repetitions.tolist()
    assert (parts.drawn_tokens, parts.unique_tokens) == (whole.drawn_tokens, whole.unique_tokens)


def test_no_documents():
    seen = coverage(np.zeros(0, np.int32), np.zeros(0, np.int16))
    assert (seen.documents, seen.document_share, seen.token_share, seen.effective_tokens) == (0, 0, 0, 0)
    assert seen.repetitions.tolist() == [0]
