"""What the `clusters` table says of each cluster: how well it hangs together, its medoids, and its terms.

Coherence is the simplified silhouette (Hruschka, Campello and de Castro 2004): the distance to the own centroid
against that to the next one, which the assignment knows already. Sums over splits are kept in fixed point, as
integers of 2^-30, and medoids are merged by (similarity, doc_id), so that the splits can't matter.

Terms are found in `terms`.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_FIXED = 2.0**30


@dataclass(frozen=True, eq=False)
class ClusterSums:
    """Sums over the documents of each cluster, int64[K]; `similarity` and `silhouette` in units of 2^-30."""

    documents: NDArray[np.int64]
    similarity: NDArray[np.int64]
    silhouette: NDArray[np.int64]

    def __add__(self, other: ClusterSums) -> ClusterSums:
        return ClusterSums(
            self.documents + other.documents,
            self.similarity + other.similarity,
            self.silhouette + other.silhouette,
        )

    @property
    def mean_similarity(self) -> NDArray[np.float64]:
        """Mean cosine similarity to the centroid, float64[K]; NaN for a cluster without documents."""
        return self._mean(self.similarity)

    @property
    def coherence(self) -> NDArray[np.float64]:
        """Mean simplified silhouette, float64[K] in [-1, 1]; NaN for a cluster without documents."""
        return self._mean(self.silhouette)

    def _mean(self, sums: NDArray[np.int64]) -> NDArray[np.float64]:
        documents = np.where(self.documents > 0, self.documents, np.nan)
        return np.asarray(sums / _FIXED / documents, np.float64)


def silhouettes(similarity: NDArray[np.float32], second_similarity: NDArray[np.float32]) -> NDArray[np.float64]:
    """The simplified silhouette of each document, `(b - a) / max(a, b)` with a, b = 1 - similarity, float64[n].

    0 where there is only one cluster (second similarity NaN) and where both distances are 0.
    """
    a = np.maximum(0.0, 1.0 - similarity.astype(np.float64))
    b = np.maximum(0.0, 1.0 - second_similarity.astype(np.float64))
    larger = np.maximum(a, b)
    defined = larger > 0  # false for NaN
    return np.where(defined, (b - a) / np.where(defined, larger, 1.0), 0.0)


def silhouette_sums(
    cluster: NDArray[np.int32],
    similarity: NDArray[np.float32],
    second_similarity: NDArray[np.float32],
    clusters: int,
) -> ClusterSums:
    """The sums of some documents' similarities and silhouettes by cluster; add the results of all splits.

    Args:
        cluster: int32[n] in [0, clusters).
        similarity: float32[n], to the own centroid.
        second_similarity: float32[n], to the next one; NaN where there is none.
        clusters: K.
    """
    sums = np.zeros((2, clusters), np.int64)
    values = (similarity.astype(np.float64), silhouettes(similarity, second_similarity))
    for row, value in zip(sums, values, strict=True):
        np.add.at(row, cluster, np.rint(value * _FIXED).astype(np.int64))
    return ClusterSums(np.bincount(cluster, minlength=clusters).astype(np.int64), sums[0], sums[1])


@dataclass(frozen=True, eq=False)
class Medoids:
    """The documents nearest to their centroids: by cluster, then most similar first, then lowest doc_id."""

    cluster: NDArray[np.int32]
    similarity: NDArray[np.float32]
    doc_id: NDArray[np.int64]

    def by_cluster(self, clusters: int) -> list[list[int]]:
        """The doc_ids of each of K clusters, best first."""
        bounds = np.searchsorted(self.cluster, np.arange(clusters + 1)).tolist()
        ids = self.doc_id.tolist()
        return [ids[start:stop] for start, stop in itertools.pairwise(bounds)]


def top_by_cluster(
    cluster: NDArray[np.int32], similarity: NDArray[np.float32], doc_id: NDArray[np.int64], most: int
) -> Medoids:
    """Up to `most` documents of each cluster with the highest similarity, ties to the lowest doc_id.

    Args:
        cluster: int32[n].
        similarity: float32[n], to the own centroid.
        doc_id: int64[n].
        most: documents a cluster.
    """
    order = np.lexsort((doc_id, -similarity, cluster))
    kept = order[_rank_in_group(cluster[order]) < most]
    return Medoids(cluster[kept], similarity[kept], doc_id[kept])


def merge_medoids(parts: Sequence[Medoids], most: int) -> Medoids:
    """The medoids of several splits together, in any grouping."""
    return top_by_cluster(
        np.concatenate([part.cluster for part in parts]),
        np.concatenate([part.similarity for part in parts]),
        np.concatenate([part.doc_id for part in parts]),
        most,
    )


def _rank_in_group(ordered: NDArray[Any]) -> NDArray[np.int64]:
    """The place of each element inside its run of equal elements, counted from 0."""
    new = np.concatenate([[True], ordered[1:] != ordered[:-1]])[: len(ordered)]
    starts = np.flatnonzero(new)
    return np.asarray(np.arange(len(ordered)) - np.repeat(starts, np.diff([*starts, len(ordered)])), np.int64)
