"""Tokenizers that are made for a test: trained on a few texts, saved as the trainer would have them."""

from __future__ import annotations

from functools import cache

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

END = "<|endoftext|>"
TEXTS = [
    "the cat sat on the mat, and the dog sat on the log. " * 3,
    "It's 12.5 km to Zürich; das ist weit. ",
    "東京都 🐍 ",
]


@cache
def byte_level() -> bytes:
    """A BPE over bytes, as GPT-2's: the bytes of its tokenizer.json."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=400, special_tokens=[END], initial_alphabet=alphabet, show_progress=False)
    made.train_from_iterator(TEXTS, trainer)
    return made.to_str().encode()


@cache
def metaspace() -> bytes:
    """A BPE over words that begin with a mark for the space, as Llama's."""
    made = Tokenizer(models.BPE(unk_token="<unk>", dropout=0.5))
    made.normalizer = normalizers.NFC()
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.BpeTrainer(vocab_size=200, special_tokens=["<unk>", END], show_progress=False)
    made.train_from_iterator(TEXTS, trainer)
    made.enable_truncation(5)
    made.enable_padding(length=50)
    return made.to_str().encode()


def words(count: int) -> bytes:
    """A vocabulary of so many numbers as words, split at white space."""
    made = Tokenizer(models.WordLevel({str(number): number for number in range(count)}, unk_token="0"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return made.to_str().encode()
