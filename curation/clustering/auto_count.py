"""How many clusters: where more of them stop to tell documents apart that they were not fitted on.

With more clusters the distance W of a row to the nearest centroid falls, and at first it falls fast: themes come
apart. Once each theme has its centroid, more of them only cut themes in pieces, and W falls as slowly as it does for
any smooth cloud of points, by a fixed power of the number K. So ln W over ln K has a knee: the K at which the curve
lies furthest below the straight line between its ends (Satopaa et al. 2011, Finding a "Kneedle" in a haystack). Where
no K lies KNEE below it there are no themes, and one cluster is enough. Centroids are fitted to one half of a sample and
W is the mean squared distance of the other half, so that centroids which only fit chance win nothing.

Measured on mixtures of 3, 10 and 40 themes whose sizes fall as 1 / rank this finds 3, 11 to 16, and 32 to 45 (fewer
where themes overlap widely); on one theme it finds 1. What was tried and left out: prediction strength and the
agreement of two fits (Tibshirani and Walther 2005) fall as soon as one large theme is cut at random, and give 6 for 40
themes of unequal size; Calinski and Harabasz' index likewise; a description length (entropy of the clusters plus
d / 2 ln W, as in the BIC of X-means) finds the planted themes too, but on real text, which has structure at every
scale, takes as many clusters as it may.
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

#: How far below the straight line, in nats, a knee must lie. One smooth cloud of points stays below 0.01.
KNEE = 0.03


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
        One of 1, 2, 3, 4, 6, 8, 11, ..., each about a square root of 2 times the one before. The curve has for each the
        `distance` W and how far it lies `below` the line, in nats.
    """
    count = min(len(sample), ROWS)
    rows = sample[np.arange(count) * len(sample) // count]
    tried = numbers(min(most, max(1, count // 2 // ROWS_A_CLUSTER)))
    distances = [_distance(rows[::2], rows[1::2] if count > 1 else rows, clusters, seed) for clusters in tried]
    below = below_line(np.array(tried), np.array(distances))
    best = int(np.argmax(below)) if below.max() >= KNEE else 0
    figures = zip(tried, distances, below.tolist(), strict=True)
    curve = [{"clusters": k, "distance": round(w, 6), "below": round(b, 6)} for k, w, b in figures]
    knee = f"the knee of the distance to the nearest centroid, {below.max():.2f} below the line"
    why = f"{tried[best]} clusters (auto): {knee if best else 'no knee'}, of 1 to {tried[-1]} on {count:,} documents"
    return Choice(tried[best], count, curve, why)


def numbers(most: int) -> list[int]:
    """The numbers that are tried: 1, 2, 3, 4, 6, 8, 11, 16, ... up to `most`."""
    found = dict.fromkeys(round(2 ** (half / 2)) for half in range(64))
    return [number for number in found if number <= most]


def below_line(clusters: NDArray[np.int64], distances: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far ln W lies below the line between its ends, over ln K, in nats: float64[n]."""
    place, height = np.log(clusters), np.log(distances)
    line = height[0] + (height[-1] - height[0]) * place / (float(place[-1]) or 1.0)
    return np.asarray(line - height, np.float64)


def _distance(known: NDArray[np.float16], unseen: NDArray[np.float16], clusters: int, seed: int) -> float:
    """W: the mean squared distance of the unseen rows to the nearest of so many centroids of the known ones."""
    _, similarity, _ = nearest_two(unseen, fitted(known, clusters, seed, ITERATIONS))
    return max(2.0 * (1.0 - float(similarity.mean(dtype=np.float64))), 2.0**-20)  # of equal rows: float16's error
