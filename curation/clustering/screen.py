"""Which centroids can be a row's nearest: products of bfloat16 that say how wrong they can be.

Processors with bfloat16 units (AMX, AVX512_BF16) multiply numbers of 8 bits several times as fast as those of 24.
Torch uses them for float32 matrices where it may ("medium" precision): it rounds both, and adds in float32. What
that costs is known. Write x' and c' for the rounded row and centroid, and r = c - c'. Then for centroids a and b

    (x.a - x.b) - (x'.a' - x'.b') = (x - x').(a' - b') + x.(r_a - r_b)

and by Cauchy-Schwarz its size is at most |x - x'| D + |x| R, with D the largest distance between two rounded
centroids and R between two roundings. The lengths are measured, not the worst that bfloat16 allows: that is half.
A centroid that is behind by more than this has lost; `assign` looks at the others again.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray

from curation.clustering.vectors import matmul_precision

#: Up to so many centroids are all pairs of them measured; their matrix of products is then at most 64 MiB.
_MOST_PAIRED = 4096

#: Rows that are rounded at a time, so that they stay in the cache.
_BLOCK_ROWS = 1024

#: The length of a row that float16 made as long as it can, rounded up.
_LONGEST = 1 + 2.0**-10

#: For the rounding of the float32 arithmetic on bounds.
_UP = 1 + 2.0**-12


@cache
def available() -> bool:
    """Whether this CPU and this torch multiply in bfloat16, rounding to nearest as the bound says.

    Tried, not looked up: a matrix of float16 times the identity must come back as its own rounding.
    """
    rows = torch.linspace(-1, 1, 512 * 256).reshape(512, 256).to(torch.float16).to(torch.float32)
    with matmul_precision("medium"):
        product = rows @ torch.eye(256)
    with warnings.catch_warnings():  # torch says once a process that its sparse matrices are new
        warnings.simplefilter("ignore", UserWarning)
        pair_products(rows, np.zeros(1, np.int64), rows, np.zeros(1, np.int64))
    return torch.equal(product, _rounded(rows))


def rounding(rows: torch.Tensor) -> torch.Tensor:
    """|x - x'| of each float16 row [n, d] on the host, float32[n], rounded up."""
    result = torch.empty(len(rows), dtype=torch.float32)
    for start in range(0, len(rows), _BLOCK_ROWS):
        part = rows[start : start + _BLOCK_ROWS].to(torch.float32)
        part -= _rounded(part)
        torch.linalg.vector_norm(part, dim=1, out=result[start : start + len(part)])
    return result.mul_(_UP)


@dataclass(frozen=True, eq=False)
class Screen:
    """Rounded centroids c', float32[K, d]; D and R (see above), rounded up."""

    centroids: torch.Tensor
    diameter: float
    residual_diameter: float

    @classmethod
    def of(cls, centroids: NDArray[np.float32]) -> Screen:
        """The screen of centroids float32[K, d]."""
        exact = torch.from_numpy(centroids)
        rounded = _rounded(exact)
        return cls(rounded, _diameter(rounded), _diameter(exact - rounded))

    def slack(self, rounding: torch.Tensor, margin: float) -> torch.Tensor:
        """How far apart two products of a row must be for their order to be certain, float32[n].

        Args:
            rounding: |x - x'| of each row, float32[n].
            margin: the bound for float32 sums of float32 products of unit vectors (`assign.margin`). Twice that is
                taken: rounded vectors can be longer than 1 by 2^-8 each.
        """
        return rounding * (self.diameter * _UP) + (_LONGEST * self.residual_diameter + 2 * margin)


def screen_of(centroids: NDArray[np.float32], device: str) -> Screen | None:
    """The screen of the centroids, or None where float32 is as fast: on GPUs, and CPUs without bfloat16."""
    return Screen.of(centroids) if torch.device(device).type == "cpu" and available() else None


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
    ends = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=len(rows)))])
    pattern = torch.sparse_csr_tensor(
        torch.from_numpy(ends),
        torch.from_numpy(other),
        torch.zeros(len(row)),
        size=(len(rows), len(others)),
        check_invariants=False,
    )
    return np.asarray(torch.sparse.sampled_addmm(pattern, rows, others.T, beta=0.0).values().numpy(), np.float32)


def _rounded(matrix: torch.Tensor) -> torch.Tensor:
    """A float32 matrix with each number rounded to the nearest bfloat16, as float32."""
    return matrix.to(torch.bfloat16).to(torch.float32)


def _diameter(matrix: torch.Tensor) -> float:
    """At least the largest distance between two rows of a float32 matrix [k, d], and hardly more.

    From |a|^2 + |b|^2 - 2 a.b. A product of bfloat16s is off by at most (2^-7 + 2^-16 + d 2^-24) |a| |b|; twice
    that is less than 2^-5 |a| |b| for d up to 2^16. Many rows: twice the longest.
    """
    squares = (matrix * matrix).sum(dim=1) * _UP
    longest = float(squares.max())
    if len(matrix) > _MOST_PAIRED:
        return 2 * math.sqrt(longest) * _UP
    with matmul_precision("medium"):
        # The largest of |b|^2 - 2 a.b over b for each a, then over a.
        distances = torch.addmm(squares[None], matrix, matrix.T, alpha=-2).amax(dim=1) + squares
    return math.sqrt(max(0.0, float(distances.max()) + 2.0**-5 * longest)) * _UP
