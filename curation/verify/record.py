"""The record: the chain of decisions is whole, and every number in the record is that of the tables.

The chain is looked at as a file of its own, since it grows and no marker lists it. The record is made once more from
the tables and must come out the same, but for the block that says when and where; so must its page, the map, and the
summary that it draws on.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from curation.config import Job
from curation.report.record.ai_act import ai_act_map
from curation.report.record.build import built
from curation.report.record.chain import fault_of, head, latest
from curation.report.record.decisions import done_ref
from curation.report.record.model import content_hash, first_difference
from curation.report.record.model import fault_of as schema_fault
from curation.report.record.page import record_page
from curation.stages.context import Stage
from curation.stages.journal import CHAIN
from curation.stages.record import ANSWERS, MAP, PAGE, RECORD, answers_of, gather, kept_answers
from curation.stages.report import SUMMARY, summarise
from curation.storage.store import DONE, STARTED, Store
from curation.verify.files import Faults
from curation.verify.findings import fault_unless


def check_chain(store: Store) -> Faults:
    """Every line of the chain is there, unchanged and in its place, and the last is the one that the record names."""
    known = {CHAIN, RECORD, MAP, PAGE, ANSWERS, f"record/{STARTED}", f"record/{DONE}"}
    for name in sorted(store.list("record").keys() - known):
        yield f"{name}: no stage has written this file"
    if not store.exists(CHAIN):
        yield f"{CHAIN}: missing"
        return
    try:
        text = store.read_bytes(CHAIN).decode()
    except UnicodeDecodeError:
        yield f"{CHAIN}: it is not text"
        return
    fault = fault_of(text)
    yield None if fault is None else f"{CHAIN}: {fault}"
    if fault is None:
        named = _read(store, RECORD).get("made", {}).get("decisions", {})
        told = (named.get("lines"), named.get("head_sha256"))
        yield fault_unless(told == head(text), f"{CHAIN}: its last line is not the one that {RECORD} names")


def check_record(store: Store, job: Job, stages: tuple[Stage, ...]) -> Faults:
    """The record is one, and says what the tables say."""
    record = _read(store, RECORD)
    fault = schema_fault(record)
    yield None if fault is None else f"{RECORD}: not of its schema: {fault}"
    if fault is not None:
        return
    same = json.loads(json.dumps(summarise(store, job))) == _read(store, SUMMARY)
    yield fault_unless(same, f"{SUMMARY}: is not what the tables say")
    data = kept_answers(store)
    again = built(gather(store, job, stages[:-1], answers_of(data, job)))
    made: dict[str, Any] = record.pop("made")
    place = first_difference(again, record)
    yield fault_unless(place is None, f"{RECORD}: {place} is not what the tables say")
    yield fault_unless(made["content_sha256"] == content_hash(record), f"{RECORD}: its content is not what it was")
    told = None if data is None else hashlib.sha256(data).hexdigest()
    yield fault_unless(made["answers_sha256"] == told, f"{ANSWERS}: are not the answers that the record holds")
    whole = record | {"made": made}
    law = ai_act_map(whole)
    yield fault_unless(_read(store, MAP) == law, f"{MAP}: is not the map of the record")
    page = record_page(whole, law).encode()
    yield fault_unless(store.read_bytes(PAGE) == page, f"{PAGE}: is not the page of the record")
    said = latest(store.read_bytes(CHAIN).decode())
    for step in record["steps"]:
        line = said.get((step["name"], done_ref(step["name"])), {"decision": ""})
        agrees = step["result"] in line["decision"]
        yield fault_unless(agrees, f"{CHAIN}: what it says of the stage {step['name']} is not what the stage made")


def _read(store: Store, name: str) -> dict[str, Any]:
    """A JSON object; empty where there is none, or something else."""
    try:
        value = store.read_json(name)
    except ValueError:
        value = None
    return value if isinstance(value, dict) else {}
