"""What balance was won, and what it cost.

Even clusters are bought with coverage: at a budget of one epoch a balanced draw leaves out much of the large
clusters and repeats the small ones. So the two are measured side by side.

Balance of a vector of sizes x (documents or tokens of each cluster):

    Gini                G = 2 * sum_i i * x_(i) / (n * sum x) - (n + 1) / n,   x_(i) ascending; 0 is even
    effective number    e^H,  H = -sum p ln p,  p = x / sum x:  so many even clusters would be as mixed (Hill 1973)

Coverage: different documents that are used at all, how often, and what repeated tokens are still worth
(Muennighoff et al. 2023, Scaling Data-Constrained Language Models, arXiv 2305.16264, equation 5):

    D' = U + U * R* * (1 - e^(-R / R*)),   R = D / U - 1,   R* = 15

with U different tokens, D drawn tokens, R repetitions beside the first use: up to about four epochs a repeated
token is nearly worth a new one, and beyond some sixteen nothing is gained.

Cost: one pass over the documents, exact integer sums.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curation.sampling.grouping import blocks

#: Repetitions after which the worth of one more has fallen to 1/e.
HALF_LIFE = 15.0


def gini(sizes: NDArray[Any]) -> float:
    """Gini coefficient: 0 if all sizes are equal, (n - 1) / n if one has everything.

    Args:
        sizes: numbers[n], at least 0. None, or all 0, are even: 0.

    Example:
        >>> round(gini(np.array([1, 1, 2])), 4)
        0.1667
    """
    x = np.sort(np.asarray(sizes, dtype=np.float64))
    if not x.any():
        return 0.0
    n = len(x)
    return float(max(0.0, 2.0 * (np.arange(1, n + 1) @ x) / (n * x.sum()) - (n + 1) / n))


def effective_number(sizes: NDArray[Any]) -> float:
    """How many clusters of one size would be as mixed: e to the entropy of the shares.

    Args:
        sizes: numbers[n], at least 0; empty clusters don't count.

    Returns:
        1 to n; 0 if there is nothing.

    Example:
        >>> round(effective_number(np.array([5, 5, 5, 0])), 4)
        3.0
    """
    x = np.asarray(sizes, dtype=np.float64)
    x = x[x > 0]
    if not len(x):
        return 0.0
    p = x / x.sum()
    return float(np.exp(-(p @ np.log(p))))


def effective_tokens(unique: float, drawn: float) -> float:
    """Tokens that would be worth as much if none were repeated, D' above.

    Args:
        unique: U, different tokens among those drawn.
        drawn: D, tokens drawn with repetitions, at least `unique`.

    Example:
        >>> round(effective_tokens(100, 400))
        372
    """
    if unique <= 0:
        return 0.0
    return unique + unique * HALF_LIFE * (1.0 - exp(-(drawn / unique - 1.0) / HALF_LIFE))


@dataclass(frozen=True)
class Coverage:
    """What of the corpus a plan uses."""

    documents: int
    """Documents there are."""
    used_documents: int
    """Documents that are drawn at least once."""
    tokens: int
    """Tokens there are."""
    unique_tokens: int
    """Tokens of the documents that are drawn at least once."""
    drawn_tokens: int
    """Tokens drawn, every repetition counted."""
    effective_tokens: float
    """What the drawn tokens are worth, see `effective_tokens`."""
    repetitions: NDArray[np.int64]
    """int64[most + 1]: how many documents are drawn 0, 1, 2, ... times; the last is not 0."""

    @property
    def document_share(self) -> float:
        """Share of the documents that are used; 0 if there are none."""
        return self.used_documents / self.documents if self.documents else 0.0

    @property
    def token_share(self) -> float:
        """Share of the tokens that are used; 0 if there are none."""
        return self.unique_tokens / self.tokens if self.tokens else 0.0


def coverage(tokens: NDArray[Any], counts: NDArray[np.int16]) -> Coverage:
    """What is used of a corpus, of a domain or of a cluster.

    Args:
        tokens: integers[N], tokens of each document.
        counts: int16[N], draws of each document.

    Example:
        >>> seen = coverage(np.array([10, 20, 30]), np.array([0, 1, 3], np.int16))
        >>> seen.unique_tokens, seen.drawn_tokens, seen.repetitions.tolist()
        (50, 110, [1, 1, 0, 1])
    """
    repetitions = np.zeros(int(counts.max(initial=0)) + 1, dtype=np.int64)
    total = unique = drawn = 0
    for block in blocks(len(counts)):
        lengths = tokens[block].astype(np.int64)
        repetitions += np.bincount(counts[block], minlength=len(repetitions))
        total += int(lengths.sum())
        unique += int(lengths[counts[block] > 0].sum())
        drawn += int(lengths @ counts[block].astype(np.int64))
    used = len(counts) - int(repetitions[0])
    return Coverage(len(counts), used, total, unique, drawn, effective_tokens(unique, drawn), repetitions)
