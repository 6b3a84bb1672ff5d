"""How much of a corpus each of its parts has, what is known of that from a sample, and whether it is too little.

Where the parts were counted, a share is exact. Where a sample was looked at (languages), it has an interval: Wilson's
(1927, Probable inference, JASA 22), for n documents of which the share p is of the part, with z = 1.96 for 95 %:

    (p + z^2 / 2n -+ z sqrt(p (1 - p) / n + z^2 / 4n^2)) / (1 + z^2 / n)

The sample takes other shares of small domains than of large ones. So shares are weighted by domain, and n is the
number of documents of a plain random sample that would tell as much: with w_d the domain's share of the corpus and f_d
the share of its n_d documents that were looked at, 1 / n = sum_d w_d^2 (1 - f_d) / n_d (Kish 1965, Survey Sampling).
If every document was looked at, n is infinite and the interval is the share.

A verdict is `flag` or `clear` where the whole interval lies on one side of the threshold, else `undecided`. A share
is held against a fixed threshold t only where there are fewer than 1 / t parts: of 2,000 clusters each would be "under
0.5 %" if they were even. Such parts are held against their target.
"""

from __future__ import annotations

from math import inf, sqrt
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Verdict = Literal["flag", "clear", "undecided"]

#: Shares below which a domain, a language or a group of clusters counts as hardly there, the lower one first.
LOW_SHARES = (0.005, 0.007)
#: Share of its target below which a domain is under-represented, and below which a cluster of many is.
DOMAIN_TARGET, CLUSTER_TARGET = 0.95, 0.5
#: Effective number over number of parts, below which the corpus is unbalanced.
UNBALANCED = 0.5
#: Normal quantile of a 95 % interval.
Z = 1.959964


def wilson(share: float, n: float) -> tuple[float, float]:
    """The 95 % interval of a share that n documents say; the share itself where n is infinite.

    Example:
        >>> [round(bound, 4) for bound in wilson(0.1, 100)]
        [0.0552, 0.1744]
    """
    if n == inf:
        return share, share
    if n <= 0:
        return 0.0, 1.0
    middle = share + Z * Z / (2 * n)
    reach = Z * sqrt(share * (1 - share) / n + Z * Z / (4 * n * n))
    scale = 1 + Z * Z / n
    return max(0.0, (middle - reach) / scale), min(1.0, (middle + reach) / scale)


def sample_weights(documents: NDArray[np.int64], sampled: NDArray[np.int64]) -> tuple[NDArray[np.float64], float]:
    """What a sampled document of each domain stands for, and how many documents of a plain sample tell as much.

    Args:
        documents: int64[D], of each domain in the corpus.
        sampled: int64[D], of them that were looked at.

    Returns:
        float64[D], the share of the corpus that each sampled document stands for, 0 where none was sampled; and n,
        infinite where all were looked at.
    """
    seen = sampled > 0
    share = np.where(seen, documents, 0) / max(1, documents[seen].sum())
    weights = np.divide(share, sampled, out=np.zeros(len(documents)), where=seen)
    spread = share[seen] ** 2 * (1 - sampled[seen] / documents[seen]) / sampled[seen]
    total = float(spread.sum())
    return weights, 1 / total if total > 0 else inf


def verdict(low: float, high: float, threshold: float) -> Verdict:
    """Whether a figure between two bounds is below a threshold."""
    return "flag" if high < threshold else "clear" if low >= threshold else "undecided"


def low_share(low: float, high: float, parts: int) -> tuple[float, Verdict]:
    """Which threshold of LOW_SHARES says most of a share between two bounds, and what it says.

    Args:
        low: the lower bound.
        high: the upper bound.
        parts: how many parts there are; with so many that none could have its share, all is clear.
    """
    found: tuple[float, Verdict] = (LOW_SHARES[-1], "clear")
    for threshold in LOW_SHARES if parts * LOW_SHARES[-1] < 1 else ():
        said = verdict(low, high, threshold)
        if said == "flag":
            return threshold, said
        if said == "undecided":
            found = (threshold, said)
    return found


def evenness(sizes: NDArray[np.int64]) -> float:
    """Effective number over number of parts, in (0, 1]: e to the entropy of their shares, over how many there are.

    1 for one part, or none.
    """
    sizes = sizes[sizes > 0]
    shares = sizes / max(1, sizes.sum())
    return float(np.exp(-(shares * np.log(shares)).sum()) / len(sizes)) if len(sizes) > 1 else 1.0


def target_shares(tokens: NDArray[np.int64], exponent: float) -> NDArray[np.float64]:
    """The share that each cluster is to have: proportional to its tokens to the power of `exponent`; 0 if it is empty.

    Args:
        tokens: int64[K], of each cluster.
        exponent: `sampling.cluster_exponent`; 0: even.
    """
    there = tokens > 0
    wanted = np.exp(exponent * np.log(np.maximum(1, tokens) / max(1, int(tokens.max(initial=1))))) * there
    shares: NDArray[np.float64] = wanted / max(wanted.sum(), 1e-300)
    return shares
