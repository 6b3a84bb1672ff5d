"""A run that is not finished, as a table for a terminal: what is done, what is at work, how long it will take."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.text import Text

from curation.progress import clock, short
from curation.report.table import new_table

#: Characters of the last event that are shown.
WIDTH = 160


@dataclass(frozen=True)
class Pass:
    """How far one pass of a stage over the splits is, as storage has it.

    Attributes:
        unit: what is counted: `splits`, `shards`.
        done: units that are there.
        total: units in all.
        documents: rows of those that are there.
        of: rows in all.
        rate: documents a second of late; None where too few units are there to tell.
    """

    unit: str
    done: int
    total: int
    documents: int
    of: int
    rate: float | None

    @property
    def seconds_left(self) -> float | None:
        """At this rate."""
        return (self.of - self.documents) / self.rate if self.rate else None


@dataclass(frozen=True)
class StageState:
    """A stage: whether it is done, and what it counted then, or how far it is."""

    name: str
    done: bool = False
    seconds: float = 0.0
    counts: dict[str, Any] = field(default_factory=dict)
    begun: bool = False
    passes: list[Pass] = field(default_factory=list)
    text: str = ""


@dataclass(frozen=True)
class Live:
    """A run that is not finished.

    Attributes:
        where: the run directory.
        stages: all of them, in order.
        holder: who works on it or did last, and how that is known; empty where it isn't.
        at_work: whether somebody is; None where that can't be told.
        event: the last event; empty where there is none.
        silent: seconds since the last event, or the last file of the stage at work if that is later.
    """

    where: str
    stages: list[StageState]
    holder: str
    at_work: bool | None
    event: dict[str, Any]
    silent: float | None


def print_live(live: Live, console: Console) -> None:
    """Prints the stages, who holds the run directory, and the last event."""
    table = new_table(_title(live), "stage", "", "time", " ")
    for stage in live.stages:
        if stage.done:
            counts = "  ".join(f"{key} {value:,}" for key, value in stage.counts.items() if isinstance(value, int))
            table.add_row(stage.name, "done", clock(stage.seconds), counts)
            continue
        state = "-" if not stage.begun else "stopped" if live.at_work is False else "begun"
        told = [_pass(one, live.at_work is not False) for one in stage.passes]
        table.add_row(stage.name, state, "", Text("; ".join([*told, stage.text] if stage.text else told)))
    console.print(table)
    if live.holder:
        console.print(Text(live.holder))
    if live.event:
        console.print(Text(_last_event(live.event, live.silent)))


def _title(live: Live) -> str:
    if live.at_work:
        return f"At work on {live.where}"
    if live.at_work is None:
        return f"Not finished yet: {live.where}"
    return "Not finished yet; `curation run` with the same job file goes on"


def _pass(one: Pass, goes_on: bool) -> str:
    told = f"{one.done:,} of {one.total:,} {one.unit}, {short(one.documents)} of {short(one.of)} documents"
    if one.rate and one.done < one.total:
        told += f", {short(one.rate)}/s"
        if goes_on and one.seconds_left is not None:
            told += f", {clock(one.seconds_left)} left"
    return told


def _last_event(event: dict[str, Any], silent: float | None) -> str:
    """The event in a line; what the lines above say already is left out."""
    fields = {key: value for key, value in event.items() if key not in {"time", "event", "run"} and value is not None}
    told = ", ".join(f"{key} {value}" for key, value in fields.items())
    ago = "" if silent is None else f" {clock(silent)} ago"
    line = f"Last sign of life{ago}; last event: {event['event']}" + (f" ({told})" if told else "")
    return line if len(line) <= WIDTH else line[: WIDTH - 3] + "..."
