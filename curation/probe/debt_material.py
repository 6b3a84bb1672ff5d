"""From the pool of a probe to what a curation debt is measured on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from curation.errors import JobError
from curation.language_model.bpe import encode_each
from curation.language_model.encoding import Encoded
from curation.probe.debt_stream import pieces_of, question_of, said_after, with_token
from curation.probe.pool import Pool

if TYPE_CHECKING:
    from curation.probe.debt import Material

#: Validation documents whose loss is told.
VALIDATION = 100


def material_of(pool: Pool, pattern: str, old: str, new: str, context: int) -> tuple[Material, dict[str, int], int]:
    """What the models read, what the corpus says of the pattern itself, and the tokens that there are."""
    from curation.probe.debt import Material, natural_sample

    first = int(pool.text.tokens.max(initial=0))
    first = max(first, int(pool.validation.text.tokens.max(initial=0))) + 1
    question = question_of(pool.bpe, first, pattern, context)
    natural = natural_sample(pool.validation.text, pool.validation.weight, VALIDATION, 0)
    # The longer continuation first, which the other may be the beginning of.
    said = sorted(((old, question.old), (new, question.new)), key=lambda pair: -len(pair[0]))
    text = pool.text
    for words, token in said:
        own = encode_each(pool.bpe, [said_after(pattern, words)])[0]
        text, natural = with_token(text, own, token), with_token(natural, own, token)
    pieces = pieces_of(text, context)
    corpus = {"documents": text.documents}
    for name, token in (("from", question.old), ("to", question.new)):
        corpus[name] = documents_with(text, _inside(pool.bpe, pattern), token)
    return Material(pieces, natural, question), corpus, first + 2


def _inside(bpe: str, pattern: str) -> NDArray[np.uint16]:
    """The tokens of the pattern from its second word on, which don't depend on what stands before it."""
    _, *words = pattern.split()
    return encode_each(bpe, [f" {' '.join(words)}" if words else pattern])[0]


def documents_with(text: Encoded, words: NDArray[np.uint16], token: int) -> int:
    """How many documents have these tokens and then that one."""
    at = np.flatnonzero(text.tokens == token)
    at = at[at >= len(words)]
    for back in range(1, len(words) + 1):
        at = at[text.tokens[at - back] == words[-back]]
    return len(np.unique(np.searchsorted(text.starts, at, "right")))


def check_frequencies(one_in: Sequence[int], material: Material, bound: int) -> None:
    """Whether one document in so many comes at all within a bound of tokens. Raises JobError if not."""
    size = float(material.pieces.lengths.mean())
    for every in one_in:
        if every * size > bound:
            raise JobError(
                f"--one-in {every:,}: within {bound:,} tokens there is no such document, with some {size:.0f} tokens "
                "each: raise --tokens or leave it out"
            )
