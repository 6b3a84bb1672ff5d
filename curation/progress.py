"""What a person, or a log, sees of a run while it runs.

On a terminal: one bar a stage with documents, rate and time left. Anywhere else: one JSON object a line, a line an
event, so that `ray job logs` and log collectors can read it. Both go to stderr; stdout is for results. Every event
is also appended to `events.jsonl` in the run directory when that is a local folder; elsewhere the events of a run are
put there as one file, again and again: when a stage begins or ends, and every COPY_EVERY seconds.

Each event has `time`, `event`, `run` (the run directory) and, while a stage is at work, `stage`; `split` where it is
about one, or about several, the first of them.
"""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from curation.errors import CurationError

#: Seconds between two progress events of a stage in the log.
EVERY = 10.0
#: Seconds between two copies of the log in a run directory that is not local.
COPY_EVERY = 60.0


def short(number: float) -> str:
    """A count for people: 950, 12.3k, 4.5M, 6.7G."""
    units = ["T", "G", "M", "k", ""]
    while abs(number) >= 999.5 and len(units) > 1:
        number /= 1000
        units.pop()
    unit = units[-1]
    return f"{number:.0f}{unit}" if not unit or abs(number) >= 99.95 else f"{number:.1f}{unit}"


def clock(seconds: float) -> str:
    """A duration for people: 8s, 3m12s, 5h07m."""
    whole = int(seconds + 0.5)
    if whole < 60:
        return f"{whole}s"
    return f"{whole // 60}m{whole % 60:02}s" if whole < 3600 else f"{whole // 3600}h{whole % 3600 // 60:02}m"


def printable(text: str) -> str:
    """A text of a corpus on one line, without the control characters that could steer a terminal."""
    return " ".join("".join(character if character.isprintable() else " " for character in text).split())


class Reporter:
    """Takes the events of a run and shows them. One at a time; stages follow one another.

    Attributes:
        run: the run directory, as messages show it; empty before it is known.
        now: the stage at work; empty between stages.
        on_stage: hears the name whenever `now` changes, for the metrics.
        on_event: hears every event, its kind and fields, for the journal.
    """

    def __init__(self, stream: IO[str] | None = None) -> None:
        self.run = self.now = ""
        self.on_stage: Callable[[str], object] | None = None
        self.on_event: Callable[[str, dict[str, Any]], object] | None = None
        self._stream = stream or sys.stderr
        self._log: IO[str] | None = None
        self._copy: Callable[[bytes], object] | None = None
        self._lines: list[str] = []
        self._copied = 0.0
        self._bars: Progress | None = None
        if self._stream.isatty():
            self._bars = Progress(
                SpinnerColumn(),
                TextColumn("{task.description:<12}"),
                BarColumn(bar_width=30),
                TextColumn("{task.fields[text]}"),
                TimeElapsedColumn(),
                console=Console(file=self._stream),
            )

    def keep_log(self, path: Path) -> None:
        """Appends every event from now on to a local file; a line that a killed process left half is ended first."""
        torn = path.exists() and path.stat().st_size > 0 and path.read_bytes()[-1:] != b"\n"
        self._log = path.open("a", encoding="utf-8", buffering=1)
        self._log.write("\n" * torn)

    def keep_copy(self, put: Callable[[bytes], object]) -> None:
        """Gives every event from now on to `put`, which gets the whole log each time."""
        self._copy, self._lines = put, []

    def close(self) -> None:
        """Ends the log."""
        if self._copy:
            with contextlib.suppress(CurationError):  # the error that ended the run, if any, is the one to be told
                self._put_copy(self._copy)
            self._copy = None
        if self._log:
            self._log.close()
            self._log = None

    def event(self, kind: str, /, **fields: Any) -> None:
        """One event, with its time (seconds since the epoch)."""
        where = {"stage": self.now, "run": self.run}
        fields |= {key: value for key, value in where.items() if value and key not in fields}
        line = json.dumps({"time": round(time.time(), 3), "event": kind, **fields}, ensure_ascii=False)
        if self._log:
            self._log.write(line + "\n")
        if self._copy:
            self._lines.append(line + "\n")
            if kind in {"start", "stage", "done", "failed"} or time.monotonic() - self._copied > COPY_EVERY:
                self._put_copy(self._copy)
        if self.on_event:
            self.on_event(kind, fields)
        if self._bars is None:
            print(line, file=self._stream, flush=True)
        elif kind in {"note", "skip", "waiting", "lost"}:
            message = fields.get("text") or f"{fields.get('stage')}: done before"
            self._bars.console.print(Text(message, style="dim"))

    def _put_copy(self, put: Callable[[bytes], object]) -> None:
        put("".join(self._lines).encode())
        self._copied = time.monotonic()

    @contextlib.contextmanager
    def at(self, stage: str) -> Iterator[None]:
        """Says which stage is at work, or which part of one. Where it fails, that is where the run ended."""
        before = self.now
        self._set(stage)
        yield
        self._set(before)

    def _set(self, stage: str) -> None:
        if stage != self.now and self.on_stage:
            self.on_stage(stage)
        self.now = stage

    @contextlib.contextmanager
    def stage(self, name: str, documents: int) -> Iterator[StageProgress]:
        """A stage that is to go through so many documents (0: not known, or not documents)."""
        self.event("start", stage=name, documents=documents)
        with self.at(name):
            if self._bars is None:
                yield StageProgress(self, name, documents, None, None)
                return
            yield from self._shown(self._bars, name, documents)

    def _shown(self, bars: Progress, name: str, documents: int) -> Iterator[StageProgress]:
        with bars:
            task = bars.add_task(name, total=documents or None, text="")
            progress = StageProgress(self, name, documents, bars, task)
            yield progress
            bars.update(task, total=documents or 1, completed=documents or 1, text=progress.summary())
        bars.remove_task(task)


