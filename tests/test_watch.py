"""`curation show` of a run at work, and of one whose driver is gone: told from what lies in the run directory."""

from __future__ import annotations

import json
import os
import time
from types import SimpleNamespace

import pyarrow as pa
import pytest

from curation import tables, watch
from curation.cli import main
from curation.job_file import dump_job, load_job
from curation.pipeline import EVENTS, current_markers, stage_fingerprint
from curation.report.live import Pass
from curation.stages import documents, sources, tokenizer
from curation.stages.context import JOB
from curation.stages.splits import part_name
from curation.storage import holder, lease
from curation.storage.lock import locked
from curation.storage.store import Marker, Store
from tests.corpus import job

SPLITS, ROWS = 6, 100


def begun(store, path):
    """A run directory whose sources are counted and whose documents have begun; returns the store."""
    asked = load_job(path)
    store.write_bytes(JOB, dump_job(asked).encode())
    columns = {name: [0] * SPLITS for name in tables.SPLITS.names} | {
        "split_id": range(SPLITS),
        "rows": [ROWS] * SPLITS,
    }
    part = store.write_table(sources.SPLITS, pa.table([columns[name] for name in tables.SPLITS.names], tables.SPLITS))
    wanted = stage_fingerprint(sources.STAGE, asked, {})
    marker = Marker("sources", wanted, [part], {"files": "hash", "rows": SPLITS * ROWS}, 3.0)
    store.begin("sources", (), wanted)
    store.finish(marker)
    made = {"sources": marker}
    made["tokenizer"] = Marker("tokenizer", stage_fingerprint(tokenizer.STAGE, asked, made), [])
    store.begin("tokenizer", (), made["tokenizer"].fingerprint)
    store.finish(made["tokenizer"])
    store.begin("documents", documents.FOLDERS, stage_fingerprint(documents.STAGE, asked, made))
    return store


def add_parts(store, ages):
    """Parts of the first splits, written so many seconds ago."""
    for split, age in enumerate(ages):
        name = part_name("documents", split)
        store.write_bytes(name, b"part")
        os.utime(f"{store.root}/{name}", (time.time() - age,) * 2)


def event(kind, ago=0.0, **fields):
    return json.dumps({"time": time.time() - ago, "event": kind, **fields}) + "\n"


@pytest.fixture
def run_dir(tmp_path):
    store = begun(Store.open(str(tmp_path / "run")), job(tmp_path / "corpus", tmp_path / "run"))
    for file in (tmp_path / "run").rglob("*"):
        os.utime(file, (time.time() - 3600,) * 2)
    return store


def live(store):
    return watch.watch(store, current_markers(store))


def test_a_run_at_work_says_how_far_it_is_and_how_long_it_takes(run_dir, capsys):
    add_parts(run_dir, [40, 30, 20, 10])
    run_dir.write_bytes("events.jsonl", (event("run", 60) + event("start", 60, stage="documents")).encode())
    with locked(run_dir):
        assert main(["show", run_dir.root]) == 0
        found = live(run_dir)
    printed = " ".join(capsys.readouterr().out.split())
    assert f"At work on {run_dir.root}" in printed
    assert "4 of 6 splits, 400 of 600 documents, 10.0/s, 20s left" in printed.replace("10/s", "10.0/s")
    assert f"Held by process {os.getpid()} on" in printed
    assert "Last sign of life 10s ago; last event: start (stage documents)" in printed
    assert [state.name for state in found.stages if state.done] == ["sources", "tokenizer"]
    assert [state.name for state in found.stages if state.begun] == ["documents"]


def test_a_run_whose_driver_is_gone_is_told_from_its_parts(run_dir, capsys):
    add_parts(run_dir, [40, 30])
    with locked(run_dir):
        pass
    found = live(run_dir)
    assert found.at_work is False
    assert found.event == {}
    main(["show", run_dir.root])
    printed = " ".join(capsys.readouterr().out.split())
    assert "goes on" in printed
    assert "stopped 2 of 6 splits, 200 of 600 documents, 10/s" in printed
    assert "left" not in printed
    assert "Held last by process" in printed
    assert "the file lock is free" in printed


