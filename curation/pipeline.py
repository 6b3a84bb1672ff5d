"""The stages in order; what is done is not done again.

A stage's fingerprint covers the part of the job that it reads, the digests of what the stages before it made, and
the version of the tables. A stage whose marker holds the fingerprint is skipped; any other is worked on, and goes on
from the parts that an interrupted run with the same fingerprint left. Digests cover content alone: a stage that is
done again and makes the same files leaves everything after it done.
"""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from curation.config import Job
from curation.errors import CurationError
from curation.job_file import dump_job, parse_job, parse_yaml
from curation.progress import Reporter
from curation.stages import (
    assignments,
    carriers,
    centroids,
    clusters,
    documents,
    duplicates,
    embeddings,
    encoder,
    languages,
    learned,
    near_duplicates,
    plan,
    profiles,
    ray_cluster,
    record,
    repeats,
    report,
    salience,
    shards,
    sources,
    strata,
    tokenizer,
)
from curation.stages.board import measure
from curation.stages.context import JOB, Run, Stage
from curation.stages.demand import demand
from curation.stages.findings import AUDIT, audit_figures
from curation.stages.journal import Journal
from curation.stages.page import PAGE, write_page
from curation.stages.report import SUMMARY
from curation.stages.shared_storage import check_nodes
from curation.stages.spill import SPILL
from curation.storage.lock import locked
from curation.storage.store import Made, Marker, Store, fingerprint
from curation.tables import TABLE_VERSION

#: All stages but the last, which makes the record of them.
BEFORE_RECORD = (
    sources.STAGE,
    tokenizer.STAGE,
    documents.STAGE,
    duplicates.STAGE,
    near_duplicates.STAGE,
    encoder.STAGE,
    embeddings.STAGE,
    repeats.STAGE,
    strata.STAGE,
    centroids.STAGE,
    assignments.STAGE,
    clusters.STAGE,
    languages.STAGE,
    salience.STAGE,
    profiles.STAGE,
    carriers.STAGE,
    learned.STAGE,
    plan.STAGE,
    shards.STAGE,
    report.STAGE,
)
STAGES = (*BEFORE_RECORD, record.stage_after(BEFORE_RECORD))

#: The stages that look at the corpus, and leave the rest.
AUDIT_STAGES = STAGES[: STAGES.index(salience.STAGE) + 1]

#: Folder of the logs of events in a run directory that is not local.
EVENTS = "events"


def run_job(job: Job, reporter: Reporter, overrides: Sequence[str] = ()) -> None:
    """Does the job, or what is left of it.

    Args:
        job: the job.
        reporter: takes the events.
        overrides: `KEY=VALUE` of the command line, which are in the job already: for the journal.

    Raises:
        CurationError: what a person must mend; what was committed stays.
    """
    with _at_work(job, reporter, overrides) as (run, journal):
        made = _run_stages(run, STAGES, journal)
        run.store.remove_folder(SPILL)
        _keep_page(run)
        reporter.event("done", shards=made["shards"].stats)


