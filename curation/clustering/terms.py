"""The terms that set each cluster apart, from excerpts of some of its documents.

Log-odds with an informative Dirichlet prior (Monroe, Colaresi and Quinn 2008, Fightin' Words, Political Analysis
16(4)), each cluster against all the others together. With y of n for a term in the cluster, y' of n' in the rest,
and the prior a of A, which is the counts of all excerpts:

    d = ln((y + a) / (n + A - y - a)) - ln((y' + a) / (n' + A - y' - a))
    z = d / sqrt(1 / (y + a) + 1 / (y' + a))

The prior keeps a word that was seen twice from winning over one that is everywhere in the cluster. A term counts once
a document, so that a text that repeats itself does not speak for its cluster.

Terms are words of letters; where a script writes without spaces (Chinese, Japanese, Thai, ...) they are pairs of
neighbouring characters.
"""

from __future__ import annotations

import itertools
import re
import sys
import unicodedata
from array import array
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

#: Characters of an excerpt that are looked at. Some 150 words of many documents say more than all words of a few.
CHARACTERS = 1000

#: Letters of the longest word; longer ones are encoded data.
_LONGEST = 30

#: Code points of Thai, Lao, Myanmar, Khmer, Hiragana, Katakana, Han.
_UNSPACED_BLOCKS = ((0xE00, 0xEFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0x3005, 0x30FF), (0x3400, 0x9FFF))


def _character_class(categories: str, blocks: Iterable[tuple[int, int]]) -> str:
    """The characters of some blocks whose Unicode category begins with one of the letters given, for a regex."""
    codes = [c for a, b in blocks for c in range(a, b + 1) if unicodedata.category(chr(c))[0] in categories]
    breaks = [i for i in range(1, len(codes)) if codes[i] != codes[i - 1] + 1]
    bounds = itertools.pairwise([0, *breaks, len(codes)])
    return "".join(f"{chr(codes[a])}-{chr(codes[b - 1])}" for a, b in bounds)


_UNSPACED = _character_class("LM", _UNSPACED_BLOCKS) + "\U00020000-\U0003ffff"
#: Vowel signs and accents belong to the letter before them. Python's "word character" leaves them out, and would
#: cut words of Indic scripts into pieces.
_MARKS = _character_class("M", [(0x300, 0x1DFFF)])
_WORD = re.compile(rf"[^\W\d_{_UNSPACED}](?:[^\W\d_{_UNSPACED}]|[{_MARKS}])+")
_ASCII_WORD = re.compile(r"[a-z]{2,}")
_UNSPACED_RUN = re.compile(rf"[{_UNSPACED}]{{2,}}")


def words(text: str) -> list[str]:
    """The terms of the beginning of a text, in lower case, repeats included."""
    text = text[:CHARACTERS].lower()
    if text.isascii():
        found = _ASCII_WORD.findall(text)
    else:
        found = _WORD.findall(text)
        for run in _UNSPACED_RUN.findall(text):
            found += [a + b for a, b in itertools.pairwise(run)]
    return [word for word in found if len(word) <= _LONGEST]


@dataclass(frozen=True, eq=False)
class Occurrences:
    """Which text has which term."""

    terms: list[str]
    matrix: scipy.sparse.csr_array
    """int32[texts, terms] of 0 and 1."""


def salient_terms(found: Occurrences, cluster: NDArray[np.int32], clusters: int, top: int = 10) -> list[list[str]]:
    """The terms that set each cluster apart.

    Args:
        found: the terms of m excerpts.
        cluster: int32[m], in [0, clusters).
        clusters: K.
        top: most terms a cluster.

    Returns:
        For each cluster up to `top` terms by falling z, equal ones by falling count, then by the alphabet. They occur
        in at least 2 of its texts (1 if it has only 1). Empty for a cluster without texts. With one cluster nothing
        sets apart, and the terms are its most frequent ones.
    """
    sizes = np.bincount(cluster, minlength=clusters)
    counts = _counts(found, cluster, clusters).tocoo()
    totals = np.asarray(found.matrix.sum(axis=0)).astype(np.float64)
    group, term, count = counts.row, counts.col, counts.data
    z = _z_scores(group, term, count.astype(np.float64), totals, clusters)
    kept = (count >= np.minimum(2, sizes[group])) & (z >= 0)
    group, term, count, z = group[kept], term[kept], count[kept], z[kept]
    names = np.array([found.terms[i] for i in term.tolist()], dtype=object)
    return _best(group, names, count, z, clusters, top)


