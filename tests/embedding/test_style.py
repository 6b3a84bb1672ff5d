"""Style vectors: texts of one kind are near each other whatever they are about; the same bits for any batch."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from curation import config
from curation.embedding.create import create_encoder
from curation.embedding.style import StyleModel, fit_style
from curation.errors import RunError

SUBJECTS = ["engine", "kidney", "harbour", "tulip", "comet", "violin", "glacier", "ledger"]


def prose(rng: np.random.Generator) -> str:
    return " ".join(f"The {rng.choice(SUBJECTS)} of the {rng.choice(SUBJECTS)} was in the town." for _ in range(8))


def code(rng: np.random.Generator) -> str:
    return "\n".join(f"def {rng.choice(SUBJECTS)}(x):\n    return {rng.choice(SUBJECTS)}[x];" for _ in range(8))


def verse(rng: np.random.Generator) -> str:
    return "\n".join(f"O {rng.choice(SUBJECTS)}, dost thou {rng.choice(SUBJECTS)} --" for _ in range(8))


KINDS = (prose, code, verse)


def corpus(count: int, seed: int) -> tuple[list[str], NDArray[np.int64]]:
    rng = np.random.default_rng(seed)
    kinds = rng.choice(3, count, p=[0.9, 0.06, 0.04])
    return [KINDS[kind](rng) for kind in kinds], kinds


@pytest.fixture(scope="module")
def model() -> StyleModel:
    return fit_style(corpus(600, 0)[0], config.Embedding(model="lexical", features="style", dimensions=16), 0)


def test_kinds_are_apart_and_subjects_are_not(model: StyleModel) -> None:
    texts, kinds = corpus(300, 1)
    vectors = model.encode(texts).vectors.astype(np.float32)
    similar = vectors @ vectors.T
    np.fill_diagonal(similar, -1)
    assert (kinds[similar.argmax(axis=1)] == kinds).all()
    same = kinds[:, None] == kinds[None, :]
    assert similar[same & (similar > -1)].mean() > similar[~same].mean() + 0.3


def test_a_vector_does_not_hang_on_its_batch(model: StyleModel) -> None:
    texts, _ = corpus(20, 2)
    whole = model.encode(texts).vectors
    assert np.array_equal(np.concatenate([model.encode([text]).vectors for text in texts]), whole)
    lengths = np.linalg.norm(whole.astype(np.float64), axis=1)
    np.testing.assert_allclose(lengths, 1, atol=2e-3)


def test_the_model_comes_back_from_its_arrays_and_no_other_does(model: StyleModel) -> None:
    again = create_encoder(model.spec, config.Embedding(model="lexical", features="style"), arrays=model.to_arrays())
    texts, _ = corpus(5, 3)
    assert np.array_equal(again.encode(texts).vectors, model.encode(texts).vectors)
    other = fit_style(corpus(600, 9)[0], config.Embedding(model="lexical", features="style", dimensions=16), 0)
    with pytest.raises(RunError, match="is not the one"):
        create_encoder(model.spec, config.Embedding(model="lexical"), arrays=other.to_arrays())


def test_the_record_names_the_packages_that_compute(model: StyleModel) -> None:
    assert set(model.spec.libraries) == {"numpy", "scipy", "scikit-learn", "tokenizers"}


def test_a_text_without_any_common_token_has_a_vector(model: StyleModel) -> None:
    found = model.encode(["語", "", "the"]).vectors
    assert np.isfinite(found).all()
    assert (np.linalg.norm(found.astype(np.float32), axis=1) > 0.99).all()


@pytest.mark.parametrize("sample", [[], [""], ["a b", ""], ["a"]])
def test_a_sample_of_next_to_nothing_gives_a_model(sample: list[str]) -> None:
    model = fit_style(sample, config.Embedding(model="lexical", features="style", dimensions=16), 0)
    assert model.encode([*sample, "never seen"]).vectors.shape == (len(sample) + 1, model.dimensions)
    assert model.dimensions == 2
    assert model.spec.notes


def test_long_texts_are_read_as_far_as_asked() -> None:
    asked = config.Embedding(model="lexical", features="style", dimensions=8, max_tokens=4)
    short = fit_style(corpus(100, 0)[0], asked, 0)
    text = prose(np.random.default_rng(0))
    found = short.encode([text, text[:32]])
    assert np.array_equal(found.vectors[0], found.vectors[1])
    assert found.truncated == 1
    assert found.read_share[0] == pytest.approx(32 / len(text))


def test_style_is_of_the_lexical_model_alone() -> None:
    with pytest.raises(ValueError, match="only model: lexical"):
        config.Embedding(features="style")
