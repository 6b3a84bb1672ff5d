"""The BPE of the corpus: one thread a task. What it encodes is looked at in `language_model/test_encoding`."""

from __future__ import annotations

import os
from types import SimpleNamespace

import pytest

from curation import bpe

SETTING = "TOKENIZERS_PARALLELISM"


def test_texts_are_tokenised_on_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    def told(texts: list[str], add_special_tokens: bool) -> list[SimpleNamespace]:
        return [SimpleNamespace(ids=[os.environ.get(SETTING)]) for _ in texts]

    monkeypatch.delenv(SETTING, raising=False)
    monkeypatch.setattr(bpe, "_tokenizer", lambda _: SimpleNamespace(encode_batch_fast=told))
    assert bpe.token_ids("", ["one"]) == [["false"]]
    assert SETTING not in os.environ