def audit_job(job: Job, reporter: Reporter, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """Looks at a job's corpus: does the stages before the plan, with all that the audit measures; a run goes on there.

    Args:
        job: the job.
        reporter: takes the events.
        overrides: as `run_job` takes them.

    Returns:
        What was found, which is also written to `report/audit.json`.

    Raises:
        CurationError: what a person must mend; what was committed stays.
    """
    everything = dict.fromkeys(type(job.audit).model_fields, True)
    whole = job.model_copy(update={"audit": job.audit.model_copy(update=everything)})
    with _at_work(whole, reporter, overrides) as (run, journal):
        _run_stages(run, AUDIT_STAGES, journal)
        found = audit_figures(run.store, whole)
        run.store.write_json(AUDIT, found)
        reporter.event("done", findings=len(found["findings"]))
    return found


@contextlib.contextmanager
def _at_work(job: Job, reporter: Reporter, overrides: Sequence[str]) -> Iterator[tuple[Run, Journal]]:
    """A job on its run directory, locked, and its journal; all events are logged, also how it failed."""
    with locked(Store.open(job.run_dir), lambda text: reporter.event("note", text=text)) as store:
        if store.is_local:
            reporter.keep_log(Path(store.root, "events.jsonl"))
        else:  # nothing can be appended to there, so each run has a log of its own
            name = time.strftime(f"{EVENTS}/%Y%m%dT%H%M%SZ-{secrets.token_hex(4)}.jsonl", time.gmtime())
            reporter.keep_copy(lambda log: store.write_bytes(name, log))
        reporter.run = store.shown()
        reporter.on_stage = partial(measure, reporter.run)
        journal = Journal(store, job, overrides)
        reporter.on_event = journal.hear
        reporter.event("run", run_dir=store.shown())
        try:
            yield Run(job, store, reporter), journal
        except Exception as error:
            with contextlib.suppress(CurationError):  # of writing the log: the error that ended the run is to be told
                reporter.event("failed", text=str(error) or type(error).__name__)
            raise
        finally:
            reporter.on_event = None
            reporter.close()


def _run_stages(run: Run, stages: Sequence[Stage], journal: Journal) -> dict[str, Made]:
    """Does what is not done of some stages; what each made."""
    made: dict[str, Made] = {}
    text = dump_job(run.job).encode()
    with prepared(run) as prepare:
        for stage in stages:
            if stage.precheck and run.store.marker(stage.name) is None:
                stage.precheck(run)
        for stage in stages:
            wanted = stage_fingerprint(stage, run.job, made)
            marker = run.store.done(stage.name, wanted)
            if marker is None or (stage.outdated and stage.outdated(run)):
                _keep_job(run, text)
                prepare(stage.name)
                journal.begin(stage.name, wanted)
                marker = _work(run, stage, wanted)
                if stage.name != "record":  # which names the last line, so nothing comes after it
                    journal.done(marker)
            else:
                if stage.recheck:
                    stage.recheck(run)
                run.reporter.event("skip", stage=stage.name)
            made[stage.name] = marker.made
        _keep_job(run, text)
    return made


def current_markers(store: Store) -> dict[str, Marker | None]:
    """The marker of every stage that is done for the job file as the run directory has it now; None for the others."""
    job = parse_job(parse_yaml(store.read_bytes(JOB).decode(), JOB), JOB) if store.exists(JOB) else None
    markers: dict[str, Marker] = {}
    for stage in STAGES if job else ():
        marker = store.marker(stage.name)
        known = all(name.partition(".")[0] in markers for name in stage.after)
        if job and marker and known and marker.fingerprint == stage_fingerprint(stage, job, markers):
            markers[stage.name] = marker
    return {stage.name: markers.get(stage.name) for stage in STAGES}


def stage_fingerprint(stage: Stage, job: Job, made: Mapping[str, Made | Marker]) -> str:
    """Hash of everything that a stage's result depends on."""
    inputs = {name: _input(name, made) for name in stage.after}
    return fingerprint([TABLE_VERSION, stage.name, stage.settings(job), inputs])


def _input(name: str, made: Mapping[str, Made | Marker]) -> Any:
    """What a stage depends on: all that another one made, or what it counted under one name."""
    stage, _, count = name.partition(".")
    return made[stage].stats.get(count) if count else made[stage].digest


def _keep_job(run: Run, text: bytes) -> None:
    """Keeps a copy of the job in the run directory."""
    if not run.store.exists(JOB) or run.store.read_bytes(JOB) != text:
        run.store.write_bytes(JOB, text)


def _keep_page(run: Run) -> None:
    """Makes the page where there is none: at the end, when the seconds of all stages are known that it shows."""
    if not run.store.exists(PAGE):
        markers = ((stage.name, run.store.marker(stage.name)) for stage in STAGES)
        seconds = {name: marker.seconds for name, marker in markers if marker}
        write_page(run.store, run.job, run.store.read_json(SUMMARY), seconds)


@contextlib.contextmanager
def prepared(run: Run) -> Iterator[Callable[[str], None]]:
    """Gives what makes the cluster ready for a stage that is to work, by its name."""
    seen: set[str] = set()
    with demand(run) as ask:

        def prepare(stage: str) -> None:
            ray_cluster.start(run.job.resources, run.reporter.event)
            ask(stage)
            check_nodes(run, seen)

        yield prepare


def _work(run: Run, stage: Stage, wanted: str) -> Marker:
    begun = time.monotonic()
    run.store.remove([PAGE])  # it will be another one
    run.store.begin(stage.name, stage.folders, wanted)
    with run.reporter.at(stage.name):
        result = stage.work(run)
    marker = Marker(stage.name, wanted, result.parts, result.stats, round(time.monotonic() - begun, 3))
    run.store.finish(marker)
    counts = {key: value for key, value in result.stats.items() if isinstance(value, int | float | str)}
    run.reporter.event("stage", stage=stage.name, seconds=marker.seconds, **counts)
    return marker