def shared_words(found: Occurrences, cluster: NDArray[np.int32], clusters: int) -> NDArray[np.float64]:
    """How much of their wording the texts of each cluster have in common.

    The chance that a term of one text, drawn at random, is in another text of its cluster: with c of n texts having a
    term, sum c (c - 1) / ((n - 1) sum c). 1 for copies.

    Args:
        found: the terms of m excerpts.
        cluster: int32[m], in [0, clusters).
        clusters: K.

    Returns:
        float64[K]; NaN for a cluster of fewer than 2 texts, or without terms.
    """
    sizes = np.bincount(cluster, minlength=clusters)
    counts = _counts(found, cluster, clusters).tocoo()
    c = counts.data.astype(np.float64)
    pairs = np.bincount(counts.row, c * (c - 1), minlength=clusters)
    every = np.bincount(counts.row, c, minlength=clusters) * (sizes - 1)
    return np.asarray(np.divide(pairs, every, out=np.full(clusters, np.nan), where=every > 0), np.float64)


def _counts(found: Occurrences, cluster: NDArray[np.int32], clusters: int) -> scipy.sparse.csr_array:
    """How many texts of each cluster have each term: int32[clusters, terms]."""
    shape = (clusters, len(cluster))
    members = scipy.sparse.csr_array((np.ones(len(cluster), np.int32), (cluster, np.arange(len(cluster)))), shape=shape)
    return members @ found.matrix


def occurrences(texts: list[str]) -> Occurrences:
    """The terms of excerpts; the first 1,000 characters of each are looked at."""
    numbers: dict[str, int] = {}
    indices, ends = array("i"), [0]
    for text in texts:
        for word in dict.fromkeys(words(text)):  # a set would have another order in each process
            indices.append(numbers.setdefault(sys.intern(word), len(numbers)))
        ends.append(len(indices))
    columns = np.frombuffer(indices, np.int32) if indices else np.zeros(0, np.int32)
    matrix = scipy.sparse.csr_array(
        (np.ones(len(columns), np.int32), columns, np.array(ends)), shape=(len(texts), len(numbers))
    )
    return Occurrences(list(numbers), matrix)


def _z_scores(
    group: NDArray[np.int32],
    term: NDArray[np.int32],
    y: NDArray[np.float64],
    totals: NDArray[np.float64],
    clusters: int,
) -> NDArray[np.float64]:
    """The z of each (cluster, term) pair, float64; see the head of the module.

    Rounded to 6 decimals, so that terms with the same counts tie whatever the library's logarithm does.
    """
    n = np.bincount(group, weights=y, minlength=clusters)[group]
    everything = totals.sum()
    a = totals[term]
    rest, rest_n = a - y, everything - n
    with np.errstate(divide="ignore", invalid="ignore"):  # one term in all: nothing to set against
        odds = np.log((y + a) / (n + everything - y - a)) - np.log((rest + a) / (rest_n + everything - rest - a))
    z = odds / np.sqrt(1.0 / (y + a) + 1.0 / (rest + a))
    return np.asarray(np.round(np.nan_to_num(z, nan=0.0, posinf=0.0, neginf=0.0), 6), np.float64)


def _best(
    group: NDArray[np.int32],
    names: NDArray[np.object_],
    count: NDArray[np.int32],
    z: NDArray[np.float64],
    clusters: int,
    top: int,
) -> list[list[str]]:
    """The first `top` names of each cluster by falling z, falling count, name."""
    order = np.lexsort((-count, -z, group))
    bounds = np.searchsorted(group[order], np.arange(clusters + 1)).tolist()
    result = []
    for start, stop in itertools.pairwise(bounds):
        own = order[start:stop]
        if len(own) > top:  # keep all that tie with the last one, for the alphabet to decide
            last = own[top - 1]
            own = own[(z[own] > z[last]) | ((z[own] == z[last]) & (count[own] >= count[last]))]
        ranked = sorted(own.tolist(), key=lambda i: (-z[i], -count[i], names[i]))
        result.append([str(names[i]) for i in ranked[:top]])
    return result
