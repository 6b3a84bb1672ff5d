"""Packed documents: each sees only itself, models that stand it are found, and others are left as they were."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.config import Embedding
from curation.embedding import forward
from curation.embedding.create import create_encoder
from curation.embedding.encoder import EncoderSpec
from curation.embedding.forward import Network, fast_network
from curation.embedding.loading import load_model
from curation.embedding.packing import packed_attention, packed_features, same_vectors
from curation.embedding.precision import cpu_has_bfloat16
from curation.embedding.resolve import locate, resolve
from tests.embedding.test_transformer import TEXTS, cosines, tiny

LENGTHS = st.lists(st.integers(1, 40), min_size=1, max_size=12)


def documents_of(lengths, vocabulary=50):
    rng = np.random.default_rng(1)
    return [rng.integers(5, vocabulary, length).astype(np.int32) for length in lengths]


@given(LENGTHS, st.integers(0, 3))
def test_positions_begin_anew_and_bounds_cut_the_row_into_its_documents(lengths, first):
    documents = documents_of(lengths)
    features = packed_features(documents, first, typed=True)
    bounds = features["cu_seq_lens_q"]
    assert bounds.dtype == np.int32
    for at, document in enumerate(documents):
        own = slice(bounds[at], bounds[at + 1])
        assert features["input_ids"][0, own].tolist() == document.tolist()
        assert features["position_ids"][0, own].tolist() == list(range(first, first + len(document)))
        assert set(features["seq_idx"][0, own].tolist()) == {at}
    assert bounds[-1] == features["input_ids"].size == features["token_type_ids"].size
    assert features["max_length_q"] == max(lengths)


@settings(deadline=None, max_examples=30)
@given(LENGTHS)
def test_attention_is_that_of_a_mask_which_lets_documents_see_only_themselves(lengths):
    torch.manual_seed(0)
    query, key, value = (torch.randn(1, 3, sum(lengths), 8) for _ in range(3))
    owner = torch.repeat_interleave(torch.arange(len(lengths)), torch.tensor(lengths))
    mask = owner[:, None] == owner[None, :]
    expected = torch.nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=mask, scale=0.3)
    bounds = torch.tensor([0, *np.cumsum(lengths)], dtype=torch.int32)
    found, _ = packed_attention(None, query, key, value, None, cu_seq_lens_q=bounds, scaling=0.3)
    torch.testing.assert_close(found, expected.transpose(1, 2))


@pytest.mark.parametrize("more", [{"sliding_window": 4}, {"softcap": 1.0}, {"is_causal": True}, {"attention_mask": 1}])
def test_attention_that_a_model_wants_otherwise_is_refused(more):
    tensor, keys = torch.ones(1, 1, 4, 8), {"attention_mask": None, **more}
    bounds = torch.tensor([0, 4], dtype=torch.int32)
    packed_attention(None, tensor, tensor, tensor, None, cu_seq_lens_q=bounds)
    with pytest.raises(ValueError, match="can't serve"):
        packed_attention(None, tensor, tensor, tensor, cu_seq_lens_q=bounds, **keys)


def the_network(folder, load=None, precision="float32"):
    spec = EncoderSpec("sentence-transformers", "m", "folder", str(folder), "", 32, 60, precision)
    load = load or (lambda: load_model(folder, precision, "cpu", False))
    return fast_network(load(), load, "cpu", spec)


def test_a_model_that_counts_positions_from_its_padding_on_is_packed_with_those(tiny_bert, tmp_path):
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import Pooling, Transformer
    from transformers import AutoTokenizer, RobertaConfig, RobertaModel

    torch.manual_seed(5)
    tokenizer = AutoTokenizer.from_pretrained(tiny_bert)
    shape = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    config = RobertaConfig(vocab_size=len(tokenizer), pad_token_id=0, initializer_range=0.5, **shape)
    RobertaModel(config, add_pooling_layer=False).save_pretrained(tmp_path / "bare")
    tokenizer.save_pretrained(tmp_path / "bare")
    modules = [Transformer(str(tmp_path / "bare")), Pooling(32, "cls")]
    SentenceTransformer(modules=modules, device="cpu").save(str(tmp_path / "whole"))
    network = the_network(tmp_path / "whole")
    assert network.first_position == 1
    assert the_network(tiny_bert).first_position == 0
    documents = documents_of([9, 1, 30])
    plain = Network(load_model(tmp_path / "whole", "float32", "cpu", False), "cpu")
    assert same_vectors(plain.vectors(plain.features(documents)), network.vectors(network.features(documents)))


def broken(*_):
    raise RuntimeError("a new version of the library")


def spoilt(model):
    """A change that makes the model say something else."""
    weight = next(layer for layer in model.modules() if type(layer) is torch.nn.Linear).weight
    weight.data.neg_()


@pytest.mark.parametrize("change", [broken, spoilt])
@pytest.mark.parametrize("name", ["take_packed_attention", "fuse_linear_layers"])
def test_a_change_that_fails_or_moves_the_vectors_is_dropped(tiny_bert, monkeypatch, change, name):
    expected = load_model(tiny_bert, "float32", "cpu", False).encode(TEXTS[:4])
    monkeypatch.setattr(forward, name, change)
    embedding = Embedding(model=str(tiny_bert), max_tokens=64, precision="bfloat16")
    encoder = create_encoder(resolve(embedding), embedding, threads=1)
    assert not encoder.taken["packed" if name == "take_packed_attention" else "fused"]
    assert cosines(encoder.encode(TEXTS[:4]).vectors, expected).min() > 0.99


def test_packing_moves_no_vector_and_there_is_no_padding(tiny_bert, monkeypatch):
    encoder = tiny(tiny_bert, long_documents="mean_of_chunks", max_chunks=3)
    packed = encoder.encode(TEXTS)
    assert encoder.taken["packed"]
    assert packed.padded == packed.tokens
    monkeypatch.setattr(forward, "take_packed_attention", broken)
    encoder = tiny(tiny_bert, long_documents="mean_of_chunks", max_chunks=3)
    padded = encoder.encode(TEXTS)
    assert not encoder.taken["packed"]
    assert padded.padded > padded.tokens == packed.tokens
    assert cosines(packed.vectors, padded.vectors).min() > 0.9999


@pytest.mark.skipif(not cpu_has_bfloat16(), reason="this CPU multiplies no bfloat16, where layers are fused")
def test_fused_layers_are_nearer_to_float32_than_plain_ones_or_as_near():
    spec = resolve(Embedding(precision="bfloat16"))
    encoder = create_encoder(spec, Embedding(), threads=2)
    assert encoder.taken["fused"]
    folder = locate(spec)
    exact = load_model(folder, "float32", "cpu", False).encode(TEXTS)
    plain = load_model(folder, "bfloat16", "cpu", False).encode(TEXTS, convert_to_tensor=True).float()
    assert 1 - cosines(encoder.encode(TEXTS).vectors, exact).mean() < 1.5 * (1 - cosines(plain, exact).mean()) + 1e-5
