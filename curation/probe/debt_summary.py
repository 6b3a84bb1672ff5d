"""What a curation debt comes to: the table over seeds, in JSON, in a sentence and as text.

    {"version": 2, "pattern", "from", "to",
     "settings": {"tokens": of a training, "bound_tokens": most from a checkpoint on, "document_tokens": most of a
                  document, "taught_one_in", "seeds", "parameters": of the model, "learning_rate",
                  "data": of the run, as `data_key` names it},
     "corpus": {"documents": of the pool, "from": those with the pattern and the old continuation, "to": the new one},
     "learning": {"documents": that taught the old one (median), "low", "high", "learnt": seeds, "seeds"},
     "rows": [{"checkpoint": "early" | "late", "tokens_seen", "taught": documents that said the old one by then,
               "margin": log P(from) - log P(to) there in nats (median), "known": seeds where that is above 0, "seeds",
               "one_in", "flipped": seeds, "documents": with the new one (median), "low", "high": fewest and most,
               "tokens": of training (median), "within_documents", "within_tokens": what the bound comes to,
               "loss_before", "loss_after": natural validation loss, nats a token, means over seeds}, ...],
     "sentence"}

A seed that did not flip within the bound counts as more than any other: `documents`, `tokens`, `low` and `high` are
null where they would be such a seed's. A seed that did not know the old continuation at a checkpoint had nothing to be
repaired: it is in `taught` and `margin`, which are of the checkpoint, in `known` and in `seeds`, and in no figure of a
repair from there. Where no seed knew it, `within_documents`, `within_tokens` and the losses are those of all.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from curation.progress import printable, short

#: Raise it when the table comes out otherwise.
DEBT_VERSION = 2


def debt_row(
    checkpoint: str, one_in: int, tokens_seen: int, before: Sequence[dict[str, Any]], after: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    """A row of the table from the files of its units, those of the checkpoint and those of the repair by seed."""
    knew = [cell for cell in after if cell["margin"] > 0]
    told = knew or after
    documents = _spread([cell["flipped"] and cell["flipped"]["documents"] for cell in knew])
    tokens = _spread([cell["flipped"] and cell["flipped"]["tokens"] for cell in knew])
    losses = {name: round(float(np.mean([cell[name] for cell in told])), 6) for name in ("loss_before", "loss_after")}
    return {
        "checkpoint": checkpoint,
        "tokens_seen": tokens_seen,
        "taught": int(np.median([cell["taught"] for cell in before])),
        "margin": round(float(np.median([cell["margin"] for cell in before])), 4),
        "known": len(knew),
        "seeds": len(after),
        "one_in": one_in,
        "flipped": sum(cell["flipped"] is not None for cell in knew),
        **documents,
        "tokens": tokens["documents"],
        "within_documents": min(cell["within_documents"] for cell in told),
        "within_tokens": min(cell["within_tokens"] for cell in told),
        **losses,
    }


def learning(cells: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """How many documents taught the old continuation, from the files of the last checkpoint by seed."""
    learnt = [cell["learnt"] for cell in cells]
    return _spread(learnt) | {"learnt": sum(one is not None for one in learnt), "seeds": len(learnt)}


def _spread(values: Sequence[int | None]) -> dict[str, int | None]:
    """Median, lowest and highest; None counts as more than any number."""
    ordered = sorted(values, key=lambda value: (value is None, value))
    if not ordered:
        return {"documents": None, "low": None, "high": None}
    middle = ordered[(len(ordered) - 1) // 2 : len(ordered) // 2 + 1]
    known = [value for value in middle if value is not None]
    median = round(float(np.mean(known))) if len(known) == len(middle) else None
    return {"documents": median, "low": ordered[0], "high": ordered[-1]}


def debt_sentence(debt: dict[str, Any]) -> str:
    """What it costs, in one sentence."""
    rows = debt["rows"]
    known = [row for row in rows if row["known"]]
    if not known:
        read = max(row["tokens_seen"] for row in rows)
        return f"The model did not learn the old continuation in {short(read)} tokens, so nothing was there to flip."
    most = min(row["one_in"] for row in known)
    told = [f"{_cost(row)} {_when(row)}" for row in known if row["one_in"] == most]
    found = f"At one document in {most:,} it takes {' and '.join(told)} to flip what the model has learnt"
    rarest = max(known, key=lambda row: (row["one_in"], row["tokens_seen"]))
    if rarest["one_in"] > most:
        found += f"; at one in {rarest['one_in']:,} {_cost(rarest)} {_when(rarest)}"
    return found + "."


def _cost(row: dict[str, Any]) -> str:
    if row["documents"] is None:
        return f"more than {row['within_documents']:,} documents ({short(row['within_tokens'])} tokens of training)"
    return f"{row['documents']:,} documents ({short(row['tokens'])} tokens of training)"


def _when(row: dict[str, Any]) -> str:
    return f"after {short(row['tokens_seen'])} tokens"


def debt_text(debt: dict[str, Any], width: int = 140) -> str:
    """The table for a terminal, with what was done before it and what it comes to after it."""
    stream = io.StringIO()
    console = Console(file=stream, highlight=False, width=width)
    console.print(Text(_about(debt)))
    names = ("checkpoint", "one in", "documents", "range", "tokens", "flipped", "margin", "loss before", "after")
    table = Table(title="Curation debt", title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    for name in names:
        table.add_column(name, justify="left" if name == "checkpoint" else "right")
    for row in debt["rows"]:
        table.add_row(*map(Text, _cells(row)))
    console.print(table)
    legend = (
        "documents: with the new continuation, until it is the more probable one and stays so; median over seeds, with "
        "the fewest and the most. margin: log P(old) - log P(new) at the checkpoint, nats. loss: on natural validation "
        "text, nats a token, at the checkpoint and at the end."
    )
    console.print(Text(legend, style="dim"))
    console.print(Text(f"\n{printable(debt['sentence'])}", style="bold"))
    return stream.getvalue()


def _about(debt: dict[str, Any]) -> str:
    settings, corpus, learnt = debt["settings"], debt["corpus"], debt["learning"]
    pattern, old, new = (printable(debt[name]) for name in ("pattern", "from", "to"))
    taught = (
        f"not learnt by {learnt['seeds'] - learnt['learnt']} of {learnt['seeds']} seeds"
        if learnt["documents"] is None
        else f"learnt after {learnt['documents']:,} document{'' if learnt['documents'] == 1 else 's'}"
    )
    return (
        f'"{pattern}": from "{old}" to "{new}". A GPT of {short(settings["parameters"])} parameters read '
        f"{short(settings['tokens'])} tokens of a sample of the run's documents, in pieces of up to "
        f"{settings['document_tokens']} tokens, one in {settings['taught_one_in']:,} of them with the old "
        f"continuation: {taught}. Of the sample's {corpus['documents']:,} documents {corpus['from']:,} say the old one "
        f"themselves and {corpus['to']:,} the new."
    )


def _cells(row: dict[str, Any]) -> list[str]:
    where = f"{row['checkpoint']}, {_when(row)}"
    if not row["known"]:
        return [where, f"{row['one_in']:,}", "not known", "", "", "", f"{row['margin']:.2f}", "", ""]
    flips = row["documents"] is not None
    bounds = "" if row["low"] is None else f"{row['low']:,} to " + ("-" if row["high"] is None else f"{row['high']:,}")
    return [
        where,
        f"{row['one_in']:,}",
        f"{row['documents']:,}" if flips else f"not within {row['within_documents']:,}",
        bounds,
        short(row["tokens"] if flips else row["within_tokens"]),
        f"{row['flipped']} of {row['known']}",
        f"{row['margin']:.2f}",
        f"{row['loss_before']:.3f}",
        f"{row['loss_after']:.3f}",
    ]
