"""Record: says what was done to the data and why, for reviewers, in `record/`.

Reads the small tables and the markers of all stages before it, and in tasks what became of each document (`usage`).
Writes `curation_record.json` (its schema: `curation schema --record`), `record.md`, the same for people, and
`ai_act_map.json`. Keeps a copy of the file of answers, `answers.yaml`, so that the record can be made again without it.

The chain of decisions, `decisions.jsonl`, lies beside them and is the journal's: it only grows, so `record` is no
folder of this stage alone. The stage adds the last lines of a run and names the head of the chain. When the chain has
grown since, by a run that failed or came to the same result, the record is made again.

The record is a pure function of the tables, but for its block `made`: times, versions of packages, the machine and the
head of the chain, whose lines have times. `made.content_sha256` is over all else: the same for the same job and files.
"""

from __future__ import annotations

import difflib
import hashlib
import sys
from functools import partial
from typing import Any

from curation.config import Job
from curation.errors import CurationError, JobError, RunError
from curation.job_file import parse_tree, parse_yaml, read_yaml
from curation.report.record import decisions
from curation.report.record.ai_act import ai_act_map
from curation.report.record.answers import Answers
from curation.report.record.build import built
from curation.report.record.chain import break_after, head, news
from curation.report.record.facts import RecordFacts, StageFacts
from curation.report.record.page import record_page
from curation.stages import usage
from curation.stages.cards import facts_of
from curation.stages.clusters import CLUSTERS
from curation.stages.context import Result, Run, Stage
from curation.stages.encoder import load_spec
from curation.stages.journal import CHAIN, append, job_hash, read_chain
from curation.stages.made import made
from curation.stages.plan import shortfalls
from curation.stages.plan_tables import ALLOCATION
from curation.stages.report import SUMMARY
from curation.stages.sources import SOURCES
from curation.storage.store import Part, Store
from curation.tables import TABLE_VERSION

RECORD, PAGE, MAP = "record/curation_record.json", "record/record.md", "record/ai_act_map.json"
ANSWERS = "record/answers.yaml"

#: Raise it when the record of the same run comes out otherwise: records that are done are then made again.
RECORD_VERSION = 2

Before = tuple[Stage, ...]


def stage_after(before: Before) -> Stage:
    """The stage, which comes after all others."""
    names = tuple(stage.name for stage in before)
    guests = (RECORD, PAGE, MAP, ANSWERS)
    return Stage("record", (), names, settings, partial(work, before), None, precheck, outdated, guests)


def settings(job: Job) -> dict[str, Any]:
    """What the record depends on besides the stages before: the whole job, but for where and on what it runs."""
    return {"job": job_hash(job), "reasons": job.reasons, "version": RECORD_VERSION}


def work(before: Before, run: Run) -> Result:
    """The stage."""
    store = run.store
    with run.reporter.stage("record", 0) as progress:
        store.remove(store.list("record", temporary=True))  # what a run that was killed right here left
        data = answers_now(run)
        record = built(gather(store, run.job, before, answers_of(data, run.job)))
        sha256 = hashlib.sha256(data).hexdigest() if data is not None else None
        decide(store, before, record, sha256)
        parts = write_record(store, run.job, before, record, data)
        progress.advance(text=f"{len(record['open'])} questions are open")
    return Result(parts, {"open": len(record["open"]), "findings": len(record["findings"])})


def write_record(store: Store, job: Job, before: Before, record: dict[str, Any], answers: bytes | None) -> list[Part]:
    """Commits the record, its page, the map and the copy of the answers."""
    lines, last = head(read_chain(store))
    chain = {"file": CHAIN.rpartition("/")[2], "lines": lines, "head_sha256": last}
    replaces = store.hash(RECORD)[1] if store.exists(RECORD) else None
    seconds = {stage.name: marker.seconds for stage in before if (marker := store.marker(stage.name))}
    sha256 = hashlib.sha256(answers).hexdigest() if answers is not None else None
    whole = record | {"made": made(record, job, chain, replaces, sha256, seconds)}
    law = ai_act_map(whole)
    parts = [store.write_json(RECORD, whole), store.write_json(MAP, law)]
    parts.append(store.write_bytes(PAGE, record_page(whole, law).encode()))
    return parts if answers is None else [*parts, store.write_bytes(ANSWERS, answers)]


def decide(store: Store, before: Before, record: dict[str, Any], answers_sha256: str | None) -> None:
    """Adds to the chain what the tables say was decided, as far as it does not say so yet.

    Raises:
        RunError: lines that an earlier record names are not there any more.
    """
    version = record["identity"]["tool_version"]
    found = [
        decisions.done(step["name"], _stats(store, step["name"]), step["result"], version) for step in record["steps"]
    ]
    found += [*decisions.found(record, version), *decisions.answered(record, answers_sha256)]
    text = read_chain(store)
    check_goes_on(store, text)
    append(store, news(text, found))