class StageProgress:
    """Counts what a stage has done and shows it, at most every tenth of a second."""

    def __init__(self, reporter: Reporter, name: str, total: int, bars: Progress | None, task: TaskID | None) -> None:
        self._reporter, self._name, self._total, self._bars, self._task = reporter, name, total, bars, task
        self._begun = self._shown = time.monotonic()
        self._documents = self._tokens = self._found = 0
        self._text = ""

    def found(self, documents: int) -> None:
        """Documents that an earlier, interrupted run had done already."""
        self._found += documents
        self.advance(documents)

    def advance(self, documents: int = 0, tokens: int = 0, text: str = "") -> None:
        """Adds what was just done; `text` replaces the line's free text."""
        self._documents += documents
        self._tokens += tokens
        self._text = text or self._text
        now = time.monotonic()
        if now - self._shown < (0.1 if self._bars else EVERY):
            return
        self._shown = now
        if self._bars is not None and self._task is not None:
            self._bars.update(self._task, completed=self._documents, text=self.summary())
        else:
            self._reporter.event("progress", stage=self._name, **self.figures())

    def figures(self) -> dict[str, Any]:
        """Counts, rates a second (of this process's own work) and seconds left."""
        seconds = max(time.monotonic() - self._begun, 1e-9)
        rate = (self._documents - self._found) / seconds
        left = (self._total - self._documents) / rate if rate > 0 and self._total else None
        figures: dict[str, Any] = {"documents": self._documents, "of": self._total, "seconds": round(seconds, 2)}
        figures |= {"documents_per_second": round(rate, 1), "tokens_per_second": round(self._tokens / seconds, 1)}
        figures |= {"seconds_left": None if left is None else round(left, 1)}
        return figures | ({"text": self._text} if self._text else {})

    def summary(self) -> str:
        """The figures as a line for people."""
        figures = self.figures()
        parts = [f"{short(self._documents)}/{short(self._total)} documents"] if self._total else []
        if self._documents:
            parts.append(f"{short(figures['documents_per_second'])}/s")
        if self._tokens:
            parts.append(f"{short(figures['tokens_per_second'])} tokens/s")
        if figures["seconds_left"] is not None and self._documents < self._total:
            parts.append(f"{clock(figures['seconds_left'])} left")
        return "  ".join([*parts, self._text] if self._text else parts)
