from __future__ import annotations

import numpy as np

from curation.clustering.hashes import vector_hashes


def test_vectors_have_the_same_hash_where_their_values_are_the_same(monkeypatch):
    rng = np.random.default_rng(0)
    rows = rng.integers(-1, 2, (300, 4)).astype(np.float16) * np.float16(0.5)
    rows[rows == 0] *= rng.choice([-1, 1], np.count_nonzero(rows == 0))  # some of the zeros are -0
    together = vector_hashes(rows)
    assert together.shape == (300,)
    same = (rows[:, None] == rows[None]).all(axis=2)
    assert np.array_equal(together[:, None] == together[None], same)
    monkeypatch.setattr("curation.clustering.hashes._HASHED_ROWS", 7)
    assert np.array_equal(vector_hashes(rows), together)
    assert len(vector_hashes(rows[:0])) == 0
