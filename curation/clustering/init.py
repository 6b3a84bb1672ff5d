"""The first centroids: greedy k-means++ on a sample, in integers.

k-means++ (Arthur and Vassilvitskii 2007) draws each next centroid from the sample with a probability proportional
to the squared distance to the nearest one so far; greedy, it draws 2 + ln K candidates and takes the one that
lowers the sum of those distances the most (as scikit-learn does). On unit vectors the squared distance is twice
the cosine distance. Random first centroids instead make what the clusters are worth a matter of luck.

The draws compare sums of distances, so one bit of rounding could change every later centroid. Here nothing
rounds: components are rounded once to integers so small that every sum of products stays below 2^24, where float32
is exact. A matrix product of them is the same on any CPU, with any threads, in any library. The rounding moves a
similarity by about 1e-4, which a random draw does not notice; the centroids returned are the sample's own vectors.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray

from curation.clustering.vectors import first_of_each, full_precision, unit
from curation.counter_rng import uniform


def kmeans_plus_plus(sample: NDArray[np.float16], clusters: int, seed: int) -> NDArray[np.float32]:
    """Draws first centroids from a sample.

    Args:
        sample: [m, d] float16 unit vectors, sorted by doc_id; the draw depends on the order.
        clusters: K, the number of centroids wanted.
        seed: the job's seed.

    Returns:
        float32[min(K, different vectors in the sample), d], different unit vectors in the order drawn. The same
        bits on any machine.

    Raises:
        ValueError: a row is longer than 1.001, so that the integers would not be exact.
    """
    if not len(sample) or clusters < 1:
        return np.zeros((0, sample.shape[1]), np.float32)
    chosen = _draw(_as_integers(sample), clusters, seed)
    if len(chosen) < clusters:  # every vector is as good as on a chosen one: take the rest as they come
        different = first_of_each(sample)
        known = first_of_each(np.concatenate([sample[chosen], sample[different]]))
        rest = different[known[known >= len(chosen)] - len(chosen)]
        chosen = np.concatenate([chosen, rest[: clusters - len(chosen)]])
    return unit(sample[chosen])


def _as_integers(sample: NDArray[np.float16]) -> torch.Tensor:
    """The sample scaled and rounded to integers, as float32 [m, d], rows not longer than 4096.

    By Cauchy-Schwarz a sum of any of the products of two rows is then at most 2^24 in size: exact in float32.
    Rounding adds at most sqrt(d) / 2 to the length; 1.001 allows for what float16 does to a unit vector.
    """
    scale = math.floor((4096 - math.sqrt(sample.shape[1]) / 2) / 1.001)
    return torch.from_numpy(np.rint(sample.astype(np.float32) * np.float32(scale)))


def _draw(sample: torch.Tensor, clusters: int, seed: int) -> NDArray[np.int64]:
    """The places of up to K rows, drawn one after the other; fewer when all the others are on chosen ones."""
    rows = len(sample)
    trials = 2 + int(math.log(clusters))
    lengths = (sample.to(torch.int32) ** 2).sum(dim=1, dtype=torch.int64).to(torch.int32).numpy()
    if lengths.max() > 2**24:
        raise ValueError("k-means++: a row of the sample is longer than a unit vector in float16 can be")
    first = int(uniform(seed, "clustering.init", np.zeros(1, np.int64))[0] * rows)
    chosen = [first]
    distance = _distances(sample, lengths, np.array([first]))[0]
    for step in range(1, min(clusters, rows)):
        upto = np.cumsum(distance, dtype=np.int64)
        if upto[-1] == 0:
            break
        draws = uniform(seed, "clustering.init", step * trials + np.arange(trials))
        candidates = np.searchsorted(upto, (draws * upto[-1]).astype(np.int64), side="right")
        left = np.minimum(_distances(sample, lengths, candidates), distance)
        best = int(np.argmin(left.sum(axis=1, dtype=np.int64)))
        chosen.append(int(candidates[best]))
        distance = left[best]
    return np.array(chosen, np.int64)


def _distances(sample: torch.Tensor, lengths: NDArray[np.int32], candidates: NDArray[np.int64]) -> NDArray[np.int32]:
    """Squared distances of candidates to all rows, int32[candidates, m], exact: at most 2^26."""
    with full_precision():  # the sample on the left: about 1.5 times as fast as on the right
        products = (sample @ sample[torch.from_numpy(candidates)].T).to(torch.int32).T.contiguous().numpy()
    return np.asarray(lengths[candidates][:, None] + lengths[None, :] - 2 * products, np.int32)
