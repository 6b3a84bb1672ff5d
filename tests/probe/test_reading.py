"""What is read: batches that depend on the parts alone, and validation text that is cut."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from curation.language_model.encoding import Encoded
from curation.probe import reading
from curation.probe.reading import TASK_BYTES, _batches, cut, train_on_some
from curation.storage.store import Store


def test_neighbouring_parts_are_encoded_together_and_none_is_lost():
    sizes = {f"texts/part-{number:08}.parquet": TASK_BYTES // 3 + number for number in range(10)}
    batches = _batches(sizes)
    assert [name for batch in batches for name in batch] == sorted(sizes)
    assert 3 <= len(batches) <= 5
    assert max(map(len, batches)) <= 4
    assert _batches({"one": 10 * TASK_BYTES, "two": 1}) == [["one"], ["two"]]
    assert _batches({}) == []


def test_only_what_is_asked_about_is_cut(monkeypatch):
    monkeypatch.setattr(reading, "VALIDATION_TOKENS", 2)
    encoded = Encoded(np.arange(1, 10, dtype=np.uint16), np.array([0, 3, 4, 9]))
    found = cut(encoded, np.array([True, True, False]))
    assert found.tokens.tolist() == [1, 2, 4, 5, 6, 7, 8, 9]
    assert found.starts.tolist() == [0, 2, 3, 8]


def test_the_tokenizer_knows_nothing_of_validation_text(tmp_path):
    store = Store.open(str(tmp_path))
    texts = ["the cook stirs the soup"] * 20 + ["xylophone zephyr"] * 20
    store.write_table("texts/part.parquet", pa.table({"doc_id": np.arange(40), "text": texts}))
    held = np.arange(20, 40)
    bpe = train_on_some(["texts/part.parquet"], store, 1.0, held, 0)
    assert "soup" in bpe
    assert "phone" not in bpe
    assert "phone" in train_on_some(["texts/part.parquet"], store, 1.0, held[:0], 0)
