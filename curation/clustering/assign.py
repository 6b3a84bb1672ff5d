"""The nearest centroid of each row, decided so that no shape of a matrix product can move it.

Cosine similarities of a block of rows to all centroids are one matrix product: fast, but its last bits depend on the
block, the library and the device. Its error has a bound, though: `screen` where a CPU multiplies bfloat16, `margin`
in float32 elsewhere. A row whose best similarity beats all others by more than that is decided. For the few others
the bound leaves candidates. After bfloat16, those are compared again in float32, pair by pair. What `margin` still
leaves open is decided in float64, each product summed in a fixed order (`vectors.fold`), ties to the lowest cluster.
So the labels are those of float64 arithmetic, for any grouping of the rows, any number of threads, CPU or GPU.

On a CPU each thread takes blocks of its own, of a size for its cache, from product to labels. Threads inside the
product would wait for each other after each block, and where cores are shared with other work that is most of the time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from curation.clustering.screen import Screen, pair_products, rounding, screen_of
from curation.clustering.vectors import Rows, as_tensor, matmul_precision, pair_dots

#: Bytes of the similarities of one block: on a CPU they stay in a core's cache, a GPU wants larger products.
_CPU_BLOCK_BYTES = 16 << 20
_MOST_BLOCK_BYTES = 64 << 20

#: Blocks that a thread takes at a time, into the same memory.
_BLOCKS_A_TURN = 4


def margin(dimensions: int) -> float:
    """How far apart two float32 similarities must be for their order to be certain.

    A float32 dot product of d terms, added in any order, with or without fused multiply-add, is off by at most
    `d u / (1 - d u) * |x| |c|` with `u = 2^-24` (Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed.,
    section 3.1, and Cauchy-Schwarz). Two of them: twice that. `d + 2` for the rounding of the comparison itself;
    2^-8 more for rows that float16 made up to 2^-11 too long, for the denominator, and for the rounding of the
    float64 dot product (2^-29 of the bound): where float32 is sure, float64 agrees.
    """
    return 2 * (dimensions + 2) * 2.0**-24 * (1 + 2.0**-8)


def nearest(
    rows: Rows,
    centroids: NDArray[np.float32],
    device: str = "cpu",
    screen: Screen | None = None,
    lost: torch.Tensor | None = None,
) -> NDArray[np.int32]:
    """The cluster of each row: the centroid of the largest dot product, ties to the lowest.

    Args:
        rows: [n, d] float16 unit vectors; on the host, or on `device` already.
        centroids: [K, d] float32 unit vectors, K >= 1.
        device: where to compute, a torch device.
        screen: `screen_of` the centroids, if the caller has it already.
        lost: `screen.rounding` of the rows, if the caller has it already.

    Returns:
        int32[n].
    """
    tensor, target = as_tensor(rows), _Target.of(centroids, device, screen)
    labels = np.empty(len(tensor), np.int32)

    def work(turn: slice) -> None:
        for block in _blocks(tensor, target, turn, lost):
            best, index, second = _top_two(block.scores)
            labels[block.place] = index.cpu().numpy()
            least = best - block.slack
            near = torch.nonzero(second >= least).ravel()
            if len(near):
                place = near.cpu().numpy()
                row, cluster = _at_least(block.scores[near], least[near])
                row, cluster = _closest(block, target, place[row], cluster, 1)
                labels[block.place][place] = _decided(block, target, row, cluster)

    _over_threads(work, len(tensor), target)
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
    tensor, target = as_tensor(rows), _Target.of(centroids, device, None)
    labels = np.empty(len(tensor), np.int32)
    similarity, second_similarity = np.empty(len(tensor), np.float32), np.empty(len(tensor), np.float32)

    def work(turn: slice) -> None:
        for block in _blocks(tensor, target, turn, None):
            best, _, second = _top_two(block.scores)
            # The true second is among those within the bound of the one that this product takes for the second.
            least = (second if len(centroids) > 1 else best) - block.slack
            row, cluster = _closest(block, target, *_at_least(block.scores, least), 2)
            decided = _first_two(row, cluster, _exact(block, target, row, cluster))
            labels[block.place], similarity[block.place], second_similarity[block.place] = decided

    _over_threads(work, len(tensor), target)
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
    size = _CPU_BLOCK_BYTES if torch.device(device).type == "cpu" else _MOST_BLOCK_BYTES
    wanted = size // (4 * max(clusters, dimensions))
    return max(1, min(max(wanted, 128), _MOST_BLOCK_BYTES // (4 * clusters)))


@dataclass(frozen=True, eq=False)
class _Target:
    """The centroids [K, d] on the device, in float32 and in float64, and their screen, if bfloat16 is used."""

    single: torch.Tensor
    double: torch.Tensor
    screen: Screen | None
    margin: float

    @classmethod
    def of(cls, centroids: NDArray[np.float32], device: str, screen: Screen | None) -> _Target:
        single = torch.from_numpy(centroids).to(device)
        screen = screen_of(centroids, device) if screen is None else screen
        return cls(single, single.to(torch.float64), screen, margin(centroids.shape[1]))


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


def _over_threads(work: Callable[[slice], None], rows: int, target: _Target) -> None:
    """Does the work on all rows, a few blocks a turn, by as many threads as torch has on a CPU; each has one core."""
    device = target.single.device.type
    threads = torch.get_num_threads() if device == "cpu" else 1
    size = block_rows(len(target.single), target.single.shape[1], device)
    step = size * max(1, min(_BLOCKS_A_TURN, rows // (2 * threads * size)))
    turns = [slice(start, min(start + step, rows)) for start in range(0, rows, step)]
    with matmul_precision("medium" if target.screen else "highest"):
        if threads == 1 or not turns:
            for turn in turns:
                work(turn)
        else:
            with ThreadPoolExecutor(min(threads, len(turns)), initializer=torch.set_num_threads, initargs=(1,)) as pool:
                list(pool.map(work, turns))


def _blocks(rows: torch.Tensor, target: _Target, turn: slice, lost: torch.Tensor | None) -> Iterator[_Block]:
    """The blocks of a turn. Each overwrites the one before it."""
    device = target.single.device
    size = min(block_rows(len(target.single), rows.shape[1], device.type), turn.stop - turn.start)
    single = torch.empty((size, rows.shape[1]), dtype=torch.float32, device=device)
    scores = torch.empty((size, len(target.single)), dtype=torch.float32, device=device)
    for start in range(turn.start, turn.stop, size):
        place = slice(start, min(start + size, turn.stop))
        part = rows[place].to(device)
        wide, similarity = single[: len(part)].copy_(part), scores[: len(part)]
        if target.screen is None:
            torch.mm(wide, target.single.T, out=similarity)
            slack = torch.full((len(part),), target.margin, device=device)
        else:
            torch.mm(wide, target.screen.centroids.T, out=similarity)
            length = rounding(part) if lost is None else lost[place]
            slack = target.screen.slack(length, target.margin)
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


def _closest(
    block: _Block, target: _Target, row: NDArray[np.int64], cluster: NDArray[np.int64], places: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Of pairs that bfloat16 left, those that float32 leaves for the first (and second) place of their row."""
    if target.screen is None or not len(row):
        return row, cluster
    values = pair_products(block.single, row, target.single, cluster)
    starts, group = _groups(row)
    limit = np.maximum.reduceat(values, starts)
    if places == 2 and len(target.single) > 1:
        _, _, limit = _first_two(row, cluster, values)
    keep = values >= (limit - np.float32(target.margin))[group]
    return row[keep], cluster[keep]


