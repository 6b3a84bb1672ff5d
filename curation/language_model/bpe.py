"""A small byte-level BPE of the corpus's own, so that small language models need no tokenizer from elsewhere.

Some thousand tokens are enough to compare mixtures, keep n-grams short keys and let a small model's output layer be
small. Bytes are the alphabet, so every text has a code.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from curation.language_model.encoding import END, Encoded

VOCABULARY = 4096
#: The name of `END` in the vocabulary.
END_NAME = "<|end|>"
#: Ids are kept in 16 bits.
MOST_TOKENS = 1 << 16


def train_bpe(texts: Iterable[str], vocabulary: int = VOCABULARY) -> str:
    """Trains a byte-level BPE (Sennrich et al. 2016, arXiv 1508.07909).

    Args:
        texts: the texts to learn from; some ten million characters are enough.
        vocabulary: tokens wanted, the 256 bytes and the end of a document included; fewer where the texts have
            no more pairs. At most 65,536.

    Returns:
        The tokenizer as JSON.
    """
    from tokenizers import Tokenizer
    from tokenizers.models import BPE
    from tokenizers.pre_tokenizers import ByteLevel
    from tokenizers.trainers import BpeTrainer

    if not 257 <= vocabulary <= MOST_TOKENS:
        raise ValueError(f"a vocabulary has 257 to {MOST_TOKENS} tokens, and not {vocabulary}")
    tokenizer = Tokenizer(BPE())
    tokenizer.pre_tokenizer = ByteLevel(add_prefix_space=False)
    trainer = BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[END_NAME],
        initial_alphabet=sorted(ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    made: str = tokenizer.to_str()
    return made


def encode(bpe: str, texts: list[str]) -> Encoded:
    """Texts as token ids, each ended by `END`.

    Args:
        bpe: what `train_bpe` made.
        texts: n texts. One that contains the name of `END` gets the bytes of that name, and not the token.
    """
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_str(bpe)
    tokenizer.encode_special_tokens = True
    found = [one.ids for one in tokenizer.encode_batch_fast(texts, add_special_tokens=False)]
    lengths = np.fromiter((len(ids) + 1 for ids in found), np.int64, len(found))
    starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
    tokens = np.full(starts[-1], END, np.uint16)
    for start, ids in zip(starts.tolist(), found, strict=False):
        tokens[start : start + len(ids)] = ids
    return Encoded(tokens, starts)


def encode_each(bpe: str, texts: list[str]) -> list[NDArray[np.uint16]]:
    """The token ids of each text alone, without an end: for what stands inside a document."""
    encoded = encode(bpe, texts)
    return [encoded.tokens[start : stop - 1] for start, stop in zip(encoded.starts, encoded.starts[1:], strict=False)]
