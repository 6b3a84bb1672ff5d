import numpy as np
import pytest

from curation.trace.nearest import ROWS, nearest_rows


@pytest.mark.parametrize("count", [0, 1, 9, 10, ROWS - 1, 2 * ROWS + 5])
def test_the_nearest_are_those_of_a_float64_product(count):
    rng = np.random.default_rng(count)
    rows = rng.normal(size=(count, 24))
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float16)
    query = rng.normal(size=24)
    query = (query / np.linalg.norm(query)).astype(np.float32)
    found, cosine = nearest_rows(rows, query, 10)
    exact = rows.astype(np.float64) @ query.astype(np.float64)
    assert found.tolist() == np.argsort(-exact, kind="stable")[:10].tolist()
    np.testing.assert_allclose(cosine, exact[found], rtol=0, atol=1e-12)


def test_of_equal_rows_the_first_come_first():
    rows = np.tile(np.array([[1.0, 0.0], [0.6, 0.8]], np.float16), (50, 1))
    found, cosine = nearest_rows(rows, np.array([0.6, 0.8], np.float32), 7)
    assert found.tolist() == [1, 3, 5, 7, 9, 11, 13]
    assert len(set(cosine.tolist())) == 1