def _decided(block: _Block, target: _Target, row: NDArray[np.int64], cluster: NDArray[np.int64]) -> NDArray[np.int32]:
    """The nearest cluster of each row that has pairs, by float64 where it has more than one."""
    starts, group = _groups(row)
    labels = cluster[starts].astype(np.int32)
    undecided = np.diff(starts, append=len(row)) > 1
    if undecided.any():
        pairs = undecided[group]
        row, cluster = row[pairs], cluster[pairs]
        labels[undecided], _, _ = _first_two(row, cluster, _exact(block, target, row, cluster))
    return labels


def _exact(block: _Block, target: _Target, row: NDArray[np.int64], cluster: NDArray[np.int64]) -> NDArray[np.float64]:
    """The dot products of the pairs in float64, in a fixed order of additions."""
    device = target.double.device
    return pair_dots(block.rows, torch.from_numpy(row).to(device), target.double, torch.from_numpy(cluster).to(device))


def _groups(row: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where the pairs of each row start, and the number of the row that each pair belongs to; rows ascending."""
    new = np.concatenate([[True], row[1:] != row[:-1]])
    return np.flatnonzero(new), np.cumsum(new) - 1


def _first_two(
    row: NDArray[np.int64], cluster: NDArray[np.int64], exact: NDArray[np.float64] | NDArray[np.float32]
) -> tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.float32]]:
    """The winner of each row among its pairs, its similarity, and the best of the rest (NaN if there is none).

    Args:
        row: int64[p], ascending; the pairs of a row stand together.
        cluster: int64[p], ascending inside a row.
        exact: their similarities, float64[p] or float32[p].
    """
    starts, group = _groups(row)
    best = np.maximum.reduceat(exact, starts)
    winners = np.flatnonzero(exact == best[group])
    # Of the winners of a row the first has the lowest cluster.
    winners = winners[np.concatenate([[True], group[winners[1:]] != group[winners[:-1]]])]
    rest = exact.copy()
    rest[winners] = -np.inf
    second = np.maximum.reduceat(rest, starts)
    second = np.where(np.isneginf(second), np.nan, second)
    return cluster[winners].astype(np.int32), best.astype(np.float32), second.astype(np.float32)
