"""The files: there, unchanged, none too many, and made from what the job file and the stages before say."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import numpy as np

from curation.config import Job
from curation.counter_rng import uniform
from curation.job_file import parse_job, parse_yaml
from curation.stages.context import JOB, Fingerprint, Stage
from curation.stages.workers import map_items
from curation.storage.store import DONE, STARTED, Marker, Part, Store

Faults = Iterator[str | None]

#: Files that a task hashes.
TASK_FILES = 64


def read_job(store: Store) -> Job:
    """The job as the run directory keeps it."""
    return parse_job(parse_yaml(store.read_bytes(JOB).decode(), JOB), JOB)


def check_files(
    store: Store, job: Job, stages: tuple[Stage, ...], fingerprint_of: Fingerprint, sample: float
) -> Faults:
    """Every check of the files; ends at the first stage that is not finished."""
    markers: dict[str, Marker] = {}
    parts: list[Part] = []
    guests = {name for stage in stages for name in stage.guests}
    for stage in stages:
        name = f"{stage.name}/{DONE}"
        marker = store.marker(stage.name)
        if marker is None:
            there = store.exists(name)
            yield f"{name}: damaged" if there else f"{name}: missing, so the stage is not finished"
            break
        markers[stage.name] = marker
        agrees = marker.fingerprint == fingerprint_of(stage, job, markers)
        yield None if agrees else f"{name}: its fingerprint is not that of job.yaml and of the stages before it"
        yield _started(store, stage, marker)
        yield from _listed(store, stage, marker, guests)
        parts += marker.parts
    chosen = sampled(job, "files", len(parts), sample)
    left = iter([part for part, mine in zip(parts, chosen, strict=True) if mine])
    batches = iter(lambda: list(islice(left, TASK_FILES)), [])
    for _, faults in map_items(batches, hash_files, store, tasks=job.resources.tasks):
        yield from faults


def sampled(job: Job, what: str, count: int, share: float) -> list[bool]:
    """Which of `count` things are looked at: about this share of them, at least one, by the job's seed."""
    chance = uniform(job.seed, f"verify.{what}", np.arange(count))
    chosen: list[bool] = (chance <= max(share, chance.min(initial=1.0))).tolist()
    return chosen


def _started(store: Store, stage: Stage, marker: Marker) -> str | None:
    value = store.started(stage.name)
    agrees = (value.get("stage"), value.get("fingerprint")) == (stage.name, marker.fingerprint)
    return None if agrees and isinstance(value.get("known"), dict) else f"{stage.name}/{STARTED}: missing or damaged"


def _listed(store: Store, stage: Stage, marker: Marker, guests: set[str]) -> Faults:
    """The stage's folders hold the files that its marker names, in their sizes, and no others but guests."""
    there: dict[str, int] = {}
    for folder in stage.folders:
        there |= store.list(folder)
    listed = {part.name for part in marker.parts} | {f"{stage.name}/{STARTED}", f"{stage.name}/{DONE}"}
    for name in sorted(there.keys() - listed - guests):
        yield f"{name}: no stage has written this file"
    for folder in {name.rpartition("/")[0] for name in stage.guests}:
        there |= store.list(folder)
    for part in marker.parts:
        size = there.get(part.name)
        if size is None:
            yield f"{part.name}: missing"
        else:
            agrees = size == part.bytes
            yield None if agrees else f"{part.name}: has {size} bytes, and was written with {part.bytes}"


def hash_files(parts: list[Part], store: Store) -> list[str | None]:
    """A check a file: its bytes are those that were written. Missing ones and other sizes are told by their listing."""
    return [_hashed(store, part) for part in parts]


def _hashed(store: Store, part: Part) -> str | None:
    try:
        size, sha256 = store.hash(part.name)
    except FileNotFoundError:
        return None
    agrees = size != part.bytes or sha256 == part.sha256
    return None if agrees else f"{part.name}: its bytes are not those that were written (sha256)"
