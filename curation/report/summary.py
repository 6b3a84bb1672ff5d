"""The figures of a run, from its tables: what a person asks first.

Pure functions on Arrow tables. Shares are of tokens. "Before" is the corpus after bad rows and copies were dropped and
what is for validation was held out; "after" is what was drawn, repetitions counted.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

#: Largest and smallest clusters that are listed.
LISTED = 10

#: What the fit says that the clusters don't.
FITTED = (
    "engine",
    "engine_reason",
    "iterations",
    "converged",
    "reseeded",
    "restart",
    "restart_inertia",
    "stability",
    "stability_rows",
    "stability_clusters",
    "strata",
    "resampled",
    "merged",
    "auto",
)


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


def domain_rows(allocation: pa.Table, domains: list[str], weights: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A row a domain: documents, tokens before and after, epochs, and the weight asked for in each phase."""
    first = first_phase(allocation)
    documents = tokens_by(first, "domain", domains, "available_documents")
    before = tokens_by(first, "domain", domains, "available_tokens")
    after = tokens_by(allocation, "domain", domains, "realised_tokens")
    return [
        {
            "domain": name,
            "documents": int(n),
            **_before_after(int(b), int(a), int(before.sum()), int(after.sum())),
            "wanted": [phase["weights"][name]["wanted"] for phase in weights],
        }
        for name, n, b, a in zip(domains, documents, before, after, strict=True)
    ]


def first_phase(allocation: pa.Table) -> pa.Table:
    """The cells, each once: every phase lists all of them."""
    return allocation.filter(pc.equal(allocation["phase"], 0))


def left_out_rows(allocation: pa.Table) -> list[dict[str, Any]]:
    """A row a reason for leaving cells out: how many cells, documents and tokens."""
    cells = first_phase(allocation).filter(pc.is_valid(first_phase(allocation)["left_out"]))
    summed = cells.group_by("left_out").aggregate(
        [("cluster", "count"), ("available_documents", "sum"), ("available_tokens", "sum")]
    )
    columns = zip(*(summed[name].to_pylist() for name in summed.column_names), strict=True)
    names = ("reason", "cells", "documents", "tokens")
    return sorted((dict(zip(names, row, strict=True)) for row in columns), key=lambda row: str(row["reason"]))


def cluster_rows(clusters: pa.Table, allocation: pa.Table) -> list[dict[str, Any]]:
    """A row a cluster, largest first: documents, tokens before and after, coherence, terms, whether it was clipped."""
    numbers = clusters["cluster"].to_pylist()
    documents = tokens_by(first_phase(allocation), "cluster", numbers, "available_documents")
    before = tokens_by(first_phase(allocation), "cluster", numbers, "available_tokens")
    after = tokens_by(allocation, "cluster", numbers, "realised_tokens")
    clipped = spent_clusters(allocation)
    rows = [
        {
            "cluster": row["cluster"],
            "documents": int(n),
            **_before_after(int(b), int(a), int(before.sum()), int(after.sum())),
            "clipped": row["cluster"] in clipped,
            "coherence": row["coherence"],
            "terms": row["terms"],
            "group": row["group"],
            "warning": row["warning"],
        }
        for row, n, b, a in zip(clusters.to_pylist(), documents, before, after, strict=True)
    ]
    return sorted(rows, key=lambda row: (-row["tokens_before"], row["cluster"]))


def group_rows(clusters: list[dict[str, Any]], groups: pa.Table) -> list[dict[str, Any]]:
    """A row a group of clusters, largest first, from the rows of its clusters."""
    all_before = sum(row["tokens_before"] for row in clusters)
    all_after = sum(row["tokens_after"] for row in clusters)
    rows = []
    for group in groups.to_pylist():
        own = [row for row in clusters if row["group"] == group["group"]]
        before, after = sum(row["tokens_before"] for row in own), sum(row["tokens_after"] for row in own)
        rows.append(
            {
                "group": group["group"],
                "clusters": group["clusters"],
                "documents": sum(row["documents"] for row in own),
                **_before_after(before, after, all_before, all_after),
                "terms": group["terms"],
            }
        )
    return sorted(rows, key=lambda row: (-row["tokens_before"], row["group"]))


def spent_clusters(allocation: pa.Table) -> set[int]:
    """The clusters whose cells all gave what the clip allows, in some phase."""
    open_cells = allocation.filter(pc.is_null(allocation["left_out"]))
    spent = open_cells.group_by(["phase", "cluster"]).aggregate([("clipped", "all")])
    return set(spent.filter(spent["clipped_all"])["cluster"].to_pylist())


def _before_after(before: int, after: int, all_before: int, all_after: int) -> dict[str, Any]:
    return {
        "tokens_before": before,
        "tokens_after": after,
        "share_before": before / all_before if all_before else 0.0,
        "share_after": after / all_after if all_after else 0.0,
        "epochs": after / before if before else 0.0,
    }
