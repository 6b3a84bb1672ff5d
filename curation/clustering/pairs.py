"""Candidates: pairs of a row and a centroid of which one, somewhere, is the row's nearest.

A quick product leaves pairs that its error bound can't tell apart. Here they are compared again, pair by pair: in
float32, and those that float32 leaves open in float64, each sum in a fixed order (`vectors.fold`), ties to the lowest
cluster. Pairs are two arrays, the row and the cluster of each, with the rows ascending and the clusters too in a row.
"""

from __future__ import annotations

import warnings
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray

from curation.clustering.blocks import Target
from curation.clustering.vectors import pair_dots


def pair_products(
    rows: torch.Tensor, row: NDArray[np.int64], others: torch.Tensor, other: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Dot products of chosen pairs in float32, in whatever order of additions.

    Torch's product at the places of a sparse matrix: each pair is read where it lies, without copies of the rows.

    Args:
        rows: float32[n, d], on the host.
        row: int64[p], ascending: the row of each pair.
        others: float32[k, d], on the host.
        other: int64[p], the row of `others` of each pair.
    """
    _say_once()
    ends = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=len(rows)))])
    pattern = torch.sparse_csr_tensor(
        torch.from_numpy(ends),
        torch.from_numpy(other),
        torch.zeros(len(row)),
        size=(len(rows), len(others)),
        check_invariants=False,
    )
    return np.asarray(torch.sparse.sampled_addmm(pattern, rows, others.T, beta=0.0).values().numpy(), np.float32)


@cache
def _say_once() -> None:
    """Torch says once a process that its sparse matrices are new; nobody needs to hear it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        torch.sparse_csr_tensor([0, 1], [0], [0.0], size=(1, 1), check_invariants=False)


def closest(
    single: torch.Tensor, target: Target, row: NDArray[np.int64], cluster: NDArray[np.int64], places: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Of pairs that 16 bits left, those that float32 leaves for the first (and, with 2 `places`, second) of their row.

    `single` is float32[n, d], the rows that the pairs count, on the host.
    """
    if not len(row):
        return row, cluster
    values = pair_products(single, row, target.single, cluster)
    starts, group = groups(row)
    limit = np.maximum.reduceat(values, starts)
    if places == 2 and len(target.single) > 1:
        _, _, limit = first_two(row, cluster, values)
    keep = values >= (limit - np.float32(target.margin))[group]
    return row[keep], cluster[keep]


def decided(
    rows: torch.Tensor, target: Target, row: NDArray[np.int64], cluster: NDArray[np.int64]
) -> NDArray[np.int32]:
    """The nearest cluster of each row that has pairs, by float64 where it has more than one.

    `rows` is float16[n, d], on the device of the target.
    """
    starts, group = groups(row)
    labels = cluster[starts].astype(np.int32)
    undecided = np.diff(starts, append=len(row)) > 1
    if undecided.any():
        pairs = undecided[group]
        row, cluster = row[pairs], cluster[pairs]
        labels[undecided], _, _ = first_two(row, cluster, exact(rows, target, row, cluster))
    return labels


def exact(
    rows: torch.Tensor, target: Target, row: NDArray[np.int64], cluster: NDArray[np.int64]
) -> NDArray[np.float64]:
    """The dot products of the pairs in float64, in a fixed order of additions."""
    device = target.double.device
    return pair_dots(rows, torch.from_numpy(row).to(device), target.double, torch.from_numpy(cluster).to(device))


def groups(row: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where the pairs of each row start, and the number of the row that each pair belongs to; rows ascending."""
    new = np.concatenate([[True], row[1:] != row[:-1]])
    return np.flatnonzero(new), np.cumsum(new) - 1


def first_two(
    row: NDArray[np.int64], cluster: NDArray[np.int64], values: NDArray[np.float64] | NDArray[np.float32]
) -> tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.float32]]:
    """The winner of each row among its pairs, its similarity, and the best of the rest (NaN if there is none).

    Args:
        row: int64[p], ascending; the pairs of a row stand together.
        cluster: int64[p], ascending inside a row.
        values: their similarities, float64[p] or float32[p].
    """
    starts, group = groups(row)
    best = np.maximum.reduceat(values, starts)
    winners = np.flatnonzero(values == best[group])
    # Of the winners of a row the first has the lowest cluster.
    winners = winners[np.concatenate([[True], group[winners[1:]] != group[winners[:-1]]])]
    rest = values.copy()
    rest[winners] = -np.inf
    second = np.maximum.reduceat(rest, starts)
    second = np.where(np.isneginf(second), np.nan, second)
    return cluster[winners].astype(np.int32), best.astype(np.float32), second.astype(np.float32)
