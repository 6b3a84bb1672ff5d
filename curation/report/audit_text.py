"""What an audit found, as tables for a terminal; `curation show` prints the parts that a run measured."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from curation.progress import short
from curation.report.summary import LISTED
from curation.report.table import new_table


def print_audit(found: dict[str, Any], console: Console) -> None:
    """Prints what a corpus holds and how unbalanced it is, and the findings last, in words."""
    console.print(_totals(found))
    console.print(_parts("Domains, by tokens", "domain", found["domains"]))
    console.print(_clusters(found))
    for table in measured(found):
        console.print(table)
    print_findings(found, console)


def measured(found: dict[str, Any]) -> list[Table]:
    """The tables of languages and salient tokens, of those that were measured and have rows."""
    tables = []
    if found.get("languages"):
        tables.append(_languages(found["languages"]))
    if found.get("salience"):
        tables.append(_tokens(found["salience"]))
    return tables


def print_findings(found: dict[str, Any], console: Console) -> None:
    """Prints the findings, a line each: what is flagged, and what the sample is too small to tell."""
    told, clear = found.get("findings", []), found.get("findings_clear", 0)
    flagged = [finding for finding in told if finding["verdict"] == "flag"]
    title = f"Findings: {len(flagged)} to look at, {len(told) - len(flagged)} undecided, {clear} clear"
    console.print(Text(title, style="bold"))
    for finding in [*flagged, *(finding for finding in told if finding["verdict"] != "flag")]:
        mark = "-" if finding["verdict"] == "flag" else "?"
        console.print(Text(f"{mark} {finding['words']}"))


def _totals(found: dict[str, Any]) -> Table:
    documents, near = found["documents"], found.get("near_duplicates")
    table = new_table("What is in the corpus", "", "documents", "tokens", " ")
    files = found["sources"]["input_files"]
    table.add_row("read", f"{documents['documents']:,}", short(documents["tokens"]), f"{files} files")
    if documents["rejected"]:
        table.add_row("rejected", f"{documents['rejected']:,}", "", "see the rejected table")
    table.add_row("exact copies", f"{found['duplicates']['dropped']:,}", "", "left out of what follows")
    if near:
        told = f"of another document, {near['rate']:.1%}; {near['groups']:,} groups"
        table.add_row("near-duplicates", f"{near['repeating']:,}", "", told)
    tokens = sum(row["tokens_before"] for row in found["domains"])
    kept = sum(row["documents"] for row in found["domains"])
    table.add_row("in all", f"{kept:,}", short(tokens), "")
    return table


def _parts(title: str, key: str, rows: list[dict[str, Any]]) -> Table:
    table = new_table(title, key, "documents", "tokens", "share")
    for row in rows:
        figures = (f"{row['documents']:,}", short(row["tokens_before"]), f"{row['share_before']:.2%}")
        table.add_row(Text(str(row[key])), *figures)
    return table


def _clusters(found: dict[str, Any]) -> Table:
    """The largest and the smallest clusters, or groups of them, and how uneven the clusters are."""
    balance, count = found["balance"], len(found["clusters"])
    key, rows = ("group", found["groups"]) if found["groups"] else ("cluster", found["clusters"])
    title = f"Clusters: {count:,}, worth {balance['effective_clusters']:,.1f} even ones; Gini {balance['gini']:.3f}"
    table = new_table(title, key, "documents", "share", "terms")
    few = rows if len(rows) <= 2 * LISTED else [*rows[:LISTED], *rows[-LISTED:]]
    for row in few:
        terms = Text(", ".join(row["terms"][:8]))
        table.add_row(str(row[key]), f"{row['documents']:,}", f"{row['share_before']:.2%}", terms)
    if len(few) < len(rows):
        table.caption = f"The {LISTED} largest and the {LISTED} smallest of {len(rows):,}"
    return table


def _languages(rows: list[dict[str, Any]]) -> Table:
    drawn = any(row["share_after"] is not None for row in rows)
    after = ("after",) if drawn else ()
    table = new_table("Languages, by documents", "language", "sampled", "share", "95 % interval", *after)
    for row in rows[: 2 * LISTED]:
        shares = [f"{row['share_before']:.2%}", f"{row['low']:.2%} - {row['high']:.2%}"]
        shares += [f"{row['share_after']:.2%}"] if drawn else []
        table.add_row(row["language"], f"{row['documents']:,}", *shares)
    if len(rows) > 2 * LISTED:
        table.caption = f"The most frequent of {len(rows):,}; und: not known"
    return table


def _tokens(rows: list[dict[str, Any]]) -> Table:
    title = "Words in more documents than in general text, those first that nothing foretells"
    table = new_table(title, "token", "documents", "share", "general text", "foretold", "clusters", "domains")
    for row in rows[:LISTED]:
        shares = (f"{row['share']:.2%}", f"{row['expected_share']:.2%}", f"{row['foretold']:.2f}")
        table.add_row(Text(row["token"]), f"{row['documents']:,}", *shares, str(row["clusters"]), str(row["domains"]))
    table.caption = (
        "foretold: 0 where the rest of a text says nothing of whether the word is in it, 1 where it tells all"
    )
    return table
