"""Domain weights that are a formula: from declared importance, sizes and mean quality.

    even            w_d = 1
    proportional    w_d = importance_d
    temperature     w_d = S_d^(1 / T)                  (Conneau et al. 2020, arXiv 1911.02116, section 3.1)
    quality         w_d = importance_d * mean_d f(q)   (token-weighted)

each normalised over the domains that have tokens. Weights computed from the texts are in `auto_weights`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from curation.errors import JobError

#: The strategies of this module.
FORMULAS = ("even", "proportional", "temperature", "quality")


def formula_weights(
    strategy: str,
    domain_tokens: NDArray[np.int64],
    importance: NDArray[np.float64],
    temperature: float = 1.0,
    quality_means: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """The weight of each domain.

    Args:
        strategy: one of `FORMULAS`.
        domain_tokens: int64[D], tokens available; domains without any get 0.
        importance: float64[D], above 0, any scale.
        temperature: T, at least 1.
        quality_means: float64[D], token-weighted mean of f(quality); read by `quality`.

    Returns:
        float64[D], sums to 1.

    Raises:
        JobError: the quality is 0 in all domains.
        ValueError: unknown strategy, or `quality` without means.

    Example:
        >>> formula_weights("temperature", np.array([100, 900, 0]), np.ones(3), temperature=2.0).tolist()
        [0.25, 0.75, 0.0]
    """
    if strategy not in FORMULAS:
        raise ValueError(f"there is no strategy {strategy!r}")
    if strategy == "quality" and quality_means is None:
        raise ValueError("weights by quality need the mean quality of each domain")
    relative = domain_tokens / max(int(domain_tokens.max(initial=0)), 1)
    weights = {
        "even": np.ones(len(domain_tokens)),
        "proportional": importance,
        "temperature": relative ** (1.0 / temperature),
        "quality": importance * (quality_means if quality_means is not None else 0.0),
    }[strategy]
    present = np.where(domain_tokens > 0, weights, 0.0)
    if not present.any():
        raise JobError(
            f"blending.weights is {strategy}, and every domain comes to 0: see quality.scale and quality.curve"
        )
    present = present / present.max()
    normalised: NDArray[np.float64] = present / present.sum()
    return normalised
