"""The neural encoder against SentenceTransformer.encode, and what it does when something is wrong."""

import json
import shutil

import numpy as np
import pytest
import torch

from curation.config import Embedding
from curation.embedding.create import create_encoder
from curation.embedding.encoder import NonFiniteVector
from curation.embedding.loading import load_model
from curation.embedding.resolve import locate, resolve
from curation.errors import JobError, RunError

TEXTS = [
    "The moon orbits the planet.",
    "A jury of twelve heard the judge in court, and the law took its course. " * 12,
    "",
    "bread",
    "def main():\n    return 0\n" * 9,
    "月は惑星の周りを回る。" * 9,
    "long " * 4000,
    "-" * 3000,
    " ".join(["un"] * 300) + " " * 9000 + "tail",
    "Flour, butter and an oven: that is bread.\tThe sun and a star.",
]


def cosines(a, b):
    a, b = (np.asarray(x, np.float64) for x in (a, b))
    return (a * b).sum(axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)


def tiny(folder, **keys):
    """An encoder of the tiny model in float32."""
    embedding = Embedding(**{"model": str(folder), "max_tokens": 64, "precision": "float32", **keys})
    return create_encoder(resolve(embedding), embedding, threads=2)


@pytest.fixture(scope="module")
def expected():
    """The packaged MiniLM's own vectors in float32."""
    model = load_model(locate(resolve(Embedding())), "float32", "cpu", False)
    return model.encode(TEXTS, batch_size=3)


@pytest.mark.parametrize(("precision", "least"), [("float32", 0.9999), ("bfloat16", 0.999)])
def test_minilm_gives_what_sentence_transformers_gives(expected, precision, least):
    embedding = Embedding(precision=precision, batch_tokens=600)
    encoder = create_encoder(resolve(embedding), embedding, threads=2)
    encoded = encoder.encode(TEXTS)
    assert encoded.vectors.shape == (len(TEXTS), encoder.dimensions)
    assert cosines(encoded.vectors, expected).min() > least
    counts = [len(ids) for ids in encoder.model.tokenizer(TEXTS)["input_ids"]]
    assert encoded.tokens == sum(min(count, 256) for count in counts)
    assert encoded.truncated == sum(count > 256 for count in counts)
    assert encoded.tokens <= encoded.padded


def test_no_texts_and_one_very_long_text(tiny_bert):
    encoder = tiny(tiny_bert)
    nothing = encoder.encode([])
    assert nothing.vectors.shape == (0, 32)
    assert nothing.tokens == nothing.padded == nothing.truncated == 0
    one = encoder.encode(["sun moon " * 500_000])
    assert (one.tokens, one.truncated) == (64, 1)
    assert cosines(one.vectors, encoder.encode(["sun moon " * 50]).vectors) > 0.9999


def test_vectors_do_not_depend_on_the_number_of_threads(tiny_bert):
    embedding = Embedding(model=str(tiny_bert), max_tokens=64, batch_tokens=128)
    spec = resolve(embedding)
    texts = [text[:length] for text in TEXTS for length in (10, 40, 90)] + ["sun"]
    one, three = (create_encoder(spec, embedding, threads=threads).encode(texts) for threads in (1, 3))
    assert one.vectors.tobytes() == three.vectors.tobytes()


def test_left_padding_agrees_with_sentence_transformers(tiny_bert):
    file = tiny_bert / "tokenizer_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "padding_side": "left"}))
    encoder = tiny(tiny_bert)
    assert encoder.model.tokenizer.padding_side == "left"
    texts = [text[:60] for text in TEXTS]
    assert cosines(encoder.encode(texts).vectors, encoder.model.encode(texts)).min() > 0.9999


def test_models_that_need_more_go_through_their_own_encode(tiny_bert):
    file = tiny_bert / "config_sentence_transformers.json"
    prompts = {"prompts": {"passage": "the law of "}, "default_prompt_name": "passage"}
    file.write_text(json.dumps({**json.loads(file.read_text()), **prompts}))
    encoder = tiny(tiny_bert)
    texts = ["sun and moon", "bread", "a star " * 10, "court"]
    encoded = encoder.encode(texts)
    assert cosines(encoded.vectors, encoder.model.encode(texts)).min() > 0.9999
    assert cosines(encoded.vectors, encoder.model.encode(texts, prompt="")).max() < 0.9999


