"""The events of a run: what each of them carries."""

from __future__ import annotations

import io
import json

import pytest

from curation.errors import CurationError
from curation.job_file import load_job
from curation.pipeline import run_job
from curation.progress import Reporter
from tests.corpus import job


def events(stream):
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_events_carry_the_run_and_the_stage_at_work():
    stream, heard = io.StringIO(), []
    reporter = Reporter(stream)
    reporter.run, reporter.on_stage = "s3://bucket/run", heard.append
    reporter.event("run", run_dir="s3://bucket/run")
    with reporter.at("shards"):
        reporter.event("waiting", text="for machines")
        with reporter.stage("gather", 10):
            reporter.event("lost", split=7)
            reporter.event("note", stage="documents")
        reporter.event("note")
    reporter.event("skip", stage="report")
    found = [(event["event"], event.get("stage")) for event in events(stream)]
    assert found == [
        ("run", None),
        ("waiting", "shards"),
        ("start", "gather"),
        ("lost", "gather"),
        ("note", "documents"),
        ("note", "shards"),
        ("skip", "report"),
    ]
    assert all(event["run"] == "s3://bucket/run" for event in events(stream))
    assert heard == ["shards", "gather", "shards", ""]


def test_a_failure_keeps_the_stage_in_which_it_happened():
    reporter = Reporter(io.StringIO())
    with pytest.raises(ZeroDivisionError), reporter.at("plan"), reporter.stage("plan", 0):
        raise ZeroDivisionError
    assert reporter.now == "plan"


def test_a_run_that_fails_says_so_in_its_log(tmp_path):
    path = job(tmp_path / "corpus", tmp_path / "run")
    asked = load_job(path, ["blending.weights=auto", "blending.reference.path=/nowhere"])
    stream = io.StringIO()
    with pytest.raises(CurationError) as told:
        run_job(asked, Reporter(stream))
    last = events(stream)[-1]
    assert (last["event"], last["text"], last["run"]) == ("failed", str(told.value), str(tmp_path / "run"))
    assert json.loads((tmp_path / "run/events.jsonl").read_text().splitlines()[-1]) == last
