"""Shares, their intervals, and what is held against which threshold."""

from __future__ import annotations

from math import inf

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from curation.audit.representation import evenness, low_share, sample_weights, target_shares, verdict, wilson


@given(st.integers(0, 500), st.integers(1, 500))
def test_the_interval_is_wilson_s(successes, more):
    n = successes + more
    low, high = wilson(successes / n, n)
    expected = binomtest(successes, n).proportion_ci(0.95, "wilson")
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=1e-6)


def test_what_was_counted_whole_is_exact():
    assert wilson(0.003, inf) == (0.003, 0.003)
    weights, n = sample_weights(np.array([900, 100]), np.array([900, 100]))
    assert weights.tolist() == pytest.approx([0.001, 0.001])
    assert n == inf


def test_a_sampled_document_stands_for_its_share_of_the_domain():
    weights, n = sample_weights(np.array([9000, 1000, 50]), np.array([900, 500, 0]))
    assert weights.tolist() == pytest.approx([0.9 / 900, 0.1 / 500, 0.0])
    assert n == pytest.approx(1 / (0.81 * 0.9 / 900 + 0.01 * 0.5 / 500))
    assert sample_weights(np.array([10**9]), np.array([1000]))[1] == pytest.approx(1000, rel=1e-4)


def test_verdicts():
    said = [verdict(low, high, 0.005) for low, high in ((0.001, 0.004), (0.004, 0.006), (0.005, 0.02))]
    assert said == ["flag", "undecided", "clear"]


def test_the_lower_threshold_is_told_where_it_holds():
    assert low_share(0.003, 0.003, 10) == (0.005, "flag")
    assert low_share(0.006, 0.006, 10) == (0.007, "flag")
    assert low_share(0.004, 0.006, 10) == (0.007, "flag")
    assert low_share(0.004, 0.008, 10) == (0.007, "undecided")
    assert low_share(0.02, 0.03, 10)[1] == "clear"


def test_a_fixed_threshold_says_nothing_of_parts_that_are_too_many_for_it():
    assert low_share(0.0005, 0.0005, 2000)[1] == "clear"
    assert low_share(0.0005, 0.0005, 142)[1] == "flag"


def test_evenness():
    assert evenness(np.array([5, 5, 5])) == pytest.approx(1.0)
    assert evenness(np.array([100])) == 1.0
    assert evenness(np.array([10**6, 1, 1, 1])) == pytest.approx(0.25, abs=0.001)


def test_targets_of_clusters():
    tokens = np.array([10, 1000, 0, 100])
    assert target_shares(tokens, 0.0).tolist() == pytest.approx([1 / 3, 1 / 3, 0, 1 / 3])
    assert target_shares(tokens, 1.0).tolist() == pytest.approx((tokens / 1110).tolist())
