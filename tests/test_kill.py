"""kill -9 of the whole process group at random moments: the run ends with the bytes of a run that was left alone.

Slow (`make test-slow`): every attempt starts Ray anew.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from tests.corpus import job, shard_hashes

KILLS = 20


def start(path, *overrides):
    arguments = [part for override in overrides for part in ("--set", override)]
    command = [sys.executable, "-m", "curation.cli", "run", path, *arguments]
    return subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def finish(path, *overrides):
    process = start(path, *overrides)
    _, error = process.communicate(timeout=600)
    assert process.returncode == 0, error.decode()
    return [json.loads(line) for line in error.decode().splitlines() if line.startswith("{")]


@pytest.mark.slow
@pytest.mark.parametrize("model", ["lexical", "sentence-transformers/all-MiniLM-L6-v2"])
def test_twenty_kills_change_nothing(tmp_path, model):
    more = "" if model == "lexical" else "embedding: {model: all-MiniLM-L6-v2, max_tokens: 64}\n"
    path = job(tmp_path / "corpus", tmp_path / "run", "resources: {object_store_bytes: 100000000}\n", scale=20)
    if more:
        text = (tmp_path / "corpus/job.yaml").read_text()
        (tmp_path / "corpus/job.yaml").write_text(text.replace("embedding: {model: lexical, dimensions: 16}\n", more))
    else:
        begun = time.monotonic()
        finish(path, f"run_dir={tmp_path / 'alone'}")
        print(f"left alone: {time.monotonic() - begun:.0f} s")
    rng = np.random.default_rng(20)
    killed_in = []
    for _ in range(KILLS):
        process = start(path)
        time.sleep(float(rng.uniform(2.0, 14.0)))
        os.killpg(process.pid, signal.SIGKILL)
        _, error = process.communicate()
        events = [json.loads(line) for line in error.decode().splitlines() if line.startswith("{")]
        started = [event.get("stage", event["event"]) for event in events if event["event"] in {"start", "done"}]
        killed_in.append(started[-1] if started else "start-up")
    print("killed in:", killed_in)
    events = finish(path)
    if more:  # vectors are computed once and committed: a run of its own over them is the reference
        alone = tmp_path / "alone"
        subprocess.run(["cp", "-a", tmp_path / "run", alone], check=True)
        for stage in ("centroids", "assignments", "clusters", "plan", "shards", "report"):
            (alone / stage / "_done.json").unlink()
            (alone / stage / "_started.json").unlink()
        finish(path, f"run_dir={alone}")
    assert shard_hashes(tmp_path / "run") == shard_hashes(tmp_path / "alone")
    begun = time.monotonic()
    again = finish(path)
    assert not [event for event in again if event["event"] == "stage"]
    left = sum(event["event"] == "stage" for event in events)
    print(f"once more: {time.monotonic() - begun:.1f} s; stages left for the last run: {left}")
