"""What the lines of the chain say."""

from __future__ import annotations

from curation.report.record.config_rows import config_rows
from curation.report.record.decisions import gone, heard, value_ref, valued
from tests.report.record.test_config_rows import job


def lines_of(overrides=(), **more):
    return {line["evidence_ref"]: line for line in valued(config_rows(job(**more)), overrides)}


def test_who_gave_a_value():
    overrides = ["sampling.budget={tokens: 5}", "seed=0", "resources.tasks=1"]
    lines = lines_of(overrides, sampling={"budget": {"tokens": 5}, "clip": 2})
    assert {ref: lines[value_ref(ref)]["actor"] for ref in ("sampling.budget.tokens", "seed", "sampling.clip")} == {
        "sampling.budget.tokens": "command line",
        "seed": "command line",
        "sampling.clip": "job file",
    }
    assert lines[value_ref("dedup.exact")]["actor"] == "default"
    assert lines[value_ref("sampling.clip")]["alternatives"] == ["5 (default)"]
    assert value_ref("resources.tasks") not in lines


def test_entries_of_lists_are_said_where_they_differ_and_when_they_go():
    exclude = [{"cluster": 3, "reason": "x"}]
    lines = lines_of(sampling={"exclude": exclude})
    assert lines[value_ref("sampling.exclude.0.cluster")]["decision"] == "sampling.exclude.0.cluster = 3"
    assert value_ref("sampling.exclude.0.domain") not in lines
    left = gone([*lines, "documents/_done.json"], lines_of().values())
    assert {line["evidence_ref"] for line in left} == {
        value_ref("sampling.exclude.0.cluster"),
        value_ref("sampling.exclude.0.reason"),
    }
    assert left[0]["decision"].endswith("is not given any more")


def test_an_event_says_what_was_decided_and_not_where():
    line = heard("engine", {"stage": "centroids", "run": "/a/b", "engine": "torch", "reason": "no GPU"}, "1")
    assert (line["stage"], line["decision"], line["reason"]) == ("centroids", "engine: engine torch", "no GPU")
    assert line["alternatives"] == ["cuml", "torch"]
    note = heard("note", {"stage": "plan", "run": "/a/b", "text": "short"}, "1")
    assert (note["decision"], note["reason"]) == ("note", "short")
