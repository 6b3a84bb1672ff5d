import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.sampling import grouping
from curation.sampling.cells import cell_of, cell_totals

from .corpora import corpora


@given(corpora)
def test_cells_are_the_table_flattened(corpus):
    table = np.zeros((corpus.clusters, corpus.domains), dtype=np.int64)
    np.add.at(table, (corpus.cluster, corpus.domain), corpus.tokens)
    documents, tokens = cell_totals(corpus.cell, corpus.tokens, table.size)
    assert np.array_equal(tokens, table.ravel())
    assert np.array_equal(documents, np.bincount(corpus.cell, minlength=table.size))


@given(corpora, st.integers(0, 2**32 - 1))
def test_totals_of_what_is_drawn(corpus, seed):
    counts = np.random.default_rng(seed).integers(0, 10_000, len(corpus.cell)).astype(np.int16)
    documents, tokens = cell_totals(corpus.cell, corpus.tokens, corpus.clusters * corpus.domains, counts)
    for k in range(len(tokens)):
        here = corpus.cell == k
        assert documents[k] == sum(map(int, counts[here]))
        assert tokens[k] == sum(int(t) * int(n) for t, n in zip(corpus.tokens[here], counts[here], strict=True))


def test_totals_are_exact_over_many_blocks(monkeypatch):
    monkeypatch.setattr(grouping, "BLOCK", 1000)
    tokens = np.full(100_000, 2**31 - 1, dtype=np.int32)
    counts = np.full(100_000, 999, dtype=np.int16)
    cell = np.arange(100_000, dtype=np.int32) % 2
    assert cell_totals(cell, tokens, 2, counts)[1].tolist() == [50_000 * 999 * (2**31 - 1)] * 2


def test_wrong_indices_are_refused():
    with pytest.raises(ValueError, match="domains"):
        cell_of(np.array([0]), np.array([2]), 2)
    with pytest.raises(ValueError, match="clusters"):
        cell_of(np.array([-1]), np.array([0]), 2)
    with pytest.raises(ValueError, match=r"2\^31"):
        cell_of(np.array([2**31 - 1], np.int32), np.array([0], np.int16), 3)
    with pytest.raises(ValueError, match="2 clusters but 1 domains"):
        cell_of(np.array([0, 1]), np.array([0]), 2)
    with pytest.raises(ValueError, match="one length"):
        cell_totals(np.array([0, 1]), np.array([1]), 2)
    with pytest.raises(ValueError, match="cells must lie in"):
        cell_totals(np.array([2]), np.array([1]), 2)


def test_no_documents():
    assert cell_of(np.zeros(0, np.int32), np.zeros(0, np.int16), 3).tolist() == []
    assert cell_totals(np.zeros(0, np.int32), np.zeros(0, np.int32), 2)[1].tolist() == [0, 0]
