"""Labels from similarities in 16 bits: the quick way to the nearest centroid, where the processor has one.

A block of rows is multiplied with the rounded centroids, and only centroids at or above the `Screen.least` of a row
can be its nearest. Mostly that is one. On a CPU the others are compared again at once (`pairs`), while their rows are
in the cache. On a GPU a block is a handful of kernels and nothing waits for them: rows with two centroids in question
are only marked, and come back to be decided together. The same functions run on a CPU in float16 (the product of it
is then in float32, rounded after), which is how they are tested.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray

from curation.clustering.blocks import Target, narrow_block_rows
from curation.clustering.pairs import closest, decided
from curation.clustering.screen import Screen, rounding
from curation.clustering.threads import over_threads
from curation.clustering.vectors import full_float16_sums

#: Rows that go from float16 to bfloat16 at a time; by way of float32, which should stay in the cache.
_WIDENED_ROWS = 256


def labels_in_bfloat16(
    rows: torch.Tensor, target: Target, lost: torch.Tensor | None
) -> tuple[torch.Tensor, torch.Tensor]:
    """The cluster of each row, on a CPU.

    Args:
        rows: float16[n, d], on the host.
        target: the centroids, with a bfloat16 screen.
        lost: `screen.rounding` of the rows, if the caller has it.

    Returns:
        Labels int32[n], and which rows, int64[m], must be decided otherwise: those with next to no similarity.
    """
    assert target.screen is not None
    screen, (clusters, width) = target.screen, target.single.shape
    labels, hopeless = np.empty(len(rows), np.int32), np.zeros(len(rows), np.bool_)
    size = narrow_block_rows(clusters, width, "cpu")

    def work(turn: slice) -> None:
        narrow = torch.empty((min(size, turn.stop - turn.start), width), dtype=torch.bfloat16)
        single = torch.empty((min(_WIDENED_ROWS, len(narrow)), width), dtype=torch.float32)
        scores = torch.empty((len(narrow), clusters), dtype=torch.bfloat16)
        for start in range(turn.start, turn.stop, size):
            place = slice(start, min(start + size, turn.stop))
            part = rows[place]
            for first in range(0, len(part), _WIDENED_ROWS):
                some = part[first : first + _WIDENED_ROWS]
                narrow[first : first + len(some)] = single[: len(some)].copy_(some)
            product = torch.mm(narrow[: len(part)], screen.centroids.T, out=scores[: len(part)])
            length = rounding(part) if lost is None else lost[place]
            row, cluster, hopeless[place] = _in_question(product, screen, length, target.margin)
            labels[place] = _settled(part, target, row, cluster)

    over_threads(work, len(rows), size, rows.device)
    return torch.from_numpy(labels), torch.from_numpy(np.flatnonzero(hopeless))


def labels_in_float16(rows: torch.Tensor, target: Target) -> tuple[torch.Tensor, torch.Tensor]:
    """The cluster of each row, on any device, without waiting for it.

    Args:
        rows: float16[n, d], on the device of the target.
        target: the centroids, with a float16 screen.

    Returns:
        Labels int32[n], and which rows, int64[m], must be decided otherwise; on the device.
    """
    assert target.screen is not None
    device, screen, centroids = rows.device, target.screen, target.screen.centroids
    index = torch.empty(len(rows), dtype=torch.int64, device=device)
    best, second = torch.empty((2, len(rows)), dtype=torch.float16, device=device)
    size = min(narrow_block_rows(len(centroids), rows.shape[1], device.type), max(1, len(rows)))
    scores = torch.empty((size, len(centroids)), dtype=torch.float16, device=device)
    with full_float16_sums():
        for start in range(0, len(rows), size):
            place = slice(start, start + size)
            part = rows[place]
            product = _float16_products(part, centroids, scores[: len(part)])
            torch.max(product, dim=1, out=(best[place], index[place]))
            product.scatter_(1, index[place, None], -math.inf)
            torch.amax(product, dim=1, out=second[place])
    least = screen.least(best, torch.zeros((), device=device), target.margin)
    return index.to(torch.int32), torch.nonzero((second >= least) | (least <= 0)).ravel()


def _in_question(
    scores: torch.Tensor, screen: Screen, lost: torch.Tensor, margin: float
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Row and cluster of the bfloat16 similarities [b, K] that may be the best of their row; hopeless rows, bool[b].

    The bits of floating-point numbers that are not negative are ordered as integers, and negative numbers are below
    them. NumPy compares 16-bit integers with vector instructions, and neither it nor torch does so with bfloat16.
    """
    bits = scores.view(torch.int16).numpy()
    best = bits.max(axis=1)
    least = screen.least(torch.from_numpy(best).view(torch.bfloat16), lost, margin)
    hopeless = (least <= 0).numpy() | (best <= 0)
    # The upper half of a float32 is the bfloat16 below it. A hopeless row keeps its best: every row has one.
    limit = np.where(hopeless, best, (least.view(torch.int32) >> 16).to(torch.int16).numpy())
    row, cluster = np.divmod(np.flatnonzero(bits >= limit[:, None]), scores.shape[1])
    return row, cluster, hopeless


def _settled(
    part: torch.Tensor, target: Target, row: NDArray[np.int64], cluster: NDArray[np.int64]
) -> NDArray[np.int32]:
    """The nearest of the clusters in question of each row, int32[b]; every row has one at least."""
    count = np.bincount(row, minlength=len(part))
    labels: NDArray[np.int32] = cluster[np.cumsum(count) - count].astype(np.int32)
    several = count > 1
    if several.any():
        rows = part.index_select(0, torch.from_numpy(np.flatnonzero(several)))
        chosen = np.flatnonzero(several[row])
        place, cluster = (np.cumsum(several) - 1)[row[chosen]], cluster[chosen]
        labels[several] = decided(rows, target, *closest(rows.to(torch.float32), target, place, cluster, 1))
    return labels


def _float16_products(rows: torch.Tensor, others: torch.Tensor, out: torch.Tensor) -> torch.Tensor:
    """The dot products of two float16 matrices, [n, d] and [k, d], added in float32, rounded to float16, in `out`."""
    if out.device.type == "cuda":
        return torch.mm(rows, others.T, out=out)
    return out.copy_(rows.to(torch.float32) @ others.to(torch.float32).T)
