"""What a mixture of documents is worth to an n-gram model, in a tenth of a second.

The model is interpolated absolute discounting (Ney, Essen, Kneser 1994; Chen and Goodman 1999, section 2.7). With c the
counts in the text that it is trained on, and h' the context h without its first token,

    p(w | h) = max(c(hw) - D, 0) / c(h) + D * N(h) / c(h) * p(w | h'),    N(h): different tokens seen after h,

where h was seen, else p(w | h'); below the unigrams all tokens are alike. A document starts in the context of ends of
documents, so the order of documents does not matter, and a model is decided by how often each document is drawn.

To compare hundreds of mixtures of the same documents, what does not depend on the mixture is done once: `questions`
lists the contexts and n-grams of the validation text, `ngram_pool` the documents' n-grams that matter to them, and
`losses` counts and scores.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from curation.language_model.encoding import END, Encoded

#: n-grams of up to four tokens of 16 bits are whole numbers of 64 bits.
MOST_ORDER = 4
#: D, of all orders.
DISCOUNT = 0.75
BITS = np.uint64(16)


@dataclass(frozen=True, eq=False)
class Questions:
    """What validation text asks of a model. Lists are by order, from bigrams on.

    Attributes:
        vocabulary: number of tokens that there are.
        tokens: uint16[t], the validation text.
        document: int32[t], the document of each token.
        documents: their number.
        contexts: uint64[c] each, the different contexts, ascending.
        context: int32[t] each, the context of each token.
        grams: uint64[g] each, the different n-grams, ascending.
        gram: int32[t] each, the n-gram that each token ends.
    """

    vocabulary: int
    tokens: NDArray[np.uint16]
    document: NDArray[np.int32]
    documents: int
    contexts: list[NDArray[np.uint64]]
    context: list[NDArray[np.int32]]
    grams: list[NDArray[np.uint64]]
    gram: list[NDArray[np.int32]]


def questions(validation: Encoded, order: int = MOST_ORDER, vocabulary: int = 4096) -> Questions:
    """What validation text asks of a model.

    Args:
        validation: its documents.
        order: tokens of the longest n-grams, 2 to 4.
        vocabulary: number of tokens that there are.
    """
    if not 2 <= order <= MOST_ORDER:
        raise ValueError(f"the order is 2 to {MOST_ORDER}, and not {order}")
    keys = [ngrams(validation, length) for length in range(2, order + 1)]
    contexts, context = _numbered([key >> BITS for key in keys])
    grams, gram = _numbered(keys)
    document = np.repeat(np.arange(validation.documents, dtype=np.int32), validation.lengths)
    return Questions(vocabulary, validation.tokens, document, validation.documents, contexts, context, grams, gram)


def ngrams(encoded: Encoded, length: int) -> NDArray[np.uint64]:
    """uint64[t]: the n-gram that each token ends, its last token in the lowest 16 bits."""
    keys = encoded.tokens.astype(np.uint64)
    for distance in range(1, length):
        before = np.full(len(keys), END, np.uint64)
        before[distance:] = encoded.tokens[:-distance]
        for start in range(distance):  # a document has nothing before its beginning
            at = encoded.starts[:-1] + start
            before[at[at < encoded.starts[1:]]] = END
        keys |= before << (BITS * np.uint64(distance))
    return keys


@dataclass(frozen=True, eq=False)
class Counts:
    """What a model counted in its training text, as far as the questions ask. Lists are by order, from unigrams on.

    Attributes:
        gram: float64[t] each, c(hw) of each token of the validation text.
        context: float64[t] each, c(h).
        followers: float64[t] each, N(h).
    """

    gram: list[NDArray[np.float64]]
    context: list[NDArray[np.float64]]
    followers: list[NDArray[np.float64]]


def document_losses(asked: Questions, counts: Counts) -> NDArray[np.float64]:
    """float64[documents]: mean negative log likelihood of each validation document, in nats a token."""
    likelihood = np.full(len(asked.tokens), 1.0 / asked.vocabulary)
    for gram, context, followers in zip(counts.gram, counts.context, counts.followers, strict=True):
        seen = np.maximum(context, 1.0)
        mixed = (np.maximum(gram - DISCOUNT, 0.0) + DISCOUNT * followers * likelihood) / seen
        likelihood = np.where(context > 0, mixed, likelihood)
    tokens = np.bincount(asked.document, minlength=asked.documents)
    return np.bincount(asked.document, -np.log(likelihood), asked.documents) / np.maximum(tokens, 1)


def _numbered(keys: list[NDArray[np.uint64]]) -> tuple[list[NDArray[np.uint64]], list[NDArray[np.int32]]]:
    """The different keys of each list, ascending, and each key's place among them."""
    found = [np.unique(one, return_inverse=True) for one in keys]
    return [different for different, _ in found], [place.astype(np.int32) for _, place in found]
