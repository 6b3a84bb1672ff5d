"""Long documents: what the chunks of a text are, the mean of their vectors, and how much of a text was read."""

import json

import numpy as np
import pytest
from tokenizers import Tokenizer

from curation.config import Embedding
from curation.embedding.chunks import Chunker, mean_of_chunks
from curation.embedding.create import create_encoder
from curation.embedding.lexical import fit_lexical
from curation.embedding.resolve import resolve
from curation.errors import JobError
from tests.embedding.conftest import WORDS
from tests.embedding.test_lexical import corpus

MAX_TOKENS = 12
ROOM = MAX_TOKENS - 2  # words of the vocabulary beside the two special tokens


def words(count, seed=0):
    return " ".join(np.random.default_rng(seed).choice(WORDS, count))


def chunker(folder, max_chunks, from_end=False):
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    return Chunker(tokenizer, MAX_TOKENS, max_chunks, special=True, from_end=from_end), tokenizer


def encoder(folder, **keys):
    embedding = Embedding(model=str(folder), max_tokens=MAX_TOKENS, precision="float32", **keys)
    return create_encoder(resolve(embedding), embedding, threads=2)


@pytest.mark.parametrize("count", [1, ROOM, ROOM + 1, 3 * ROOM, 3 * ROOM + 1, 9 * ROOM])
def test_chunks_put_together_are_the_beginning_of_the_text(tiny_bert, count):
    cut, tokenizer = chunker(tiny_bert, max_chunks=3)
    text = words(count)
    chunks = cut([text, "", text])
    read = min(count, 3 * ROOM)
    whole = Tokenizer.from_file(str(tiny_bert / "tokenizer.json")).encode(text, add_special_tokens=False).ids
    own = chunks.ids[: chunks.counts[0]]
    assert [token for ids in own for token in ids[1:-1]] == whole[:read]
    assert all(ids[0] == tokenizer.token_to_id("[CLS]") and ids[-1] == tokenizer.token_to_id("[SEP]") for ids in own)
    assert chunks.counts.tolist() == [-(-read // ROOM), 1, -(-read // ROOM)]
    assert chunks.cut.tolist() == [count > read, False, count > read]
    assert chunks.weights[: len(own)].sum() == read


def test_chunks_from_the_end(tiny_bert):
    cut, _ = chunker(tiny_bert, max_chunks=2, from_end=True)
    text = words(5 * ROOM)
    whole = Tokenizer.from_file(str(tiny_bert / "tokenizer.json")).encode(text, add_special_tokens=False).ids
    last, before = cut([text]).ids
    assert [*before[1:-1], *last[1:-1]] == whole[-2 * ROOM :]


@pytest.mark.parametrize("length", [100, 400, 3000])
def test_the_share_that_was_read_is_that_of_the_characters(tiny_bert, length):
    """Also where the text is too long to be tokenised to its end, and where its beginning was too short at first."""
    cut, _ = chunker(tiny_bert, max_chunks=2)
    dense, sparse = words(length), "sun" + " " * 5000 + words(length)
    shares = cut([dense, "moon", sparse]).read_share
    exact = len(" ".join(dense.split()[: 2 * ROOM])) / len(dense)
    assert shares[0] == pytest.approx(exact, rel=0.25)
    assert shares[1] == 1
    assert 0 < shares[2] < 1


def test_mean_of_chunks_is_the_weighted_mean_of_unit_vectors():
    vectors = np.array([[3, 0], [0, 5], [7, 7], [0, 2]], np.float32)
    means = mean_of_chunks(vectors, np.array([2, 1, 1]), np.array([30, 10, 1, 1]))
    np.testing.assert_allclose(means, [[0.75, 0.25], [7, 7], [0, 2]])
    assert np.isnan(mean_of_chunks(np.array([[1, 0], [0, 0]], np.float32), np.array([2]), np.array([1, 1]))).all()


def test_a_long_document_is_the_mean_of_its_chunks_and_the_others_stay(tiny_bert):
    texts = [words(4), words(3 * ROOM + 4, seed=1), "", words(7, seed=2)]
    plain = encoder(tiny_bert).encode(texts)
    mean = encoder(tiny_bert, long_documents="mean_of_chunks", max_chunks=4).encode(texts)
    np.testing.assert_allclose(plain.vectors[[0, 2, 3]], mean.vectors[[0, 2, 3]], atol=1e-3)
    pieces = texts[1].split()
    parts = [" ".join(pieces[at : at + ROOM]) for at in range(0, len(pieces), ROOM)]
    each = encoder(tiny_bert).encode(parts).vectors.astype(np.float64)
    expected = (each * [[ROOM], [ROOM], [ROOM], [4]]).sum(axis=0)
    np.testing.assert_allclose(mean.vectors[1], expected / np.linalg.norm(expected), atol=2e-3)
    assert (plain.truncated, mean.truncated) == (1, 0)
    assert plain.read_share[1] < 0.5
    assert mean.read_share.tolist() == [1, 1, 1, 1]
    fewer = encoder(tiny_bert, long_documents="mean_of_chunks", max_chunks=2).encode(texts)
    assert fewer.truncated == 1
    assert plain.read_share[1] < fewer.read_share[1] < 1


def test_the_way_of_long_documents_is_part_of_what_a_model_is(tiny_bert):
    plain, mean, other = (
        resolve(Embedding(model=str(tiny_bert), max_tokens=MAX_TOKENS, **keys)).identity
        for keys in ({"max_chunks": 3}, {"long_documents": "mean_of_chunks"}, {"long_documents": "truncate"})
    )
    assert plain == other != mean


def test_a_model_with_a_way_of_its_own_can_not_read_chunks(tiny_bert):
    file = tiny_bert / "config_sentence_transformers.json"
    prompts = {"prompts": {"passage": "the law of "}, "default_prompt_name": "passage"}
    file.write_text(json.dumps({**json.loads(file.read_text()), **prompts}))
    text = words(4 * MAX_TOKENS)
    assert encoder(tiny_bert).encode([text, "sun"]).truncated == 1
    with pytest.raises(JobError, match=r"embedding\.long_documents: .* set it to truncate"):
        encoder(tiny_bert, long_documents="mean_of_chunks")


def test_lexical_reads_a_longer_beginning_and_documents_that_fit_keep_their_bits():
    texts = corpus(200)[0]
    keys = {"model": "lexical", "dimensions": 8, "max_tokens": 10}
    short, long = (
        fit_lexical(texts, Embedding(**keys, **more), seed=1)
        for more in ({}, {"long_documents": "mean_of_chunks", "max_chunks": 3})
    )
    asked = [text[:80] for text in texts[:20]] + [texts[0][:80] + " " * 160 + texts[1], "x " * 120, "y" * 241]
    one, three = short.encode(asked), long.encode(asked)
    assert one.vectors[:20].tobytes() == three.vectors[:20].tobytes()
    assert (one.truncated, three.truncated) == (3, 2)
    np.testing.assert_allclose(one.read_share[-2:], [80 / 240, 80 / 241])
    np.testing.assert_allclose(three.read_share[-2:], [1, 240 / 241])
    wide = fit_lexical(texts, Embedding(**keys), seed=1)
    whole = type(wide)(wide.features, wide.weights, 30, 1, wide.asked)
    assert three.vectors.tobytes() == whole.encode(asked).vectors.tobytes()
    assert long.spec.identity != short.spec.identity
