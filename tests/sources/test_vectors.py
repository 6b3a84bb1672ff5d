"""Columns of vectors: every Arrow type and JSON gives the same lists of float32; what is no list of numbers is null."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curation.errors import JobError
from curation.sources.rows import VECTOR, Columns
from curation.sources.vectors import VECTORS, holds_vectors, vectors_of_lists, vectors_of_values
from tests.sources.reference import count, read, write

VALUES = [[1.5, -2.0], None, [], [0.25, None], [3.0, 4.0]]

TYPES = [pa.list_(pa.float16()), pa.list_(pa.float32()), pa.list_(pa.float64()), pa.large_list(pa.float32())]
FIXED = [pa.list_(pa.float16(), 2), pa.list_(pa.float32(), 2), pa.list_(pa.float64(), 2)]


@pytest.mark.parametrize("type_", TYPES)
def test_lists_of_any_float(type_):
    array = pa.array(VALUES, type_)
    assert holds_vectors(type_)
    found = vectors_of_lists(array)
    assert found.type == VECTORS
    assert found.to_pylist() == VALUES
    assert vectors_of_lists(array.slice(1, 3)).to_pylist() == VALUES[1:4]


@pytest.mark.parametrize("type_", FIXED)
def test_lists_of_fixed_size(type_):
    values = [value if value is None or len(value) == 2 else [7.0, 8.0] for value in VALUES]
    array = pa.array(values, type_)
    assert holds_vectors(type_)
    assert vectors_of_lists(array).to_pylist() == values
    assert vectors_of_lists(array.slice(1, 3)).to_pylist() == values[1:4]


def test_values_of_json():
    odd = ["x", {"a": 1}, [1, "2"], [True], [[1.0]], 5, None]
    assert vectors_of_values(odd).to_pylist() == [None] * len(odd)
    found = vectors_of_values([[1, 2.5], [], None, [2**63, 1e300]])
    assert found.to_pylist() == [[1.0, 2.5], [], None, [float(2**63), float("inf")]]
    assert vectors_of_values([]).type == VECTORS


def test_types_that_hold_none():
    for type_ in (
        pa.string(),
        pa.float32(),
        pa.list_(pa.string()),
        pa.list_(pa.int32()),
        pa.list_(pa.list_(pa.float32())),
    ):
        assert not holds_vectors(type_)


@pytest.mark.parametrize("split_bytes", [60, 1 << 20])
def test_both_formats_read_the_same(tmp_path, split_bytes):
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(40, 3)).astype(np.float32)
    texts = [f"text {row}" if row % 7 else " " for row in range(40)]
    lines = [{"text": text, "v": vector} for text, vector in zip(texts, vectors.tolist(), strict=True)]
    lines[3]["v"] = None
    jsonl = write(tmp_path, "".join(json.dumps(line) + "\n" for line in lines).encode())
    parquet = write(tmp_path, b"", "parquet")
    column = [None if row == 3 else vector for row, vector in enumerate(vectors)]
    table = pa.table({"text": texts, "v": pa.array(column, pa.list_(pa.float32(), 3))})
    pq.write_table(table, parquet.path, row_group_size=9)
    parquet = type(parquet)(**{**vars(parquet), "etag": _etag(parquet.path), "format": "parquet"})
    for file in (jsonl, parquet):
        parts = read(file, count(file, split_bytes, vector_column="v"), Columns("text", vector="v"))
        found = [vector for _, part in parts for vector in part.table[VECTOR].to_pylist()]
        assert found[3] is None
        np.testing.assert_array_equal(np.array(found[4:], np.float32), vectors[4:])


def _etag(path):
    from curation.config import Source
    from curation.sources.find import find_files

    return find_files(Source(domain="d", path=path), 0)[0].etag


def test_a_column_of_another_type_is_refused_when_it_is_counted(tmp_path):
    parquet = write(tmp_path, b"", "parquet")
    pq.write_table(pa.table({"text": ["a"], "v": pa.array([[1, 2]])}), parquet.path)
    for column, wanted in (("v", "of type list<.*int64>: name a column of lists of floats"), ("w", "did you mean 'v'")):
        with pytest.raises(JobError, match=wanted) as caught:
            count(parquet, vector_column=column)
        assert "sources.0.vector_column" in str(caught.value)
