"""Words of documents, hashed to a fixed number of features and counted, without a Python step per word.

What scikit-learn's HashingVectorizer computes, but on whole chunks of documents in NumPy: the characters of a chunk
are one array of code points, a table says which of them make words, and the hashes of all words come from one
running sum. That is several times faster than a regular expression and a hash call a word, and it reads every
script: marks (the vowel signs of Hindi or Thai) belong to their word, and text of scripts that put no spaces
between words is read as single characters and pairs of neighbours, since a whole Chinese sentence must not become
one word that never comes again.

A word c0 c1 ... is hashed as the polynomial sum of c_j P^j modulo 2^64 (Karp and Rabin 1987), then mixed. With P odd
the factor P^start of a word that starts anywhere can be divided out, so one cumulative sum serves all words. All of
it is integer arithmetic: the same bits on every machine.
"""

from __future__ import annotations

import functools
import itertools
import sys
import unicodedata
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from curation import counter_rng

FEATURE_BITS = 18
FEATURES = 1 << FEATURE_BITS

#: Characters hashed at once: enough to make NumPy's fixed costs small, few enough to stay in the cache.
_CHUNK = 1 << 18
_SHORTEST_WORD = 2

_WORD, _UNSPACED = 1, 2
#: First and last code points of scripts without spaces: Thai, Lao, Myanmar, Khmer, kana, bopomofo, Han.
_UNSPACED_RANGES = (
    (0x0E00, 0x0EFF),
    (0x1000, 0x109F),
    (0x1780, 0x17FF),
    (0x3040, 0x312F),
    (0x31A0, 0x31FF),
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0xFF66, 0xFF9F),
    (0x20000, 0x3FFFF),
)

_P = 0x9E3779B97F4A7C15  # any odd number with well mixed bits
_P_INVERSE = pow(_P, -1, 1 << 64)
_PAIR = np.uint64(0xD1342543DE82EF95)


@dataclass(frozen=True)
class WordCounts:
    """How often each feature stands in each document: the parts of a CSR matrix.

    Attributes:
        starts: int64[n + 1]; document i has the entries starts[i] to starts[i + 1].
        features: int32[entries], ascending within a document, below FEATURES.
        counts: int32[entries], at least 1.
    """

    starts: NDArray[np.int64]
    features: NDArray[np.int32]
    counts: NDArray[np.int32]


def count_words(texts: list[str], max_characters: int) -> WordCounts:
    """Counts the hashed words at the beginning of each text.

    Args:
        texts: n documents.
        max_characters: characters of a document that are read.

    Returns:
        The counts; a document without a word has no entries. A document's entries do not depend on the others.
    """
    if not texts:
        return WordCounts(np.zeros(1, np.int64), np.empty(0, np.int32), np.empty(0, np.int32))
    ends = np.cumsum([min(len(text), max_characters) for text in texts])
    cuts = [0, *(np.flatnonzero(np.diff(ends // _CHUNK)) + 1).tolist(), len(texts)]
    chunks = [_count_chunk(texts[start:stop], max_characters) for start, stop in itertools.pairwise(cuts)]
    entries = np.concatenate([np.diff(chunk.starts) for chunk in chunks])
    return WordCounts(
        np.concatenate([np.zeros(1, np.int64), np.cumsum(entries)]),
        np.concatenate([chunk.features for chunk in chunks]),
        np.concatenate([chunk.counts for chunk in chunks]),
    )


def _count_chunk(texts: list[str], max_characters: int) -> WordCounts:
    read = [text[:max_characters].lower() for text in texts]
    # The line feed after each document ends its last word.
    codes = np.frombuffer("\n".join([*read, ""]).encode("utf-32-le", "surrogatepass"), np.uint32)
    document_ends = np.cumsum([len(text) + 1 for text in read])
    places, hashes = _hashed_words(codes)
    documents = np.searchsorted(document_ends, places, side="right")
    mixed = counter_rng.keys(0, "embedding.words", hashes) >> np.uint64(64 - FEATURE_BITS)
    pairs = (documents << FEATURE_BITS) | mixed.astype(np.int64)
    pairs.sort()
    first = np.flatnonzero(np.concatenate([[True], pairs[1:] != pairs[:-1]])) if len(pairs) else np.empty(0, np.int64)
    counts = np.diff(np.append(first, len(pairs)))
    pairs = pairs[first]
    return WordCounts(
        np.searchsorted(pairs, np.arange(len(texts) + 1) << FEATURE_BITS),
        (pairs & (FEATURES - 1)).astype(np.int32),
        counts.astype(np.int32),
    )


def _hashed_words(codes: NDArray[np.uint32]) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
    """Where each word starts and its 64-bit hash, for code points that end in a character of no word."""
    kinds = _kinds()[codes]
    is_word = kinds == _WORD
    edges = np.flatnonzero(np.diff(is_word, prepend=False))
    starts, ends = edges[::2], edges[1::2]
    long_enough = ends - starts >= _SHORTEST_WORD
    starts, ends = starts[long_enough], ends[long_enough]
    powers, inverse_powers = _powers(1 << max(16, len(codes).bit_length()))
    sums = np.cumsum((codes + np.uint32(1)) * powers[: len(codes)], dtype=np.uint64)
    before = sums[starts - 1]
    before[starts == 0] = 0
    hashes = (sums[ends - 1] - before) * inverse_powers[starts]
    unspaced = np.flatnonzero(kinds == _UNSPACED)
    if not len(unspaced):
        return starts, hashes
    paired = unspaced[kinds[unspaced + 1] == _UNSPACED]
    characters = codes.astype(np.uint64)
    neighbours = characters[paired] * _PAIR + characters[paired + 1]
    return (
        np.concatenate([starts, unspaced, paired]),
        np.concatenate([hashes, characters[unspaced], neighbours]),
    )


@functools.cache
def _kinds() -> NDArray[np.uint8]:
    """What each code point is part of: 0 nothing, 1 a word, 2 text without spaces. uint8[0x110000]."""
    letters = [unicodedata.category(chr(code))[0] in "LMN" for code in range(sys.maxunicode + 1)]
    kinds = np.array(letters, np.uint8) * np.uint8(_WORD)
    kinds[ord("_")] = _WORD
    for first, last in _UNSPACED_RANGES:
        kinds[first : last + 1][kinds[first : last + 1] > 0] = _UNSPACED
    return kinds


@functools.lru_cache(maxsize=8)
def _powers(n: int) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """P^0 ... P^(n-1) and their inverses modulo 2^64."""
    result = []
    for base in (_P, _P_INVERSE):
        factors = np.full(n, base, np.uint64)
        factors[0] = 1
        result.append(np.cumprod(factors, dtype=np.uint64))
    return result[0], result[1]
