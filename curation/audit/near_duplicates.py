"""Near-duplicates: documents that share most of their shingles, found without comparing every pair.

MinHash (Broder 1997, On the resemblance and containment of documents): a random function orders all shingles; that
the first one is the same in two documents has the probability J, the Jaccard similarity of their sets of shingles. So
the share of PERMUTATIONS functions whose first shingle agrees estimates J, with the standard error sqrt(J (1 - J) / P).

Candidates by bands (Leskovec, Rajaraman and Ullman, Mining of Massive Datasets, chapter 3): the functions come in
BANDS of ROWS, and two documents are compared if all functions of some band agree. The chance of that at similarity s
is 1 - (1 - s^ROWS)^BANDS: 0.92 at 0.8, and it turns at (1 / BANDS)^(1 / ROWS) = 0.72, which is THRESHOLD. These are
datatrove's values. A candidate counts if the estimated similarity is THRESHOLD or more.

Of a function's first shingle one byte is kept, enough to estimate: bytes agree by chance in one of 256 cases, which is
taken off the estimate. The functions are x -> a x + b modulo 2^32 on well-mixed hashes x.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components

from curation.counter_rng import keys

BANDS, ROWS = 14, 8
PERMUTATIONS = BANDS * ROWS
#: Estimated Jaccard similarity of near-duplicates, at least.
THRESHOLD = (1 / BANDS) ** (1 / ROWS)
#: Documents of one band that no longer count as candidates of each other after so many leaders; see `links`.
LEADERS = 16

_FACTORS = keys(0, "audit.minhash.factors", np.arange(PERMUTATIONS)).astype(np.uint32) | np.uint32(1)
_TERMS = keys(0, "audit.minhash.terms", np.arange(PERMUTATIONS)).astype(np.uint32)
_BAND_WEIGHTS = keys(0, "audit.minhash.bands", np.arange(ROWS // 2)) | np.uint64(1)
_MIX = np.uint64(0x94D049BB133111EB)
#: Signatures that are compared at a time.
_COMPARED = 1 << 14
#: Bytes that agree, at least, and THRESHOLD with chance added.
AGREEING = int(np.ceil((THRESHOLD * (1 - 1 / 256) + 1 / 256) * PERMUTATIONS))


def first_shingles(shingles: NDArray[np.uint32], first: NDArray[np.int64]) -> NDArray[np.uint32]:
    """The lowest value that each function gives to a shingle of each document.

    Args:
        shingles: uint32[s].
        first: int64[n + 1], where those of each document begin; each has one at least.

    Returns:
        uint32[n, PERMUTATIONS].
    """
    lowest = np.empty((PERMUTATIONS, len(first) - 1), np.uint32)
    values = np.empty_like(shingles)
    for number in range(PERMUTATIONS if len(first) > 1 else 0):
        np.multiply(shingles, _FACTORS[number], out=values)
        values += _TERMS[number]
        np.minimum.reduceat(values, first[:-1], out=lowest[number])
    return np.ascontiguousarray(lowest.T)


def band_hashes(lowest: NDArray[np.uint32]) -> NDArray[np.uint64]:
    """A hash of each band of what `first_shingles` gives: uint64[n, BANDS]."""
    pairs = lowest.reshape(len(lowest), BANDS, ROWS).view(np.uint64)
    hashes: NDArray[np.uint64] = (pairs * _BAND_WEIGHTS).sum(axis=2, dtype=np.uint64)
    hashes ^= hashes >> np.uint64(32)
    hashes *= _MIX
    hashes ^= hashes >> np.uint64(29)
    return hashes


def signatures(lowest: NDArray[np.uint32]) -> NDArray[np.uint8]:
    """What is kept to estimate similarities: uint8[n, PERMUTATIONS]."""
    return lowest.astype(np.uint8)


def similarities(left: NDArray[np.uint8], right: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The estimated Jaccard similarity of rows of signatures, in [0, 1]: float64[n]."""
    share = _agreeing(left, right) / PERMUTATIONS
    return np.asarray(np.clip((share - 1 / 256) / (1 - 1 / 256), 0.0, 1.0), np.float64)


def candidates(hashes: NDArray[np.uint64]) -> NDArray[np.int64]:
    """The rows whose hash another row has too, those of one hash side by side, each lot by ascending row: int64[m]."""
    order = np.argsort(hashes, kind="stable")
    ordered = hashes[order]
    same = ordered[1:] == ordered[:-1]
    shared = np.zeros(len(order), np.bool_)
    shared[1:] |= same
    shared[:-1] |= same
    found: NDArray[np.int64] = order[shared]
    return found


def links(
    doc_id: NDArray[np.int64], hashes: NDArray[np.uint64], signature: NDArray[np.uint8]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Near-duplicates among the candidates of a band.

    The first document of a lot leads it: the others are compared with it, and those that are similar are linked to it
    and done. The rest get a leader in turn, up to LEADERS times, so that a lot of a million copies costs a million
    comparisons and not a million squared. What is missed so is found in other bands, or lies at the threshold.

    Args:
        doc_id: int64[m].
        hashes: uint64[m], equal ones side by side.
        signature: uint8[m, PERMUTATIONS].

    Returns:
        int64[l] and int64[l]: documents, and the one that each is similar to.
    """
    left = np.arange(len(doc_id))
    found, leading = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for _ in range(LEADERS):
        if len(left) < 2:
            break
        leads = np.ones(len(left), np.bool_)
        leads[1:] = hashes[left[1:]] != hashes[left[:-1]]
        leader = left[np.maximum.accumulate(np.where(leads, np.arange(len(left)), 0))][~leads]
        others = left[~leads]
        similar = _similar(signature, others, leader)
        found.append(doc_id[others[similar]])
        leading.append(doc_id[leader[similar]])
        left = others[~similar]
    return np.concatenate(found), np.concatenate(leading)


def _similar(signature: NDArray[np.uint8], left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether pairs of rows are near-duplicates: bool[n]."""
    similar = np.empty(len(left), np.bool_)
    for start in range(0, len(left), _COMPARED):
        some = slice(start, start + _COMPARED)
        similar[some] = _agreeing(signature[left[some]], signature[right[some]]) >= AGREEING
    return similar


def _agreeing(left: NDArray[np.uint8], right: NDArray[np.uint8]) -> NDArray[np.int64]:
    return np.asarray(np.count_nonzero(left == right, axis=1), np.int64)


def groups(left: NDArray[np.int64], right: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Documents that are linked, directly or over others.

    Args:
        left: int64[l].
        right: int64[l], what each is linked to.

    Returns:
        int64[m], the documents of groups of two or more, ascending, and int64[m], the lowest document of each's group.
    """
    members, numbers = np.unique(np.concatenate([left, right]), return_inverse=True)
    if not len(members):
        return members, members
    ends = numbers.reshape(2, -1)
    shape = (len(members), len(members))
    graph = scipy.sparse.coo_array((np.ones(len(left), np.bool_), (ends[0], ends[1])), shape=shape)
    count, label = connected_components(graph, directed=False)
    lowest = np.full(count, np.iinfo(np.int64).max)
    np.minimum.at(lowest, label, members)
    return members, lowest[label]
