"""Documents as token ids, one after the other in a single array."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curation.bpe import token_ids

#: The token that ends every document.
END = 0


@dataclass(frozen=True, eq=False)
class Encoded:
    """Token ids of documents.

    Attributes:
        tokens: uint16[t], all documents' ids, each document ended by `END`.
        starts: int64[n + 1]; document i is `tokens[starts[i]:starts[i + 1]]`.
    """

    tokens: NDArray[np.uint16]
    starts: NDArray[np.int64]

    @property
    def documents(self) -> int:
        """Number of documents."""
        return len(self.starts) - 1

    @property
    def lengths(self) -> NDArray[np.int64]:
        """int64[n]: tokens of each document, its end counted."""
        return np.diff(self.starts)

    def take(self, indices: NDArray[np.integer]) -> Encoded:
        """Some documents, in this order; one may come several times."""
        starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(self.lengths[indices])])
        return Encoded(self.tokens[places(self.starts, indices)], starts)


def encode(bpe: str, texts: list[str]) -> Encoded:
    """Texts as token ids, each ended by `END`.

    Args:
        bpe: what `train_bpe` made.
        texts: n texts.
    """
    found = token_ids(bpe, texts)
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


def together(parts: Sequence[Encoded]) -> Encoded:
    """The documents of several parts, one after the other."""
    ends = np.cumsum([0, *(len(part.tokens) for part in parts)])
    starts = [part.starts[:-1] + end for part, end in zip(parts, ends, strict=False)]
    tokens = np.concatenate([np.zeros(0, np.uint16), *(part.tokens for part in parts)])
    return Encoded(tokens, np.concatenate([np.zeros(0, np.int64), *starts, ends[-1:]]))


def text_numbers(encoded: Encoded) -> NDArray[np.int64]:
    """A number for each document, the same for those with the same tokens: int64[n]."""
    ends, tokens = pa.py_buffer(encoded.starts * encoded.tokens.itemsize), pa.py_buffer(encoded.tokens)
    texts = pa.Array.from_buffers(pa.large_binary(), encoded.documents, [None, ends, tokens])
    numbers: NDArray[np.int64] = texts.dictionary_encode().indices.to_numpy().astype(np.int64)
    return numbers


def places(starts: NDArray[np.int64], rows: NDArray[np.integer]) -> NDArray[np.int64]:
    """Indices of everything in some rows of a ragged array.

    Args:
        starts: int64[n + 1], where the rows begin.
        rows: which of them, in the order wanted.

    Returns:
        int64[m], m the length of these rows together.

    Example:
        >>> places(np.array([0, 2, 3, 6]), np.array([2, 0])).tolist()
        [3, 4, 5, 0, 1]
    """
    lengths = starts[rows + 1] - starts[rows]
    ends = np.cumsum(lengths)
    shift = starts[rows] - (ends - lengths)
    found: NDArray[np.int64] = np.arange(ends[-1] if len(ends) else 0) + np.repeat(shift, lengths)
    return found
