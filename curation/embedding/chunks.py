"""Cuts texts into chunks of tokens, and makes one vector of those of a document.

A text that fits is one chunk. Of a longer one the first `max_chunks` chunks of `max_tokens` tokens are taken, each
with the special tokens of a text of its own; `truncate` is the case of one chunk.

A document's vector is the mean of the unit vectors of its chunks, weighted by their tokens. Unit vectors, because
cosine is all that is asked of a vector, and a model says nothing by its length: unnormalised, the chunk with the
longest vector would speak for the document. By tokens, so that a last chunk of three words counts as three words.

How much of a text was read is its share of tokens as far as it was tokenised, times that part's share of the
characters: no text is tokenised to its end just to count (offsets would be exact, and cost a quarter of the time).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Chunks tokenised at once, about: bounds the memory of the tokenizer's results (100 bytes a token and more).
_CHUNKS_AT_ONCE = 1024
#: Characters a token that are shown to the tokenizer at first; the whole text if they were too few.
_CHARACTERS_PER_TOKEN = 16


@dataclass(frozen=True)
class Chunks:
    """The chunks of n texts, one text's after the other's.

    Attributes:
        ids: int32[length] token ids, a chunk each.
        counts: int64[n], chunks of each text, at least 1.
        cut: bool[n], whether there was more.
        read_share: float32[n], the share of each text that was read; 1 where it was not cut.
        weights: int64[chunks], tokens of each, special ones left out.
    """

    ids: list[NDArray[np.int32]]
    counts: NDArray[np.int64]
    cut: NDArray[np.bool_]
    read_share: NDArray[np.float32]
    weights: NDArray[np.int64]

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens of each chunk."""
        return np.array([len(chunk) for chunk in self.ids], np.int64)


class Chunker:
    """Turns texts into chunks of tokens.

    Args:
        tokenizer: a `tokenizers.Tokenizer`; its truncation is set here.
        max_tokens: tokens of a chunk, special ones included.
        max_chunks: chunks of a text.
        special: whether a chunk gets the model's special tokens.
        from_end: chunks are counted from the end of a text, for models that keep the end of long ones.
    """

    def __init__(self, tokenizer: Any, max_tokens: int, max_chunks: int, special: bool, from_end: bool) -> None:
        self._tokenizer, self._special, self._from_end = tokenizer, special, from_end
        self._max_tokens, self._max_chunks = max_tokens, max_chunks
        self._added = tokenizer.num_special_tokens_to_add(False) if special else 0
        tokenizer.no_padding()
        tokenizer.enable_truncation(max_tokens, direction="left" if from_end else "right")

    def __call__(self, texts: list[str]) -> Chunks:
        """The chunks of texts."""
        ids: list[NDArray[np.int32]] = []
        counts, cut, shares = [], [], []
        at_once = max(1, _CHUNKS_AT_ONCE // self._max_chunks)
        for at in range(0, len(texts), at_once):
            several = texts[at : at + at_once]
            beginnings = [self._beginning(text) for text in several]
            for text, beginning, chunks in zip(several, beginnings, self._encoded(beginnings), strict=True):
                if len(beginning) < len(text) and not self._is_cut(chunks):
                    beginning, [chunks] = text, self._encoded([text])
                cut.append(self._is_cut(chunks))
                kept = chunks[: self._max_chunks]
                tokens, read = (sum(len(chunk) - self._added for chunk in some) for some in (chunks, kept))
                shares.append(read / tokens * len(beginning) / len(text) if cut[-1] else 1.0)
                counts.append(len(kept))
                ids += [np.array(chunk.ids, np.int32) for chunk in kept]
        weights = np.array([max(1, len(chunk) - self._added) for chunk in ids], np.int64)
        return Chunks(ids, np.array(counts, np.int64), np.array(cut, bool), np.array(shares, np.float32), weights)

    def _encoded(self, texts: list[str]) -> list[list[Any]]:
        """The encodings of all chunks of each text; there may be more than are wanted."""
        encode = getattr(self._tokenizer, "encode_batch_fast", self._tokenizer.encode_batch)
        return [[first, *first.overflowing] for first in encode(texts, add_special_tokens=self._special)]

    def _beginning(self, text: str) -> str:
        """As much of a text as surely fills the limit in most languages, up to a white space.

        Tokenizers read a text to its end before they cut it; of a long one that is nearly all of the time.
        """
        most = self._max_tokens * self._max_chunks * _CHARACTERS_PER_TOKEN
        return text if len(text) <= most or self._from_end else (text[:most].rsplit(None, 1) or [""])[0]

    def _is_cut(self, chunks: list[Any]) -> bool:
        return len(chunks) > self._max_chunks and len(chunks[0]) >= self._max_tokens


def mean_of_chunks(
    vectors: NDArray[np.float32], counts: NDArray[np.int64], weights: NDArray[np.int64]
) -> NDArray[np.float32]:
    """One vector a document.

    Args:
        vectors: float32[chunks, d], of any length.
        counts: int64[n], chunks of each document, at least 1.
        weights: int64[chunks], above 0.

    Returns:
        float32[n, d], not normalised: the vector of a document of one chunk as it is, else the weighted mean of the
        unit vectors, with NaN if a chunk's vector is zero or not finite.
    """
    if len(counts) == len(vectors):
        return vectors
    starts = np.cumsum(counts) - counts
    means: NDArray[np.float32] = vectors[starts]
    for row in np.flatnonzero(counts > 1):  # by document: all chunks in float64 would be three copies of them
        own = slice(starts[row], starts[row] + counts[row])
        chunks = vectors[own].astype(np.float64)
        lengths = np.sqrt(np.square(chunks).sum(axis=1, keepdims=True))
        with np.errstate(invalid="ignore"):
            means[row] = np.average(chunks / lengths, axis=0, weights=weights[own])
    return means
