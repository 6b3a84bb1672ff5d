"""New centroids from labels: sums that are exact, so that their order and grouping can't matter.

A float16 in [-1, 1] is a multiple of 2^-24, so a float64 (53 bits) holds the sum of up to 2^29 of them without
rounding. Sums of blocks, splits and actors can be added in any order, and a row that changes its cluster can be
taken out of one sum and put into another: the bits are those of adding all rows anew.

The objective of spherical K-Means (Dhillon and Modha 2001, Concept decompositions for large sparse text data,
Machine Learning 42) is the sum of x . c over the rows; with c = S / |S| that is the sum of |S_c| over the clusters.
"""

from __future__ import annotations

import math
from threading import Lock

import numpy as np
import torch
from numpy.typing import NDArray

from curation.clustering.threads import over_threads
from curation.clustering.vectors import Rows, as_tensor, norms

#: Most rows of a cluster whose float64 sum is exact.
MOST_ROWS = 2**29

#: Rows that are widened to float64 at a time, so that they stay in the cache.
_BLOCK_ROWS = {"cpu": 256, "cuda": 1 << 16}


def cluster_sums(rows: Rows, labels: NDArray[np.int32], clusters: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The sum and the number of the rows of each cluster.

    Args:
        rows: [n, d] float16, on the host or a device.
        labels: int32[n] in [0, clusters).
        clusters: K.

    Returns:
        Sums float64[K, d] and counts int64[K]; exact up to 2^29 rows a cluster.
    """
    tensor = as_tensor(rows)
    sums = torch.zeros((clusters, tensor.shape[1]), dtype=torch.float64, device=tensor.device)
    after = torch.from_numpy(labels).to(tensor.device)
    move_rows(sums, tensor, torch.full_like(after, -1), after)
    return sums.cpu().numpy(), np.bincount(labels, minlength=clusters).astype(np.int64)


def move_rows(sums: torch.Tensor, rows: torch.Tensor, before: torch.Tensor, after: torch.Tensor) -> int:
    """Brings exact sums from the labels `before` to the labels `after`, in place, by the rows that differ.

    Args:
        sums: float64[K, d].
        rows: float16[n, d], on the device of the sums.
        before: int32[n] on that device, -1 for a row that is in no sum yet.
        after: int32[n] on that device, all in [0, K).

    Returns:
        How many rows differ.
    """
    moved = torch.nonzero(before != after).ravel()
    size = _BLOCK_ROWS.get(sums.device.type, 1 << 16)
    lock = Lock()  # threads widen rows side by side, and add them in turn

    def work(turn: slice) -> None:
        for start in range(turn.start, turn.stop, size):
            index = moved[start : min(start + size, turn.stop)]
            source, target = before[index].to(torch.int64), after[index].to(torch.int64)
            # By way of float32, which is exact too: torch has no fast way from float16 to float64 on a CPU. And its
            # `index_select` copies rows, where an index in brackets copies numbers.
            part = rows.index_select(0, index).to(torch.float32).to(torch.float64)
            old = torch.nonzero(source >= 0).ravel()
            if len(old) < len(index):
                source, leaving = source[old], part[old]
            else:
                leaving = part
            with lock:
                # On a GPU the additions are atomic and in no order, which exact sums allow.
                sums.index_add_(0, target, part)
                if len(old):
                    sums.index_add_(0, source, leaving, alpha=-1)

    over_threads(work, len(moved), size, sums.device)
    return len(moved)


def centroids_from_sums(
    sums: NDArray[np.float64], counts: NDArray[np.int64], previous: NDArray[np.float32]
) -> NDArray[np.float32]:
    """The new centroids, S / |S|.

    Args:
        sums: float64[K, d].
        counts: int64[K].
        previous: float32[K, d], the centroids that made the labels.

    Returns:
        float32[K, d] unit vectors. A cluster without rows, or whose rows cancel to zero, keeps its previous one.
    """
    length = norms(sums)
    usable = (counts > 0) & (length > 0)
    moved = (sums / np.where(usable, length, 1.0)[:, None]).astype(np.float32)
    return np.where(usable[:, None], moved, previous)


def objective(sums: NDArray[np.float64]) -> float:
    """The sum of x . c over all rows after the update, from the sums float64[K, d] before it: sum of |S_c|."""
    return math.fsum(norms(sums).tolist())


def mean_similarity(value: float, documents: int) -> float:
    """Mean cosine similarity of the rows to their centroids, from the objective."""
    return value / documents


def inertia(value: float, documents: int) -> float:
    """The sum of |x - c|^2 over the rows, taken as unit vectors, from the objective: 2 (N - objective).

    Never negative: float16 makes rows up to 2^-11 too long, so that the objective can pass N.
    """
    return max(0.0, 2.0 * (documents - value))
