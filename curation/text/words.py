"""Cuts many texts into words, lines and paragraphs at once, in NumPy, without a Python step per word.

The texts of a block lie in one byte buffer, each with a line feed before and after it, so that nothing reaches from
one text into the next. Comparisons of the whole buffer give the edges of the words; everything else is told from the
words: a line is the words between two line feeds, a paragraph the lines between two blank ones.

What counts as what:

    white space  blank, tab, line feed, vertical tab, form feed, carriage return
    word         a run of bytes without white space. Kana, Han and full-width forms, which are written without spaces
                 (UTF-8 characters that begin with the bytes E3 to E9 or EF), begin a new word each. Other scripts
                 without spaces, such as Thai, are not cut: their words are phrases.
    letter       A-Z, a-z, and every byte of 0x80 or more: accents and foreign scripts, but dashes and emoji too
    line         what stands between line feeds and has a word
    paragraph    lines without a blank one between them

A word is hashed eight bytes at a time, and a line by the hashes of its words, so that white space does not matter. A
hash depends on the bytes of the word alone, never on where it stands.

Only the first 20,000 bytes of a text are read: what it is like shows by then, one huge file can't hold up a block,
and a text has fewer words than 2^15, which the keys of `repetition` rely on.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

#: Bytes of a text that are read, cut back to a whole UTF-8 character.
READ_BYTES = 20_000
#: Bytes of a block: enough to make NumPy's fixed costs small, few enough that the arrays stay in the cache.
BLOCK_BYTES = 1 << 19
#: Most texts of a block; their number has 11 bits in the keys of `repetition`.
MOST_TEXTS = 1 << 11

_LINE_FEED = 10
#: Bytes behind the last text, so that eight of them can be read from any place.
_PADDING = 16
_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_MIX = np.uint64(0xD1342543DE82EF95)
#: Keeps the first 0 to 8 bytes of a little-endian number.
FIRST_BYTES = np.array([(1 << 8 * n) - 1 for n in range(9)], np.uint64)


@dataclass(frozen=True, eq=False)
class Block:
    """Some texts, cut. n texts, w words; a place is an index into `data`.

    Attributes:
        data: uint8[bytes], the texts with a line feed before and after each.
        eights: uint64[bytes - 7], the eight bytes from each place on, little-endian, a view of `data`.
        bounds: int64[n + 1], the place where each text starts; the last one is the end of the data.
        starts: int64[w], the place of the first byte of each word.
        ends: int64[w], the place behind its last byte.
        text: int64[w], which text the word is in, ascending.
        first: int64[n + 1], the first word of each text; the last one is w.
        before: int64[w + 1], bytes of words before each word, and of all of them.
        hashes: uint64[w], of the bytes of the word.
        lines: int64[lines + 1], the first word of each line; the last one is w.
        paragraphs: int64[paragraphs + 1], the first word of each paragraph; the last one is w.
    """

    data: NDArray[np.uint8]
    eights: NDArray[np.uint64]
    bounds: NDArray[np.int64]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    text: NDArray[np.int64]
    first: NDArray[np.int64]
    before: NDArray[np.int64]
    hashes: NDArray[np.uint64]
    lines: NDArray[np.int64]
    paragraphs: NDArray[np.int64]

    def count(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """How many of some ascending places are in each text. int64[n]."""
        return np.diff(np.searchsorted(places, self.bounds))


def blocks(texts: pa.Array | pa.ChunkedArray, block_bytes: int = BLOCK_BYTES) -> Iterator[Block]:
    """The texts, block by block, in order.

    Args:
        texts: string or large_string; null is read as an empty text.
        block_bytes: about how many bytes a block has; it has at least one text and at most MOST_TEXTS.
    """
    chunks = texts.chunks if isinstance(texts, pa.ChunkedArray) else [texts]
    for chunk in chunks:
        if not len(chunk):
            continue
        array = chunk.cast(pa.large_binary())
        view = memoryview(array.buffers()[2] or b"")
        offsets = np.frombuffer(array.buffers()[1], np.int64)[array.offset : array.offset + len(array) + 1]
        starts, ends = offsets[:-1], _read_ends(view, offsets)
        if array.null_count:
            ends = np.where(array.is_valid().to_numpy(zero_copy_only=False), ends, starts)
        for low, high in itertools.pairwise(_block_edges(ends - starts, block_bytes)):
            bounds = np.concatenate([[1], 1 + np.cumsum(ends[low:high] - starts[low:high] + 1)])
            slices = zip(starts[low:high].tolist(), ends[low:high].tolist(), strict=True)
            yield _cut(b"\n".join([b"", *(view[start:end] for start, end in slices), b"\n" * _PADDING]), bounds)


def _read_ends(view: memoryview, offsets: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where reading each text stops: at its end, or before the character that holds byte READ_BYTES."""
    ends = np.minimum(offsets[1:], offsets[:-1] + READ_BYTES)
    for i in np.flatnonzero(ends < offsets[1:]).tolist():
        end, start = int(ends[i]), int(offsets[i])
        while end > start and view[end] & 0xC0 == 0x80:
            end -= 1
        ends[i] = end
    return ends


