"""Vectors for the tests."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from curation.clustering.torch_engine import RowBlock, StepResult, Worst, merge_worst


def mixture(rows: int, dimensions: int, groups: int, seed: int = 0, spread: float = 0.5) -> NDArray[np.float16]:
    """Unit vectors around `groups` random directions of unequal weight."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((groups, dimensions))
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    weights = rng.pareto(1.0, groups) + 0.2
    chosen = centres[rng.choice(groups, rows, p=weights / weights.sum())]
    return unit16(chosen + spread * rng.standard_normal((rows, dimensions)) / np.sqrt(dimensions))


def unit16(matrix: NDArray[np.float64]) -> NDArray[np.float16]:
    return (matrix / np.linalg.norm(matrix, axis=1, keepdims=True)).astype(np.float16)


def unit32(matrix: NDArray[np.float64]) -> NDArray[np.float32]:
    return (matrix / np.linalg.norm(matrix, axis=1, keepdims=True)).astype(np.float32)


Steps = tuple[Callable[[NDArray[np.float32]], StepResult], Callable[[NDArray[np.float32], int], Worst]]


def over_actors(rows: NDArray[np.float16], groups: int, seed: int = 0, parts: int = 1) -> Steps:
    """`step` and `worst` over rows dealt at random to actors, each of which holds them in several parts."""
    rng = np.random.default_rng(seed)
    owner = rng.integers(0, groups, len(rows))
    blocks = []
    for actor in range(groups):
        mine = rng.permutation(np.flatnonzero(owner == actor))
        blocks.append(RowBlock([rows[part] for part in np.array_split(mine, parts)], mine.astype(np.int64)))

    def step(centroids: NDArray[np.float32]) -> StepResult:
        results = [block.step(centroids) for block in rng.permutation(np.array(blocks, dtype=object))]
        return sum(results[1:], start=results[0])

    def worst(centroids: NDArray[np.float32], most: int) -> Worst:
        return merge_worst([block.worst(centroids, most) for block in blocks], most)

    return step, worst
