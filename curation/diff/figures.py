"""The figures of two runs that differ, from their summaries: row by row, so that more figures are more rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from curation.diff.keys import MISSING

#: What is read of a summary, key by key, and its name.
FIGURES = {
    "documents read": ("documents", "documents"),
    "documents kept": ("documents", "kept"),
    "tokens read": ("documents", "tokens"),
    "copies dropped": ("duplicates", "dropped"),
    "near-duplicate rate": ("near_duplicates", "rate"),
    "clusters": ("clustering", "clusters"),
    "mean similarity": ("clustering", "mean_similarity"),
    "coherence": ("clustering", "coherence"),
    "Gini before": ("balance", "gini", "before"),
    "Gini after": ("balance", "gini", "after"),
    "effective clusters before": ("balance", "effective_clusters", "before"),
    "effective clusters after": ("balance", "effective_clusters", "after"),
    "documents used": ("plan", "used_documents"),
    "different tokens drawn": ("plan", "unique_tokens"),
    "tokens drawn": ("plan", "tokens"),
    "effective tokens drawn": ("plan", "effective_tokens"),
    "draws": ("plan", "draws"),
    "shards": ("shards", "shards"),
    "bytes of the shards": ("shards", "bytes"),
}
#: Tables of a summary: the key, what names a row, and the columns.
TABLES = {
    "domains": ("domain", ("documents", "tokens_before", "tokens_after", "share_before", "share_after", "epochs")),
    "languages": ("language", ("share_before", "share_after")),
}


def figure_rows(a: dict[str, Any], b: dict[str, Any]) -> dict[str, Any]:
    """What differs between two summaries.

    Returns:
        `totals`: rows `figure`, `a`, `b`; for each of TABLES that both have, rows of its name and [a, b] under each
        column; `findings`, where both have them: those only one has, and those whose verdict differs.
    """
    totals = [
        {"figure": name, "a": _at(a, keys), "b": _at(b, keys)}
        for name, keys in FIGURES.items()
        if _at(a, keys) != _at(b, keys)
    ]
    found: dict[str, Any] = {"totals": totals}
    for table, (name, columns) in TABLES.items():
        if a.get(table) is not None and b.get(table) is not None:
            found[table] = _table_rows(a[table], b[table], name, columns)
    if "findings" in a and "findings" in b:
        found["findings"] = _finding_rows(a["findings"], b["findings"])
    return found


def _at(summary: dict[str, Any], keys: Iterable[str]) -> Any:
    value: Any = summary
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return MISSING if value is None else value


def _table_rows(
    a: list[dict[str, Any]], b: list[dict[str, Any]], name: str, columns: Iterable[str]
) -> list[dict[str, Any]]:
    """The rows that differ; a row that one side lacks has None there."""
    before, after = ({row[name]: row for row in rows} for rows in (a, b))
    rows = []
    for key in {**before, **after}:
        pairs = {column: [before.get(key, {}).get(column), after.get(key, {}).get(column)] for column in columns}
        if any(one != other for one, other in pairs.values()):
            rows.append({name: key, **pairs})
    return rows


def _finding_rows(a: list[dict[str, Any]], b: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Findings that one run has and the other has not, or with another verdict: `kind`, `subject`, `a`, `b`."""
    key: Callable[[dict[str, Any]], tuple[str, ...]] = lambda row: (row["kind"], row["subject_kind"], row["subject"])  # noqa: E731
    before, after = ({key(row): row for row in rows} for rows in (a, b))
    rows = []
    for one in {**before, **after}:
        verdicts = [side.get(one, {}).get("verdict") for side in (before, after)]
        if verdicts[0] != verdicts[1]:
            words = (after.get(one) or before[one])["words"]
            rows.append(
                {
                    "kind": one[0],
                    "subject_kind": one[1],
                    "subject": one[2],
                    "a": verdicts[0],
                    "b": verdicts[1],
                    "words": words,
                }
            )
    return rows
