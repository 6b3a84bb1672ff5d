"""Journal: appends what a run decides to `record/decisions.jsonl`, while it runs.

The first line of a run is written when its first stage is about to work, so a run that has nothing to do leaves no
trace; then what was heard of a stage and that it is done, stage by stage, or why the run failed. What can be read from
tables is added by the stage `record`, which then names the last line. The file is small, and each time it is put there
whole, as every file of a run directory is: so it works on object stores, under the lease, and a kill leaves no half
line.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Any

import curation
from curation.config import Job
from curation.errors import RunError
from curation.report.record import decisions
from curation.report.record.chain import Line, appended, fault_of, latest, news
from curation.report.record.config_rows import config_rows
from curation.storage.store import Marker, Store, fingerprint

CHAIN = "record/decisions.jsonl"


class Journal:
    """The decisions of one run."""

    def __init__(self, store: Store, job: Job, overrides: Sequence[str]) -> None:
        self._store, self._job, self._overrides = store, job, overrides
        self._begun = False
        self._heard: list[Line] = []

    def begin(self, stage: str, wanted: str) -> None:
        """A stage is about to work; the first time in a run it says how the run begins and what the job says."""
        if self._begun:
            return
        self._begun = True
        text, rows = read_chain(self._store), config_rows(self._job)
        how = decisions.begun(stage, _how(self._store, stage, wanted), curation.__version__, job_hash(self._job))
        values = decisions.valued(rows, self._overrides)
        dropped = decisions.gone((ref for name, ref in latest(text) if name == "job"), values)
        append(self._store, [how, *news(text, [*values, *dropped])])

    def hear(self, kind: str, fields: dict[str, Any]) -> None:
        """Takes an event of the run. Those of a run that has not begun to work change nothing, and are not kept."""
        if self._begun and kind in decisions.HEARD:
            self._heard.append(decisions.heard(kind, fields, curation.__version__))
            if kind == "failed":
                self._keep([])

    def done(self, marker: Marker) -> None:
        """A stage is done."""
        self._keep([decisions.done(marker.stage, marker.stats, marker.digest, curation.__version__)])

    def _keep(self, lines: list[Line]) -> None:
        kept, self._heard = [*self._heard, *lines], []
        append(self._store, kept)


def _how(store: Store, stage: str, wanted: str) -> str:
    """How a run begins with a stage, by what lies there of it."""
    before = store.started(stage).get("fingerprint")
    if before == wanted:
        return f"the run goes on with {stage}, where an earlier one stopped or a file is to be made anew"
    return f"the run does {stage} anew: what it depends on has changed" if before else f"the run begins with {stage}"


def job_hash(job: Job) -> str:
    """Hash of the values that have a say in the result."""
    return fingerprint([[row["key"], row["value"]] for row in config_rows(job)])


def read_chain(store: Store) -> str:
    """The chain as it is; empty where there is none.

    Raises:
        RunError: it was changed.
    """
    text = store.read_bytes(CHAIN).decode() if store.exists(CHAIN) else ""
    if fault := fault_of(text):
        raise RunError(
            f"{store.shown(CHAIN)}: {fault}: put the file back as it was, or move the folder {store.shown('record')} "
            "away and a new chain begins"
        )
    return text


def append(store: Store, lines: Iterable[Line]) -> None:
    """Puts lines to the end of the chain.

    Raises:
        RunError: the chain was changed.
    """
    added = list(lines)
    if added:
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        store.write_bytes(CHAIN, appended(read_chain(store), added, now).encode())