def check_goes_on(store: Store, text: str) -> dict[str, Any]:
    """That the chain has all lines that the record names; gives what the record says of it, nothing without a record.

    Raises:
        RunError: it has not.
    """
    try:
        named: dict[str, Any] = (store.read_json(RECORD) or {})["made"]["decisions"]
        fault = break_after(text, named["lines"], named["head_sha256"])
    except (ValueError, LookupError, TypeError):  # no record, or a damaged one, which is made again
        return {}
    if fault:
        raise RunError(
            f"{store.shown(CHAIN)}: {fault}: put the file back, or move the folder {store.shown('record')} away and a "
            "new chain begins"
        )
    return named


def gather(store: Store, job: Job, before: Before, answers: Answers) -> RecordFacts:
    """What the record is made of."""
    summary = store.read_json(SUMMARY)
    return RecordFacts(
        job=job,
        card=facts_of(store, job, summary),
        identity=load_spec(store).identity,
        stages=[stage_facts(store, job, stage) for stage in before],
        files=store.read_table(SOURCES),
        clusters=store.read_table(CLUSTERS),
        allocation=store.read_table(ALLOCATION),
        use=usage.load_use(store, job),
        rejected=usage.rejected_reasons(store),
        copies=usage.copies(store),
        beside=beside(store),
        shortfalls=shortfalls(job, summary["plan"]),
        answers=answers,
        job_sha256=job_hash(job),
        table_version=TABLE_VERSION,
    )


def stage_facts(store: Store, job: Job, stage: Stage) -> StageFacts:
    """A stage that is done."""
    marker = store.marker(stage.name)
    if marker is None:
        raise RunError(f"{store.shown(stage.name)}: the stage is not finished; `curation run` goes on")
    rows, size = (sum(getattr(part, name) for part in marker.parts) for name in ("rows", "bytes"))
    counts = (len(marker.parts), rows, size, marker.digest)
    what = (sys.modules[stage.settings.__module__].__doc__ or "").partition("\n")[0]
    return StageFacts(stage.name, what, list(stage.after), stage.settings(job), marker.stats, *counts)


def beside(store: Store) -> list[dict[str, Any]]:
    """The files in the folder of the shards, with those that tell of them."""
    markers = [store.marker(name) for name in ("shards", "report")]
    parts = [part for marker in markers if marker for part in marker.parts if part.name.startswith("shards/")]
    return [
        {"file": part.name.removeprefix("shards/"), "rows": part.rows, "bytes": part.bytes, "sha256": part.sha256}
        for part in parts
    ]


def _stats(store: Store, stage: str) -> dict[str, Any]:
    marker = store.marker(stage)
    return marker.stats if marker else {}


# ---- answers --------------------------------------------------------------------------------------------------------


def precheck(run: Run) -> None:
    """The file of answers can be used: told before anything is read."""
    if run.job.record.answers is not None:
        answers_of(named_answers(run.job), run.job)


def outdated(run: Run) -> bool:
    """Whether the chain has grown since, or the file of answers is another one."""
    text = read_chain(run.store)
    named = check_goes_on(run.store, text)
    lines, last = head(text)
    if (named.get("lines"), named.get("head_sha256")) != (lines, last):
        return True
    answers = answers_now(run)
    if answers == kept_answers(run.store):
        return False
    answers_of(answers, run.job)  # what can't be used is told before the old record is given up
    return True


def answers_now(run: Run) -> bytes | None:
    """The file of answers: that which the job names, or where it names none or it is gone, the copy; None without."""
    kept = kept_answers(run.store)
    if run.job.record.answers is None:
        return kept
    try:
        return named_answers(run.job)
    except CurationError as error:
        if kept is None:
            raise
        run.reporter.event("note", stage="record", text=f"{error}. The run goes on with the copy that it has")
        return kept


def named_answers(job: Job) -> bytes:
    """The file that `record.answers` names."""
    return read_yaml(str(job.record.answers), "file of answers").encode()


def kept_answers(store: Store) -> bytes | None:
    """The copy in the run directory."""
    return store.read_bytes(ANSWERS) if store.exists(ANSWERS) else None


def answers_of(data: bytes | None, job: Job, where: str | None = None) -> Answers:
    """What a file of answers says; None: nothing. `where` names it in messages.

    Raises:
        JobError: a key or a domain in it is unknown, or a value is wrong; all are named.
    """
    where = where or job.record.answers or ANSWERS
    if data is None:
        return Answers()
    answers = parse_tree(Answers, parse_yaml(data.decode(), where) or {}, where)
    for domain in answers.sources:
        if domain not in job.domains:
            near = difflib.get_close_matches(domain, job.domains, n=1, cutoff=0.0)
            raise JobError(f"{where}: sources.{domain}: there is no such domain; did you mean {near[0]!r}?")
    return answers
