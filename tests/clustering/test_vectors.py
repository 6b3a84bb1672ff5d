import math
import warnings

import numpy as np
import pytest
import torch

from curation.clustering.vectors import (
    as_tensor,
    first_of_each,
    fold,
    full_precision,
    norms,
    pair_dots,
    unit,
)

from .data import mixture


@pytest.mark.parametrize("dimensions", [1, 2, 3, 7, 64, 383, 384, 1000])
def test_a_folded_sum_depends_on_its_row_alone(dimensions):
    matrix = np.random.default_rng(0).standard_normal((57, dimensions))
    together = fold(torch.from_numpy(matrix.copy())).numpy().copy()
    alone = [float(fold(torch.from_numpy(row[None].copy()))[0]) for row in matrix]
    assert np.array_equal(together, alone)
    assert np.allclose(together, [math.fsum(row) for row in matrix], rtol=0, atol=1e-12)


def test_pair_dots_are_the_same_for_any_pairs_beside_them():
    rng = np.random.default_rng(0)
    rows, others = torch.from_numpy(mixture(40, 384, 4)), torch.from_numpy(rng.standard_normal((9, 384)))
    row, other = torch.from_numpy(rng.integers(0, 40, 3000)), torch.from_numpy(rng.integers(0, 9, 3000))
    dots = pair_dots(rows, row, others, other)
    assert np.array_equal(dots[1234:1235], pair_dots(rows, row[1234:1235], others, other[1234:1235]))
    assert np.allclose(dots, (rows[row].double() * others[other]).sum(1).numpy(), rtol=0, atol=1e-12)


def test_full_precision_holds_inside_and_is_undone_after():
    torch.set_float32_matmul_precision("medium")
    try:
        with full_precision():
            assert torch.get_float32_matmul_precision() == "highest"
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision("highest")


def test_rows_must_be_a_float16_matrix_and_may_be_read_only():
    rows = mixture(3, 4, 1)
    rows.flags.writeable = False
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert as_tensor(rows).shape == (3, 4)
    for wrong in (rows.astype(np.float32), rows[0]):
        with pytest.raises(ValueError, match="float16 matrix"):
            as_tensor(wrong)


def test_unit_and_norms():
    rows = np.array([[3, 4], [0, 0]], np.float16)
    assert norms(rows).tolist() == [5, 0]
    assert unit(rows).tolist() == [[np.float32(0.6), np.float32(0.8)], [0, 0]]


def test_first_of_each_keeps_the_order_and_takes_both_zeros_for_one():
    rows = np.array([[1, 0], [0, 1], [1, -0.0], [0, 1], [-1, 0]], np.float16)
    assert first_of_each(rows).tolist() == [0, 1, 4]
    assert first_of_each(rows[:0]).tolist() == []
