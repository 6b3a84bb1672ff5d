"""What a line of the chain of decisions says, for everything that decides something in a run.

Times, rates and machines are left out of the words, so that two runs of one job that go the same way say the same. A
line about a value, a stage or a reason names it in `evidence_ref`; it is said again only when it has changed (`chain`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from curation.report.facts import TO_SAY
from curation.report.record.chain import Line, said

#: Events of a run that are decisions, or tell of one.
HEARD = ("note", "engine", "encoder", "batches", "failed")
#: What of an event is about when and where, and not about what was decided.
_UNSAID = ("stage", "run", "text", "reason")


def begun(stage: str, how: str, version: str, job_sha256: str) -> Line:
    """A run begins to work, or goes on; `how` says which."""
    reason = f"curation run, version {version}, job {job_sha256[:12]}"
    return said(f"curation {version}", stage, how, reason, "job.yaml")


def valued(rows: Iterable[dict[str, Any]], overrides: Iterable[str]) -> list[Line]:
    """A line for each value of the job, also for those that are the default; of entries of lists only for the others.

    Args:
        rows: as `config_rows` has them.
        overrides: `KEY=VALUE`, as they were given on the command line.
    """
    by_hand = tuple(f"{override.partition('=')[0].strip()}." for override in overrides)
    found = []
    for row in rows:
        in_list = any(part.isdigit() for part in row["key"].split("."))
        if in_list and not row["changed"]:
            continue
        other = [f"{json.dumps(row['default'])} (default)"] if row["changed"] and row["default"] is not None else []
        actor = "command line" if f"{row['key']}.".startswith(by_hand) else "job file" if row["changed"] else "default"
        decision = f"{row['key']} = {json.dumps(row['value'], ensure_ascii=False)}"
        found.append(said(actor, "job", decision, row["reason"], value_ref(row["key"]), other))
    return found


def gone(known: Iterable[str], lines: Iterable[Line]) -> list[Line]:
    """A line for each value that an earlier job gave and this one does not; `known` are the pieces of evidence."""
    now = {line["evidence_ref"] for line in lines}
    prefix = value_ref("")
    return [
        said("job file", "job", f"{ref.removeprefix(prefix)} is not given any more", "", ref)
        for ref in known
        if ref.startswith(prefix) and ref not in now
    ]


def value_ref(key: str) -> str:
    """Where a value of the job stands."""
    return f"job.yaml#{key}"


def done(stage: str, stats: dict[str, Any], digest: str, version: str) -> Line:
    """A stage is done."""
    counts = ", ".join(f"{name} {value}" for name, value in stats.items() if isinstance(value, int | float | str))
    decision = f"done, result {digest}" + (f": {counts}" if counts else "")
    return said(f"curation {version}", stage, decision, "all that it depends on is there", done_ref(stage))


def done_ref(stage: str) -> str:
    """Where a stage says that it is done."""
    return f"{stage}/_done.json"


def heard(kind: str, fields: dict[str, Any], version: str) -> Line:
    """An event of a run that is of HEARD."""
    stage = str(fields.get("stage", ""))
    rest = ", ".join(f"{name} {value}" for name, value in fields.items() if name not in _UNSAID)
    decision = ": ".join(part for part in (kind, rest) if part)
    reason = str(fields.get("text", fields.get("reason", "")))
    other = ["cuml", "torch"] if kind == "engine" else []
    return said(f"curation {version}", stage, decision, reason, "events", other)


def found(record: dict[str, Any], version: str) -> list[Line]:
    """What the run decided by its figures: removals, the end of the fit, shortfalls, findings; from the record."""
    actor = f"curation {version}"
    lines = [
        said(
            actor,
            row["step"],
            f"{row['documents']} documents removed",
            row["reason"],
            f"{row['evidence']}#{row['reason']}",
        )
        for row in record["removals"]
    ]
    fit = record["clustering"]["fit"]
    end = "converged" if fit.get("converged") else "stopped at the most iterations that the job allows"
    reason = f"engine {fit.get('engine')}: {fit.get('engine_reason', 'the job file asks for it')}"
    decision = f"K-Means {end} after {fit.get('iterations')} iterations"
    lines.append(said(actor, "centroids", decision, reason, "centroids/_done.json#fit", ["cuml", "torch"]))
    for text in record["sampling"]["shortfalls"]:
        lines.append(said(actor, "plan", "something could not be given as asked", text, f"plan/_done.json#{text}"))
    for finding in record["findings"]:
        ref = f"report/summary.json#{finding['kind']}:{finding['subject_kind']}:{finding['subject']}"
        decision = f"{finding['verdict']}: {finding['kind']} of {finding['subject_kind']} {finding['subject']}"
        lines.append(said(actor, "report", decision, finding["words"], ref))
    return lines


def answered(record: dict[str, Any], sha256: str | None) -> list[Line]:
    """What people said, as far as they did; nothing where there is no file of answers."""
    if sha256 is None:
        return []
    decision = f"answers {sha256} are in the record, {len(record['open'])} questions are open"
    reason = f"what only people can say; the rest stands as {TO_SAY}"
    return [said("people", "record", decision, reason, "record/answers.yaml")]


def asked_anew(with_answers: bool) -> Line:
    """Somebody has the record made anew."""
    reason = "curation record" + " --answers" * with_answers
    return said("command line", "record", "the record is made anew", reason, "record/curation_record.json")
