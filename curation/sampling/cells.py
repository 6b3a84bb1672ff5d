"""Cells: what allocation counts in.

A cell is one cluster within one domain: the documents that mean the same and come from the same place. All
planning happens on a table of cells (a few ten thousand numbers), whatever the number of documents. Documents
carry the flattened index `cell = cluster * D + domain`, so a [C, D] table and its `ravel()` are the same thing.

Totals are summed by `np.bincount`, whose weights are float64. Token counts are integers, and the sum of a block of
two million documents stays below 2^53 (unless they are drawn for 4 billion tokens each), so every such sum is exact
and does not depend on the order of the documents; blocks are added as int64. Cost: about 15 ns a document, tens of
MiB of temporary memory.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from curation.sampling.grouping import blocks


def cell_of(cluster: NDArray[Any], domain: NDArray[Any], n_domains: int) -> NDArray[np.int32]:
    """The flattened cell index of each document.

    Args:
        cluster: integers[N], at least 0.
        domain: integers[N] in [0, n_domains).
        n_domains: number of domains, D.

    Returns:
        int32[N], `cluster * D + domain`.

    Raises:
        ValueError: lengths differ, or an index is out of range.

    Example:
        >>> cell_of(np.array([0, 1, 2]), np.array([1, 0, 1]), n_domains=2).tolist()
        [1, 2, 5]
    """
    if cluster.shape != domain.shape:
        raise ValueError(f"{cluster.size} clusters but {domain.size} domains")
    cell = np.empty(cluster.size, dtype=np.int32)
    for block in blocks(cluster.size):
        if domain[block].min() < 0 or domain[block].max() >= n_domains or cluster[block].min() < 0:
            raise ValueError(f"clusters must be at least 0 and domains lie in [0, {n_domains})")
        wide = cluster[block].astype(np.int64) * n_domains + domain[block]
        if wide.max() > np.iinfo(np.int32).max:
            raise ValueError("more than 2^31 cells")
        cell[block] = wide
    return cell


def cell_totals(
    cell: NDArray[Any], tokens: NDArray[Any], n_cells: int, counts: NDArray[Any] | None = None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Documents and tokens of each cell, exactly.

    Args:
        cell: integers[N] in [0, n_cells).
        tokens: integers[N], tokens of each document.
        n_cells: number of cells.
        counts: integers[N], draws of each document: the totals are then of what is drawn. None: of what there is.

    Returns:
        `(documents, tokens)`, each int64[n_cells].

    Raises:
        ValueError: lengths differ, or a cell is out of range.

    Example:
        >>> documents, tokens = cell_totals(np.array([0, 2, 0]), np.array([5, 7, 1]), n_cells=3)
        >>> documents.tolist(), tokens.tolist()
        ([2, 0, 1], [6, 0, 7])
    """
    if cell.shape != tokens.shape or (counts is not None and counts.shape != tokens.shape):
        raise ValueError("cell, tokens and counts must have one length")
    documents = np.zeros(n_cells, dtype=np.int64)
    totals = np.zeros(n_cells, dtype=np.int64)
    for block in blocks(cell.size):
        if cell[block].min() < 0 or cell[block].max() >= n_cells:
            raise ValueError(f"cells must lie in [0, {n_cells})")
        if counts is None:
            documents += np.bincount(cell[block], minlength=n_cells)
            drawn = tokens[block]
        else:
            documents += np.bincount(cell[block], weights=counts[block], minlength=n_cells).astype(np.int64)
            drawn = tokens[block].astype(np.int64) * counts[block]
        totals += np.bincount(cell[block], weights=drawn, minlength=n_cells).astype(np.int64)
    return documents, totals
