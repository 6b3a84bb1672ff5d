"""What trace found, as tables for a terminal."""

from __future__ import annotations

from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from curation.progress import printable
from curation.trace.passages import GRAM

#: Characters of a passage that are shown, from its beginning and its end; shards and copies named of a document.
SHOWN, NAMED = 240, 3


def print_trace(answer: dict[str, Any], console: Console) -> None:
    """Prints the documents that share passages, then those that are near in meaning."""
    if "exact" in answer:
        _print_exact(answer["exact"], console)
    if "meaning" in answer:
        _print_meaning(answer["meaning"], console)


def _print_exact(found: dict[str, Any], console: Console) -> None:
    hits = found["hits"]
    title = f"Longest shared passages, of {found['words']:,} words"
    if found["words"] < GRAM:
        console.print(Text(f"{title}: a passage has {GRAM} words or more; give a longer text."))
        return
    if not hits:
        console.print(Text(f"{title}: none. No passage of {found['least_words']} words or more is in the corpus."))
        return
    table = _new_table(title, "words", "covered", "where", "passage, in words of the document")
    for hit in hits:
        table.add_row(str(hit["rank"]), f"{hit['words']:,}", f"{hit['covered']:,}", _where(hit), _cut(hit["passage"]))
    console.print(table)
    proven = found["proven"]
    order = "these are the longest there are" if proven == len(hits) else f"the first {proven} are known to be so"
    told = (
        f"Documents that share some {GRAM} words in a row: {found['documents']:,}; {order}. covered: words "
        f"that stand in such a run. No shared passage of {found['least_words']} words is missed; case and punctuation "
        "don't count."
    )
    console.print(Text(told, style="dim"))


def _print_meaning(found: dict[str, Any], console: Console) -> None:
    table = _new_table("Nearest in meaning", "cosine", "where", "beginning of the document")
    for hit in found["hits"]:
        table.add_row(str(hit["rank"]), f"{hit['cosine']:.4f}", _where(hit), _cut(hit["excerpt"]))
    console.print(table)
    if found["read_share"] < 1:
        told = f"The encoder read {found['read_share']:.0%} of the text; trace a part of it for what comes later."
        console.print(Text(told, style="dim"))


def _new_table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("", *columns):
        is_text = name == "where" or " " in name
        table.add_column(name, justify="left" if is_text else "right", overflow="fold", ratio=1 if is_text else None)
    return table


def _where(hit: dict[str, Any]) -> Text:
    """Document, domain, cluster, where it lies, how often it was drawn and where to."""
    lines = [f"doc {hit['doc_id']} in {hit['domain']}, cluster {hit['cluster']}", f"{hit['path']}, row {hit['row']}"]
    places = [
        place["shard"] + ("" if place["row"] is None else f" row {place['row']}") for place in hit["places"][:NAMED]
    ]
    more = ", ..." if len(hit["places"]) > NAMED else ""
    told = "held out for validation" if hit["held_out"] else f"drawn {hit['draws']}x"
    lines.append(told + (f": {', '.join(places)}{more}" if places else ""))
    copies = hit["copies"]
    if copies["count"]:
        first = ", ".join(
            f"doc {copy['doc_id']} ({copy['path']}, row {copy['row']})" for copy in copies["first"][:NAMED]
        )
        lines.append(f"{copies['count']} dropped as a copy of it: {first}{', ...' * (copies['count'] > NAMED)}")
    if hit.get("near_duplicates"):
        lines.append(f"{hit['near_duplicates']} near duplicates of it are in the corpus")
    return Text("\n".join(map(printable, lines)))


def _cut(passage: str) -> Text:
    """The passage on one line; of a long one the beginning and the end."""
    line = printable(passage)
    return Text(line if len(line) <= 2 * SHOWN else f"{line[:SHOWN]} [...] {line[-SHOWN:]}")
