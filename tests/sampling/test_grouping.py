import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.sampling.grouping import BLOCK, blocks, documents_by_cell, order_by, stable_argsort


@given(st.integers(0, 2**32 - 1), st.integers(0, 500), st.sampled_from([2, 20, 10**9]))
def test_equal_keys_keep_the_order_of_their_indices(seed, length, distinct):
    keys = np.random.default_rng(seed).integers(0, distinct, length)
    for typed in (keys, keys.astype(np.uint64), keys / 7):
        assert np.array_equal(stable_argsort(typed), np.argsort(typed, kind="stable"))


@given(st.integers(0, 2**32 - 1), st.integers(0, 500), st.integers(1, 40), st.integers(1, 2**14))
def test_fields_are_sorted_by_and_chance_decides_among_equals(seed, length, first, second):
    rng = np.random.default_rng(seed)
    fields = [rng.integers(0, first, length), rng.integers(0, second, length)]
    random = rng.permutation(length).astype(np.uint64) << np.uint64(64 - 10)
    assert np.array_equal(order_by(fields, random), np.lexsort((random, *fields[::-1])))
    alike = np.zeros(length, np.uint64)
    assert np.array_equal(order_by(fields, alike), np.lexsort(fields[::-1]))


def test_fields_that_leave_no_room_for_chance_are_sorted_all_the_same():
    fields = [np.array([1 << 50, 0, 1 << 50]), np.array([7, 7, 7])]
    assert order_by(fields, np.array([9, 9, 3], np.uint64)).tolist() == [1, 2, 0]


@given(st.integers(0, 2**32 - 1), st.integers(0, 500), st.sampled_from([1, 7, 1 << 16, (1 << 16) + 1, 10**6]))
def test_documents_are_grouped_by_cell_in_order(seed, length, n_cells):
    cell = np.random.default_rng(seed).integers(0, n_cells, length)
    documents, starts = documents_by_cell(cell, n_cells)
    assert np.array_equal(documents, np.lexsort((np.arange(length), cell)))
    assert len(starts) == n_cells + 1
    assert starts[-1] == length
    for k in np.unique(cell):
        assert np.array_equal(documents[starts[k] : starts[k + 1]], np.flatnonzero(cell == k))


@pytest.mark.parametrize("bad", [-1, 3, 1 << 16])
def test_a_cell_out_of_range_is_refused(bad):
    with pytest.raises(ValueError, match="cells must lie in"):
        documents_by_cell(np.array([0, bad]), 3)


@pytest.mark.parametrize("length", [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK])
def test_blocks_cover_everything_once(length):
    covered = [(block.start, block.stop) for block in blocks(length)]
    assert [start for start, _ in covered] == list(range(0, length, BLOCK))
    assert sum(stop - start for start, stop in covered) == length
