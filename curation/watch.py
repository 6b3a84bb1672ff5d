"""Watching a run from anywhere: what is done and how far the rest is, from what lies in the run directory.

Nothing is asked of Ray, of the driver or of its machine, so it works for a run whose driver can't be reached, or is
gone: parts and markers on storage are the progress. How fast it goes is told from the times when parts were written,
who is at work from the lock or lease, and what they said last from the log of events. Nothing is written.
"""

from __future__ import annotations

import json
import time
from typing import Any

from curation.config import Job
from curation.errors import JobError
from curation.job_file import parse_job, parse_yaml
from curation.pipeline import EVENTS, STAGES, stage_fingerprint
from curation.report.live import Live, Pass, StageState
from curation.stages.context import JOB
from curation.stages.plan_tables import SHARDS
from curation.stages.shards import shard_names
from curation.stages.spill import SPILL, spill_name
from curation.stages.splits import load_splits, part_name
from curation.storage.holder import holder
from curation.storage.store import Marker, Store

#: Seconds up to the latest part from which the rate is taken.
WINDOW = 600.0
#: Bytes at the end of a log of events that are read.
TAIL = 1 << 18
#: Seconds without a sign of life after which a run of which nothing else is known counts as stopped.
SILENT = 300.0


def watch(store: Store, markers: dict[str, Marker | None]) -> Live:
    """What is known of a run that is not finished.

    Args:
        store: the run directory.
        markers: of the stages that are done, None for the others; see `pipeline.current_markers`.

    Raises:
        JobError: this is no run directory.
    """
    if not store.exists(JOB) and not any(store.marker(stage.name) for stage in STAGES):
        raise JobError(f"{store.shown()}: this is not a run directory, or nothing has been done in it yet")
    events = last_events(store)
    since = max((event["time"] for event in events if event["event"] == "run"), default=0.0)
    done = {name: marker for name, marker in markers.items() if marker}
    stages, signs = [], [event["time"] for event in events]
    for name, marker in markers.items():
        if marker:
            stages.append(StageState(name, True, marker.seconds, marker.stats))
        elif not any(state.begun for state in stages) and has_begun(store, name, done):
            passes, latest = passes_of(store, name, since)
            signs += latest
            stages.append(StageState(name, begun=True, passes=passes, text=last_text(events, name)))
        else:
            stages.append(StageState(name))
    silent = max(0.0, time.time() - max(signs)) if signs else None
    found = holder(store)
    at_work = found.holds if found else None
    if at_work is None and silent is not None and silent > SILENT:
        at_work = False
    told = f"{'Held' if at_work else 'Held last'} by {found.who} ({found.because})" if found else ""
    return Live(store.shown(), stages, told, at_work, events[-1] if events else {}, silent)


def has_begun(store: Store, name: str, done: dict[str, Marker]) -> bool:
    """Whether what lies there of a stage is of the job file and the stages before it as they are now."""
    stage = next(stage for stage in STAGES if stage.name == name)
    if not store.exists(JOB) or any(before.partition(".")[0] not in done for before in stage.after):
        return False
    return bool(store.started(name).get("fingerprint") == stage_fingerprint(stage, job_of(store), done))


def job_of(store: Store) -> Job:
    """The job as the run directory has it."""
    return parse_job(parse_yaml(store.read_bytes(JOB).decode(), JOB), JOB)


def passes_of(store: Store, name: str, since: float) -> tuple[list[Pass], list[float]]:
    """How far a stage is, pass by pass, and when its latest file was written; nothing for stages without such files.

    Args:
        store: the run directory.
        name: of the stage.
        since: when the run went on last: parts from before say nothing of its rate.
    """
    if name in {"documents", "near_duplicates", "embeddings", "assignments"}:
        rows = {part_name(name, split.split_id): split.rows for split in load_splits(store)}
        found = [("splits", rows, store.times(name))]
    elif name == "shards":
        listed = store.read_table(SHARDS)
        spilled = {spill_name(split.split_id): split.rows for split in load_splits(store)}
        found = [("splits gathered", spilled, store.times(SPILL))]
        job = job_of(store)
        if job.output.format != "megatron":  # its files grow until the end, a pair for each domain
            shards = dict(zip(shard_names(listed, job), listed["rows"].to_pylist(), strict=True))
            found.append(("shards", shards, store.times(name)))
    else:
        return [], []
    passes = [how_far(unit, rows, times, since) for unit, rows, times in found]
    return passes, [max(times.values()) for _, _, times in found if times]


def how_far(unit: str, rows: dict[str, int], times: dict[str, float], since: float) -> Pass:
    """How far a pass is.

    Args:
        unit: what is counted.
        rows: documents of each file that is to be written.
        times: when each file that is there was written.
        since: files from before say nothing of the rate.
    """
    there = sorted((times[name], rows[name]) for name in rows if name in times)
    late = [one for one in there if one[0] >= max(since, there[-1][0] - WINDOW)]
    seconds = late[-1][0] - late[0][0] if late else 0.0
    rate = sum(count for _, count in late[1:]) / seconds if seconds > 0 else None
    return Pass(unit, len(there), len(rows), sum(count for _, count in there), sum(rows.values()), rate)


def last_events(store: Store) -> list[dict[str, Any]]:
    """The last events of the run that worked here last, in order; none where there is no log."""
    name = "events.jsonl" if store.is_local else max(store.list(EVENTS), default="")
    if not name or not store.exists(name):
        return []
    with store.open_input(name) as file:
        file.seek(max(0, file.size() - TAIL))
        lines = file.read().decode(errors="replace").splitlines()
    return [event for line in lines if (event := _event(line))]


def _event(line: str) -> dict[str, Any] | None:
    """An event; None for half a line, as the beginning of what was read, or one that a killed process left."""
    try:
        event = json.loads(line)
    except ValueError:
        return None
    whole = isinstance(event, dict) and isinstance(event.get("time"), int | float) and "event" in event
    return event if whole else None


def last_text(events: list[dict[str, Any]], stage: str) -> str:
    """What a stage said of its progress last, in its own words."""
    said = (event for event in reversed(events) if event["event"] == "progress" and event.get("stage") == stage)
    return str(next((event["text"] for event in said if "text" in event), ""))
