import json
import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.output import values
from tests.output.columns import KEPT


@pytest.mark.parametrize("name", KEPT)
def test_values_of_every_type_as_json_has_them(name):
    type_, given_values, expected = KEPT[name]
    array = pa.array(given_values, type_)
    assert values.python_values(array) == expected
    assert values.python_values(pa.concat_arrays([array, array]).slice(2, 3)) == [expected[row] for row in (2, 0, 1)]
    assert values.python_values(array.slice(0, 0)) == []


@pytest.mark.parametrize("name", [name for name, (type_, _, _) in KEPT.items() if values.is_number(type_)])
def test_numbers_are_json(name):
    type_, given_values, expected = KEPT[name]
    written = values.json_values(pa.array(given_values, type_), json.dumps).to_pylist()
    assert [json.loads(text) for text in written] == expected


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(width=32) | st.floats(), max_size=30))
def test_floats_come_back_as_the_same_floats(numbers):
    for type_ in (pa.float64(), pa.float32()):
        with np.errstate(over="ignore"):
            array = pa.array(np.array(numbers).astype(type_.to_pandas_dtype()))
        for text, number in zip(values.json_values(array, json.dumps).to_pylist(), array.to_pylist(), strict=True):
            read = json.loads(text)
            if math.isfinite(number):
                assert isinstance(read, float)
                assert type_.to_pandas_dtype()(read) == number
            else:
                assert read is None


def test_nested_bytes_that_are_no_utf8_are_replaced():
    broken = pa.Array.from_buffers(pa.string(), 2, pa.array([b"\xff", b"a"]).buffers())
    nested = pa.ListArray.from_arrays(pa.array([0, 2], pa.int32()), broken)
    assert values.python_values(nested) == [["\ufffd", "a"]]


def test_types_that_json_knows_nothing_of_are_what_python_says():
    union = pa.UnionArray.from_sparse(pa.array([0, 1], pa.int8()), [pa.array([5, 6]), pa.array(["a", "b"])])
    assert values.python_values(union) == ["5", "b"]
    assert values.python_values(pa.array(["a", None, "a"]).dictionary_encode()) == ["a", None, "a"]


def test_a_column_of_one_chunk_is_not_copied():
    column = pa.chunked_array([pa.array(["a", "b", "c"]).slice(1)])
    assert [buffer.address for buffer in values.one_array(column).buffers()[1:]] == [
        buffer.address for buffer in column.chunk(0).buffers()[1:]
    ]
    for chunks in ([], [["a"], [], ["b", None]]):
        several = pa.chunked_array(chunks, pa.string())
        assert values.one_array(several).to_pylist() == several.to_pylist()


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 300), max_size=40), st.integers(1, 1000))
def test_what_is_gathered_at_once_covers_the_order_and_is_bounded(sizes, most):
    rows = pa.table({"text": ["x" * size for size in sizes], "n": pa.array(range(len(sizes)), pa.int64())})
    order = np.arange(len(sizes))[::-1]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(values, "CHUNK_BYTES", most)
        stretches = values.gathering(rows, order)
    assert [place for start, stop in stretches for place in range(start, stop)] == list(range(len(sizes)))
    weights = np.array([sizes[row] + 64 for row in order])
    assert all(weights[start : stop - 1].sum() <= most for start, stop in stretches)
