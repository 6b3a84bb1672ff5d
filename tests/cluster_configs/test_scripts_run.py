"""The scripts that start a cluster, run as they are; `slurm.sbatch` with stand-ins for Slurm's commands.

Slow (`make test-slow`): every test starts a cluster of three Ray nodes in processes of its own.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import pytest

from tests.cluster_configs.files import FOLDER, ROOT
from tests.corpus import job, shard_hashes

pytestmark = pytest.mark.slow

#: Runs its command as often as --ntasks says, and passes the end on to them. Not at the same moment: Ray nodes that
#: start at once on one machine would take the same sockets.
SRUN = """#!/usr/bin/env bash
for word in "$@"; do case $word in --ntasks=*) tasks=${word#*=} ;; esac; done
while [[ $1 == --* ]]; do shift; done
trap 'kill -TERM $(jobs -p); wait' TERM
for ((task = 0; task < tasks; task++)); do "$@" & sleep 5; done
wait
"""

#: What a job finds: a head without slots, and two workers.
LOOK = """
import ray
ray.init(log_to_driver=False, logging_level="ERROR")
print("slots", sorted(int(node["Resources"].get("CPU", 0)) for node in ray.nodes()))
"""


@pytest.fixture
def machine(tmp_path):
    """The environment of a user who has installed Curation, with a home and a folder for Ray of its own."""
    short = Path(tempfile.mkdtemp(prefix="cc-", dir="/tmp"))  # Ray's sockets have long names
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    commands = tmp_path / "bin"
    commands.mkdir()
    (commands / "srun").write_text(SRUN)
    (commands / "scontrol").write_text(f'#!/usr/bin/env bash\necho "$*" >> {tmp_path}/scontrol\n')
    for command in commands.iterdir():
        command.chmod(0o755)
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("RAY_", "AWS_"))}
    environment = kept | {
        "PATH": f"{commands}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "HOME": str(short),
        "RAY_TMPDIR": str(short),
        "RAY_USAGE_STATS_ENABLED": "0",
        "PORT": port,
        "OBJECT_STORE_BYTES": "100000000",
        "HEAD_IP": "127.0.0.1",
        "SLURM_JOB_ID": str(os.getpid()),
        "SLURM_JOB_NUM_NODES": "2",
        "SLURM_CPUS_ON_NODE": "1",
    }
    yield environment
    for process in processes_of(environment):  # of a test that failed
        process.kill()
    for folder in (short, Path(f"/tmp/ray-{os.getpid()}")):
        shutil.rmtree(folder, ignore_errors=True)


def processes_of(environment):
    """Processes that have the environment's home: all that a script has started."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("HOME") == environment["HOME"]:
                found.append(process)
        except psutil.Error:  # ended meanwhile, or a zombie
            continue
    return found


def left_of(environment):
    """Those that are still there a while later: a node's agents end some moments after it."""
    return psutil.wait_procs(processes_of(environment), timeout=20)[1]


def run(command, environment, folder):
    return subprocess.run(
        command, env=environment, cwd=folder, capture_output=True, text=True, timeout=300, check=False
    )


def test_local_runs_a_command_on_three_nodes_and_takes_its_status(tmp_path, machine):
    path = job(tmp_path / "corpus", tmp_path / "run")
    inner = f"curation run {path} && python -c '{LOOK}' && exit 7"
    done = run([FOLDER / "local.sh", "bash", "-c", inner], machine, tmp_path)
    assert done.returncode == 7, done.stdout + done.stderr
    assert f"slots {sorted([0, os.cpu_count() // 2, os.cpu_count() // 2])}" in done.stdout
    assert shard_hashes(tmp_path / "run")
    assert left_of(machine) == []


def test_slurm_runs_a_job_and_takes_its_status(tmp_path, machine):
    path = job(tmp_path / "corpus", tmp_path / "run")
    script = ["bash", FOLDER / "slurm.sbatch"]
    done = run([*script, path, "--set", "sampling.clip=2"], machine, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert shard_hashes(tmp_path / "run")
    assert left_of(machine) == []
    done = run([*script, path, "--set", "sampling.clip=none"], machine, tmp_path)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "sampling.clip" in done.stderr


def stages(log, kind):
    lines = [line for line in log.read_text().splitlines() if line.startswith("{") and line.endswith("}")]
    return [event["stage"] for event in map(json.loads, lines) if event["event"] == kind]


def test_slurm_requeues_at_the_end_of_its_time_and_goes_on(tmp_path, machine):
    path, log = job(tmp_path / "corpus", tmp_path / "run", scale=60), tmp_path / "log"
    with log.open("w") as file:
        command = ["bash", FOLDER / "slurm.sbatch", path]
        script = subprocess.Popen(command, env=machine, cwd=tmp_path, stdout=file, stderr=file)
        until = time.monotonic() + 600
        while "documents" not in stages(log, "stage"):
            assert script.poll() is None, log.read_text()
            assert time.monotonic() < until, log.read_text()
            time.sleep(0.1)
        script.send_signal(signal.SIGUSR1)
        assert script.wait(timeout=120) == 143, log.read_text()
    assert (tmp_path / "scontrol").read_text() == f"requeue {machine['SLURM_JOB_ID']}\n"
    assert "the same command goes on from here" in log.read_text()
    assert left_of(machine) == []
    done = run(command, machine, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    log.write_text(done.stderr)
    assert "documents" not in stages(log, "stage"), "what was committed is not done again"
    assert shard_hashes(tmp_path / "run")


def test_work_for_gpus_runs_on_nodes_without_cpu_slots(tmp_path, machine):
    done = run([sys.executable, "-m", "tests.cluster_configs.gpu_nodes_child"], machine, ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == {"CPU work": "cpu", "GPU work": "gpu", "K-Means": "gpu"}
