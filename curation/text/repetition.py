"""How much of a text it says more than once: the repetition measures of Gopher.

Rae et al. 2021, Scaling Language Models: Methods, Analysis & Insights from Training Gopher, arXiv 2112.11446,
appendix A.1.1. The paper leaves some details open; here

    duplicate            a line, paragraph or n-gram that has stood in the same text before; the first does not count
    characters           bytes of words, white space left out; of a line or n-gram as of the text
    top n-gram           of those that occur most often, and at least twice, the longest; it holds
                         min(1, occurrences * length / length of the text)
    duplicate n-grams    hold the words that they cover, each counted once

n-grams run over the words of a text, across its lines.

Things are compared by hash. A key packs the text (11 bits), 38 bits of the hash and the place in the text (15 bits)
into one uint64, so one sort puts equal things of a text side by side, in the order of the text, and texts never
meet: the result for a text can't depend on its neighbours. Two different things of a text of 300 words are taken for
equal with a chance of about 10^-7.

An n-gram can only repeat where the n-grams inside it do. So only pairs of words are sorted in full; in prose what is
left for the longer ones is little.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from curation.text.words import Block

#: n of the n-grams whose most frequent one is measured.
TOP = (2, 3, 4)
#: n of the n-grams whose duplicates are measured. Gopher takes 5 to 10; those between say little that these don't.
DUPLICATE = (5, 10)

_PLACE_BITS, _HASH_BITS = 15, 38
_PLACE = np.uint64((1 << _PLACE_BITS) - 1)
_TEXT_SHIFT = np.uint64(_PLACE_BITS + _HASH_BITS)
_BASE = 0xA0761D6478BD642F  # any odd number with well mixed bits


def _powers(base: int, count: int) -> NDArray[np.uint64]:
    factors = np.full(count, base, np.uint64)
    factors[0] = 1
    return np.cumprod(factors, dtype=np.uint64)


_POWERS = _powers(_BASE, 1 << _PLACE_BITS)
_INVERSE_POWERS = _powers(pow(_BASE, -1, 1 << 64), 1 << _PLACE_BITS)


@dataclass(frozen=True, eq=False)
class _Repeats:
    """Things that occur more than once in their text: r of them, and all their occurrences.

    Attributes:
        text: int64[r], ascending.
        place: int64[r], the first occurrence's place in the text.
        occurrences: int64[r], at least 2.
        members: (text, place) of every occurrence: int64 each.
        later: (text, place) of every occurrence but the first: int64 each.
    """

    text: NDArray[np.int64]
    place: NDArray[np.int64]
    occurrences: NDArray[np.int64]
    members: tuple[NDArray[np.int64], NDArray[np.int64]]
    later: tuple[NDArray[np.int64], NDArray[np.int64]]


def _repeats(hashes: NDArray[np.uint64], text: NDArray[np.int64], place: NDArray[np.int64]) -> _Repeats:
    keys = hashes * np.uint64(_BASE) >> np.uint64(64 - _HASH_BITS) << np.uint64(_PLACE_BITS)
    keys |= text.astype(np.uint64) << _TEXT_SHIFT
    keys |= place.astype(np.uint64)
    keys.sort()
    same = np.zeros(len(keys) + 1, np.bool_)  # as the one before it
    same[1:-1] = (keys[1:] ^ keys[:-1]) <= _PLACE
    edges = np.flatnonzero(same[1:] != same[:-1])  # runs of the same: first and last
    begin, end = edges[::2], edges[1::2]
    return _Repeats(
        *_unpacked(keys[begin]),
        end - begin + 1,
        _unpacked(keys[same[:-1] | same[1:]]),
        _unpacked(keys[same[:-1]]),
    )


def _unpacked(keys: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    return (keys >> _TEXT_SHIFT).astype(np.int64), (keys & _PLACE).astype(np.int64)


def duplicate_shares(block: Block) -> dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Shares of the lines and the paragraphs of each text that are duplicates, and of the characters in them.

    Args:
        block: n texts.

    Returns:
        For "line" and "paragraph" two float64[n] in [0, 1]; 0 for a text without words.
    """
    place = np.arange(len(block.text)) - block.first[block.text]
    weighted = block.hashes * _POWERS[place]
    result = {}
    for name, firsts in (("line", block.lines), ("paragraph", block.paragraphs)):
        begin = firsts[:-1]
        # The factor of the place where a line begins is divided out, so that equal lines are equal anywhere.
        sums = np.add.reduceat(weighted, begin) if len(begin) else np.zeros(0, np.uint64)
        result[name] = _duplicates(block, firsts, sums * _INVERSE_POWERS[place[begin]])
    return result


