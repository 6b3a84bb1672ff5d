"""A job on a cluster that has no worker when it begins, and none a while after its end.

Slow (`make test-slow`): starts clusters of its own, in processes of their own.
"""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.autoscaling_cluster import autoscaling_cluster
from tests.corpus import job, shard_hashes

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parent.parent

#: Prints whether and when no node has a resource any more.
WATCH = """
import sys, time, ray
ray.init(address="auto", log_to_driver=False)
begun = time.monotonic()
while any(node["Alive"] and node["Resources"].get(sys.argv[1]) for node in ray.nodes()):
    if time.monotonic() - begun > float(sys.argv[2]):
        print("there")
        break
    time.sleep(0.2)
else:
    print(f"gone after {time.monotonic() - begun:.1f} s")
"""

#: Asks for a GPU as a job of a neural model would, and goes on to a stage that needs none, or stays.
ASK = """
import sys, time
from curation.config import Job
from curation.progress import Reporter
from curation.stages import demand, ray_cluster
from curation.stages.context import Run
demand.EXPIRY, demand.RENEWAL = 6.0, 2.0
source = {"domain": "web", "path": "/data/web"}
job = Job(run_dir="/none", sources=[source], resources={"gpus": 1, "wait_seconds": 100})
ray_cluster.start(job.resources)
with demand.demand(Run(job, None, Reporter())) as ask:
    ask("embeddings")
    assert ray_cluster.gpus() == 1
    ask("repeats")
    print("there", flush=True)
    sys.stdin.readline()
    ask("assignments")
    print("asked no more", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture(scope="module")
def cluster():
    """The environment of a driver."""
    folder = Path(tempfile.mkdtemp(prefix="scale-"))
    with autoscaling_cluster(folder) as environment:
        yield environment | {"PYTHONPATH": str(ROOT)}
    shutil.rmtree(folder, ignore_errors=True)


def gone(cluster, resource, within=150):
    """Whether every node with the resource goes within so many seconds."""
    command = [sys.executable, "-c", WATCH, resource, str(within)]
    done = subprocess.run(command, env=cluster, capture_output=True, text=True, check=False)
    print(f"\n{resource}: {done.stdout.strip()}")
    assert done.stdout, done.stderr
    return done.stdout.startswith("gone")


def asking(cluster):
    return subprocess.Popen(
        [sys.executable, "-c", ASK], env=cluster, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def run(path, run_dir, environment, *overrides):
    sets = [part for override in (f"run_dir={run_dir}", *overrides) for part in ("--set", override)]
    command = [sys.executable, "-m", "curation.cli", "run", path, *sets]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stderr.splitlines() if line.startswith('{"time"')]


def test_a_job_waits_for_the_nodes_that_it_asked_for_and_they_go_when_it_is_done(cluster, tmp_path):
    path = job(tmp_path / "corpus", tmp_path / "run")
    events = run(path, tmp_path / "run", cluster, "resources.cpus=2")
    assert [event["CPU"] for event in events if event["event"] == "demand"] == [2, 2]  # but for `embeddings`
    waiting = [event["text"] for event in events if event["event"] == "waiting"]
    assert "sources: resources.cpus asks for 2; the cluster has 1 nodes with 0 CPU" in waiting[0]
    assert gone(cluster, "CPU")
    events = run(path, tmp_path / "again", cluster)  # nothing asked for: the tasks that wait bring the nodes
    assert [event for event in events if event["event"] == "demand"] == []
    assert shard_hashes(tmp_path / "run") == shard_hashes(tmp_path / "again")


def test_gpus_are_kept_between_the_stages_that_need_them_and_go_after_the_last(cluster):
    driver = asking(cluster)
    assert driver.stdout.readline() == "there\n"
    assert not gone(cluster, "GPU", within=15)
    driver.stdin.write("\n")
    driver.stdin.flush()
    assert driver.stdout.readline() == "asked no more\n"
    assert gone(cluster, "GPU")
    driver.stdin.close()
    assert driver.wait(timeout=30) == 0


def test_a_driver_that_is_killed_keeps_no_machines(cluster):
    driver = asking(cluster)
    assert driver.stdout.readline() == "there\n"
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    assert gone(cluster, "GPU")
