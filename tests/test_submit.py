"""Jobs submitted to a cluster of three nodes through Ray's own client, with a token: done, stopped, submitted again.

Slow (`make test-slow`): starts a cluster of its own, in a process of its own.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.corpus import job, shard_hashes

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parent.parent
TOKEN = "the-token-of-the-tests-" + "x" * 20
#: Seconds that a job may take.
LIMIT = 300
#: Left at the end of the package that is submitted: which copy of the code a process imports.
TELL = "\nwith open({!r}, 'a') as seen:\n    seen.write(__file__ + '\\n')\n"


@dataclass
class Cluster:
    """The cluster, and a folder with the code to submit and a job file `job.yaml`."""

    process: subprocess.Popen[str]
    address: str
    code: Path

    def client(self, token: str = TOKEN) -> Any:
        from ray.job_submission import JobSubmissionClient

        return JobSubmissionClient(self.address, headers={"Authorization": f"Bearer {token}"})

    def submit(self, command: str) -> str:
        """Submits `jobs/<command>` with the code; returns the job's name."""
        entrypoint = f"{sys.executable} jobs/{command}"
        return self.client().submit_job(entrypoint=entrypoint, runtime_env={"working_dir": str(self.code)})

    def end(self, name: str) -> tuple[str, int | None, str]:
        """How a job ended: the status, the exit status, and its log."""
        until = time.monotonic() + LIMIT
        while not (info := self.client().get_job_info(name)).status.is_terminal():
            assert time.monotonic() < until, self.client().get_job_logs(name)
            time.sleep(0.2)
        return str(info.status), info.driver_exit_code, self.client().get_job_logs(name)

    def run(self, command: str) -> tuple[str, int | None, str]:
        return self.end(self.submit(command))

    def asked(self) -> Any:
        """What the autoscaler is asked for."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    folder = Path(tempfile.mkdtemp(prefix="submit-"))  # Ray's sockets need a short path
    code = tmp_path_factory.mktemp("code")
    for package in ("curation", "jobs"):
        shutil.copytree(ROOT / package, code / package, ignore=shutil.ignore_patterns("__pycache__"))
    with (code / "curation/__init__.py").open("a") as file:
        file.write(TELL.format(str(code.with_name("seen"))))
    shutil.copy(job(tmp_path_factory.mktemp("corpus"), "/nowhere", scale=30), code / "job.yaml")
    environment = {**os.environ, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": TOKEN, "RAY_TMPDIR": str(folder)}
    for name in ("RAY_ADDRESS", "PYTHONPATH"):
        environment.pop(name, None)
    log = code.with_name("cluster.log")
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.submit_cluster"],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log.open("w"),
        text=True,
    )
    address = process.stdout.readline()
    assert address, log.read_text()
    yield Cluster(process, json.loads(address), code)
    process.stdin.close()
    process.wait(timeout=60)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def alone(cluster, tmp_path_factory):
    """The run directory and the log of a job that was left alone."""
    folder = tmp_path_factory.mktemp("alone")
    status, code, log = cluster.run(f"curate.py job.yaml --set run_dir={folder}/run")
    assert (status, code) == ("SUCCEEDED", 0), log
    return folder / "run", log


def events(log, kind):
    lines = [json.loads(line) for line in log.splitlines() if line.startswith('{"time"')]
    return [event["stage"] for event in lines if event["event"] == kind]


def test_a_submitted_job_runs_from_its_working_directory_on_every_node(cluster, alone):
    _, log = alone
    assert events(log, "stage")[-1] == "record"
    assert "What went in and what came out" in log
    copies = cluster.code.with_name("seen").read_text().split()
    assert len(copies) >= 3  # the driver and the workers
    assert all("/runtime_resources/working_dir_files/" in copy for copy in copies)


def test_a_job_stopped_in_the_middle_of_a_stage_and_submitted_again_writes_the_same_bytes(cluster, alone, tmp_path):
    run_dir = tmp_path / "run"
    command = f"curate.py job.yaml --set run_dir={run_dir} --set resources.cpus=2"
    for stage in ("documents", "embeddings"):
        name = cluster.submit(command)
        until = time.monotonic() + LIMIT
        while not list(run_dir.glob(f"{stage}/part-*")):
            assert time.monotonic() < until, cluster.client().get_job_logs(name)
            time.sleep(0.02)
        asked = cluster.asked()
        stop(cluster, name, run_dir)
        parts = list(run_dir.glob(f"{stage}/part-*"))
        print(f"\nin {stage}, after {len(parts)} parts")
        assert not (run_dir / stage / "_done.json").exists()
        if stage == "documents":  # in `embeddings` Ray Data asks for itself
            assert (asked, cluster.asked()) == ([{"CPU": 1}, {"CPU": 1}], [])
    status, code, log = cluster.run(command)
    assert (status, code) == ("SUCCEEDED", 0), log
    assert events(log, "skip") == ["sources", "tokenizer", "documents", "duplicates", "encoder"]
    assert shard_hashes(run_dir) == shard_hashes(alone[0])


def stop(cluster, name, run_dir):
    """Stops a job; its end is told, its lock is free, and every file that it left is whole."""
    begun = time.monotonic()
    cluster.client().stop_job(name)
    status, _, log = cluster.end(name)
    with (run_dir / "_lock").open("a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    seconds = time.monotonic() - begun
    print(f"\nstopped in {seconds:.1f} s")
    assert seconds < 30
    assert status == "STOPPED"
    assert log.endswith("curation: terminated; the same command goes on from here\n")
    for file in run_dir.rglob("[!.]*"):
        if file.suffix == ".parquet":
            pq.read_table(file)
        elif file.suffix == ".json":
            json.loads(file.read_text())


def test_plan_and_verify_are_submitted_alike(cluster, alone):
    status, code, log = cluster.run("plan.py job.yaml")
    assert (status, code) == ("SUCCEEDED", 0), log
    assert "documents" in log
    status, code, log = cluster.run(f"verify.py {alone[0]} --sample 0.1")
    assert (status, code) == ("SUCCEEDED", 0), log
    assert log.endswith("checks, 0 failed\n")


@pytest.mark.parametrize(
    ("override", "code", "words"),
    [
        ("sources=[{domain: a, path: /none}]", 2, "sources.0.path: /none"),
        ("run_dir=runs/mine", 2, "run_dir: /"),
        ("sampling.clip=0", 2, "job.yaml: sampling.clip"),
        (
            "sources=[{domain: a, path: FOLDER/bad.jsonl}]",
            1,
            "FOLDER/bad.jsonl, 1 rows, the first is row 1: malformed JSON",
        ),
    ],
)
def test_a_job_with_a_mistake_fails_with_our_words_in_its_log(cluster, tmp_path, override, code, words):
    (tmp_path / "bad.jsonl").write_text('{"text": "good"}\nbad\n')
    override, words = override.replace("FOLDER", str(tmp_path)), words.replace("FOLDER", str(tmp_path))
    status, found, log = cluster.run(f"curate.py job.yaml --set run_dir={tmp_path}/run --set '{override}'")
    assert (status, found) == ("FAILED", code), log
    assert any(line.startswith("curation: ") and words in line for line in log.splitlines()), log
    assert "Traceback" not in log


def test_nobody_submits_without_the_token(cluster):
    from ray.exceptions import AuthenticationError

    for token in ("", "another"):
        with pytest.raises(AuthenticationError):
            cluster.client(token)


def test_nothing_of_ours_prints_the_token(alone):
    run_dir, log = alone
    written = [file.read_bytes() for file in run_dir.rglob("*") if file.is_file()]
    assert written
    assert not any(TOKEN.encode() in data for data in [*written, log.encode()])
