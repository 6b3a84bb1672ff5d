"""The faults of the soak test, what they strike, and the standing cluster.

Every fault is a function of the run; it returns False when it found nothing to strike. To add one, add a line to
`FAULTS`. All of them strike processes below this one only, or the S3 server that the soak test started.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parent.parent

#: Nodes of the cluster, and seconds that a driver may take.
NODES, LIMIT = 3, 900


@dataclass
class Cluster:
    """The standing cluster; nodes that a fault took are put back after the run."""

    folder: Path
    ray: Any = None
    gone: list[Any] = field(default_factory=list)

    def start(self) -> None:
        """Starts a head and two workers."""
        os.environ["RAY_TMPDIR"] = str(self.folder)  # or every Ray on this machine would find this cluster and join it
        from ray.cluster_utils import Cluster as Nodes

        self.ray = Nodes(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
        self.mend()

    def mend(self) -> None:
        """Takes away what is left of broken nodes and adds new ones."""
        for node in self.gone:
            with suppress(Exception):
                self.ray.remove_node(node, allow_graceful=False)
        self.gone.clear()
        while len(self.ray.worker_nodes) < NODES - 1:
            self.ray.add_node(num_cpus=1)


@dataclass
class Attempt:
    """A run under a fault."""

    path: str
    run_dir: str
    """A folder, or a prefix on the S3 server."""
    log: Path
    rng: random.Random
    cluster: Cluster | None
    s3: Any = None
    """The S3 server, where the run directory is on it."""
    process: subprocess.Popen[bytes] | None = None
    starts: int = 0

    def start(self) -> None:
        """Starts the driver, for the first time or again."""
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "RAY_AUTH_MODE": "disabled"}
        environment.pop("RAY_ADDRESS", None)
        environment.pop("RAY_TMPDIR", None)
        if self.cluster:
            environment["RAY_TMPDIR"] = str(self.cluster.folder)
            environment["RAY_ADDRESS"] = self.cluster.ray.address
        command = [sys.executable, "-m", "curation.cli", "run", self.path, "--set", f"run_dir={self.run_dir}"]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, env=environment, stdout=subprocess.DEVNULL, stderr=log, start_new_session=True
            )
        self.starts += 1

    def running(self) -> bool:
        """Whether the driver has not ended."""
        return self.process is not None and self.process.poll() is None

    def wait_for_start(self, stage: str = "") -> None:
        """Returns when this stage, or any, has begun."""
        words = b'"start", "stage": "' + stage.encode()
        while self.running() and words not in self.log.read_bytes():
            time.sleep(0.05)

    def wait(self) -> int:
        """The driver's exit status."""
        assert self.process is not None, "started before"
        return self.process.wait(timeout=LIMIT)


class MisbehavedError(Exception):
    """What was struck did not do as it promises."""


def driver(number: int) -> Callable[[Attempt], bool]:
    """A signal to the driver alone; one that it can hear must end it within 30 s with status 143."""

    def strike(run: Attempt) -> bool:
        if run.process is None or not run.running():
            return False
        run.process.send_signal(number)
        if number == signal.SIGTERM and run.process.wait(timeout=30) not in (143, 0):
            raise MisbehavedError(f"status {run.process.returncode} after SIGTERM")
        return True

    return strike


def machine(run: Attempt) -> bool:
    """The driver with all that it started."""
    if run.process is None or not run.running():
        return False
    for process in [*psutil.Process(run.process.pid).children(recursive=True), psutil.Process(run.process.pid)]:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    return True


def worker(title: str, number: int = signal.SIGKILL) -> Callable[[Attempt], bool]:
    """A worker process whose title holds these words, as soon as there is one."""

    def strike(run: Attempt) -> bool:
        while run.running():
            if found := workers_at_work(title):
                with suppress(psutil.NoSuchProcess):
                    run.rng.choice(found).send_signal(number)
                return True
            time.sleep(0.02)
        return False

    return strike


