"""The nearest centroid of each row, decided so that no shape of a matrix product can move it.

Cosine similarities of a block of rows to all centroids are one float32 matrix product: fast, but its last bits
depend on the block, the library and the device. Its error has a bound, though (`margin`). A row whose best
similarity beats all others by more than that is decided. The few others are decided again in float64 among the
candidates within the margin, each product summed in a fixed order (`vectors.fold`), ties to the lowest cluster.
So the labels are those of float64 arithmetic, for any grouping of the rows, any number of threads, CPU or GPU.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from curation.clustering.vectors import Rows, as_tensor, full_precision, pair_dots

#: Bytes of the similarities of one block: a CPU thread's share stays in its cache, a GPU wants larger products.
_THREAD_BYTES = 4 << 20
_MOST_BLOCK_BYTES = 64 << 20


def margin(dimensions: int) -> float:
    """How far apart two float32 similarities must be for their order to be certain.

    A float32 dot product of d terms, added in any order, with or without fused multiply-add, is off by at most
    `d u / (1 - d u) * |x| |c|` with `u = 2^-24` (Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed.,
    section 3.1, and Cauchy-Schwarz). Two of them: twice that. `d + 2` for the rounding of the comparison itself;
    2^-8 more for rows that float16 made up to 2^-11 too long, for the denominator, and for the rounding of the
    float64 dot product (2^-29 of the bound): where float32 is sure, float64 agrees.
    """
    return 2 * (dimensions + 2) * 2.0**-24 * (1 + 2.0**-8)


def nearest(rows: Rows, centroids: NDArray[np.float32], device: str = "cpu") -> NDArray[np.int32]:
    """The cluster of each row: the centroid of the largest dot product, ties to the lowest.

    Args:
        rows: [n, d] float16 unit vectors; on the host, or on `device` already.
        centroids: [K, d] float32 unit vectors, K >= 1.
        device: where to compute, a torch device.

    Returns:
        int32[n].
    """
    labels = np.empty(len(rows), np.int32)
    wide = torch.from_numpy(centroids).to(device, torch.float64)
    for block, part, scores in _blocks(as_tensor(rows), centroids, device):
        best, index, second = _top_two(scores)
        labels[block] = index.cpu().numpy()
        least = best - margin(centroids.shape[1])
        near = torch.nonzero(second >= least).ravel()
        if len(near):
            row, cluster = torch.nonzero(scores[near] >= least[near, None], as_tuple=True)
            exact = pair_dots(part, near[row], wide, cluster)
            decided, _, _ = _first_two(row.cpu().numpy(), cluster.cpu().numpy(), exact)
            labels[block][near.cpu().numpy()] = decided
    return labels


def nearest_two(
    rows: Rows, centroids: NDArray[np.float32], device: str = "cpu"
) -> tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.float32]]:
    """The cluster of each row, its similarity to that centroid and to the next one.

    Similarities are dot products in float64, rounded to float32. Rows are taken as they are: one that float16
    made a little too long can have a similarity of up to 1 + 2^-10.

    Args:
        rows: [n, d] float16 unit vectors.
        centroids: [K, d] float32 unit vectors, K >= 1.
        device: where to compute, a torch device.

    Returns:
        Labels int32[n] (the same as `nearest`), similarities float32[n], second similarities float32[n]
        (NaN where K is 1).
    """
    labels = np.empty(len(rows), np.int32)
    similarity, second_similarity = np.empty(len(rows), np.float32), np.empty(len(rows), np.float32)
    wide = torch.from_numpy(centroids).to(device, torch.float64)
    for block, part, scores in _blocks(as_tensor(rows), centroids, device):
        best, _, second = _top_two(scores)
        # The true second is among those within the margin of the one that float32 takes for the second.
        least = (second if len(centroids) > 1 else best) - margin(centroids.shape[1])
        row, cluster = torch.nonzero(scores >= least[:, None], as_tuple=True)
        exact = pair_dots(part, row, wide, cluster)
        decided = _first_two(row.cpu().numpy(), cluster.cpu().numpy(), exact)
        labels[block], similarity[block], second_similarity[block] = decided
    return labels, similarity, second_similarity


def similarity_to(
    rows: Rows, labels: NDArray[np.int32], centroids: NDArray[np.float32], device: str = "cpu"
) -> NDArray[np.float64]:
    """The dot product of each row [n, d] with the centroid that its label names, float64[n]."""
    tensor = as_tensor(rows)
    wide = torch.from_numpy(centroids).to(device, torch.float64)
    result = np.empty(len(tensor))
    for start in range(0, len(tensor), 1 << 16):
        part = tensor[start : start + (1 << 16)].to(device)
        cluster = torch.from_numpy(labels[start : start + (1 << 16)]).to(device, torch.int64)
        result[start : start + len(part)] = pair_dots(part, torch.arange(len(part), device=device), wide, cluster)
    return result


def block_rows(clusters: int, dimensions: int, device: str) -> int:
    """Rows of a block, such that neither its float32 rows nor its similarities take much memory."""
    on_cpu = torch.device(device).type == "cpu"
    size = min(_MOST_BLOCK_BYTES, _THREAD_BYTES * torch.get_num_threads() if on_cpu else _MOST_BLOCK_BYTES)
    wanted = size // (4 * max(clusters, dimensions))
    return max(1, min(max(wanted, 128), _MOST_BLOCK_BYTES // (4 * clusters)))


def _blocks(
    rows: torch.Tensor, centroids: NDArray[np.float32], device: str
) -> Iterator[tuple[slice, torch.Tensor, torch.Tensor]]:
    """Blocks of rows: their place, the float16 rows on the device, their float32 similarities [b, K]."""
    size = block_rows(len(centroids), centroids.shape[1], device)
    transposed = torch.from_numpy(centroids).to(device).T
    scores = torch.empty((min(size, len(rows)), len(centroids)), dtype=torch.float32, device=device)
    for start in range(0, len(rows), size):
        part = rows[start : start + size].to(device)
        with full_precision():
            torch.mm(part.to(torch.float32), transposed, out=scores[: len(part)])
        yield slice(start, start + len(part)), part, scores[: len(part)]


def _top_two(scores: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Best similarity, its cluster, and the second best similarity (-inf where K is 1) of each row."""
    on_cpu = scores.device.type == "cpu"  # where NumPy's argmax and max are vectorised along rows, torch's are not
    every = torch.arange(len(scores), device=scores.device)
    index = torch.from_numpy(scores.numpy().argmax(axis=1)) if on_cpu else scores.argmax(dim=1)
    best = scores[every, index]
    scores[every, index] = -math.inf
    second = torch.from_numpy(scores.numpy().max(axis=1)) if on_cpu else scores.amax(dim=1)
    scores[every, index] = best
    return best, index, second


def _first_two(
    row: NDArray[np.int64], cluster: NDArray[np.int64], exact: NDArray[np.float64]
) -> tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.float32]]:
    """The winner of each row among its pairs, its similarity, and the best of the rest (NaN if there is none).

    Args:
        row: int64[p], ascending; the pairs of a row stand together.
        cluster: int64[p], ascending inside a row.
        exact: float64[p].
    """
    new = np.concatenate([[True], row[1:] != row[:-1]])
    starts, group = np.flatnonzero(new), np.cumsum(new) - 1
    best = np.maximum.reduceat(exact, starts)
    winners = np.flatnonzero(exact == best[group])
    # Of the winners of a row the first has the lowest cluster.
    winners = winners[np.concatenate([[True], group[winners[1:]] != group[winners[:-1]]])]
    rest = exact.copy()
    rest[winners] = -np.inf
    second = np.maximum.reduceat(rest, starts)
    second = np.where(np.isneginf(second), np.nan, second)
    return cluster[winners].astype(np.int32), best.astype(np.float32), second.astype(np.float32)
