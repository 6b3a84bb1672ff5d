"""Given vectors: brought to unit float16, and the first that can't serve is named."""

import numpy as np
import pyarrow as pa
import pytest

from curation.embedding.given import UnusableVector, unit_vectors

LISTS = pa.list_(pa.float32())


def test_unit_float16_whatever_the_length():
    rng = np.random.default_rng(0)
    vectors = (rng.normal(size=(50, 6)) * 10.0 ** rng.uniform(-18, 18, (50, 1))).astype(np.float32)
    found = unit_vectors(pa.array(list(vectors), LISTS), 6)
    assert found.dtype == np.float16
    expected = vectors.astype(np.float64) / np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    np.testing.assert_allclose(found, expected, atol=1e-3)
    assert unit_vectors(pa.array([], LISTS), 6).shape == (0, 6)


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (None, "missing"),
        ([], "0 numbers, not 2"),
        ([1, 2, 3], "3 numbers, not 2"),
        ([0, 0], "zero"),
        ([1, None], "not a number"),
        ([1, float("nan")], "not a number"),
        ([1, float("inf")], "infinite"),
    ],
)
def test_the_row_that_can_not_serve(bad, reason):
    with pytest.raises(UnusableVector, match=reason) as caught:
        unit_vectors(pa.array([[1, 2], [3, 4], bad, [5, 6]], LISTS), 2)
    assert caught.value.row == 2