def workers_at_work(title: str) -> list[psutil.Process]:
    """Workers with something to do and words in their title. A node goes down with its agents, which are no workers."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            line = " ".join(process.cmdline())
            if line.startswith("ray::") and title in line and "IDLE" not in line and "Agent" not in line:
                found.append(process)
    return found


def node(gracefully: bool) -> Callable[[Attempt], bool]:
    """A whole node, killed, or told to end by SIGTERM to its raylet."""

    def strike(run: Attempt) -> bool:
        if run.cluster is None or not run.running():
            return False
        taken = run.rng.choice(sorted(run.cluster.ray.worker_nodes, key=lambda one: str(one.unique_id)))
        if gracefully:
            raylet = taken.all_processes["raylet"][0].process
            workers = [one for one in workers_at_work("") if one.ppid() == raylet.pid]
            raylet.terminate()
            run.cluster.gone.append(taken)
            if psutil.wait_procs([psutil.Process(raylet.pid), *workers], timeout=30)[1]:
                raise MisbehavedError("a node took more than 30 s to end after SIGTERM")
        else:
            run.cluster.ray.remove_node(taken, allow_graceful=False)
        return True

    return strike


def disk_full(run: Attempt) -> bool:
    """The run directory's disk has no room left until the driver has given up."""
    taken = Path(run.run_dir, "filler")
    with suppress(OSError), taken.open("wb", buffering=0) as filler:
        while filler.write(bytes(1 << 16)):
            pass
    run.wait()
    taken.unlink()
    return True


def s3_errors(run: Attempt) -> bool:
    """For some time the object store answers requests with 500 and 503, resets connections and cuts bodies off.

    One time in three it does nothing else until the driver has given up, or for a minute.
    """
    if not run.running():
        return False
    rng, often = run.rng, {"times": 10**9, "match": "/bucket"}
    outage = rng.random() < 1 / 3
    rules = [
        {**often, "every": 1 if outage else rng.randint(2, 30), "status": 500, "code": "InternalError"},
        {**often, "every": rng.randint(5, 30), "status": 503, "code": "SlowDown"},
        {**often, "every": rng.randint(5, 30), "reset": True},
        {**often, "every": rng.randint(5, 30), "lose": True},
        {**often, "every": rng.randint(5, 30), "cut": 100, "match": "GET /bucket/[^?]*$"},
    ]
    run.s3.faults(*rules)
    with suppress(subprocess.TimeoutExpired):
        run.process.wait(timeout=60.0 if outage else rng.uniform(2.0, 20.0))
    run.s3.faults()
    return True


@dataclass(frozen=True)
class Fault:
    """What strikes, where, and when if not at any time."""

    strike: Callable[[Attempt], bool]
    on_cluster: bool = True
    """Or a driver that starts its own Ray."""
    stage: str = ""
    place: str = ""
    """Where the run directory is: `disk`, a small one of its own; `s3`; or in the folder of the runs."""

    @property
    def setting(self) -> tuple[bool, str]:
        """What the length of an undisturbed run depends on."""
        return self.on_cluster, self.place


FAULTS = {
    "driver kill -9": Fault(driver(signal.SIGKILL)),
    "driver SIGTERM": Fault(driver(signal.SIGTERM)),
    "task kill -9": Fault(worker("::_call")),
    "encoder kill -9": Fault(worker("MapWorker"), stage="embeddings"),
    "K-Means kill -9": Fault(worker("RowActor"), stage="centroids"),
    "any worker SIGTERM": Fault(worker("", signal.SIGTERM)),
    "node removed": Fault(node(gracefully=False)),
    "node SIGTERM": Fault(node(gracefully=True)),
    "disk full": Fault(disk_full, place="disk"),
    "S3 errors and resets": Fault(s3_errors, place="s3"),
    "machine kill -9": Fault(machine, on_cluster=False),
    "laptop SIGTERM": Fault(driver(signal.SIGTERM), on_cluster=False),
}
