"""Documents as tokens: round trips, choices, ends."""

from __future__ import annotations

import numpy as np
import pytest

from curation.bpe import train_bpe
from curation.language_model.encoding import END, encode, text_numbers, together

TEXTS = ["a quick brown fox", "", "über den Fluß und in die Wälder 🦊", "a quick <|end|> brown", "\x00\n"]


def test_texts_come_back_and_end_once() -> None:
    from tokenizers import Tokenizer, decoders

    bpe = train_bpe(["a quick brown fox jumps over the lazy dog"] * 20, 300)
    encoded = encode(bpe, TEXTS)
    tokenizer = Tokenizer.from_str(bpe)
    tokenizer.decoder = decoders.ByteLevel()
    assert encoded.documents == len(TEXTS)
    assert (encoded.tokens[encoded.starts[1:] - 1] == END).all()
    assert np.count_nonzero(encoded.tokens == END) == len(TEXTS)
    for i, text in enumerate(TEXTS):
        ids = encoded.tokens[encoded.starts[i] : encoded.starts[i + 1] - 1].tolist()
        assert tokenizer.decode(ids, skip_special_tokens=False) == text
    assert encode(bpe, ["a quick"]).tokens.size < len("a quick")  # pairs were learnt


def test_documents_are_taken_and_put_together() -> None:
    bpe = train_bpe(TEXTS, 300)
    encoded = encode(bpe, TEXTS)
    again = together([encode(bpe, TEXTS[:2]), encode(bpe, []), encode(bpe, TEXTS[2:])])
    np.testing.assert_array_equal(again.tokens, encoded.tokens)
    np.testing.assert_array_equal(again.starts, encoded.starts)
    taken, wanted = encoded.take(np.array([3, 0, 3])), encode(bpe, [TEXTS[3], TEXTS[0], TEXTS[3]])
    np.testing.assert_array_equal(taken.tokens, wanted.tokens)
    np.testing.assert_array_equal(taken.starts, wanted.starts)


def test_a_vocabulary_that_16_bits_can_not_hold_is_refused() -> None:
    with pytest.raises(ValueError, match="65536"):
        train_bpe(["a"], 70_000)


def test_documents_of_the_same_tokens_have_the_same_number() -> None:
    bpe = train_bpe(TEXTS, 300)
    numbers = text_numbers(encode(bpe, [*TEXTS, TEXTS[2], "", TEXTS[0], TEXTS[0] + " "]))
    assert numbers[5:8].tolist() == numbers[[2, 1, 0]].tolist()
    assert len(set(numbers.tolist())) == len(TEXTS) + 1
    assert text_numbers(encode(bpe, [])).tolist() == []
