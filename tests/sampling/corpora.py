"""Random corpora for the tests: documents in cells, of uneven sizes and lengths."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

from curation.sampling.allocation import Allocation, allocate
from curation.sampling.cells import cell_of, cell_totals


@dataclass(frozen=True)
class Corpus:
    doc_id: np.ndarray
    cluster: np.ndarray
    domain: np.ndarray
    tokens: np.ndarray
    clusters: int
    domains: int

    @property
    def cell(self) -> np.ndarray:
        return cell_of(self.cluster, self.domain, self.domains)

    @property
    def cell_tokens(self) -> np.ndarray:
        return self.totals(None).reshape(self.clusters, self.domains)

    def totals(self, counts: np.ndarray | None) -> np.ndarray:
        return cell_totals(self.cell, self.tokens, self.clusters * self.domains, counts)[1]

    def longest(self) -> np.ndarray:
        longest = np.zeros(self.clusters * self.domains, dtype=np.int64)
        np.maximum.at(longest, self.cell, self.tokens)
        return longest.reshape(self.clusters, self.domains)

    def permuted(self, order: np.ndarray) -> Corpus:
        return Corpus(
            self.doc_id[order],
            self.cluster[order],
            self.domain[order],
            self.tokens[order],
            self.clusters,
            self.domains,
        )


def random_corpus(seed: int, *, documents: int, clusters: int, domains: int, spread: float = 1.0) -> Corpus:
    """Zipf-like clusters and domains, log-normal lengths; some cells are empty, ids have gaps."""
    rng = np.random.default_rng(seed)

    def zipf(n: int) -> Any:
        p = np.arange(1, n + 1) ** -rng.uniform(0.0, 1.5)
        return rng.permutation(p / p.sum())

    return Corpus(
        doc_id=np.sort(rng.choice(10 * documents, documents, replace=False)),
        cluster=rng.choice(clusters, documents, p=zipf(clusters)).astype(np.int32),
        domain=rng.choice(domains, documents, p=zipf(domains)).astype(np.int16),
        tokens=np.maximum(1, rng.lognormal(4, spread, documents)).astype(np.int32),
        clusters=clusters,
        domains=domains,
    )


corpora = st.builds(
    random_corpus,
    st.integers(0, 2**32 - 1),
    documents=st.integers(1, 300),
    clusters=st.integers(1, 12),
    domains=st.integers(1, 4),
    spread=st.sampled_from([0.0, 0.5, 1.5]),
)


def plan(corpus: Corpus, epochs: float, clip: int, **options: Any) -> Allocation:
    """An allocation of `epochs` times the corpus; cells share by the domains' weights if they are given."""
    arguments: dict[str, Any] = {
        "clips": np.full(corpus.domains, clip),
        "exponent": 0.0,
        "domain_weights": None,
        "when_short": "hold_budget",
        "domain_names": [f"d{i}" for i in range(corpus.domains)],
    }
    budget = epochs * float(corpus.tokens.sum())
    return allocate(corpus.cell_tokens, budget=budget, **(arguments | options))
