"""The record as a whole, its version, and the checks that it is one.

`record_schema` is what `curation schema --record` prints. `SCHEMA_VERSION` is MAJOR.MINOR: a new field raises MINOR;
one that goes, or means something else, MAJOR.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, Literal

from pydantic import ValidationError

from curation.report.facts import TO_SAY
from curation.report.record import blocks, measured
from curation.report.record.answers import (
    AssumptionAnswers,
    Block,
    JudgementAnswers,
    PersonalDataAnswers,
    PublicSummaryAnswers,
    PurposeAnswers,
)

SCHEMA_VERSION: Literal["1.0"] = "1.0"
NOTICE = (
    "This is evidence of what was done to the data, and not legal advice. It makes nobody compliant with anything. "
    f"What only people can say stands as {TO_SAY}; declared facts were not checked."
)


class CurationRecord(Block):
    """What a run of Curation did to the data, and why."""

    schema_version: Literal["1.0"]
    notice: str
    identity: blocks.Identity
    """What this is the record of, and who stands for it."""
    purpose: PurposeAnswers
    """What the data set is for."""
    config: list[blocks.ConfigRow]
    """Every value of the job that has a say in the result: the choices of design."""
    sources: list[blocks.Source]
    """Where the documents come from, and what became of them."""
    web_domains: blocks.WebDomains
    """Host names of the documents."""
    steps: list[blocks.Step]
    """What was done, in order."""
    removals: list[blocks.Removal]
    """What was taken out, by reason."""
    dedup: measured.Dedup
    """Copies."""
    quality: measured.Quality | None
    """null where documents have no quality."""
    languages: measured.Languages
    """Languages, declared and measured."""
    clustering: measured.Clustering
    """How the documents were grouped."""
    sampling: measured.Sampling
    """What was drawn."""
    audit: measured.Audit
    """The corpus before and after."""
    findings: list[dict[str, Any]]
    """Biases and gaps that the audit found."""
    findings_clear: int
    """Things that were looked at and gave no finding."""
    personal_data: PersonalDataAnswers
    """Personal, sensitive and illegal content."""
    assumptions: AssumptionAnswers
    """What the data are taken to stand for."""
    judgement: JudgementAnswers
    """What people conclude."""
    public_summary: PublicSummaryAnswers
    """What the public summary asks beyond the data set."""
    outputs: blocks.Outputs
    """What was written."""
    limits: list[str]
    """What this record does not say."""
    reproduce: blocks.Reproduction
    """How to make the same again."""
    open: list[str]
    """JSON pointers of what is TO BE PROVIDED."""
    made: blocks.Made
    """When, where and with what."""


def record_schema() -> dict[str, Any]:
    """The JSON schema (draft 2020-12) of a record."""
    schema = CurationRecord.model_json_schema(mode="serialization")
    own = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": f"urn:curation:record:{SCHEMA_VERSION}"}
    return own | schema


def fault_of(record: Any) -> str | None:
    """Where and why a value is no record of this schema; None where it is one."""
    try:
        CurationRecord.model_validate(record, strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        return f"{pointer(first['loc'])}: {first['msg']}"
    return None


def content_hash(record: dict[str, Any]) -> str:
    """The sha256, in hex, of a record without what differs from run to run."""
    content = {name: value for name, value in record.items() if name != "made"}
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def open_pointers(value: Any, at: tuple[str | int, ...] = ()) -> list[str]:
    """JSON pointers of all that is TO BE PROVIDED below a value."""
    if isinstance(value, dict):
        return [found for name, part in value.items() for found in open_pointers(part, (*at, name))]
    if isinstance(value, list):
        return [found for number, part in enumerate(value) for found in open_pointers(part, (*at, number))]
    return [pointer(at)] if value == TO_SAY else []


def pointer(at: tuple[str | int, ...]) -> str:
    """The JSON pointer (RFC 6901) of a way down."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in at)


def resolved(value: Any, path: str) -> Any:
    """What a JSON pointer points at.

    Raises:
        LookupError: nothing.
    """
    for part in path.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        value = value[int(key)] if isinstance(value, list) else value[key]
    return value


def first_difference(one: Any, other: Any, at: tuple[str | int, ...] = ()) -> str | None:
    """The JSON pointer of the first place where two values differ; None where they are the same."""
    if isinstance(one, dict) and isinstance(other, dict):
        for name in [*one, *(name for name in other if name not in one)]:
            if name not in one or name not in other:
                return pointer((*at, name))
            if found := first_difference(one[name], other[name], (*at, name)):
                return found
        return None
    if isinstance(one, list) and isinstance(other, list):
        for number, (left, right) in enumerate(zip(one, other, strict=False)):
            if found := first_difference(left, right, (*at, number)):
                return found
        return None if len(one) == len(other) else pointer((*at, min(len(one), len(other))))
    return None if type(one) is type(other) and one == other else pointer(at)
