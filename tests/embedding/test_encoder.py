"""Unit vectors and the record of the encoder."""

import pickle

import numpy as np
import pytest

from curation.embedding.encoder import EncoderSpec, NonFiniteVector, normalised
from curation.errors import RunError


def test_rows_have_length_one_whatever_their_scale():
    rows = np.random.default_rng(0).normal(size=(50, 33)).astype(np.float32)
    scaled = rows * np.logspace(-30, 30, 50, dtype=np.float64)[:, None].astype(np.float32)
    unit = normalised(scaled)
    assert unit.dtype == np.float16
    np.testing.assert_allclose(np.linalg.norm(unit.astype(np.float64), axis=1), 1, atol=1e-3)
    np.testing.assert_array_equal(unit, normalised(rows))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 0.0])
def test_a_vector_that_is_no_direction_is_an_error_that_names_its_row(value):
    rows = np.ones((5, 4), np.float32)
    rows[3] = value if value == 0 else [1, value, 1, 1]
    with pytest.raises(NonFiniteVector) as caught:
        normalised(rows)
    assert caught.value.row == 3
    assert pickle.loads(pickle.dumps(caught.value)).row == 3


def test_no_rows():
    assert normalised(np.empty((0, 7), np.float32)).shape == (0, 7)


def a_spec(**changes) -> EncoderSpec:
    values = {"kind": "sentence-transformers", "name": "m", "origin": "folder", "location": "/models/m"}
    numbers = {"weights_sha256": "ab", "dimensions": 32, "max_tokens": 64, "precision": "bfloat16"}
    return EncoderSpec(**{**values, **numbers, "libraries": {"torch": "2"}, "notes": ("a", "b"), **changes})


def test_spec_survives_json_and_its_identity_leaves_out_the_place():
    spec = a_spec()
    assert EncoderSpec.from_json(spec.to_json()) == spec
    assert a_spec(location="/elsewhere", origin="hub", name="n", notes=()).identity == spec.identity
    assert a_spec(weights_sha256="cd").identity != spec.identity


@pytest.mark.parametrize("text", ["", "[]", "3", '{"kind": "lexical"}'])
def test_a_damaged_record_is_one_clear_error(text):
    with pytest.raises(RunError, match="can't be read"):
        EncoderSpec.from_json(text)
