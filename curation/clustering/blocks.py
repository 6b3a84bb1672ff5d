"""What every way of comparing rows with centroids shares: the centroids made ready, the error of float32, and blocks.

A block of rows and its similarities to all centroids should stay in a cache from the product to the labels.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from curation.clustering.screen import Screen, screen_of

#: Bytes of the float32 similarities of one block: on a CPU they stay in a core's cache, a GPU wants larger products.
_CPU_BLOCK_BYTES = 16 << 20
_MOST_BLOCK_BYTES = 64 << 20

#: The same for 16-bit similarities. A GPU reads them back from its second-level cache, where it has 40 MiB or more.
_NARROW_BYTES = {"cpu": 8 << 20, "cuda": 32 << 20}


def margin(dimensions: int) -> float:
    """How far apart two float32 similarities must be for their order to be certain.

    A float32 dot product of d terms, added in any order, with or without fused multiply-add, is off by at most
    `d u / (1 - d u) * |x| |c|` with `u = 2^-24` (Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed.,
    section 3.1, and Cauchy-Schwarz). Two of them: twice that. `d + 2` for the rounding of the comparison itself;
    2^-8 more for rows that float16 made up to 2^-11 too long, for the denominator, and for the rounding of the
    float64 dot product (2^-29 of the bound): where float32 is sure, float64 agrees.
    """
    return 2 * (dimensions + 2) * 2.0**-24 * (1 + 2.0**-8)


@dataclass(frozen=True, eq=False)
class Target:
    """The centroids [K, d] on the device, in float32 and in float64, and their screen, if 16 bits are faster there."""

    single: torch.Tensor
    double: torch.Tensor
    screen: Screen | None
    margin: float

    @classmethod
    def of(cls, centroids: NDArray[np.float32], device: str) -> Target:
        """The centroids float32[K, d] made ready for a device."""
        single = torch.from_numpy(centroids).to(device)
        return cls(single, single.to(torch.float64), screen_of(single), margin(centroids.shape[1]))

    def plain(self) -> Target:
        """The same without a screen: for products in float32."""
        return replace(self, screen=None)


def block_rows(clusters: int, dimensions: int, device: str) -> int:
    """Rows of a block, such that neither its float32 rows nor its similarities take much memory."""
    size = _CPU_BLOCK_BYTES if torch.device(device).type == "cpu" else _MOST_BLOCK_BYTES
    wanted = size // (4 * max(clusters, dimensions))
    return max(1, min(max(wanted, 128), _MOST_BLOCK_BYTES // (4 * clusters)))


def narrow_block_rows(clusters: int, dimensions: int, device: str) -> int:
    """Rows of a block of 16-bit rows and similarities."""
    wanted = _NARROW_BYTES.get(torch.device(device).type, 32 << 20) // (2 * max(clusters, dimensions))
    return max(1, min(max(wanted, 128), _MOST_BLOCK_BYTES // (2 * clusters)))
