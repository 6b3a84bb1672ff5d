"""The summary of a run as tables for a terminal."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from curation.progress import clock, short
from curation.report.audit_text import measured, print_findings
from curation.report.learned_text import learned_table
from curation.report.summary import LISTED
from curation.report.table import new_table


def print_summary(summary: dict[str, Any], seconds: dict[str, float], console: Console) -> None:
    """Prints what a person wants first: totals, balance, use, domains, the largest and smallest clusters."""
    console.print(_totals(summary))
    console.print(Text(summary["counted"]))
    console.print(Text(text_read(summary["embeddings"])))
    console.print(_balance(summary))
    console.print(_domains(summary["domains"], summary["weights"]))
    for weighing in summary["weights"]:
        if weighing["strategy"] == "auto" and len(weighing["because"].get("domains", {})) > 1:
            console.print(_reasons(weighing))
        elif weighing["because"].get("units"):
            console.print(learned_table(weighing["because"]))
    if len(summary["plan"]["phases"]) > 1:
        console.print(_phases(summary["plan"]["phases"]))
    if summary.get("token_caps"):
        console.print(_token_caps(summary["token_caps"]))
    clusters = summary["clusters"]
    console.print(_clustering(summary["clustering"]))
    if any(row["warning"] for row in clusters):
        console.print(_warnings([row for row in clusters if row["warning"]]))
    if summary["groups"]:
        console.print(_groups(summary["groups"]))
    elif len(clusters) <= 2 * LISTED:
        console.print(_clusters("Clusters", clusters))
    else:
        console.print(_clusters(f"The {LISTED} largest of {len(clusters)} clusters", clusters[:LISTED]))
        console.print(_clusters(f"The {LISTED} smallest", clusters[-LISTED:]))
    for table in measured(summary):
        console.print(table)
    if summary.get("findings"):
        print_findings(summary, console)
    took = ", ".join(f"{name} {clock(value)}" for name, value in seconds.items() if value >= 1)
    console.print(Text(f"Time: {clock(sum(seconds.values()))}" + (f" ({took})" if took else "")))


def _totals(summary: dict[str, Any]) -> Table:
    documents, plan, shards = summary["documents"], summary["plan"], summary["shards"]
    table = new_table("What went in and what came out", "", "documents", "tokens", " ")
    files = summary["sources"]["input_files"]
    table.add_row("read", f"{documents['documents']:,}", short(documents["tokens"]), f"{files} files")
    if documents["rejected"]:
        table.add_row("rejected", f"{documents['rejected']:,}", "", "see the rejected table")
    table.add_row("copies dropped", f"{summary['duplicates']['dropped']:,}", "", "")
    if plan["validation"]:
        held, size = plan["validation"], _size(shards["validation"])
        table.add_row("validation", f"{held['documents']:,}", short(held["tokens"]), f"{size}, held out")
    eligible = sum(row["tokens_before"] for row in summary["domains"])
    table.add_row("to draw from", f"{plan['documents']:,}", short(eligible), summary["encoder"])
    for row in summary["left_out"]:
        table.add_row("left out", f"{row['documents']:,}", short(row["tokens"]), Text(row["reason"]))
    share = plan["used_documents"] / plan["documents"]
    different = short(plan["unique_tokens"])
    table.add_row("used at least once", f"{plan['used_documents']:,}", different, f"{share:.1%} of documents")
    weighted = plan["rows"] < plan["draws"]
    told = "the documents' weights" if weighted else _size(shards)
    table.add_row("drawn", f"{plan['draws']:,}", short(plan["tokens"]), told)
    if weighted:
        table.add_row("written", f"{plan['rows']:,}", short(plan["row_tokens"]), _size(shards))
    return table


def _size(shards: dict[str, Any]) -> str:
    return f"{shards['shards']} shards, {short(shards['bytes'])}B"


def text_read(embeddings: dict[str, int]) -> str:
    """How much of the text the vectors stand for, in a sentence."""
    if not embeddings.get("characters"):
        return "The vectors were given; no text was read for them."
    if not embeddings["truncated"]:
        return "Embedding read all of the text."
    read = 1 - embeddings["left_out"] / embeddings["characters"]
    cut = embeddings["truncated"]
    documents = "document was" if cut == 1 else "documents were"
    return f"Embedding read {read:.1%} of the text; {cut:,} {documents} cut."


def _balance(summary: dict[str, Any]) -> Table:
    balance, plan = summary["balance"], summary["plan"]
    clusters = len(summary["clusters"])
    table = new_table("Balance of the clusters, by tokens", "", "before", "after", " ")
    gini, effective = balance["gini"], balance["effective_clusters"]
    table.add_row("Gini (0: even)", f"{gini['before']:.3f}", f"{gini['after']:.3f}", "")
    row = (f"{effective['before']:.1f}", f"{effective['after']:.1f}", f"of {clusters}")
    table.add_row("effective clusters", *row)
    used = "  ".join(f"{times}x: {count:,}" for times, count in enumerate(plan["repetitions"]) if count)
    table.add_row("documents by uses", "", "", used)
    worth = f"{plan['effective_tokens'] / max(1, plan['tokens']):.1%} of the tokens drawn"
    table.add_row("worth, repetition counted", "", short(plan["effective_tokens"]), worth)
    return table


def _domains(rows: list[dict[str, Any]], weights: list[dict[str, Any]]) -> Table:
    asked = [index for index, phase in enumerate(weights) if phase["strategy"] != "none"]
    names = ["asked for" if len(weights) == 1 else f"asked for in {weights[index]['phase']}" for index in asked]
    table = new_table("Domains", "domain", "documents", "share before", *names, "share after", "epochs")
    for row in sorted(rows, key=lambda row: -row["tokens_before"]):
        wanted = [f"{row['wanted'][index]:.2%}" for index in asked]
        shares = (f"{row['share_before']:.2%}", *wanted, f"{row['share_after']:.2%}")
        table.add_row(Text(row["domain"]), f"{row['documents']:,}", *shares, f"{row['epochs']:.2f}")
    return table


def _phases(phases: list[dict[str, Any]]) -> Table:
    table = new_table("Phases, in this order", "phase", "tokens", "draws", "order", "weights")
    for phase in phases:
        figures = (short(phase["tokens"]), f"{phase['draws']:,}")
        table.add_row(phase["folder"], *figures, phase["order"], phase["strategy"])
    return table


def _token_caps(rows: list[dict[str, Any]]) -> Table:
    """What share of the documents and of the draws carries each capped token, and what the caps cost."""
    table = new_table("Token caps", "token", "documents", "share before", "cap", "share after", "tokens forgone")
    for row in rows:
        shares = (f"{row['share_before']:.3%}", f"{row['max_share']:.3%}", f"{row['share_after']:.3%}")
        table.add_row(Text(row["token"]), f"{row['documents']:,}", *shares, short(row["forgone_tokens"]))
        for phase in row.get("phases", []):
            table.add_row("", "", "", f"{phase['max_share']:.3%}", f"{phase['share']:.3%}", "")
    table.caption = "shares of documents, and of draws, that carry the token" + (
        "; below each token those of the phases" if any("phases" in row for row in rows) else ""
    )
    return table


def _reasons(weighing: dict[str, Any]) -> Table:
    """Why each domain has its weight: the features that tell it apart, strongest first."""
    because = weighing["because"]
    covers = because["objective"] == "cover"
    measure = "effective number of distinct domains" if covers else "distance to the reference"
    title = (
        f"Weights from the texts: {measure} {because['before']:.3g} by size, {because['after']:.3g} with the weights"
    )
    table = new_table(title, "domain", "weight", "feature", "here", "others" if covers else "reference")
    for name, found in because["domains"].items():
        weight = f"{weighing['weights'][name]['wanted']:.2%}"
        weight += f" ({found['at_bound']} bound)" if found["at_bound"] else ""
        first = (Text(name), weight)
        for reason in found["reasons"][:3]:
            table.add_row(*first, reason["feature"], _figure(reason["value"]), _figure(reason["other"]))
            first = (Text(""), "")
    if because["alike"]:
        pairs = (f"{one} and {other} ({similarity:.0%})" for one, other, similarity in because["alike"])
        table.caption = "Alike, so that they share one weight: " + ", ".join(pairs)
    return table


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"


def _clusters(title: str, rows: list[dict[str, Any]]) -> Table:
    table = new_table(title, "cluster", "documents", "before", "after", "epochs", "coherence", "terms")
    for row in rows:
        shares = (f"{row['share_before']:.2%}", f"{row['share_after']:.2%}")
        epochs = f"{row['epochs']:.2f}" + ("*" if row["clipped"] else "")
        terms = Text(", ".join(row["terms"][:8]))
        figures = (
            f"{row['documents']:,}",
            *shares,
            epochs,
            "-" if row["coherence"] is None else f"{row['coherence']:.2f}",
        )
        table.add_row(str(row["cluster"]), *figures, terms)
    if any(row["clipped"] for row in rows):
        table.caption = "* clipped: every document was used as often as the clip allows"
    return table


def _clustering(found: dict[str, Any]) -> Table:
    """How good the clusters are."""
    table = new_table("Clusters, what they are worth", "", "figure", " ")
    table.add_row("mean similarity", f"{found['mean_similarity']:.3f}", "of a document to its centroid")
    table.add_row("coherence", f"{found['coherence']:.3f}", "simplified silhouette; 1: far from the next cluster")
    if "stability" in found:
        rows, clusters = found["stability_rows"], found["stability_clusters"]
        told = f"adjusted Rand index of two seeds, {rows:,} documents in {clusters:,} clusters; 1: the same"
        table.add_row("stability", f"{found['stability']:.3f}", told)
    if "auto" in found:
        table.add_row("clusters", f"{found['clusters']:,}", Text(found["auto"]["why"]))
    if "strata" in found:
        table.add_row("strata", f"{found['strata']:,}", "each clustered by itself (clustering.within)")
    if "merged" in found:
        table.add_row("merged", f"{found['merged']:,}", "clusters after the merging of those that are alike")
    sizes = f"smallest {found['smallest']:,}, largest {found['largest']:,} documents"
    table.add_row("median size", f"{found['median']:,}", sizes)
    table.add_row("engine", found["engine"], Text(found.get("engine_reason", "as the job file says")))
    if found["repeats"]:
        table.add_row("equal vectors", f"{found['repeats']:,}", "their vector is an earlier document's; not fitted on")
    if found["empty"] or found["reseeded"]:
        table.add_row("empty", f"{found['empty']:,}", f"re-seeded in the fit: {found['reseeded']:,}")
    if len(found["restart_inertia"]) > 1:
        low, high = min(found["restart_inertia"]), max(found["restart_inertia"])
        told = f"the best of {len(found['restart_inertia'])}: inertia {low:.6g}, the worst {high:.6g}"
        table.add_row("restart", str(found["restart"]), told)
    return table


def _warnings(rows: list[dict[str, Any]]) -> Table:
    """Clusters that look like junk, the largest first."""
    table = new_table(f"To look at: {len(rows)} of the clusters", "cluster", "documents", " ")
    for row in rows[:LISTED]:
        told = f"{row['warning']}: {', '.join(row['terms'][:5])}"
        table.add_row(str(row["cluster"]), f"{row['documents']:,}", Text(told))
    table.caption = "sampling.exclude leaves a cluster out"
    return table


def _groups(rows: list[dict[str, Any]]) -> Table:
    table = new_table("Groups of clusters", "group", "clusters", "documents", "before", "after", "epochs", "terms")
    for row in rows:
        shares = (f"{row['share_before']:.2%}", f"{row['share_after']:.2%}", f"{row['epochs']:.2f}")
        counts = (f"{row['clusters']:,}", f"{row['documents']:,}")
        table.add_row(str(row["group"]), *counts, *shares, Text(", ".join(row["terms"][:8])))
    return table
