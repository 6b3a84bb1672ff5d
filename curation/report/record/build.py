"""The record, put together from the facts of a run: all of it but `made`, which says when and where.

Numbers come from the markers and tables of the stages and are never typed twice; what only people can say comes from
the answers.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any

import numpy as np

from curation.report.account import DECLARED, NOT_LOOKED_FOR, limits
from curation.report.facts import TO_SAY, languages, splits, title
from curation.report.markdown import plain
from curation.report.record import figures
from curation.report.record.answers import SourceAnswers
from curation.report.record.config_rows import config_rows
from curation.report.record.facts import RecordFacts, StageFacts
from curation.report.record.model import NOTICE, SCHEMA_VERSION, open_pointers
from curation.report.record.use import KINDS

#: A source with more than this share of the tokens used is to be named in a public summary.
LARGE = 0.03

LIMITS = (
    "The record says what Curation did and counted. It does not say whether the data may be used, are true, or are fit "
    "for a purpose.",
    "Texts were compared, embedded and counted; nobody has read them.",
    "Clusters are what an encoder and K-Means make of the texts; their terms are the words that set them apart, and no "
    "judgement.",
    "Input files are identified by size and time of change, or the object store's tag; the texts that were read, by a "
    "hash of each.",
    "The chain of decisions shows that no line was changed since the record was made. Whoever can write to the run "
    "directory could make both anew: keep the hash of the record somewhere else.",
    DECLARED,
)
#: What was not looked for, by the key of the summary that says what was found if it was.
UNSEEN = {
    "": "Nothing was done to find or remove personal data, illegal or harmful content, or texts of test sets.",
    "near_duplicates": "Near duplicates were not looked for (`audit.near_duplicates` of the job file).",
    "languages": "Languages were not looked for (`audit.languages` of the job file).",
    "salience": "Over-represented tokens were not looked for (`audit.salience` of the job file).",
}


def built(facts: RecordFacts) -> dict[str, Any]:
    """The record without `made`, as plain JSON-able data."""
    answers = {name: block.model_dump() for name, block in facts.answers if name != "sources"}
    told = limits(replace(facts.card, summary=facts.summary | {"left_out": []}), plain)  # removals have those
    record: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "notice": NOTICE,
        "identity": identity(facts) | answers["identity"],
        "purpose": answers["purpose"],
        "config": config_rows(facts.job),
        "sources": sources(facts),
        "web_domains": {"listed": False, "why": "The job names no column of URLs, so host names were not counted."},
        "steps": [step(facts, one) for one in facts.stages],
        "removals": figures.removals(facts),
        "dedup": figures.dedup(facts),
        "quality": figures.quality(facts),
        "languages": spoken(facts),
        "clustering": figures.clustering(facts),
        "sampling": figures.sampling(facts),
        "audit": figures.audit(facts),
        "findings": facts.summary.get("findings", []),
        "findings_clear": facts.summary.get("findings_clear", 0),
        **{name: answers[name] for name in ("personal_data", "assumptions", "judgement", "public_summary")},
        "outputs": outputs(facts),
        "limits": [*LIMITS, *unseen(facts), *(text for text in told if text not in (DECLARED, NOT_LOOKED_FOR))],
        "reproduce": reproduction(facts),
    }
    plain_record: dict[str, Any] = json.loads(json.dumps(record))  # tuples as lists: what a reader of the file gets
    return plain_record | {"open": open_pointers(plain_record)}


def identity(facts: RecordFacts) -> dict[str, Any]:
    """What this is the record of."""
    return {
        "name": title(facts.card, plain),
        "tool": "Curation",
        "tool_version": facts.card.version,
        "table_version": facts.table_version,
        "job_sha256": facts.job_sha256,
        "recipe_sha256": facts.card.recipe_sha256,
        "texts": str(facts.summary["documents"]["texts"]),
    }


def sources(facts: RecordFacts) -> list[dict[str, Any]]:
    """A row a source."""
    use, found = facts.use, []
    shares = {
        kind: use.tokens[:, KINDS.index(kind)] / max(1, int(use.tokens[:, KINDS.index(kind)].sum()))
        for kind in ("available", "used_with_repeats")
    }
    for number, source in enumerate(facts.job.sources):
        declared = facts.card.sources[number]
        files = facts.files.filter(np.equal(facts.files["source"].to_numpy(), number))
        said = facts.answers.sources.get(source.domain, SourceAnswers()).model_dump()
        row = {"number": number, "domain": source.domain, "paths": source.paths}
        row |= {"licence": source.licence or TO_SAY, "facts": source.facts}
        row |= {"files": declared["files"], "bytes": declared["bytes"], "rows": declared["documents"]}
        row |= {"first_doc_id": files["first_doc_id"][0].as_py(), "files_sha256": files_hash(files.to_pylist())}
        row["rejected"] = int(use.rejected[number])
        for column, kind in enumerate(KINDS):
            counts = (int(use.documents[number, column]), int(use.tokens[number, column]))
            row[kind] = dict(zip(("documents", "tokens"), counts, strict=True))
        row["share_available"] = float(shares["available"][number])
        row["share_used"] = float(shares["used_with_repeats"][number])
        row["large"] = bool(shares["used_with_repeats"][number] > LARGE)
        found.append(row | said)
    return found


def files_hash(files: list[dict[str, Any]]) -> str:
    """Hash of names (the last part of each path), sizes and row counts of files, in order."""
    rows = [[row["path"].rpartition("/")[2], row["bytes"], row["rows"]] for row in files]
    return hashlib.sha256(json.dumps(rows, separators=(",", ":")).encode()).hexdigest()


def step(facts: RecordFacts, stage: StageFacts) -> dict[str, Any]:
    """A stage."""
    neural = stage.name == "embeddings" and facts.card.encoder["kind"] not in ("lexical", "given")
    by_cuml = stage.name == "centroids" and stage.stats.get("engine") == "cuml"
    settings = stage.settings if isinstance(stage.settings, dict) else {}
    return {
        "name": stage.name,
        "what": stage.what,
        "reads": stage.reads,
        "parameters": stage.settings,
        "seed": settings.get("seed"),
        "deterministic": not (neural or by_cuml),
        "counts": {name: value for name, value in stage.stats.items() if not isinstance(value, list | dict)},
        "files": stage.files,
        "rows": stage.rows,
        "bytes": stage.bytes,
        "result": stage.digest,
    }


def spoken(facts: RecordFacts) -> dict[str, Any]:
    """Languages."""
    measured = facts.summary.get("languages")
    return {"declared": languages(facts.card.sources), "measured": measured is not None, "rows": measured or []}


def outputs(facts: RecordFacts) -> dict[str, Any]:
    """The shards, and what tells of them."""
    index = facts.card.index
    files = [_file(shard, part.name) for part in splits(index) for shard in part.shards]
    files += [_file(shard["index"], part.name) for part in splits(index) for shard in part.shards if "index" in shard]
    beside = [_file(one, "about") for one in facts.beside if one["file"] not in {file["file"] for file in files}]
    return {
        "folder": "shards",
        "format": index["format"],
        "columns": index["columns"],
        **{name: index[name] for name in ("rows", "tokens", "text_bytes", "bytes")},
        "validation_rows": facts.card.validation["rows"] if facts.card.validation else 0,
        "files": files + beside,
    }


def _file(shard: dict[str, Any], part: str) -> dict[str, Any]:
    row = {"file": shard["file"], "part": part, "rows": shard.get("rows", 0)}
    row |= {"tokens": shard.get("tokens"), "text_bytes": shard.get("text_bytes")}
    return row | {"bytes": shard["bytes"], "sha256": shard["sha256"]}


def reproduction(facts: RecordFacts) -> dict[str, Any]:
    """How to make the same again."""
    notes = [
        "job.yaml of the run directory is the job with every default written out; the input files must be the same.",
        "The number of workers and machines changes nothing.",
    ]
    if not all(step(facts, stage)["deterministic"] for stage in facts.stages):
        notes.append(
            "A neural encoder's vectors, and the centroids of cuML, can differ in their last bits on other hardware; "
            "this run's own are kept in its directory, and all that follows from them is the same."
        )
    return {
        "commands": ["curation run job.yaml", "curation verify RUN_DIR"],
        "tool_version": facts.card.version,
        "seed": facts.job.seed,
        "recipe_sha256": facts.card.recipe_sha256,
        "notes": notes,
    }


def unseen(facts: RecordFacts) -> list[str]:
    """What was not looked for."""
    return [words for key, words in UNSEEN.items() if key not in facts.summary]
