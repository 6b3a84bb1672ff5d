"""From the losses on validation documents to the figures of a cell.

A domain's loss is the mean over its tokens, each document counted as often as it stands for others. The macro losses
are plain means over domains, clusters and languages: what a rare one is worth as much as a common one. The natural
loss is the mean over the corpus: each domain by its share of the tokens. Domains, clusters and languages with fewer
than LEAST validation documents are not counted in macro figures: a mean of two documents says nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curation.audit.languages import UNKNOWN
from curation.probe.pool import Pool, Validation
from curation.sampling.balance import effective_number

#: Validation documents that a domain, cluster or language needs to be counted.
LEAST = 4

#: The key in `losses` of what `--target` names.
TARGETS = {"domain": "macro_domain", "cluster": "macro_cluster", "language": "macro_language"}


@dataclass(frozen=True)
class Strata:
    """Validation documents that are counted together: names, and the number of each document's, -1 for none."""

    names: list[str]
    number: NDArray[np.int64]


def strata(values: NDArray[Any], asked: NDArray[np.bool_], least: int = LEAST) -> Strata:
    """Those with so many documents among the ones asked about, by name."""
    different, number = np.unique(values, return_inverse=True)
    enough = np.bincount(number[asked], minlength=len(different)) >= least
    place = np.where(enough, np.cumsum(enough) - 1, -1)
    return Strata([str(name) for name in different[enough]], np.where(asked, place[number], -1))


@dataclass(frozen=True, eq=False)
class Scope:
    """What the figures of all cells of a probe are taken over."""

    domains: Strata
    every_domain: Strata
    """Also those with too few documents, for the natural loss."""
    clusters: Strata
    languages: Strata
    weight: NDArray[np.float64]
    """float64[v]: tokens of the corpus that each validation document stands for."""
    share: NDArray[np.float64]
    """float64[every domain]: its part of the corpus."""


def scope_of(pool: Pool, domains: list[str], held_back: list[int] | None) -> Scope:
    """What is asked about: all of the validation text, or only that of some domains (their indices)."""
    held: Validation = pool.validation
    asked = np.ones(len(held.domain), np.bool_) if held_back is None else np.isin(held.domain, held_back)
    names = np.array(domains)[held.domain]
    every = strata(names, asked, 1)
    tokens = dict(zip(domains, pool.domain_tokens.tolist(), strict=True))
    share = np.array([tokens[name] for name in every.names], np.float64)
    return Scope(
        strata(names, asked),
        every,
        strata(held.unit, asked),
        strata(held.language, asked & (held.language != UNKNOWN)),
        held.weight * held.text.lengths,
        share / max(share.sum(), 1.0),
    )


def loss_figures(scope: Scope, losses: NDArray[np.float64]) -> dict[str, Any]:
    """What a cell says of its losses: `losses`, `worst_name` and `by_domain`, nats a token.

    Args:
        scope: what they are taken over.
        losses: float64[v], of each validation document; where it is not asked about any number.
    """
    by_domain = _means(scope.domains, scope.weight, losses)
    worst = int(np.argmax(by_domain))
    macro: dict[str, float | None] = {"macro_domain": float(by_domain.mean())}
    for name, some in (("macro_cluster", scope.clusters), ("macro_language", scope.languages)):
        macro[name] = float(_means(some, scope.weight, losses).mean()) if len(some.names) > 1 else None
    found = macro | {
        "worst_domain": float(by_domain[worst]),
        "p90_domain": float(np.percentile(by_domain, 90)),
        "natural": float(scope.share @ _means(scope.every_domain, scope.weight, losses)),
    }
    return {
        "losses": {name: None if loss is None else round(loss, 6) for name, loss in found.items()},
        "worst_name": scope.domains.names[worst],
        "by_domain": dict(zip(scope.domains.names, np.round(by_domain, 6).tolist(), strict=True)),
    }


def difference_errors(scope: Scope, differences: NDArray[np.float64]) -> dict[str, float]:
    """How far off a difference between two strategies is by the choice of validation text: standard errors.

    Seeds do not tell this, since all of them are asked about the same documents. Domains (clusters, languages) are
    what they are, and the documents of each a sample.

    Args:
        scope: what the figures are taken over.
        differences: float64[v], of the loss on each validation document.

    Returns:
        By name of the loss; those that are no means of means (the worst, the percentile) are left out.
    """
    found = {}
    for name, some in (
        ("macro_domain", scope.domains),
        ("macro_cluster", scope.clusters),
        ("macro_language", scope.languages),
    ):
        if some.names:
            found[name] = float(np.sqrt(_squared_errors(some, scope.weight, differences).sum()) / len(some.names))
    natural = scope.share**2 @ _squared_errors(scope.every_domain, scope.weight, differences)
    return found | {"natural": float(np.sqrt(natural))}


def draw_figures(copies: NDArray[np.integer], lengths: NDArray[np.int64], domain: NDArray[np.int32]) -> dict[str, Any]:
    """What a cell says of its draws.

    Args:
        copies: integers[n], of each document of the pool.
        lengths: int64[n], its tokens.
        domain: int32[n]; `effective_domains` is e to the entropy of the tokens drawn of each.
    """
    drawn, unique = int(copies @ lengths), int(lengths[copies > 0].sum())
    return {
        "tokens": drawn,
        "unique_tokens": unique,
        "documents": int(np.count_nonzero(copies)),
        "largest_copies": int(copies.max()),
        "repeated_share": round(1 - unique / drawn, 6),
        "effective_domains": round(effective_number(np.bincount(domain, copies * lengths)), 6),
    }


def _means(some: Strata, weight: NDArray[np.float64], losses: NDArray[np.float64]) -> NDArray[np.float64]:
    """float64[strata]: the weighted mean of each."""
    inside = some.number >= 0
    number, own = some.number[inside], weight[inside]
    size = len(some.names)
    return np.bincount(number, own * losses[inside], size) / np.bincount(number, own, size)


def _squared_errors(some: Strata, weight: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """float64[strata]: the squared standard error of each weighted mean; 0 for a single document."""
    inside, size = some.number >= 0, len(some.names)
    number, own = some.number[inside], weight[inside]
    off = values[inside] - _means(some, weight, values)[number]
    count = np.bincount(number, minlength=size)
    squared = np.bincount(number, (own * off) ** 2, size) / np.bincount(number, own, size) ** 2
    return squared * count / np.maximum(count - 1, 1)