def _duplicates(
    block: Block, firsts: NDArray[np.int64], hashes: NDArray[np.uint64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Shares of the stretches of words between `firsts`, and of their characters, that have stood there before."""
    n = len(block.first) - 1
    first_of_text = np.searchsorted(firsts[:-1], block.first)
    text = block.text[firsts[:-1]]
    own, at = _repeats(hashes, text, np.arange(len(text)) - first_of_text[text]).later
    at = at + first_of_text[own]
    characters = block.before[firsts[at + 1]] - block.before[firsts[at]]
    return (
        share(np.bincount(own, minlength=n), np.diff(first_of_text)),
        share(np.bincount(own, characters, n), np.diff(block.before[block.first])),
    )


def ngram_shares(block: Block) -> dict[int, NDArray[np.float64]]:
    """For each n of TOP the characters in the top n-gram, for each of DUPLICATE those in duplicates, as shares.

    Args:
        block: m texts.

    Returns:
        {n: float64[m] in [0, 1]}; 0 for a text that repeats no n-gram.
    """
    total = np.diff(block.before[block.first])
    may_repeat = np.ones(len(block.text), np.bool_)  # whether the shorter n-gram at a word occurs again
    result, shorter = {}, 1
    for n in (*TOP, *DUPLICATE):
        count = max(0, len(block.text) - n + 1)
        step = n - shorter
        able = may_repeat[:count] & may_repeat[step : step + count]
        at = np.flatnonzero(able & (block.text[:count] == block.text[n - 1 :]))
        hashes = block.hashes[at]
        for ahead in range(1, n):
            hashes = hashes * np.uint64(_BASE) + block.hashes[at + ahead]
        text = block.text[at]
        repeats = _repeats(hashes, text, at - block.first[text])
        held = _top_characters(block, repeats, n) if n in TOP else _covered_characters(block, repeats, n)
        result[n] = np.minimum(1.0, share(held, total))
        may_repeat = np.zeros(len(block.text), np.bool_)
        may_repeat[block.first[repeats.members[0]] + repeats.members[1]] = True
        shorter = n
    return result


def _top_characters(block: Block, repeats: _Repeats, n: int) -> NDArray[np.int64]:
    """Occurrences times length of the n-gram that occurs most often, the longest of those. int64[texts]."""
    held = np.zeros(len(block.first) - 1, np.int64)
    if not len(repeats.text):
        return held
    word = block.first[repeats.text] + repeats.place
    rank = repeats.occurrences << 32 | (block.before[word + n] - block.before[word])
    begin = np.flatnonzero(np.diff(repeats.text, prepend=-1))
    top = np.maximum.reduceat(rank, begin)
    held[repeats.text[begin]] = (top >> 32) * (top & 0xFFFFFFFF)
    return held


def _covered_characters(block: Block, repeats: _Repeats, n: int) -> NDArray[np.float64]:
    """Characters of the words that the n-grams said again cover, each word once. float64[texts], whole numbers."""
    text, place = repeats.later
    word = np.sort(block.first[text] + place)
    covered_until = np.minimum(word + n, np.append(word[1:], len(block.text)))
    held: NDArray[np.int64] = block.before[covered_until] - block.before[word]
    return np.bincount(block.text[word], held, len(block.first) - 1).astype(np.float64)


def share(part: NDArray[np.int64] | NDArray[np.float64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    """Part by whole; 0 where the whole is 0. Any shape, the same for both."""
    return np.divide(part, whole, out=np.zeros(len(whole)), where=whole > 0)
