"""Passages that two texts share, by hashes of runs of words.

*Grams* are runs of GRAM words. Winnowing (Schleimer, Wilkerson and Aiken 2003, Winnowing: Local Algorithms for
Document Fingerprinting) keeps, of any WINDOW grams that follow one another in a text, at least the one with the
smallest hash: some 2 in WINDOW + 1. Two texts that share GUARANTEED words in a row share WINDOW grams in a row, of
which both keep the same one, so no such passage is missed. A query looks up all of its grams, not only those that it
would keep, so most shorter passages, down to GRAM words, are found as well.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from curation.trace.words import mixed, power_tables

#: Words of a gram; grams of which at least one is kept; and the words in a row that are always found.
GRAM, WINDOW = 5, 5
GUARANTEED = GRAM + WINDOW - 1

_BASE = np.uint64(0xA0761D6478BD642F)  # any odd number with well mixed bits
#: Stands for a gram that reaches from one text into the next.
_NONE = np.uint64((1 << 64) - 1)


def gram_hashes(hashes: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The hash of each run of GRAM words: uint64[max(0, w - GRAM + 1)] of uint64[w]."""
    count = max(0, len(hashes) - GRAM + 1)
    total = hashes[:count]
    for ahead in range(1, GRAM):
        total = total * _BASE + hashes[ahead : ahead + count]
    return mixed(total)


def kept_grams(hashes: NDArray[np.uint64], text: NDArray[np.int64]) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """The grams that winnowing keeps of each text, and the text of each.

    Beyond the rule of the paper the first and the last gram of a text are kept: windows reach over its edges, where
    GRAM - 1 >= WINDOW - 1 places without a gram keep them from reaching into the next text.

    Args:
        hashes: uint64[w], of the words of some texts.
        text: int64[w], the number of the text of each word, ascending.

    Returns:
        uint64[g] and int64[g], in order.
    """
    grams = gram_hashes(hashes)
    grams[text[: len(grams)] != text[GRAM - 1 :][: len(grams)]] = _NONE
    edge = np.full(WINDOW - 1, _NONE, np.uint64)
    around = np.concatenate([edge, grams, edge])
    lowest = around[: len(grams) + WINDOW - 1]  # of each window, by its first gram
    for ahead in range(1, WINDOW):
        lowest = np.minimum(lowest, around[ahead : ahead + len(lowest)])
    highest = lowest[: len(grams)]  # of the windows that a gram is in: its own hash where one of them keeps it
    for ahead in range(1, WINDOW):
        highest = np.maximum(highest, lowest[ahead : ahead + len(grams)])
    kept = np.flatnonzero((grams == highest) & (grams != _NONE))
    return grams[kept], text[kept]


def longest_bounds(row: NDArray[np.int64], place: NDArray[np.int64], words: int) -> tuple[NDArray[np.int64], ...]:
    """How long the longest passage that each text shares with a query can be at most.

    In a shared run, the grams that the text keeps follow one another at WINDOW places or less, and at most WINDOW - 1
    grams come before the first and after the last. So the longest chain of found places says it.

    Args:
        row: int64[h], the text of each gram found.
        place: int64[h], the place of the gram in the query, in words. A pair may be there several times.
        words: of the query.

    Returns:
        The texts, int64[n], ascending; the bound of each in words, int64[n]; and how many places of the query are
        found in it, int64[n].
    """
    key = distinct(row * words + place)
    row, place = key // words, key % words
    begins = np.ones(len(key), np.bool_)  # of a chain
    begins[1:] = (row[1:] != row[:-1]) | (place[1:] - place[:-1] > WINDOW)
    first = np.flatnonzero(begins)
    last = np.append(first, len(key))[1:] - 1
    start = np.maximum(place[first] - (WINDOW - 1), 0)
    stop = np.minimum(place[last] + GRAM + WINDOW - 1, words)
    begin = np.flatnonzero(np.diff(row, prepend=-1))
    texts, found = row[begin], np.diff(np.append(begin, len(row)))
    chains = np.searchsorted(first, begin)
    bounds = np.maximum.reduceat(stop - start, chains) if len(texts) else np.zeros(0, np.int64)
    return texts, bounds, found


def distinct(numbers: NDArray[Any]) -> NDArray[Any]:
    """The different ones of some whole numbers, ascending: a sort, several times faster here than NumPy's `unique`."""
    ordered = np.sort(numbers)
    first = np.ones(len(ordered), np.bool_)
    first[1:] = ordered[1:] != ordered[:-1]
    return ordered[first]


def longest_run(query: NDArray[np.uint64], text: NDArray[np.uint64]) -> tuple[int, int, int]:
    """The longest run of words that a query and a text share: its words, and where it starts in each (the first).

    A run of n words holds one of n - 1, so the length is found by halving, each length with one pass of rolling
    hashes: O((q + m) log q) and no table of q times m.

    Args:
        query: uint64[q], hashes of its words.
        text: uint64[m].
    """
    sums_query, sums_text = _prefix_sums(query), _prefix_sums(text)
    best, least, most = (0, 0, 0), 1, min(len(query), len(text))
    while least <= most:
        length = (least + most) // 2
        runs, others = _runs(sums_query, length), _runs(sums_text, length)
        shared = np.flatnonzero(np.isin(runs, others))
        if len(shared):
            start = int(shared[0])
            best, least = (length, start, int(np.argmax(others == runs[start]))), length + 1
        else:
            most = length - 1
    return best


def _prefix_sums(hashes: NDArray[np.uint64]) -> NDArray[np.uint64]:
    powers, _ = power_tables(1 << max(16, len(hashes).bit_length()))
    return np.concatenate([np.zeros(1, np.uint64), np.cumsum(hashes * powers[: len(hashes)], dtype=np.uint64)])


def _runs(sums: NDArray[np.uint64], length: int) -> NDArray[np.uint64]:
    """A hash of each run of so many words."""
    _, inverse = power_tables(1 << max(16, (len(sums) - 1).bit_length()))
    return (sums[length:] - sums[:-length]) * inverse[: len(sums) - length]


def shared_words(query: NDArray[np.uint64], text: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Which words of a query stand in a gram that the text has too: bool[q]."""
    found = np.isin(gram_hashes(query), gram_hashes(text))
    covered = np.zeros(len(query), np.bool_)
    for ahead in range(GRAM):
        covered[ahead : ahead + len(found)] |= found
    return covered
