import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.sampling.preference import preference

from .corpora import corpora

exponents = st.floats(0, 1)


@given(corpora, exponents)
def test_sums_to_one_and_gives_nothing_to_empty_cells(corpus, exponent):
    share = preference(corpus.cell_tokens, exponent)
    assert share.sum() == pytest.approx(1, abs=1e-12)
    assert np.array_equal(share > 0, corpus.cell_tokens > 0)


@given(corpora, exponents)
def test_clusters_share_by_a_power_of_their_size(corpus, exponent):
    sizes = corpus.cell_tokens.sum(axis=1)
    share = preference(corpus.cell_tokens, exponent).sum(axis=1)[sizes > 0]
    power = sizes[sizes > 0] ** exponent
    assert share == pytest.approx(power / power.sum(), rel=1e-12)


@given(corpora, exponents)
def test_inside_a_cluster_domains_share_as_they_are(corpus, exponent):
    tokens = corpus.cell_tokens
    share = preference(tokens, exponent)
    for c in np.flatnonzero(tokens.sum(axis=1)):
        assert share[c] / share[c].sum() == pytest.approx(tokens[c] / tokens[c].sum(), rel=1e-12)


def test_the_two_ends():
    tokens = np.array([[30, 0], [0, 0], [5, 5]])
    assert preference(tokens, 0.0).tolist() == [[0.5, 0], [0, 0], [0.25, 0.25]]
    assert preference(tokens, 1.0) == pytest.approx(tokens / 40)


@pytest.mark.parametrize("tokens", [np.zeros((2, 2), int), np.array([3]), np.array([[-1]]), np.zeros((0, 1), int)])
def test_tables_without_meaning_are_refused(tokens):
    with pytest.raises(ValueError, match="tokens"):
        preference(tokens, 0.0)


@pytest.mark.parametrize("exponent", [-0.1, 1.1, float("nan")])
def test_exponents_out_of_range_are_refused(exponent):
    with pytest.raises(ValueError, match="exponent"):
        preference(np.array([[1]]), exponent)


@given(corpora, exponents, st.integers(0, 2**32 - 1), st.integers(1, 4))
def test_groups_share_evenly_and_their_clusters_by_a_power_of_their_size(corpus, exponent, seed, count):
    groups = np.random.default_rng(seed).integers(0, count, corpus.clusters).astype(np.int32)
    sizes = corpus.cell_tokens.sum(axis=1)
    table = preference(corpus.cell_tokens, exponent, groups[:, None])
    share = table.sum(axis=1)
    assert np.array_equal(table > 0, corpus.cell_tokens > 0)
    there = np.unique(groups[sizes > 0])
    for group in there:
        own = (groups == group) & (sizes > 0)
        assert share[own].sum() == pytest.approx(1 / len(there), rel=1e-12)
        power = sizes[own] ** exponent
        assert share[own] * len(there) == pytest.approx(power / power.sum(), rel=1e-9)


@given(corpora, exponents)
def test_one_group_is_no_group_and_a_group_a_cluster_is_even_clusters(corpus, exponent):
    tokens = corpus.cell_tokens
    one = preference(tokens, exponent, np.zeros((corpus.clusters, 1), np.int32))
    assert one == pytest.approx(preference(tokens, exponent), rel=1e-12)
    each = preference(tokens, exponent, np.arange(corpus.clusters, dtype=np.int32)[:, None])
    assert each == pytest.approx(preference(tokens, 0.0), rel=1e-12)


@given(corpora, exponents, st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(1, 3))
def test_a_tree_is_even_at_every_level(corpus, exponent, seed, count, levels):
    groups = np.random.default_rng(seed).integers(0, count, (corpus.clusters, levels)).astype(np.int32)
    sizes = corpus.cell_tokens.sum(axis=1)
    share = preference(corpus.cell_tokens, exponent, groups).sum(axis=1)

    def check(inside, level, whole):
        assert share[inside].sum() == pytest.approx(whole, rel=1e-9)
        if level == levels:
            power = sizes[inside] ** exponent
            assert share[inside] == pytest.approx(whole * power / power.sum(), rel=1e-9)
            return
        numbers = np.unique(groups[inside, level])
        for number in numbers:
            check(inside & (groups[:, level] == number), level + 1, whole / len(numbers))

    check(sizes > 0, 0, 1.0)


def test_an_example_of_a_tree():
    tokens = np.array([[8], [1], [1], [5]])
    groups = np.array([[0, 0], [0, 0], [0, 1], [1, 2]], np.int32)
    assert preference(tokens, 0.0, groups).ravel().tolist() == [0.125, 0.125, 0.25, 0.5]
    assert preference(tokens, 1.0, groups).ravel() == pytest.approx([0.25 * 8 / 9, 0.25 / 9, 0.25, 0.5])


@pytest.mark.parametrize("groups", [[0], [0, 0], [[0], [-1]], [[0]], [[], []]])
def test_groups_without_meaning_are_refused(groups):
    with pytest.raises(ValueError, match="groups"):
        preference(np.array([[1], [2]]), 0.0, np.array(groups, np.int32))


def test_levels_count_by_themselves_and_their_mean_is_the_share() -> None:
    tokens = np.array([[10], [30], [60], [0]])
    levels = np.array([[0, 0], [0, 1], [1, 1], [1, 2]], np.int32)
    found = preference(tokens, 1.0, levels, level_exponent=0.0)[:, 0]
    first = np.array([0.5 * 10 / 40, 0.5 * 30 / 40, 0.5, 0])
    second = np.array([0.5, 0.5 * 30 / 90, 0.5 * 60 / 90, 0])
    np.testing.assert_allclose(found, (first + second) / 2)
    np.testing.assert_allclose(preference(tokens, 1.0, levels, level_exponent=1.0)[:, 0], tokens[:, 0] / 100)


def test_one_level_by_itself_is_a_tree_of_one_level() -> None:
    tokens = np.array([[10, 5], [30, 0], [60, 1], [0, 0], [7, 7]])
    groups = np.array([[0], [0], [1], [2], [1]], np.int32)
    by_level = preference(tokens, 0.3, groups, level_exponent=0.0)
    np.testing.assert_allclose(by_level, preference(tokens, 0.3, groups))


def test_weights_need_a_single_level() -> None:
    with pytest.raises(ValueError, match="single level"):
        preference(np.array([[1], [2]]), 0.0, np.zeros((2, 2), np.int32), np.ones(1))


def test_groups_get_their_weights_and_clusters_share_them_by_size():
    tokens = np.array([[30, 0], [10, 0], [0, 5], [0, 0]])
    groups, weights = np.array([[0], [0], [1], [2]], np.int32), np.array([1.0, 3.0, 9.0])
    share = preference(tokens, 1.0, groups, weights)
    assert share.sum(axis=1).tolist() == [0.1875, 0.0625, 0.75, 0.0]  # the empty group's weight is the others'
    even = preference(tokens, 0.0, groups, np.ones(3))
    assert np.array_equal(even, preference(tokens, 0.0, groups))
