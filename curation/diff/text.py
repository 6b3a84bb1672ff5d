"""What differs between two runs, as tables for a terminal: only what differs is printed."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from curation.progress import printable

#: Characters of a value, files of a kind and rows of a table that are printed.
WIDEST, FILES, ROWS = 60, 5, 30


def print_diff(found: dict[str, Any], console: Console) -> None:
    """Prints the differences, inputs first, then what they did."""
    console.print(Text(f"a: {found['a']}\nb: {found['b']}"))
    if found["identical"]:
        console.print(Text("The runs are identical: every stage made the same files.", style="bold"))
    else:
        console.print(Text(f"Files differ in: {', '.join(found['stages'])}"))
    keys = [{"key": row["key"], "a": row["a"], "b": row["b"]} for row in found["job"]]
    keys += [{**row, "key": f"encoder: {row['key']}"} for row in found["encoder"]]
    _print_rows(console, "Job file and encoder", keys)
    _print_rows(console, "Code and packages", found["code"])
    _print_sources(found["sources"], console)
    if "documents" in found:
        _print_documents(found["documents"], console)
    figures = found["figures"]
    _print_rows(console, "Figures", figures["totals"], {"a": _number, "b": _number})
    _print_shares(console, "Domains", figures.get("domains", []), "domain")
    _print_shares(console, "Languages", figures.get("languages", []), "language")
    _print_rows(
        console, "Findings", [{**row, "kind": row["kind"].replace("_", " ")} for row in figures.get("findings", [])]
    )
    if "clusters" in found:
        _print_clusters(found["clusters"], console)


def _print_rows(
    console: Console, title: str, rows: list[dict[str, Any]], shown: dict[str, Callable[[Any], str]] | None = None
) -> None:
    """A table with a column a key; nothing where there are no rows."""
    if not rows:
        return
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    for name in rows[0]:
        table.add_column(name.replace("_", " "), overflow="fold")
    for row in rows[:ROWS]:
        table.add_row(*(Text((shown or {}).get(name, _plain)(value)) for name, value in row.items()))
    if len(rows) > ROWS:
        table.caption = f"and {len(rows) - ROWS} more: --json has them all"
    console.print(table)


def _plain(value: Any) -> str:
    text = (
        printable(value) if isinstance(value, str) else "-" if value is None else json.dumps(value, ensure_ascii=False)
    )
    return text if len(text) <= WIDEST else f"{text[: WIDEST - 3]}..."


def _number(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) else _plain(value)


def _print_sources(found: dict[str, Any], console: Console) -> None:
    for kind, files in found.items():
        if files["count"]:
            first = "\n  ".join(map(printable, files["first"][:FILES]))
            more = "\n  ..." if files["count"] > FILES else ""
            console.print(Text(f"Input files {kind}: {files['count']:,}\n  {first}{more}"))


def _print_documents(found: dict[str, Any], console: Console) -> None:
    told = f"Different texts: {found['both']:,} in both, {found['removed']:,} only in a, {found['added']:,} only in b"
    console.print(Text(told))
    _print_rows(console, "Texts that only one has", found["by_domain"], {"removed": _number, "added": _number})
    draws = found["draws"]
    if draws["more"] or draws["fewer"]:
        more, begun, fewer, ended, same, undrawn = (
            f"{draws[name]:,}" for name in ("more", "begun", "fewer", "ended", "same", "undrawn")
        )
        told = (
            f"Of these, b draws {more} more often than a ({begun} of them a draws never), {fewer} more seldom ({ended} "
        )
        told += f"of them never), {same} as often; neither draws {undrawn}."
        console.print(Text(told))


def _print_shares(console: Console, title: str, rows: list[dict[str, Any]], name: str) -> None:
    """Shares before and after sampling in both runs: rows and columns whose figures differ as they are printed."""
    columns = ("documents", "share_before", "share_after", "epochs")
    cells = {
        column: [[_cell(column, value) for value in row[column]] for row in rows]
        for column in columns
        if rows and column in rows[0]
    }
    cells = {column: pairs for column, pairs in cells.items() if any(one != other for one, other in pairs)}
    shown = [
        {name: row[name], **{f"{column}, a > b": " > ".join(pairs[number]) for column, pairs in cells.items()}}
        for number, row in enumerate(rows)
        if any(pairs[number][0] != pairs[number][1] for pairs in cells.values())
    ]
    _print_rows(console, title, shown)


def _cell(column: str, value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.2%}" if column.startswith("share") else _number(value)


def _print_clusters(found: dict[str, Any], console: Console) -> None:
    if not found["compared"]:
        console.print(Text("Clusters are not compared: the runs have different encoders."))
        return
    before, after = found["count"]
    if found["same"] == before == after and found["stayed"] == 1:
        return
    told = f"Clusters: {before:,} in a, {after:,} in b, {found['same']:,} the same in both (cosine 0.95 or more); "
    console.print(
        Text(f"{told}{found['stayed']:.1%} of the texts in both stay in the cluster that theirs is matched with.")
    )
    pairs = [
        {
            "a": pair["a"]["cluster"],
            "b": pair["b"]["cluster"],
            "cosine": pair["cosine"],
            "documents, a > b": f"{pair['a']['documents']:,} > {pair['b']['documents']:,}",
            "terms of a": ", ".join(pair["a"]["terms"][:6]),
            "terms of b": ", ".join(pair["b"]["terms"][:6]),
        }
        for pair in found["pairs"]
    ]
    _print_rows(console, "Clusters that changed most", pairs)
    for title, rows in (("Clusters that only a has", found["lost"]), ("Clusters that only b has", found["new"])):
        told_rows = [{**row, "terms": ", ".join(row["terms"][:6])} for row in rows]
        _print_rows(console, title, told_rows, {"documents": _number, "tokens": _number})
