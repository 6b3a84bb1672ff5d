"""What each cell would get if nothing stood in its way.

A cluster's share is a power of its size, and inside a cluster the domains share as they are:

    p_cd = pi_c * S_cd / S_c,    pi_c = S_c^alpha / sum_k S_k^alpha    over the clusters that have tokens.

alpha = 0 gives every cluster the same (ClusterClip, Shao et al. 2024, arXiv 2402.14526), alpha = 1 leaves the
corpus as it is (random sampling), and between the two the shares are tempered, as languages are in multilingual
training (Conneau et al. 2020, arXiv 1911.02116, section 3.1).

With groups of clusters pi is even at the upper level and a power of the size at the lower one: each of the G groups
that have tokens gets 1 / G, and its clusters share that,

    pi_c = 1 / G * S_c^alpha / sum_k S_k^alpha    over the clusters k of its group that have tokens.

Learned weights w_g are another upper level: w_g in place of 1 / G.

Cost: one pass over the C x D table.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def preference(
    cell_tokens: NDArray[np.int64],
    exponent: float,
    groups: NDArray[np.int32] | None = None,
    group_weights: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """The share of the budget that each cell is preferred to get.

    Args:
        cell_tokens: int64[C, D], tokens available in each cell; empty clusters and domains are allowed.
        exponent: alpha, 0 for even clusters to 1 for the corpus as it is (inside a group, where there are groups).
        groups: int32[C], the group of each cluster, at least 0; None: all are one.
        group_weights: float64[G] of any scale, what each group gets; None: all the same. Normalised over the groups
            that have tokens.

    Returns:
        float64[C, D], sums to 1; 0 exactly where a cell has no tokens.

    Raises:
        ValueError: the table is not 2-D, has a negative entry or no tokens at all, alpha is not in [0, 1], or the
            groups are not a number a cluster.

    Example:
        >>> preference(np.array([[6, 2], [2, 0]]), exponent=0.0).tolist()
        [[0.375, 0.125], [0.5, 0.0]]
    """
    if cell_tokens.ndim != 2 or cell_tokens.size == 0 or cell_tokens.min() < 0:
        raise ValueError("cell_tokens must be a table [clusters, domains] of numbers that are not negative")
    if not 0.0 <= exponent <= 1.0:
        raise ValueError(f"the exponent must lie in [0, 1], and is {exponent}")
    cluster_tokens = cell_tokens.sum(axis=1)
    if not cluster_tokens.any():
        raise ValueError("no cell has tokens")
    if groups is not None and (groups.shape != cluster_tokens.shape or groups.min() < 0):
        raise ValueError("groups must be one number a cluster, not negative")
    # Divided by the mass of the largest cluster, so that the powers are at most 1. 0^0 is 1: hence the mask.
    relative = cluster_tokens / cluster_tokens.max()
    share = np.where(cluster_tokens > 0, relative**exponent, 0.0)
    if groups is None:
        share /= share.sum()
    else:
        of_group = np.bincount(groups, share)
        weights = np.ones(len(of_group)) if group_weights is None else group_weights[: len(of_group)]
        weights = np.where(of_group > 0, weights, 0.0)
        share *= weights[groups]
        share /= np.where(of_group > 0, of_group, 1.0)[groups] * weights.sum()
    per_token = np.divide(share, cluster_tokens, out=np.zeros_like(share), where=cluster_tokens > 0)
    table: NDArray[np.float64] = per_token[:, None] * cell_tokens
    return table