def test_static_embeddings(tiny_bert, tmp_path):
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import StaticEmbedding
    from tokenizers import Tokenizer

    torch.manual_seed(3)
    table = StaticEmbedding(Tokenizer.from_file(str(tiny_bert / "tokenizer.json")), embedding_dim=24)
    SentenceTransformer(modules=[table], device="cpu").save(str(tmp_path / "static"))
    encoder = tiny(tmp_path / "static", max_tokens=5, batch_tokens=64, precision="auto")
    assert encoder.spec.precision == "float32"
    texts = ["sun and moon", "bread", "a star", "the court of law"]
    encoded = encoder.encode(texts)
    assert cosines(encoded.vectors, encoder.model.encode(texts)).min() > 0.9999
    assert encoded.tokens == 3 + 1 + 2 + 4 == encoded.padded
    cut = encoder.encode(["sun moon star the a bread butter"])
    assert (cut.tokens, cut.truncated) == (5, 1)
    with pytest.raises(NonFiniteVector):
        encoder.encode(["sun", ""])


def test_out_of_memory_halves_the_batches_and_goes_on(tiny_bert, monkeypatch):
    encoder = tiny(tiny_bert, batch_tokens=1024)
    texts = [f"the sun and star {at}" for at in range(40)] + ["bread butter " * 40]
    before = encoder.encode(texts).vectors
    real, most = encoder.model.forward, 200
    monkeypatch.setattr(encoder, "_pool", None)  # as on a GPU

    def forward(features, **keys):
        if features["input_ids"].numel() > most:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return real(features, **keys)

    monkeypatch.setattr(encoder.model, "forward", forward)
    encoded = encoder.encode(texts)
    assert cosines(encoded.vectors, before).min() > 0.9999
    assert encoded.batch_tokens <= most
    assert encoder.batch_tokens == encoded.batch_tokens
    most = 10
    with pytest.raises(RunError, match="one document of 64 tokens"):
        encoder.encode(texts)


def edited_weights(folder, change) -> None:
    from safetensors.torch import load_file, save_file

    tensors = load_file(folder / "model.safetensors")
    save_file(change(tensors), folder / "model.safetensors", metadata={"format": "pt"})


def test_nan_weights_name_the_document(tiny_bert):
    vocabulary = json.loads((tiny_bert / "tokenizer.json").read_text())["model"]["vocab"]

    def poisoned(tensors):
        name = next(name for name in tensors if name.endswith("word_embeddings.weight"))
        tensors[name][vocabulary["jury"]] = float("nan")
        return tensors

    edited_weights(tiny_bert, poisoned)
    encoder = tiny(tiny_bert)
    assert encoder.encode(["sun", "moon"]).vectors.shape == (2, 32)
    with pytest.raises(NonFiniteVector) as caught:
        encoder.encode(["sun", "the moon", "a jury", "bread and butter and flour"])
    assert caught.value.row == 2


def test_weights_of_another_model_are_refused_instead_of_left_random(tiny_bert):
    edited_weights(tiny_bert, lambda tensors: {f"x.{at}": tensor for at, tensor in enumerate(tensors.values())})
    with pytest.raises(JobError, match="left random"):
        tiny(tiny_bert)


def test_a_model_that_fails_to_load_is_one_line(tiny_bert):
    (tiny_bert / "tokenizer.json").write_text("{}")
    with pytest.raises(JobError, match="can't be loaded") as caught:
        tiny(tiny_bert)
    assert "\n" not in str(caught.value)


def test_changed_weights_are_noticed(tiny_bert, tmp_path):
    embedding = Embedding(model=str(tiny_bert), max_tokens=64)
    spec = resolve(embedding)
    edited_weights(tiny_bert, lambda tensors: {name: tensor + 1 for name, tensor in tensors.items()})
    with pytest.raises(RunError, match="weights are not those"):
        create_encoder(spec, embedding)
    shutil.rmtree(tiny_bert)
    with pytest.raises(RunError, match="does not have the model"):
        create_encoder(spec, embedding)
