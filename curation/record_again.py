"""`curation record`: makes the record of a finished run anew, with answers to what only people can say.

The job and its tables stay as they are. A file of answers is copied into the run directory, so that later runs go on
with it; where the job names a file itself (`record.answers`), that one counts.
"""

from __future__ import annotations

import io
from dataclasses import replace

from curation.errors import JobError
from curation.job_file import parse_job, parse_yaml, read_yaml
from curation.pipeline import BEFORE_RECORD, STAGES, current_markers, stage_fingerprint
from curation.progress import Reporter
from curation.report.record.answers import questions
from curation.report.record.decisions import asked_anew
from curation.stages import ray_cluster
from curation.stages.context import JOB, Run
from curation.stages.journal import append
from curation.stages.record import ANSWERS, answers_of, kept_answers
from curation.storage.lock import locked
from curation.storage.store import Marker, Store


def asked(run_dir: str) -> str:
    """What is asked of people, as a file of answers with those that are there."""
    run = _open(run_dir)
    return questions(answers_of(kept_answers(run.store), run.job), run.job.domains)


def record_again(run_dir: str, answers: str | None) -> int:
    """Makes the record anew.

    Args:
        run_dir: of a finished run.
        answers: a file of answers; None: those that are there.

    Returns:
        How many questions are open.

    Raises:
        JobError: the run is not finished, or the file can't be used.
        RunError: another process holds the run directory.
    """
    run = _open(run_dir)
    data = None if answers is None else read_yaml(answers, "file of answers").encode()
    if data is not None and run.job.record.answers is not None:
        raise JobError(f"--answers: the job names {run.job.record.answers} (record.answers): change that file instead")
    answers_of(data, run.job, answers)
    stage = STAGES[-1]
    with locked(run.store) as store:
        markers = current_markers(store)
        left = next((one.name for one in BEFORE_RECORD if markers[one.name] is None), None)
        if left:
            raise JobError(f"{store.shown()}: {left} is not done for its job file; `curation run` goes on with it")
        ray_cluster.start(run.job.resources)
        append(store, [asked_anew(answers is not None)])
        wanted = stage_fingerprint(stage, run.job, {name: marker for name, marker in markers.items() if marker})
        before = markers[stage.name]
        store.begin(stage.name, stage.folders, wanted)
        if data is not None:
            store.write_bytes(ANSWERS, data)
        result = stage.work(replace(run, store=store))
        store.finish(Marker(stage.name, wanted, result.parts, result.stats, before.seconds if before else 0.0))
    return int(result.stats["open"])


def _open(run_dir: str) -> Run:
    """A run directory and its job, which may have been moved since."""
    store = Store.open(run_dir)
    if not store.exists(JOB):
        raise JobError(f"{store.shown()}: this is not a run directory")
    job = parse_job(parse_yaml(store.read_bytes(JOB).decode(), JOB), JOB)
    return Run(job, store, Reporter(io.StringIO()))
