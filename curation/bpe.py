"""A small byte-level BPE of the corpus's own, for what needs a text's tokens and no trainer's tokenizer.

Some thousand tokens are enough to tell kinds of text apart and to compare mixtures with small language models. Bytes
are the alphabet, so every text of every language has a code.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING

from curation.tokenizer import one_thread

if TYPE_CHECKING:
    from tokenizers import Tokenizer

VOCABULARY = 4096
#: The name of token 0, which ends a document.
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


def token_ids(bpe: str, texts: list[str]) -> list[list[int]]:
    """The tokens of each text, without its end. On one thread: tasks have one CPU, and there are as many as CPUs.

    Args:
        bpe: what `train_bpe` made.
        texts: n texts. One that contains the name of token 0 gets the bytes of that name, and not the token.
    """
    with one_thread():
        return [one.ids for one in _tokenizer(bpe).encode_batch_fast(texts, add_special_tokens=False)]


@lru_cache(maxsize=2)
def _tokenizer(bpe: str) -> Tokenizer:
    """The tokenizer; reading it takes as long as a thousand texts."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_str(bpe)
    tokenizer.encode_special_tokens = True
    return tokenizer
