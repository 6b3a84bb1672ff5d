"""The nearest centroid of each row, decided so that no shape of a matrix product can move it.

Cosine similarities of a block of rows to all centroids are one matrix product: fast, but its last bits depend on the
block, the library and the device. Its error has a bound, though: `screen` where the processor multiplies 16-bit
numbers, `blocks.margin` in float32. A row whose best similarity beats all others by more than that is decided
(`narrow`). For the few others the bound leaves candidates, which are compared again in float32 and at last in float64,
each product summed in a fixed order, ties to the lowest cluster (`pairs`). So the labels are those of float64
arithmetic, for any grouping of the rows, any number of threads, CPU or GPU.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from curation.clustering.blocks import Target, block_rows
from curation.clustering.device_rows import chunks
from curation.clustering.narrow import labels_in_bfloat16, labels_in_float16
from curation.clustering.pairs import closest, decided, exact, first_two
from curation.clustering.screen import rounding
from curation.clustering.threads import over_threads
from curation.clustering.vectors import Rows, as_tensor, matmul_precision, pair_dots

#: Rows left open that are brought together at a time.
_GATHERED_ROWS = 1 << 18


def nearest(rows: Rows, centroids: NDArray[np.float32], device: str = "cpu") -> NDArray[np.int32]:
    """The cluster of each row: the centroid of the largest dot product, ties to the lowest.

    Args:
        rows: [n, d] float16 unit vectors; on the host, or on `device` already.
        centroids: [K, d] float32 unit vectors, K >= 1.
        device: where to compute, a torch device.

    Returns:
        int32[n].
    """
    tensor, target = as_tensor(rows), Target.of(centroids, device)
    labels = np.empty(len(tensor), np.int32)
    for part, place in chunks([tensor], device):
        labels[place] = nearest_to(part, target).cpu().numpy()
    return labels


def nearest_to(rows: torch.Tensor, target: Target, lost: torch.Tensor | None = None) -> torch.Tensor:
    """As `nearest`, all on one device.

    Args:
        rows: float16[n, d], on the device of the target.
        target: the centroids, made ready.
        lost: `screen.rounding` of the rows, if they are on a CPU and the caller has it.

    Returns:
        int32[n], on the device.
    """
    if target.screen is None:
        return torch.from_numpy(_in_float32(rows, target)).to(rows.device)
    if target.screen.centroids.dtype == torch.bfloat16:
        labels, undecided = labels_in_bfloat16(rows, target, lost)
    else:
        labels, undecided = labels_in_float16(rows, target)
    for some in torch.split(undecided, _GATHERED_ROWS):
        labels[some] = torch.from_numpy(_in_float32(rows[some], target.plain())).to(rows.device)
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
    tensor, target = as_tensor(rows), Target.of(centroids, device)
    if target.single.device.type != "cpu":  # float16 is for the best alone
        target = target.plain()
    labels = np.empty(len(tensor), np.int32)
    similarity, second_similarity = np.empty(len(tensor), np.float32), np.empty(len(tensor), np.float32)

    def work(turn: slice) -> None:
        for block in _blocks(tensor, target, turn):
            best, _, second = _top_two(block.scores)
            # The true second is among those within the bound of the one that this product takes for the second.
            least = (second if len(centroids) > 1 else best) - block.slack
            row, cluster = _at_least(block.scores, least)
            if target.screen is not None:
                row, cluster = closest(block.single, target, row, cluster, 2)
            first = first_two(row, cluster, exact(block.rows, target, row, cluster))
            labels[block.place], similarity[block.place], second_similarity[block.place] = first

    with matmul_precision("medium" if target.screen else "highest"):
        over_threads(work, len(tensor), _size(target), target.single.device)
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


def _in_float32(tensor: torch.Tensor, target: Target) -> NDArray[np.int32]:
    """The cluster of each row float16[n, d] by float32 products; the target has no screen."""
    labels = np.empty(len(tensor), np.int32)

    def work(turn: slice) -> None:
        for block in _blocks(tensor, target, turn):
            best, index, second = _top_two(block.scores)
            labels[block.place] = index.cpu().numpy()
            least = best - block.slack
            near = torch.nonzero(second >= least).ravel()
            if len(near):
                place = near.cpu().numpy()
                row, cluster = _at_least(block.scores[near], least[near])
                labels[block.place][place] = decided(block.rows, target, place[row], cluster)

    with matmul_precision("medium" if target.screen else "highest"):
        over_threads(work, len(tensor), _size(target), target.single.device)
    return labels


def _size(target: Target) -> int:
    return block_rows(len(target.single), target.single.shape[1], target.single.device.type)


@dataclass(frozen=True, eq=False)
class _Block:
    """A block of rows: its place, the rows [b, d] in float16 and float32 on the device, their similarities [b, K].

    Two similarities of a row that differ by more than its `slack`, float32[b], are in the right order.
    """

    place: slice
    rows: torch.Tensor
    single: torch.Tensor
    scores: torch.Tensor
    slack: torch.Tensor


def _blocks(rows: torch.Tensor, target: Target, turn: slice) -> Iterator[_Block]:
    """The blocks of a turn. Each overwrites the one before it."""
    device = target.single.device
    size = min(_size(target), turn.stop - turn.start)
    single = torch.empty((size, rows.shape[1]), dtype=torch.float32, device=device)
    scores = torch.empty((size, len(target.single)), dtype=torch.float32, device=device)
    quick = target.single if target.screen is None else target.screen.centroids.to(torch.float32)
    for start in range(turn.start, turn.stop, size):
        place = slice(start, min(start + size, turn.stop))
        part = rows[place].to(device)
        wide, similarity = single[: len(part)].copy_(part), scores[: len(part)]
        torch.mm(wide, quick.T, out=similarity)
        if target.screen is None:
            slack = torch.full((len(part),), target.margin, device=device)
        else:
            slack = target.screen.slack(rounding(part), target.margin)
        yield _Block(place, part, wide, similarity, slack)


def _top_two(scores: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Best similarity, its cluster, and the second best similarity (-inf where K is 1) of each row."""
    on_cpu = scores.device.type == "cpu"  # where NumPy's argmax is vectorised along rows, torch's is not
    every = torch.arange(len(scores), device=scores.device)
    index = torch.from_numpy(scores.numpy().argmax(axis=1)) if on_cpu else scores.argmax(dim=1)
    best = scores[every, index]
    scores[every, index] = -math.inf
    second = scores.amax(dim=1)
    scores[every, index] = best
    return best, index, second


def _at_least(scores: torch.Tensor, least: torch.Tensor) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Row and cluster of the similarities [b, K] that reach the `least` of their row, in order."""
    if scores.device.type != "cpu":
        row, cluster = torch.nonzero(scores >= least[:, None], as_tuple=True)
        return row.cpu().numpy(), cluster.cpu().numpy()
    # On a CPU NumPy compares and finds several times as fast as torch.
    return np.divmod(np.flatnonzero(scores.numpy() >= least.numpy()[:, None]), scores.shape[1])
