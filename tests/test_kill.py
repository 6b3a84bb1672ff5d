"""kill -9 of the whole process group at random moments: the run ends with the bytes of a run that was left alone.

Slow (`make test-slow`): every attempt starts Ray anew.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter

import numpy as np
import psutil
import pyarrow.parquet as pq
import pytest

from tests.corpus import job, shard_hashes
from tests.tokenizers_made import byte_level

KILLS = 20

MODELS = {
    "lexical": ("{model: lexical, dimensions: 16}", 60),
    "minilm": ("{model: all-MiniLM-L6-v2, max_tokens: 32}", 20),
}


def start(path, log, *overrides):
    arguments = [part for override in overrides for part in ("--set", override)]
    command = [sys.executable, "-m", "curation.cli", "run", path, *arguments]
    return subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL, stderr=log.open("w"))


def events(log):
    return [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{") and line.endswith("}")]


def finish(path, log, *overrides):
    """Runs to the end; returns the seconds and the stages that were worked on."""
    begun = time.monotonic()
    assert start(path, log, *overrides).wait(timeout=900) == 0, log.read_text()
    return time.monotonic() - begun, [event["stage"] for event in events(log) if event["event"] == "stage"]


def kill_once(path, log, rng):
    """Starts the run and kills it a random while after its first stage began; says in which stage."""
    process = start(path, log)
    while process.poll() is None and '"start"' not in log.read_text():
        time.sleep(0.05)
    time.sleep(float(rng.uniform(0, 10)))
    finished = process.poll() is not None
    os.killpg(process.pid, signal.SIGKILL) if not finished else None
    process.wait()
    begun = [event["stage"] for event in events(log) if event["event"] == "start"]
    return "finished" if finished else begun[-1]


@pytest.mark.slow
@pytest.mark.parametrize("wait", [0.2, 3.0, 8.0, 12.0])
def test_a_termination_is_told_and_has_its_own_exit_status(tmp_path, wait):
    path, log = job(tmp_path / "corpus", tmp_path / "run", scale=60), tmp_path / "log"
    process = start(path, log)
    while '"start"' not in log.read_text():
        time.sleep(0.05)
    time.sleep(wait)
    children = psutil.Process(process.pid).children(recursive=True)
    process.terminate()
    assert process.wait(timeout=30) == 143
    assert "goes on from here" in log.read_text()
    assert len(children) > 5
    assert psutil.wait_procs(children, timeout=30)[1] == []
    for part in (tmp_path / "run").rglob("*.parquet"):
        if not part.name.startswith("."):
            pq.read_table(part)


@pytest.mark.slow
def test_a_termination_has_its_exit_status_at_any_moment(tmp_path):
    """Also while Ray starts, when its own handler is there, and while it ends, when its threads end the process."""
    path, log = job(tmp_path / "corpus", tmp_path / "run", scale=60), tmp_path / "log"
    rng, seen = np.random.default_rng(25), Counter()
    for _ in range(KILLS):
        shutil.rmtree(tmp_path / "run", ignore_errors=True)
        process = start(path, log)
        while '"run"' not in log.read_text():
            time.sleep(0.02)
        time.sleep(float(rng.uniform(0, 8)))
        children = psutil.Process(process.pid).children(recursive=True)
        process.terminate()
        seen[process.wait(timeout=30)] += 1
        assert psutil.wait_procs(children, timeout=30)[1] == []
    assert seen == {143: KILLS}


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS)
def test_twenty_kills_change_nothing(tmp_path, model):
    embedding, scale = MODELS[model]
    path = job(tmp_path / "corpus", tmp_path / "run", scale=scale)
    file = tmp_path / "corpus/job.yaml"
    text = file.read_text().replace(MODELS["lexical"][0], embedding)
    file.write_text(text.replace("split_bytes: 20000", "split_bytes: 200000"))
    log, rng = tmp_path / "log", np.random.default_rng(20)
    reference = tmp_path / "alone"
    if model == "lexical":
        seconds, _ = finish(path, log, f"run_dir={reference}")
        print(f"\nleft alone: {seconds:.0f} s")
    killed = Counter(kill_once(path, log, rng) for _ in range(KILLS))
    print("killed in:", dict(killed))
    _, left = finish(path, log)
    print("left for the last run:", left)
    if model != "lexical":  # vectors are computed once and committed: the reference is a run over the same ones
        subprocess.run(["cp", "-a", tmp_path / "run", reference], check=True)
        for stage in ("centroids", "assignments", "clusters", "allocation", "schedule", "plan", "shards", "report"):
            subprocess.run(["rm", "-r", reference / stage], check=True)
        finish(path, log, f"run_dir={reference}")
    assert shard_hashes(tmp_path / "run") == shard_hashes(reference)
    seconds, left = finish(path, log)
    assert left == []
    print(f"once more: {seconds:.1f} s")
    _, left = finish(path, log, "sampling.clip=1")  # every document once: another plan for certain
    assert left == ["plan", "shards", "report", "record"]


@pytest.mark.slow
def test_kills_among_token_files_change_nothing(tmp_path):
    """Each kill comes when some pairs of files have their receipt and others don't."""
    path, log = job(tmp_path / "corpus", tmp_path / "run", scale=20), tmp_path / "log"
    (tmp_path / "tokenizer.json").write_bytes(byte_level())
    overrides = [f"tokens.tokenizer={tmp_path / 'tokenizer.json'}", "tokens.count=model", "output.format=megatron"]
    overrides += ["output.validation={fraction: 0.05}", "phases=[{budget: {epochs: 0.7}}, {budget: {epochs: 0.5}}]"]
    reference, run_dir = tmp_path / "alone", tmp_path / "run"
    finish(path, log, f"run_dir={reference}", *overrides)
    prefixes = len(list((reference / "shards").rglob("*.bin")))
    assert prefixes == 9
    middle = []
    for attempt in range(KILLS):
        shutil.rmtree(run_dir, ignore_errors=True)
        shutil.copytree(reference, run_dir)
        for folder in ("shards", "report", "record"):
            shutil.rmtree(run_dir / folder)
        process = start(path, log, *overrides)
        while process.poll() is None and len(list(run_dir.glob("spill/**/*.json"))) <= attempt % 4:
            time.sleep(0.002)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        receipts = len(list(run_dir.glob("spill/**/*.json")))
        if 0 < receipts < prefixes:
            middle.append(receipts)
            _, worked = finish(path, log, *overrides)
            assert worked == ["shards", "report", "record"]
            assert shard_hashes(run_dir) == shard_hashes(reference)
        if len(middle) == 4:
            break
    print(f"\nreceipts of {prefixes} when it was killed: {middle}")
    assert len(middle) == 4
