"""The lexical encoder: the same bits in any way, unit vectors for every text, and groups by meaning."""

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_limits

from curation.config import Embedding
from curation.embedding.create import create_encoder
from curation.embedding.lexical import LexicalModel, fit_lexical
from curation.errors import RunError

TOPICS = {
    "sky": "star planet orbit telescope comet galaxy lunar eclipse",
    "food": "bread butter flour oven recipe sugar yeast dough",
    "law": "court judge jury verdict appeal statute lawyer trial",
    "天": "星 月 日 彗 银 河 系 行",
}
COMMON = [f"common{number}" for number in range(20)]


def corpus(documents: int, seed: int = 0) -> tuple[list[str], np.ndarray]:
    """Texts of a topic's words among three times as many common ones, and their topics."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, len(TOPICS), documents)
    texts = []
    for label in labels:
        length = int(rng.integers(5, 15))
        topical = rng.choice(list(TOPICS.values())[label].split(), length)
        words = np.concatenate([topical, rng.choice(COMMON, 3 * length)])
        texts.append(" ".join(rng.permutation(words)))
    return texts, labels


@pytest.fixture(scope="module")
def model() -> LexicalModel:
    return fit_lexical(corpus(400)[0], Embedding(model="lexical", dimensions=16), seed=1)


def test_groups_by_meaning(model):
    texts, labels = corpus(300, seed=5)
    vectors = model.encode(texts).vectors.astype(np.float32)
    similar = vectors @ vectors.T
    np.fill_diagonal(similar, -1)
    assert (labels[similar.argmax(axis=1)] == labels).mean() > 0.95


ODD = ["", "!!! ???", "😀😀", "\ud800", "zzqq xxyy", "a", "12 34", "   ", "...", "star", "x" * 100_000]


def test_every_text_has_a_unit_vector(model):
    encoded = model.encode(ODD)
    assert encoded.vectors.dtype == np.float16
    np.testing.assert_allclose(np.linalg.norm(encoded.vectors.astype(np.float64), axis=1), 1, atol=2e-3)
    assert encoded.truncated == 1


def test_texts_without_a_known_word_are_near_texts_with_the_same_characters():
    model = fit_lexical(
        [f"{text} item{at}" for at, text in enumerate(corpus(300)[0])], Embedding(dimensions=128), seed=1
    )
    rows = model.encode(["!!! ??? !!! ???", "!!! ??? !!!", "=====-----+++++"]).vectors.astype(np.float64)
    assert rows[0] @ rows[1] > 0.9
    assert abs(rows[0] @ rows[2]) < 0.5


@pytest.mark.parametrize("size", [1, 7, 128, 500])
def test_the_same_bits_in_pieces_of_any_size(model, size):
    texts = corpus(500, seed=2)[0] + ODD
    whole = model.encode(texts).vectors
    pieces = [model.encode(texts[at : at + size]).vectors for at in range(0, len(texts), size)]
    assert np.concatenate(pieces).tobytes() == whole.tobytes()


def test_the_same_bits_for_any_number_of_threads(model):
    texts = corpus(400)[0]
    for threads in (1, 2, 4):
        with threadpool_limits(threads):
            torch.set_num_threads(threads)
            again = fit_lexical(texts, Embedding(model="lexical", dimensions=16), seed=1)
            assert again.weights.tobytes() == model.weights.tobytes()
            assert again.encode(texts).vectors.tobytes() == model.encode(texts).vectors.tobytes()


def test_a_model_survives_being_saved_and_is_known_by_its_hash(model, tmp_path):
    np.savez(tmp_path / "model.npz", **model.to_arrays())
    with np.load(tmp_path / "model.npz", allow_pickle=False) as arrays:
        loaded = create_encoder(model.spec, Embedding(model="lexical"), arrays=dict(arrays))
    texts = corpus(50)[0]
    assert loaded.encode(texts).vectors.tobytes() == model.encode(texts).vectors.tobytes()
    other = fit_lexical(corpus(400)[0], Embedding(model="lexical", dimensions=16), seed=2)
    with pytest.raises(RunError, match="not the one"):
        create_encoder(model.spec, Embedding(model="lexical"), arrays=other.to_arrays())
    with pytest.raises(RunError, match="incomplete"):
        create_encoder(model.spec, Embedding(model="lexical"), arrays={})


@pytest.mark.parametrize(
    "sample", [[], [""], ["!!!"] * 5, ["one"], ["same words here"] * 40, ["a b", "cc dd", "ee ff"], ["x1 y1", "x1 z1"]]
)
def test_a_sample_too_small_for_the_dimensions_gives_fewer_and_says_so(sample):
    model = fit_lexical(sample, Embedding(model="lexical", dimensions=16), seed=0)
    encoded = model.encode([*sample, "never seen", "one same x1"])
    assert 2 <= model.dimensions <= 16
    assert encoded.vectors.shape == (len(sample) + 2, model.dimensions)
    assert model.spec.dimensions == model.dimensions
    assert bool(model.spec.notes) == (model.dimensions < 16)
    assert LexicalModel.from_arrays(model.to_arrays()).spec == model.spec


def test_no_texts(model):
    encoded = model.encode([])
    assert encoded.vectors.shape == (0, 16)
    assert encoded.tokens == encoded.truncated == 0


def test_counts_what_it_reads(model):
    encoded = model.encode(["star planet star", "x " * 5000])
    assert encoded.tokens == 3
    assert encoded.truncated == 1
