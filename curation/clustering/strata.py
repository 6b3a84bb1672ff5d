"""Strata: documents that are clustered by themselves, each domain or each language.

A fit within strata is one fit: its centroids lie stratum by stratum, a step compares rows only with those of their own,
and an empty cluster is seeded anew from its own stratum's rows. Without strata all rows are of stratum 0.

How many clusters a stratum gets goes by the square root of its documents: between even strata (the rare would be cut
to shreds) and strata as they are (the rare would get nothing).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from curation.clustering.assign import nearest_two
from curation.clustering.init import kmeans_plus_plus
from curation.clustering.torch_engine import RowBlock, StepResult, Worst, merge_worst
from curation.clustering.vectors import first_of_each


@dataclass(frozen=True, eq=False)
class Sample:
    """Rows of a sample by ascending doc_id, float16[m, d], and the stratum of each, int16[m]."""

    rows: NDArray[np.float16]
    stratum: NDArray[np.int16]

    def of(self, stratum: int) -> NDArray[np.float16]:
        """The rows of a stratum."""
        mine = self.stratum == stratum
        return self.rows if mine.all() else self.rows[mine]


@dataclass(frozen=True, eq=False)
class Centroids:
    """Centroids float32[K, d], stratum by stratum, and the stratum of each, int16[K], ascending."""

    centroids: NDArray[np.float32]
    stratum: NDArray[np.int16]


def in_strata(centroids: NDArray[np.float32], stratum: NDArray[np.int16] | None) -> Centroids:
    """Centroids with the stratum of each, int16[K]; None: there are no strata, so all are of stratum 0."""
    return Centroids(centroids, np.zeros(len(centroids), np.int16) if stratum is None else stratum)


class StratifiedRows:
    """The rows of one actor, a block for each stratum."""

    def __init__(self, blocks: Sequence[RowBlock]) -> None:
        self._blocks = list(blocks)

    def step(self, centroids: NDArray[np.float32], stratum: NDArray[np.int16] | None) -> StepResult:
        """See `RowBlock.step`: rows go to the nearest centroid of their stratum; `stratum` as in `in_strata`."""
        each = in_strata(centroids, stratum).stratum
        found = [self._blocks[number].step(centroids[part]) for number, part in parts_of(each)]
        sums, counts = ([getattr(one, name) for one in found] for name in ("sums", "counts"))
        return StepResult(np.concatenate(sums), np.concatenate(counts), sum(one.changed for one in found))

    def worst(self, centroids: NDArray[np.float32], most: int, stratum: NDArray[np.int16] | None) -> Worst:
        """See `RowBlock.worst`: up to `most` of each stratum."""
        each = in_strata(centroids, stratum).stratum
        found = [(n, self._blocks[n].worst(centroids[part], most)) for n, part in parts_of(each)]
        return merge_worst([one.of_stratum(number) for number, one in found], most)


def parts_of(stratum: NDArray[np.int16]) -> Iterator[tuple[int, slice]]:
    """Each stratum that has centroids, and where they are."""
    numbers, first = np.unique(stratum, return_index=True)
    ends = [*first[1:].tolist(), len(stratum)]
    for number, start, end in zip(numbers.tolist(), first.tolist(), ends, strict=True):
        yield number, slice(start, end)


def divided(clusters: int, documents: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many clusters each stratum gets.

    Args:
        clusters: K, how many there are to be in all.
        documents: int64[S], of each stratum, at least 1.

    Returns:
        int64[S], in proportion to the square root of the documents, but at least 1 and at most a cluster a document.
        They sum to K where that allows.
    """
    root = np.sqrt(documents.astype(np.float64))
    low, high = 0.0, float(clusters)
    for _ in range(64):  # the largest factor whose rounded-down shares do not come to more than K
        factor = (low + high) / 2
        fits = _shares(factor, root, documents).sum() <= clusters
        low, high = (factor, high) if fits else (low, factor)
    shares = _shares(low, root, documents)
    for place in np.argsort(shares - low * root, kind="stable"):  # those that rounding took most from get what is left
        if shares.sum() < clusters and shares[place] < documents[place]:
            shares[place] += 1
    return shares


def _shares(factor: float, root: NDArray[np.float64], documents: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.clip((factor * root).astype(np.int64), 1, documents)


def too_rare(clusters: int, documents: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which strata the square root of their documents, int64[S], would give less than half of one of K clusters."""
    root = np.sqrt(documents.astype(np.float64))
    return np.asarray(clusters * root < 0.5 * root.sum())


def first_centroids(sample: Sample, counts: NDArray[np.int64], seed: int) -> Centroids:
    """Greedy k-means++ in each stratum; int64[S] `counts` are the clusters of each."""
    found = [kmeans_plus_plus(sample.of(number), int(count), seed) for number, count in enumerate(counts)]
    return Centroids(np.concatenate(found), stratum_of_each([len(one) for one in found]))


def stratum_of_each(counts: Sequence[int]) -> NDArray[np.int16]:
    """The stratum of each of so many centroids."""
    return np.repeat(np.arange(len(counts), dtype=np.int16), counts)


def fillable(sample: Sample, counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Of so many clusters of each stratum, int64[S], those that it has different vectors for."""
    different = [len(first_of_each(sample.of(number))) for number in range(len(counts))]
    return np.minimum(counts, different)


def nearest_two_within(
    rows: NDArray[np.float16], stratum: NDArray[np.int16], found: Centroids
) -> tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.float32]]:
    """As `assign.nearest_two`, among the centroids of each row's stratum, int16[n].

    The second similarity is NaN where the stratum has one cluster.
    """
    labels = np.empty(len(rows), np.int32)
    similarity, second = np.empty((2, len(rows)), np.float32)
    for number, part in parts_of(found.stratum):
        mine = np.flatnonzero(stratum == number)
        if len(mine):
            own = nearest_two(rows[mine], found.centroids[part])
            labels[mine], similarity[mine], second[mine] = own[0] + part.start, own[1], own[2]
    return labels, similarity, second
