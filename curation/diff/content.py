"""Which texts two runs have in common, by the hashes of their texts, and how often each run draws them.

Hashes of both sides are sorted together, a bucket of the hash space at a time, so memory is that of a bucket and some
bytes a document. A text counts once on each side, however many copies of it there are; its draws are those of all of
them. What a bucket gives are sums, so buckets add up.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Texts:
    """Documents of one run that fall into a bucket, ascending by doc_id.

    Attributes:
        hashes: uint64[n, 2].
        draws: int[n].
        domain: int[n], number of the domain.
        cluster: int[n], -1 where the document has none.
    """

    hashes: NDArray[np.uint64]
    draws: NDArray[np.integer]
    domain: NDArray[np.integer]
    cluster: NDArray[np.integer]


@dataclass(frozen=True, eq=False)
class Overlap:
    """What two runs, a and b, have in common. All are counts of different texts, int64.

    Attributes:
        texts: [only in a, in both, only in b].
        removed: [domains of a], those only in a.
        added: [domains of b], those only in b.
        draws: of those in both [drawn in neither, as often in both, more often in b, more seldom, first drawn in b,
            no longer drawn]; the last two are among those before them.
        clusters: [clusters of a, clusters of b], those in both, by the cluster of the first copy that has one.
    """

    texts: NDArray[np.int64]
    removed: NDArray[np.int64]
    added: NDArray[np.int64]
    draws: NDArray[np.int64]
    clusters: NDArray[np.int64]

    def __add__(self, other: Overlap) -> Overlap:
        return Overlap(*(getattr(self, field.name) + getattr(other, field.name) for field in fields(self)))


def overlap(a: Texts, b: Texts, domains: tuple[int, int], clusters: tuple[int, int]) -> Overlap:
    """What the documents of two runs in one bucket have in common.

    Args:
        a: of one run.
        b: of the other.
        domains: how many there are in each run.
        clusters: likewise.
    """
    group, count = group_numbers(np.concatenate([a.hashes, b.hashes]))
    of_a, of_b = group[: len(a.hashes)], group[len(a.hashes) :]
    first_a, first_b = _first_of_each(of_a, count), _first_of_each(of_b, count)
    in_a, in_b = first_a >= 0, first_b >= 0
    both = in_a & in_b
    before = np.bincount(of_a, a.draws, count)[both]
    after = np.bincount(of_b, b.draws, count)[both]
    kinds = [
        (before == 0) & (after == 0),
        (before == after) & (after > 0),
        after > before,
        after < before,
        (before == 0) & (after > 0),
        (before > 0) & (after == 0),
    ]
    return Overlap(
        texts=np.array([(in_a & ~in_b).sum(), both.sum(), (in_b & ~in_a).sum()], np.int64),
        removed=np.bincount(a.domain[first_a[in_a & ~in_b]], minlength=domains[0]),
        added=np.bincount(b.domain[first_b[in_b & ~in_a]], minlength=domains[1]),
        draws=np.array([kind.sum() for kind in kinds], np.int64),
        clusters=_contingency(_cluster_of_each(a, of_a, count)[both], _cluster_of_each(b, of_b, count)[both], clusters),
    )


def group_numbers(hashes: NDArray[np.uint64]) -> tuple[NDArray[np.int64], int]:
    """A number for each row, uint64[n, 2], the same for equal rows: int64[n], from 0; and how many there are."""
    order = np.lexsort((hashes[:, 1], hashes[:, 0]))
    ordered = hashes[order]
    first = np.ones(len(order), np.int64)
    first[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
    numbers = np.empty(len(order), np.int64)
    numbers[order] = np.cumsum(first) - 1
    return numbers, int(first.sum())


def _first_of_each(group: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """The first row of each group, -1 where there is none."""
    first = np.full(count, -1, np.int64)
    first[group[::-1]] = np.arange(len(group))[::-1]  # of several that are written to one place, the last one stays
    return first


def _cluster_of_each(texts: Texts, group: NDArray[np.int64], count: int) -> NDArray[np.integer]:
    """The cluster of the first document of each group that has one, -1 where none has."""
    having = np.flatnonzero(texts.cluster >= 0)
    first = _first_of_each(group[having], count)
    found = np.full(count, -1, np.int64)
    found[first >= 0] = texts.cluster[having[first[first >= 0]]]
    return found


def _contingency(a: NDArray[np.integer], b: NDArray[np.integer], clusters: tuple[int, int]) -> NDArray[np.int64]:
    known = (a >= 0) & (b >= 0)
    cell = a[known].astype(np.int64) * clusters[1] + b[known]
    return np.bincount(cell, minlength=clusters[0] * clusters[1]).reshape(clusters)
