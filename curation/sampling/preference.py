"""What each cell would get if nothing stood in its way.

A cluster's share is a power of its size, and inside a cluster the domains share as they are:

    p_cd = pi_c * S_cd / S_c,    pi_c = S_c^alpha / sum_k S_k^alpha    over the clusters that have tokens.

alpha = 0 gives every cluster the same (ClusterClip, Shao et al. 2024, arXiv 2402.14526), alpha = 1 leaves the
corpus as it is (random sampling), and between the two the shares are tempered, as languages are in multilingual
training (Conneau et al. 2020, arXiv 1911.02116, section 3.1).

In a tree of clusters pi is even at each level above the clusters: each of the G topmost groups that have tokens gets
1 / G, each of the H groups with tokens inside such a one gets 1 / H of that, and so on down; the clusters of a lowest
group share what it has by a power of their size,

    pi_c = 1 / G * 1 / H * ... * S_c^alpha / sum_k S_k^alpha    over the clusters k of its lowest group with tokens.

So alpha = 0 is even at every level, and a tree of one level of groups is even over these. Learned weights w_g of such
groups are another upper level: w_g in place of 1 / G.

Levels that are no tree each divide the clusters in a way of their own, into few groups or many, and the right number is
not known. Then pi is the mean over the levels of what each would give alone, its groups by a power of their size S_g,

    pi_c = mean over levels of  S_g^beta / sum_h S_h^beta * S_c^alpha / sum_k S_k^alpha    over the clusters k of g:

where one level joins what another keeps apart, neither decides.

Cost: one pass over the C x D table, and a sort of the clusters a level.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray


def preference(
    cell_tokens: NDArray[np.int64],
    exponent: float,
    groups: NDArray[np.int32] | None = None,
    group_weights: NDArray[np.float64] | None = None,
    level_exponent: float | None = None,
) -> NDArray[np.float64]:
    """The share of the budget that each cell is preferred to get.

    Args:
        cell_tokens: int64[C, D], tokens available in each cell; empty clusters and domains are allowed.
        exponent: alpha, 0 for even clusters to 1 for the corpus as it is (inside a lowest group, if there are any).
        groups: int32[C, L], the group of each cluster at each of L levels, the topmost first; a group is known by its
            number and, in a tree, by those of the groups that hold it. None: there are none.
        group_weights: float64[G] of any scale, what each group of a single level gets; None: all the same. Normalised
            over the groups that have tokens.
        level_exponent: beta of levels that each count by themselves; None: the levels are a tree.

    Returns:
        float64[C, D], sums to 1; 0 exactly where a cell has no tokens.

    Raises:
        ValueError: the table is not 2-D, has a negative entry or no tokens at all, an exponent is not in [0, 1], or
            the groups are not L >= 1 numbers a cluster, or have weights and more levels than one.

    Example:
        >>> preference(np.array([[6, 2], [2, 0]]), exponent=0.0).tolist()
        [[0.375, 0.125], [0.5, 0.0]]
    """
    if cell_tokens.ndim != 2 or cell_tokens.size == 0 or cell_tokens.min() < 0:
        raise ValueError("cell_tokens must be a table [clusters, domains] of numbers that are not negative")
    for power in (exponent, level_exponent or 0.0):
        if not 0.0 <= power <= 1.0:
            raise ValueError(f"the exponent must lie in [0, 1], and is {power}")
    cluster_tokens = cell_tokens.sum(axis=1)
    if not cluster_tokens.any():
        raise ValueError("no cell has tokens")
    if groups is not None:
        _check_groups(groups, len(cluster_tokens), group_weights)
    # Divided by the mass of the largest cluster, so that the powers are at most 1. 0^0 is 1: hence the mask.
    relative = cluster_tokens / cluster_tokens.max()
    share = np.where(cluster_tokens > 0, relative**exponent, 0.0)
    if groups is None:
        share /= share.sum()
    elif level_exponent is not None:
        share = np.mean([_of_level(share, relative, one, level_exponent) for one in groups.T], axis=0)
    elif group_weights is not None:
        share = _weighted(share, groups[:, 0], group_weights)
    else:
        share /= _divisors(share, groups)
    per_token = np.divide(share, cluster_tokens, out=np.zeros_like(share), where=cluster_tokens > 0)
    table: NDArray[np.float64] = per_token[:, None] * cell_tokens
    return table


def _check_groups(groups: NDArray[np.int32], clusters: int, weights: NDArray[np.float64] | None) -> None:
    if groups.ndim != 2 or len(groups) != clusters or not groups.size:
        raise ValueError("groups must be a table [clusters, levels]")
    if groups.min() < 0:
        raise ValueError("groups must be a table of numbers that are not negative")
    if weights is not None and groups.shape[1] != 1:
        raise ValueError("groups with weights must have a single level")


def _weighted(
    share: NDArray[np.float64], groups: NDArray[np.int32], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Shares of clusters, float64[C], of groups that get so much each, those without tokens nothing."""
    of_group = np.bincount(groups, share)
    wanted = np.where(of_group > 0, weights[: len(of_group)], 0.0)
    found: NDArray[np.float64] = share * (wanted / np.where(of_group > 0, of_group, 1.0) / wanted.sum())[groups]
    return found


def _of_level(
    share: NDArray[np.float64], relative: NDArray[np.float64], groups: NDArray[np.int32], exponent: float
) -> NDArray[np.float64]:
    """Shares of clusters, float64[C], where the groups of one level get a power of their size."""
    sizes = np.bincount(groups, relative)
    return _weighted(share, groups, (sizes / sizes.max()) ** exponent)


def _divisors(share: NDArray[np.float64], groups: NDArray[np.int32]) -> NDArray[np.float64]:
    """What each cluster's power of its size is divided by, float64[C]: the sum in its lowest group, times how many
    groups with tokens stand side by side at each level above."""
    nodes = [np.zeros(len(share), np.int64)]
    for level in range(groups.shape[1]):
        nodes.append(np.unique(groups[:, : level + 1], axis=0, return_inverse=True)[1].ravel())
    sums = np.bincount(nodes[-1], share)
    divisors = np.where(sums > 0, sums, 1.0)[nodes[-1]]
    filled = share > 0
    for above, node in pairwise(nodes):
        _, first = np.unique(node[filled], return_index=True)  # a cluster of each group that has tokens
        beside = np.bincount(above[filled][first], minlength=int(above.max()) + 1)
        divisors = divisors * np.maximum(beside, 1)[above]
    return divisors
