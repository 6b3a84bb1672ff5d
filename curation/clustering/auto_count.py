"""How many clusters: as many as shorten the description of documents that the clusters have not seen.

To say where a row lies one can name its cluster and then how it differs from the centroid. With more clusters the name
gets longer and the difference shorter. In nats a row, up to constants, that is

    L(K) = H(K) + d / 2 * ln W(K),

with H the entropy of the clusters' shares and W the mean squared distance to the nearest centroid, as if differences
were Gaussian in d directions. It is the BIC of X-means (Pelleg and Moore 2000) and the classification likelihood of
mixtures (Biernacki, Celeux and Govaert 2000) with one change: centroids are fitted to one half of a sample and L is
taken on the other, so no penalty has to be thought up for the number of centroids. Cutting one smooth theme in two
costs a name and wins hardly any distance; telling two themes apart wins more than the name costs. And d is not the
dimensions of the vectors, of which most hold little, but how many directions of equal variance the rows would have:
(sum of the covariance's eigenvalues)^2 over the sum of their squares.

Clusters of very unequal size are the hard case, and there the sum counts every row, where the strength or stability of
a partition (Tibshirani and Walther 2005) falls as soon as one large cluster is cut at random.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curation.clustering.assign import nearest_two
from curation.clustering.in_memory import fitted

#: Rows that are looked at, at most; rows of the fitted half a cluster, at least; and iterations of each fit, at most.
ROWS, ROWS_A_CLUSTER, ITERATIONS = 20_000, 10, 20

#: Numbers tried beyond the best so far before the search ends.
PATIENCE = 4


@dataclass(frozen=True)
class Choice:
    """A number of clusters, how many rows it was found on, the curve of the criterion, and in words why."""

    clusters: int
    rows: int
    curve: list[dict[str, Any]]
    why: str


def choose_count(sample: NDArray[np.float16], most: int, seed: int) -> Choice:
    """The number of clusters that a sample calls for.

    Args:
        sample: float16[m, d] unit vectors by ascending doc_id, m >= 1; evenly spaced ones are taken.
        most: the largest number.
        seed: of the fits.

    Returns:
        The number with the least L among 1, 2, 3, 4, 6, 8, 11, ..., each about a square root of 2 times the one before.
    """
    count = min(len(sample), ROWS)
    rows = sample[np.arange(count) * len(sample) // count]
    known, unseen = rows[::2], rows[1::2]
    directions = _directions(rows)
    curve: list[dict[str, Any]] = []
    best = 0
    for clusters in numbers(min(most, len(known) // ROWS_A_CLUSTER)):
        if len(curve) > best + PATIENCE:
            break
        length, distance = _length(known, unseen, clusters, seed, directions)
        curve.append({"clusters": clusters, "nats": round(length, 6), "distance": round(distance, 6)})
        best = min(range(len(curve)), key=lambda place: curve[place]["nats"])
    chosen = curve[best]["clusters"] if curve else 1
    tried = curve[-1]["clusters"] if curve else 1
    shortest = "the shortest description of documents not fitted on"
    why = f"clusters: auto chose {chosen}: {shortest}, of 1 to {tried} tried on a sample of {count:,}"
    return Choice(chosen, count, curve, why)


def numbers(most: int) -> list[int]:
    """The numbers that are tried: 1, 2, 3, 4, 6, 8, 11, 16, ... up to `most`."""
    found = dict.fromkeys(round(2 ** (half / 2)) for half in range(64))
    return [number for number in found if number <= most]


def _length(
    known: NDArray[np.float16], unseen: NDArray[np.float16], clusters: int, seed: int, directions: float
) -> tuple[float, float]:
    """L, and W, of the unseen rows with centroids of the known ones."""
    labels, similarity, _ = nearest_two(unseen, fitted(known, clusters, seed, ITERATIONS))
    share = np.bincount(labels) / len(labels)
    share = share[share > 0]
    distance = max(2.0 * (1.0 - float(similarity.mean(dtype=np.float64))), 2.0**-20)  # equal rows: float16's error
    return float(-(share * np.log(share)).sum()) + directions / 2 * float(np.log(distance)), distance


def _directions(rows: NDArray[np.float16]) -> float:
    """How many directions of equal variance the rows have: (sum of eigenvalues)^2 / (sum of their squares)."""
    wide = rows.astype(np.float64)
    wide -= wide.mean(axis=0)
    covariance = wide.T @ wide
    squares = float((covariance**2).sum())
    return float(np.trace(covariance)) ** 2 / squares if squares > 0 else 1.0
