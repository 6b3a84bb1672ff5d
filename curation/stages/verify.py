"""Verify: reads every table and shard back and checks what they promise to each other.

`verify` yields one line a check: None where it holds, else a sentence that names the file. Files come first (there,
unchanged, none too many); the tables' promises are checked only when the files are whole, since a damaged table
would only be noise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa

from curation.config import Job
from curation.errors import JobError
from curation.job_file import parse_job, parse_yaml
from curation.stages.context import JOB, Stage
from curation.stages.verify_tables import check_tables
from curation.store import DONE, STARTED, Marker, Part, Store

#: Computes the fingerprint of a stage from the job and the markers before it.
Fingerprint = Callable[[Stage, Job, dict[str, Marker]], str]
Faults = Iterator[str | None]


def verify(store: Store, stages: tuple[Stage, ...], fingerprint_of: Fingerprint) -> Faults:
    """Every check of a finished run.

    Args:
        store: the run directory.
        stages: the stages in order.
        fingerprint_of: see `Fingerprint`.

    Yields:
        None for a check that holds, otherwise what is wrong and in which file.

    Raises:
        JobError: this is not a run directory.
    """
    if not store.exists(JOB) and not any(store.exists(f"{stage.name}/{DONE}") for stage in stages):
        raise JobError(f"{store.root}: this is not a run directory")
    whole = True
    for fault in _files(store, stages, fingerprint_of):
        whole = whole and fault is None
        yield fault
    if whole:
        try:
            yield from check_tables(store, _job(store))
        except (pa.ArrowException, OSError, LookupError, ValueError, TypeError) as error:
            yield f"the tables do not fit together: {type(error).__name__}: {error}"


def _job(store: Store) -> Job:
    return parse_job(parse_yaml(store.read_bytes(JOB).decode(), JOB), JOB)


# ---- files ----------------------------------------------------------------------------------------------------


def _files(store: Store, stages: tuple[Stage, ...], fingerprint_of: Fingerprint) -> Faults:
    markers: dict[str, Marker] = {}
    try:
        job = _job(store)
    except (JobError, OSError, UnicodeDecodeError) as error:
        yield f"{JOB}: {error}"
        return
    for stage in stages:
        name = f"{stage.name}/{DONE}"
        marker = store.marker(stage.name)
        if marker is None:
            there = store.exists(name)
            yield f"{name}: damaged" if there else f"{name}: missing, so the stage is not finished"
            return
        markers[stage.name] = marker
        agrees = marker.fingerprint == fingerprint_of(stage, job, markers)
        yield None if agrees else f"{name}: its fingerprint is not that of job.yaml and of the stages before it"
        yield _started(store, stage, marker)
        yield from _parts(store, stage, marker)


def _started(store: Store, stage: Stage, marker: Marker) -> str | None:
    value = store.started(stage.name)
    agrees = (value.get("stage"), value.get("fingerprint")) == (stage.name, marker.fingerprint)
    return None if agrees and isinstance(value.get("known"), dict) else f"{stage.name}/{STARTED}: missing or damaged"


def _parts(store: Store, stage: Stage, marker: Marker) -> Faults:
    there: set[str] = set()
    for folder in stage.folders:
        there |= set(store.list(folder))
    listed = {part.name for part in marker.parts} | {f"{stage.name}/{STARTED}", f"{stage.name}/{DONE}"}
    for name in sorted(there - listed):
        yield f"{name}: no stage has written this file"
    with ThreadPoolExecutor(4) as threads:
        yield from threads.map(lambda part: _part(store, part), marker.parts)


def _part(store: Store, part: Part) -> str | None:
    try:
        size, sha256 = store.hash(part.name)
    except FileNotFoundError:
        return f"{part.name}: missing"
    if size != part.bytes:
        return f"{part.name}: has {size} bytes, and was written with {part.bytes}"
    return None if sha256 == part.sha256 else f"{part.name}: its bytes are not those that were written (sha256)"
