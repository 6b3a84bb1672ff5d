"""Which centroids can be a row's nearest: products of 16-bit numbers that say how wrong they can be.

Processors multiply numbers of 16 bits several times as fast as those of 32: CPUs with AMX or AVX512_BF16 in bfloat16
(8 bits of significand), GPUs in float16 (11 bits, so that rows are what they are). They add in float32. What that
costs is known. Write x' and c' for the rounded row and centroid, and r = c - c'. Then for centroids a and b

    (x.a - x.b) - (x'.a' - x'.b') = (x - x').(a' - b') + x.(r_a - r_b)

and by Cauchy-Schwarz its size is at most |x - x'| D + |x| R, with D the largest distance between two rounded
centroids and R between two roundings. The lengths are measured, not the worst that 16 bits allow: that is half.
A centroid that is behind by more than this, the `slack`, has lost; `assign` looks at the others again.

Similarities are wanted in 16 bits too, half the bytes to look through. Let t be the best of a row, as seen. The true
nearest is not above it before the rounding, nor further below than the slack. Unless it is negative, both are rounded
by at most half of the last place of t: it is seen at t less the slack and one unit in that place, or above. That is
the `least`. If it is negative then t is below the slack and the least is negative too: such rows are for other ways.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import torch

from curation.clustering.threads import over_threads
from curation.clustering.vectors import matmul_precision

#: Up to so many centroids are all pairs of them measured; their matrix of products is then at most 64 MiB.
_MOST_PAIRED = 4096

#: Rows that are rounded at a time, so that they stay in the cache.
_ROUNDED_ROWS = 256

#: The length of a row that float16 made as long as it can, rounded up.
_LONGEST = 1 + 2.0**-10

#: For the rounding of the float32 arithmetic on bounds.
_UP = 1 + 2.0**-12

#: The bits of the exponent, and one unit in the last place of 1. The smallest float16 above 0.
_EXPONENT = {torch.bfloat16: 0x7F80, torch.float16: 0x7C00}
_LAST_PLACE = {torch.bfloat16: 2.0**-7, torch.float16: 2.0**-10}
_SMALLEST = 2.0**-24

#: Errors of the additions, in float32 margins. bfloat16: rounded vectors can be longer than 1 by 2^-8 each. float16:
#: a tensor core may cut instead of round, each of d products and of at most d / 4 partial sums at 2^-23 of the largest
#: (Fasi, Higham, Mikaitis and Pranesh 2021, Numerical behavior of NVIDIA tensor cores): 2.5 margins, and some to spare.
_ADDITIONS = {torch.bfloat16: 2.0, torch.float16: 4.0}


@cache
def available() -> bool:
    """Whether this CPU and this torch multiply in bfloat16, rounding to nearest as the bound says.

    Tried, not looked up: a matrix of float16 times the identity must come back as its own rounding.
    """
    rows = torch.linspace(-1, 1, 512 * 256).reshape(512, 256).to(torch.float16).to(torch.float32)
    with matmul_precision("medium"):
        product = rows @ torch.eye(256)
    narrow = rows.to(torch.bfloat16) @ torch.eye(256, dtype=torch.bfloat16)
    return torch.equal(product, _rounded(rows, torch.bfloat16)) and torch.equal(narrow, rows.to(torch.bfloat16))


def rounding(rows: torch.Tensor) -> torch.Tensor:
    """|x - x'| in bfloat16 of each float16 row [n, d] on the host, float32[n], rounded up."""
    result = torch.empty(len(rows), dtype=torch.float32)

    def work(turn: slice) -> None:
        for start in range(turn.start, turn.stop, _ROUNDED_ROWS):
            part = rows[start : min(start + _ROUNDED_ROWS, turn.stop)].to(torch.float32)
            part -= _rounded(part, torch.bfloat16)
            torch.linalg.vector_norm(part, dim=1, out=result[start : start + len(part)])

    over_threads(work, len(rows), _ROUNDED_ROWS, rows.device)
    return result.mul_(_UP)


@dataclass(frozen=True, eq=False)
class Screen:
    """Rounded centroids c' [K, d], in 16 bits, on the device; D and R (see above), rounded up."""

    centroids: torch.Tensor
    diameter: float
    residual_diameter: float

    @classmethod
    def of(cls, centroids: torch.Tensor, narrow: torch.dtype = torch.bfloat16) -> Screen:
        """The screen of centroids float32[K, d] in bfloat16 or float16."""
        rounded = _rounded(centroids, narrow)
        return cls(rounded.to(narrow), _diameter(rounded), _diameter(centroids - rounded))

    def slack(self, rounding: torch.Tensor, margin: float) -> torch.Tensor:
        """How far apart two products of a row must be for their order to be certain, float32[n].

        Args:
            rounding: |x - x'| of each row, float32[n]; 0 if the rows are what they are in these 16 bits.
            margin: the bound for float32 sums of float32 products of unit vectors (`blocks.margin`).
        """
        additions = _ADDITIONS[self.centroids.dtype] * margin
        return rounding * (self.diameter * _UP) + (_LONGEST * self.residual_diameter + additions)

    def least(self, best: torch.Tensor, rounding: torch.Tensor, margin: float) -> torch.Tensor:
        """What the nearest centroid of a row has at least, by the `best` 16-bit similarity of each row [n]; float32[n].

        Where this is not positive it says nothing.
        """
        narrow = self.centroids.dtype
        power = (best.view(torch.int16) & _EXPONENT[narrow]).view(narrow).to(torch.float32)
        slack = self.slack(rounding, margin) * _UP + 2 * _SMALLEST
        return best.to(torch.float32) - (power * _LAST_PLACE[narrow] + slack)


def screen_of(centroids: torch.Tensor) -> Screen | None:
    """The screen of centroids float32[K, d] on their device, or None on a CPU without bfloat16."""
    if centroids.device.type == "cuda":
        return Screen.of(centroids, torch.float16)
    return Screen.of(centroids) if available() else None


def _rounded(matrix: torch.Tensor, narrow: torch.dtype) -> torch.Tensor:
    """A float32 matrix with each number rounded to the nearest of 16 bits, as float32."""
    return matrix.to(narrow).to(torch.float32)


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
