"""Batches hold every document once, within the budget, and shrink when memory runs out."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.embedding.batching import encode_in_batches, pad_left_or_right, plan_batches
from curation.errors import RunError

LENGTHS = st.lists(st.integers(0, 300), max_size=60).map(lambda values: np.array(values, np.int64))


@settings(deadline=None)
@given(LENGTHS, st.integers(1, 2000), st.booleans())
def test_every_document_is_in_one_batch_within_the_budget(lengths, budget, padding):
    order = np.argsort(-lengths, kind="stable")
    batches = plan_batches(lengths, order, budget, padding)
    assert np.concatenate([order[:0], *(batch.rows for batch in batches)]).tolist() == order.tolist()
    for batch in batches:
        held = lengths[batch.rows]
        assert batch.tokens == (max(1, held.max()) * len(held) if padding else held.sum())
        assert batch.tokens <= budget or len(held) == 1


def numbered(rows):
    """A vector that says which document it is of."""
    return torch.from_numpy(np.stack([rows, rows + 0.5], axis=1).astype(np.float32))


@settings(deadline=None)
@given(LENGTHS, st.integers(1, 2000), st.integers(1, 4000), st.booleans())
def test_batches_are_halved_until_they_fit_and_the_order_is_kept(lengths, budget, memory, padding):
    largest = 0

    def forward(rows):
        nonlocal largest
        tokens = lengths[rows].max() * len(rows) if padding else lengths[rows].sum()
        if tokens > memory:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        largest = max(largest, tokens)
        return numbered(rows)

    if len(lengths) and lengths.max() > memory:
        with pytest.raises(RunError, match="does not hold one document"):
            encode_in_batches(lengths, 2, budget, forward, padding=padding)
        return
    result = encode_in_batches(lengths, 2, budget, forward, padding=padding)
    np.testing.assert_array_equal(result.vectors[:, 0], np.arange(len(lengths)))
    assert largest <= memory
    assert result.batch_tokens <= budget


def test_other_errors_are_not_taken_for_a_lack_of_memory():
    def forward(rows):
        raise RuntimeError("shape mismatch")

    with pytest.raises(RuntimeError, match="shape mismatch"):
        encode_in_batches(np.array([3, 3]), 2, 100, forward)


@pytest.mark.parametrize("left", [False, True])
def test_padding_on_either_side(left):
    ids, mask = pad_left_or_right([np.array([5, 6, 7], np.int32), np.array([8], np.int32)], 9, left)
    assert ids.tolist() == [[5, 6, 7], [9, 9, 8] if left else [8, 9, 9]]
    assert mask.tolist() == [[1, 1, 1], [0, 0, 1] if left else [1, 0, 0]]