def test_parts_from_before_the_run_went_on_say_nothing_of_its_rate(run_dir):
    add_parts(run_dir, [5000, 4990, 20, 10])
    run_dir.write_bytes("events.jsonl", event("run", 30).encode())
    [state] = [state for state in live(run_dir).stages if state.begun]
    [one] = state.passes
    assert one.rate == pytest.approx(10, rel=0.01)
    assert one.seconds_left == pytest.approx(20, rel=0.01)


def test_only_the_latest_parts_make_the_rate():
    rows = {str(number): 10 for number in range(5)}
    times = {"0": 0.0, "1": 1000.0, "2": 1000.0 + watch.WINDOW, "3": 1010.0 + watch.WINDOW, "other": 9999.0}
    assert watch.how_far("splits", rows, times, 0.0) == Pass("splits", 4, 5, 40, 50, 10 / 10)
    assert watch.how_far("splits", rows, {}, 0.0).rate is None
    assert watch.how_far("splits", rows, {"0": 5.0}, 0.0).rate is None


def test_a_stage_of_another_job_file_is_not_the_one_at_work(run_dir):
    run_dir.write_bytes(JOB, run_dir.read_bytes(JOB).replace(b"seed: 0", b"seed: 1"))
    assert not any(state.begun for state in live(run_dir).stages)


def test_half_a_line_in_the_log_is_passed_over(run_dir):
    text = event("progress", stage="centroids", text="iteration 7") + event("progress", stage="documents", text="older")
    run_dir.write_bytes("events.jsonl", b'dow"}\n' + text.encode() + event("note").encode() + b'{"time": 17, "ev')
    events = watch.last_events(run_dir)
    assert [one["event"] for one in events] == ["progress", "progress", "note"]
    assert watch.last_text(events, "centroids") == "iteration 7"
    assert watch.last_text(events, "plan") == ""


def test_a_lock_of_another_machine_is_judged_by_the_silence(run_dir):
    run_dir.write_bytes(lease.LOCK, b"process 1 on elsewhere\n")
    run_dir.write_bytes("events.jsonl", event("progress", 5).encode())
    assert live(run_dir).at_work is None
    run_dir.write_bytes("events.jsonl", event("progress", watch.SILENT + 5).encode())
    assert live(run_dir).at_work is False


def test_looking_takes_no_lock(run_dir, monkeypatch):
    """A job that starts at the very moment must not be refused."""
    taken = []
    monkeypatch.setattr("fcntl.flock", lambda *arguments: taken.append(arguments))
    run_dir.write_bytes(lease.LOCK, f"process {os.getpid()} on {os.uname().nodename}\n".encode())
    assert holder.holder(run_dir).holds is False
    assert taken == []


def test_a_run_on_an_object_store(s3, tmp_path, monkeypatch):
    path = job(tmp_path / "corpus", tmp_path / "run")
    store = Store.open(s3.uri(f"watch/{time.monotonic_ns()}"))
    with locked(store) as held:
        begun(held, path)
        held.write_bytes(part_name("documents", 0), b"part")
        held.write_bytes(f"{EVENTS}/20260101T000000Z-aa.jsonl", event("failed", 500).encode())
        held.write_bytes(f"{EVENTS}/20260102T000000Z-aa.jsonl", event("note", 100).encode())
        found = live(store)
        assert found.at_work
        assert "runs on this machine" in found.holder
        assert found.event["event"] == "note"
        assert 0 <= found.silent < 20
        monkeypatch.setattr(lease, "_machine", lambda: "another")
        assert "lease of 60 s renewed" in live(store).holder
        assert live(store).at_work
        later = time.time() + 100
        monkeypatch.setattr(holder, "time", SimpleNamespace(time=lambda: later))
        assert live(store).at_work is False
    assert "gave the lease back" in live(store).holder
    assert live(store).at_work is False
    assert holder.holder(Store.open(s3.uri("watch/nobody"))) is None