def _block_edges(sizes: NDArray[np.int64], block_bytes: int) -> list[int]:
    """The first text of each block, and the number of texts."""
    number = (np.cumsum(sizes) - 1) // block_bytes
    changes = (np.flatnonzero(np.diff(number)) + 1).tolist()
    edges = [0]
    for change in [*changes, len(sizes)]:
        edges += [*range(edges[-1] + MOST_TEXTS, change, MOST_TEXTS), change]
    return edges


def _cut(buffer: bytes, bounds: NDArray[np.int64]) -> Block:
    """Finds the words, lines and paragraphs of texts that start at `bounds` in a buffer with padding."""
    data = np.frombuffer(buffer, np.uint8)
    eights: NDArray[np.uint64] = np.ndarray((len(data) - 7,), np.dtype("<u8"), buffer, 0, (1,))
    is_space = (data == ord(" ")) | (data - np.uint8(9) < 5)
    # The first byte of the buffer and the last one are line feeds, so every word starts and ends inside.
    begins_word = (data[1:] - np.uint8(0xE3) < 7) | (data[1:] == 0xEF)
    starts = np.flatnonzero(~is_space[1:] & (is_space[:-1] | begins_word)) + 1
    ends = np.flatnonzero(~is_space[:-1] & (is_space[1:] | begins_word)) + 1
    first = np.searchsorted(starts, bounds)
    feeds = np.searchsorted(starts, np.flatnonzero(data == _LINE_FEED))
    feeds_before = np.bincount(feeds, minlength=len(starts) + 1)[: len(starts)]
    starts_paragraph = feeds_before > 1
    starts_paragraph[first[first < len(starts)]] = True  # one line feed parts it from the text before
    return Block(
        data=data,
        eights=eights,
        bounds=bounds,
        starts=starts,
        ends=ends,
        text=np.repeat(np.arange(len(first) - 1), np.diff(first)),
        first=first,
        before=np.concatenate([[0], np.cumsum(ends - starts)]),
        hashes=_hashes(eights, starts, ends - starts),
        lines=np.append(np.flatnonzero(feeds_before), len(starts)),
        paragraphs=np.append(np.flatnonzero(starts_paragraph), len(starts)),
    )


def _hashes(eights: NDArray[np.uint64], starts: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.uint64]:
    """A 64-bit hash of each word and its length: a polynomial of its eights, mixed after each step."""
    hashes = _mixed((eights[starts] & FIRST_BYTES[np.minimum(lengths, 8)]) + lengths.astype(np.uint64) * _FACTOR)
    longer = np.flatnonzero(lengths > 8)
    done = 8
    while len(longer):
        part = eights[starts[longer] + done] & FIRST_BYTES[np.minimum(lengths[longer] - done, 8)]
        hashes[longer] = _mixed(hashes[longer] * _FACTOR + part)
        done += 8
        longer = longer[lengths[longer] > done]
    return hashes


def _mixed(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Spreads the bits: one round of multiply and shift, in place."""
    numbers ^= numbers >> np.uint64(32)
    numbers *= _MIX
    numbers ^= numbers >> np.uint64(29)
    return numbers
