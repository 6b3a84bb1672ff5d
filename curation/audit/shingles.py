"""Shingles: every run of five words of a text, as numbers; many texts at once, without a Python step per word.

The texts of a block lie end to end in one buffer of bytes. Comparisons of the whole buffer say where words begin and
end, each is hashed eight bytes at a time, and five neighbouring hashes make a shingle.

What counts as what:

    word      a run of digits, ASCII letters and bytes of 0x80 or more, in lower case. General punctuation and the
              signs of Latin-1 (dashes, curly quotes, no-break spaces, ...) part words as ASCII signs do. Kana, Han and
              full-width forms, which are written without spaces (characters that begin with the bytes E3 to E9 or EF),
              begin a new word each
    shingle   SIZE words that follow each other in one text. A text of fewer words has none

So case, punctuation and white space don't matter. Of a text the first LONGEST bytes are read, so that one huge file
can't fill the memory.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from curation.counter_rng import keys

#: Words of a shingle, as in datatrove and the work it follows.
SIZE = 5
#: Bytes of a block: enough to make NumPy's fixed costs small, few enough for the arrays to stay in the cache.
BLOCK_BYTES = 1 << 17
#: Bytes of a text that are read.
LONGEST = 1 << 22

_FACTOR = np.uint64(0x9E3779B97F4A7C15)
#: Keeps the first 0 to 8 bytes of a little-endian number.
_FIRST_BYTES = np.array([(1 << 8 * n) - 1 for n in range(9)], np.uint64)
_WORD_WEIGHTS = keys(0, "audit.shingles.words", np.arange(SIZE)) | np.uint64(1)
_MIX = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))

_IN_WORD = np.zeros(256, np.bool_)
_IN_WORD[[*range(ord("0"), ord("9") + 1), *range(ord("a"), ord("z") + 1), *range(ord("A"), ord("Z") + 1)]] = True
_IN_WORD[0x80:] = True
_IS_OWN_WORD = np.zeros(256, np.bool_)
_IS_OWN_WORD[[*range(0xE3, 0xEA), 0xEF]] = True


def shingle_blocks(texts: pa.Array | pa.ChunkedArray) -> Iterator[tuple[NDArray[np.uint32], NDArray[np.int64]]]:
    """The shingles of texts, block by block, in order.

    Args:
        texts: strings without nulls.

    Yields:
        uint32[s], the shingles of the block's texts, and int64[n + 1], where those of each of its n texts begin; the
        last one is s.
    """
    for chunk in texts.chunks if isinstance(texts, pa.ChunkedArray) else [texts]:
        lower = pc.utf8_lower(chunk.cast(pa.large_string()))
        data = np.frombuffer(lower.buffers()[2] or b"", np.uint8)
        offsets = np.frombuffer(lower.buffers()[1], np.int64)[lower.offset : lower.offset + len(lower) + 1]
        for low, high in _blocks(np.diff(offsets)):
            yield _shingles(*_buffer(data, offsets[low : high + 1]))


def _blocks(sizes: NDArray[np.int64]) -> list[tuple[int, int]]:
    """The first text of each block, and the one behind its last."""
    number = (np.cumsum(np.minimum(sizes, LONGEST)) - 1) // BLOCK_BYTES
    edges = [0, *(np.flatnonzero(np.diff(number)) + 1).tolist(), len(sizes)]
    return [pair for pair in itertools.pairwise(edges) if pair[0] < pair[1]]


def _buffer(data: NDArray[np.uint8], offsets: NDArray[np.int64]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The bytes of some texts end to end, as far as they are read, and int64[n + 1], where each begins."""
    sizes = np.diff(offsets)
    if (sizes <= LONGEST).all():
        return data[offsets[0] : offsets[-1]], offsets - offsets[0]
    read = np.minimum(sizes, LONGEST)
    pieces = [data[start : start + size] for start, size in zip(offsets[:-1].tolist(), read.tolist(), strict=True)]
    return np.concatenate(pieces), np.concatenate([[0], np.cumsum(read)])


def _shingles(data: NDArray[np.uint8], bounds: NDArray[np.int64]) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    """The shingles of the texts that begin at `bounds`, and where each text's begin among them."""
    words, first = _words(data, bounds)
    count = max(0, len(words) - SIZE + 1)
    sums = np.zeros(count, np.uint64)
    whole = np.ones(count, np.bool_)
    for place in range(SIZE):
        sums += words[place : place + count] * _WORD_WEIGHTS[place]
    for back in range(1, SIZE):  # a shingle that begins here would reach into the next text
        ends = first[1:] - back
        whole[ends[(ends >= 0) & (ends < count)]] = False
    lengths = np.maximum(0, np.diff(first) - SIZE + 1)
    return (_mixed(sums[whole]) >> np.uint64(32)).astype(np.uint32), np.concatenate([[0], np.cumsum(lengths)])


def _words(data: NDArray[np.uint8], bounds: NDArray[np.int64]) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """A hash of each word, and int64[n + 1], the first word of each text; the last one is their number."""
    inside = _inside_words(data)
    begins = inside & _IS_OWN_WORD[data]
    begins[1:] |= inside[1:] & ~inside[:-1]
    texts = bounds[:-1][bounds[:-1] < len(data)]
    begins[texts] = inside[texts]
    ends = inside.copy()
    ends[:-1] &= ~inside[1:] | begins[1:]
    starts = np.flatnonzero(begins)
    return _hashes(data, starts, np.flatnonzero(ends) + 1 - starts), np.searchsorted(starts, bounds)


def _hashes(data: NDArray[np.uint8], starts: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.uint64]:
    """A hash of each word and its length, eight bytes at a time."""
    buffer = np.concatenate([data, np.zeros(8, np.uint8)])
    eights: NDArray[np.uint64] = np.ndarray((len(data) + 1,), np.dtype("<u8"), buffer.data, 0, (1,))
    hashes = _mixed((eights[starts] & _FIRST_BYTES[np.minimum(lengths, 8)]) + lengths.astype(np.uint64) * _FACTOR)
    longer, done = np.flatnonzero(lengths > 8), 8
    while len(longer):
        part = eights[starts[longer] + done] & _FIRST_BYTES[np.minimum(lengths[longer] - done, 8)]
        hashes[longer] = _mixed(hashes[longer] * _FACTOR + part)
        done += 8
        longer = longer[lengths[longer] > done]
    return hashes


def _inside_words(data: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Which bytes belong to words."""
    inside = _IN_WORD[data]
    if data.size and data.max() >= 0x80:
        dashes = np.flatnonzero(data[:-2] == 0xE2)  # E2 80 and E2 81: U+2000 to U+207F
        dashes = dashes[(data[dashes + 1] == 0x80) | (data[dashes + 1] == 0x81)]
        signs = np.flatnonzero(data[:-1] == 0xC2)  # U+0080 to U+00BF
        for place in (dashes, dashes + 1, dashes + 2, signs, signs + 1):
            inside[place] = False
    return inside


def _mixed(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Spreads the bits, in place: the finaliser of SplitMix64, less its first shift."""
    numbers *= _MIX[0]
    numbers ^= numbers >> np.uint64(27)
    numbers *= _MIX[1]
    numbers ^= numbers >> np.uint64(31)
    return numbers
