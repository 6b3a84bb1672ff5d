"""A tiny BERT with random weights, saved as a sentence-transformers folder, and the packaged MiniLM."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

WORDS = [
    "the",
    "a",
    "of",
    "and",
    "sun",
    "moon",
    "star",
    "planet",
    "bread",
    "butter",
    "flour",
    "oven",
    "court",
    "law",
    "judge",
    "jury",
]


def save_tiny_bert(folder: Path, positions: int = 64) -> None:
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import Pooling, Transformer
    from transformers import BertConfig, BertModel, BertTokenizerFast

    torch.manual_seed(7)
    bare = folder.parent / (folder.name + "-bare")
    bare.mkdir()
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS, *letters, *("##" + c for c in letters)]
    (bare / "vocab.txt").write_text("\n".join(dict.fromkeys(vocabulary)), encoding="utf-8")
    config = BertConfig(
        vocab_size=len(dict.fromkeys(vocabulary)),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=positions,
        initializer_range=0.5,
    )
    BertModel(config, add_pooling_layer=False).save_pretrained(bare)
    BertTokenizerFast.from_pretrained(bare, model_max_length=positions).save_pretrained(bare)
    transformer = Transformer(str(bare))
    SentenceTransformer(modules=[transformer, Pooling(32)], device="cpu").save(str(folder))
    shutil.rmtree(bare)


@pytest.fixture(scope="session")
def shared_tiny_bert(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "tiny"
    save_tiny_bert(folder)
    return folder


@pytest.fixture
def tiny_bert(shared_tiny_bert, tmp_path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(shared_tiny_bert, tmp_path / "tiny"))


@pytest.fixture(autouse=True)
def no_hub(monkeypatch, tmp_path):
    """No test asks the hub or finds what was downloaded from it before."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "no-hub-cache"))
