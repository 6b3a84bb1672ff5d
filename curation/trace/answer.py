"""Trace: asks a finished run where a text may come from.

Two questions: which documents share the longest passages with it (`exact`), and which are nearest in meaning
(`meaning`). The index for the first is made when it is first asked, or is no longer that of the run.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from curation.config import Job
from curation.errors import JobError
from curation.job_file import parse_job, parse_yaml
from curation.progress import Reporter
from curation.stages.context import JOB
from curation.storage.lock import locked
from curation.storage.store import Marker, Store
from curation.trace.exact import find_exact
from curation.trace.index import FOLDER, build_index, index_fingerprint
from curation.trace.meaning import encoder_of, find_nearest
from curation.trace.places import describe, texts_of
from curation.trace.words import composed

#: Stages that must be done.
NEEDED = ("sources", "documents", "duplicates", "embeddings", "assignments", "plan", "shards")
#: Characters of a document that are shown.
EXCERPT = 300

Markers = Mapping[str, Marker | None]


def traced_job(store: Store, markers: Markers) -> Job:
    """The job of a finished run.

    Args:
        store: the run directory.
        markers: of the stages that are done, None for the others; see `pipeline.current_markers`.

    Raises:
        JobError: the run is not finished, or this is no run directory.
    """
    missing = next((name for name in NEEDED if markers.get(name) is None), None)
    if missing:
        raise JobError(
            f"{store.shown()}: trace needs a finished run, and {missing} is not done, or by other code: `curation "
            "run` first"
        )
    return parse_job(parse_yaml(store.read_bytes(JOB).decode(), JOB), JOB)


def ready_index(store: Store, job: Job, markers: Markers, reporter: Reporter) -> Marker:
    """The marker of the run's index of passages, which is made if it is missing.

    Raises:
        RunError: it has to be made, and another process works on the run directory.
        InputError: a source file changed since the run, is gone, or can't be read.
    """
    documents, duplicates = markers["documents"], markers["duplicates"]
    assert documents is not None, "traced_job has looked"
    assert duplicates is not None, "traced_job has looked"
    wanted = index_fingerprint(documents, duplicates)
    if there := store.done(FOLDER, wanted):
        return there
    with locked(store, lambda text: reporter.event("note", text=text)) as held:
        return build_index(held, job, wanted, reporter)


def trace(store: Store, markers: Markers, text: str, ways: set[str], top: int, reporter: Reporter) -> dict[str, Any]:
    """Where a text may come from, JSON-able.

    Args:
        store: the run directory.
        markers: see `traced_job`.
        text: the query.
        ways: `exact`, `meaning` or both.
        top: documents of each, at most.
        reporter: shows how the index is made, if it is.

    Returns:
        `run`, and under each way what `find_exact` and `find_nearest` return, with `rank`, `excerpt` and what
        `places.describe` tells in each hit.

    Raises:
        JobError: the run is not finished, the text is empty, or meaning is asked for and there is no encoder.
    """
    if not text.strip():
        raise JobError("trace: the text is empty; give some words, --file FILE, or - to read standard input")
    job = traced_job(store, markers)
    answer: dict[str, Any] = {"run": store.shown()}
    if "meaning" in ways:
        answer["meaning"] = find_nearest(store, encoder_of(store, job), text, top)
    if "exact" in ways:
        answer["exact"] = find_exact(store, job, ready_index(store, job, markers, reporter), text, top)
    hits = [hit for way in ("exact", "meaning") for hit in answer.get(way, {"hits": []})["hits"]]
    chosen = sorted({hit["doc_id"] for hit in hits})
    known, texts = describe(store, job, chosen), texts_of(store, job, chosen)
    for way in ways:
        for rank, hit in enumerate(answer[way]["hits"], 1):
            excerpt = " ".join(composed(texts[hit["doc_id"]])[: 4 * EXCERPT].split())[:EXCERPT]
            hit |= {"rank": rank, "excerpt": excerpt, **known[hit["doc_id"]]}
    return answer
