"""The figures of a run, from its tables: what a person asks first.

Pure functions on Arrow tables. Shares are of tokens. "Before" is the corpus after bad rows and copies were dropped;
"after" is what was drawn, repetitions counted.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

#: Largest and smallest clusters that are listed.
LISTED = 10


def tokens_by(allocation: pa.Table, key: str, groups: list[Any], column: str) -> NDArray[np.int64]:
    """Sums a column of `allocation` over clusters or domains.

    Returns:
        int64[groups], in the order of `groups`; 0 where a group has no cell.
    """
    summed = allocation.group_by(key).aggregate([(column, "sum")])
    found = dict(zip(summed[key].to_pylist(), summed[f"{column}_sum"].to_pylist(), strict=True))
    return np.array([found.get(group, 0) for group in groups], np.int64)


def balance(
    before: NDArray[np.int64], after: NDArray[np.int64], measures: dict[str, Callable[[NDArray[np.int64]], float]]
) -> dict[str, dict[str, float]]:
    """Each measure of the clusters' tokens, before and after."""
    return {name: {"before": measure(before), "after": measure(after)} for name, measure in measures.items()}


def domain_rows(allocation: pa.Table, domains: list[str]) -> list[dict[str, Any]]:
    """A row a domain: documents, tokens before and after, epochs."""
    documents = tokens_by(allocation, "domain", domains, "available_documents")
    before = tokens_by(allocation, "domain", domains, "available_tokens")
    after = tokens_by(allocation, "domain", domains, "realised_tokens")
    return [
        {"domain": name, "documents": int(n), **_before_after(int(b), int(a), int(before.sum()), int(after.sum()))}
        for name, n, b, a in zip(domains, documents, before, after, strict=True)
    ]


def cluster_rows(clusters: pa.Table, allocation: pa.Table) -> list[dict[str, Any]]:
    """A row a cluster, largest first: documents, tokens before and after, coherence, terms, whether it was clipped."""
    numbers = clusters["cluster"].to_pylist()
    before = tokens_by(allocation, "cluster", numbers, "available_tokens")
    after = tokens_by(allocation, "cluster", numbers, "realised_tokens")
    clipped = set(allocation.filter(allocation["clipped"])["cluster"].to_pylist())
    rows = [
        {
            "cluster": row["cluster"],
            "documents": row["documents"],
            **_before_after(int(b), int(a), int(before.sum()), int(after.sum())),
            "clipped": row["cluster"] in clipped,
            "coherence": row["coherence"],
            "terms": row["terms"],
        }
        for row, b, a in zip(clusters.to_pylist(), before, after, strict=True)
    ]
    return sorted(rows, key=lambda row: (-row["tokens_before"], row["cluster"]))


def _before_after(before: int, after: int, all_before: int, all_after: int) -> dict[str, Any]:
    return {
        "tokens_before": before,
        "tokens_after": after,
        "share_before": before / all_before if all_before else 0.0,
        "share_after": after / all_after if all_after else 0.0,
        "epochs": after / before if before else 0.0,
    }
