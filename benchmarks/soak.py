"""Soak: runs with a fault at a random moment, resumed by the same command, until each ends as the undisturbed one.

    python benchmarks/soak.py --runs 100

One standing cluster of three nodes with a CPU each, all on this machine, serves the runs; the driver is a process of
its own. A run's moment is drawn from the length of the undisturbed run, and its fault from those that were drawn least
often. A driver that ended otherwise than well is started again, up to six times. A fault that comes after the end
is drawn anew. Every fault is a function of the run in `FAULTS`; to add one, add a line there. What is lost is the time
from the first start to the end, less that of the undisturbed run.

Disk full needs the right to mount a tmpfs, and is left out without it. Faults strike processes below this one only.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.corpus import job, shard_hashes  # noqa: E402 (found through the line above)

NODES, MOST_STARTS, START_LIMIT = 3, 6, 900


@dataclass
class Cluster:
    """The standing cluster; nodes that a fault took are put back after the run."""

    ray: Any = None
    gone: list[Any] = field(default_factory=list)

    def start(self) -> None:
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
    run_dir: Path
    log: Path
    rng: random.Random
    cluster: Cluster | None
    process: subprocess.Popen[bytes] | None = None
    starts: int = 0

    def start(self) -> None:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "RAY_AUTH_MODE": "disabled"}
        environment.pop("RAY_ADDRESS", None)
        if self.cluster:
            environment["RAY_ADDRESS"] = self.cluster.ray.address
        command = [sys.executable, "-m", "curation.cli", "run", self.path, "--set", f"run_dir={self.run_dir}"]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, env=environment, stdout=subprocess.DEVNULL, stderr=log, start_new_session=True
            )
        self.starts += 1

    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def wait_for_work(self) -> None:
        while self.running() and b'"start"' not in self.log.read_bytes():
            time.sleep(0.05)

    def wait(self) -> int:
        assert self.process is not None, "started before"
        return self.process.wait(timeout=START_LIMIT)


# ---- faults: each returns False when it found nothing to strike -----------------------------------------------


def driver(number: int) -> Callable[[Attempt], bool]:
    """A signal to the driver alone; one that it can hear must end it within 30 s with status 143."""

    def strike(run: Attempt) -> bool:
        if run.process is None or not run.running():
            return False
        run.process.send_signal(number)
        if number == signal.SIGTERM and run.process.wait(timeout=30) not in (143, 0):
            raise SystemExit(f"status {run.process.returncode} after SIGTERM, see {run.log}")
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
    found = []
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            line = " ".join(process.cmdline())
            if line.startswith("ray::") and title in line and "IDLE" not in line:
                found.append(process)
    return found


def node(gracefully: bool) -> Callable[[Attempt], bool]:
    """A whole node, killed, or told to end by SIGTERM to its raylet."""

    def strike(run: Attempt) -> bool:
        if run.cluster is None or not run.running():
            return False
        taken = run.rng.choice(sorted(run.cluster.ray.worker_nodes, key=lambda one: str(one.unique_id)))
        if gracefully:
            taken.all_processes["raylet"][0].process.terminate()
            run.cluster.gone.append(taken)
        else:
            run.cluster.ray.remove_node(taken, allow_graceful=False)
        return True

    return strike


def disk_full(run: Attempt) -> bool:
    """The run directory's disk has no room left until the driver has given up."""
    taken = run.run_dir / "filler"
    with suppress(OSError), taken.open("wb", buffering=0) as filler:
        while filler.write(bytes(1 << 16)):
            pass
    run.wait()
    taken.unlink()
    return True


#: Name, whether it strikes the standing cluster (or a driver that starts its own Ray), and the fault.
FAULTS: dict[str, tuple[bool, Callable[[Attempt], bool]]] = {
    "driver kill -9": (True, driver(signal.SIGKILL)),
    "driver SIGTERM": (True, driver(signal.SIGTERM)),
    "task kill -9": (True, worker("::_call")),
    "encoder kill -9": (True, worker("MapWorker")),
    "K-Means kill -9": (True, worker("RowActor")),
    "any worker SIGTERM": (True, worker("", signal.SIGTERM)),
    "node removed": (True, node(gracefully=False)),
    "node SIGTERM": (True, node(gracefully=True)),
    "disk full": (True, disk_full),
    "machine kill -9": (False, machine),
    "laptop SIGTERM": (False, driver(signal.SIGTERM)),
}


@dataclass
class Row:
    """A line of the table."""

    count: int = 0
    recovered: int = 0
    starts: int = 0
    lost: list[float] = field(default_factory=list)


def main() -> None:
    options = parse()
    os.environ["RAY_AUTH_MODE"] = "disabled"
    folder = Path(tempfile.mkdtemp(prefix="soak-"))
    faults = {name: FAULTS[name] for name in (options.faults or FAULTS)}
    if "disk full" in faults and not mounted(folder / "disk"):
        print("disk full: left out, a tmpfs can't be mounted here")
        del faults["disk full"]
    cluster, rng = Cluster(), random.Random(options.seed)
    if any(on_cluster for on_cluster, _ in faults.values()):
        cluster.start()
    try:
        soak(options, folder, faults, cluster, rng)
    finally:
        if cluster.ray:
            cluster.ray.shutdown()
        subprocess.run(["umount", folder / "disk"], capture_output=True, check=False)
        if not options.keep:
            shutil.rmtree(folder, ignore_errors=True)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--minutes", type=float, default=1e9, help="start no run after so many")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--scale", type=int, default=20, help="of the corpus: 532 documents each")
    parser.add_argument("--faults", nargs="*", choices=FAULTS, metavar="FAULT", help=f"of {', '.join(FAULTS)}")
    parser.add_argument("--keep", action="store_true", help="leave the folder of the runs there")
    return parser.parse_args()


def mounted(disk: Path) -> bool:
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=256m", "tmpfs", disk]
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def soak(
    options: argparse.Namespace,
    folder: Path,
    faults: dict[str, tuple[bool, Callable[[Attempt], bool]]],
    cluster: Cluster,
    rng: random.Random,
) -> None:
    path = job(folder / "corpus", folder / "run", scale=options.scale)
    alone = {where: undisturbed(path, folder, cluster if where else None) for where, _ in set_of(faults)}
    wanted = next(iter(alone.values()))[1]
    assert all(hashes == wanted for _, hashes in alone.values()), "the undisturbed runs differ"
    print({("cluster" if where else "alone"): round(seconds, 1) for where, (seconds, _) in alone.items()}, flush=True)
    table = {name: Row() for name in faults}
    begun = time.monotonic()
    while sum(row.count for row in table.values()) < options.runs and time.monotonic() - begun < options.minutes * 60:
        least = min(row.count for row in table.values())
        name = rng.choice([name for name, row in table.items() if row.count == least])
        where, strike = faults[name]
        disturb(name, strike, path, folder, cluster if where else None, rng, alone[where], table[name])
        if where:
            cluster.mend()
    print(f"{'fault':20} {'count':>6} {'recovered':>10} {'starts':>7} {'lost s, mean':>13} {'max':>6}")
    for name, row in table.items():
        if row.count:
            lost = f"{sum(row.lost) / len(row.lost):13.1f} {max(row.lost):6.1f}"
            print(f"{name:20} {row.count:6} {row.recovered:10} {row.starts:7} {lost}")
    total, recovered = (sum(getattr(row, key) for row in table.values()) for key in ("count", "recovered"))
    print(f"{recovered} of {total} runs ended with the sha256 of all shards of the undisturbed run")
    if recovered < total:
        raise SystemExit(1)


def set_of(faults: dict[str, tuple[bool, Any]]) -> list[tuple[bool, None]]:
    """Where the faults strike: on the cluster, or on a driver with its own Ray."""
    return [(where, None) for where in sorted({where for where, _ in faults.values()}, reverse=True)]


def undisturbed(path: str, folder: Path, cluster: Cluster | None) -> tuple[float, dict[str, str]]:
    """Seconds of a run that is left alone, the better of two, and the hashes of its shards."""
    seconds, hashes = [], {}
    for number in range(2):
        run_dir = folder / f"alone-{cluster is not None}-{number}"
        run = Attempt(path, run_dir, folder / f"{run_dir.name}.log", random.Random(0), cluster)
        begun = time.monotonic()
        run.start()
        if run.wait():
            raise SystemExit(f"the undisturbed run failed:\n{run.log.read_text()[-2000:]}")
        seconds.append(time.monotonic() - begun)
        hashes = shard_hashes(run_dir)
    return min(seconds), hashes


def disturb(
    name: str,
    strike: Callable[[Attempt], bool],
    path: str,
    folder: Path,
    cluster: Cluster | None,
    rng: random.Random,
    alone: tuple[float, dict[str, str]],
    row: Row,
) -> None:
    """A run with one fault, resumed until it is done; counts only where the fault came in time."""
    number = f"{name.replace(' ', '-')}-{time.monotonic_ns()}"
    base = folder / "disk" if name == "disk full" else folder
    run = Attempt(path, base / number, folder / f"{number}.log", rng, cluster)
    begun = time.monotonic()
    run.start()
    run.wait_for_work()
    moment = rng.uniform(0.0, max(1.0, alone[0] - (time.monotonic() - begun)))
    time.sleep(moment)
    stage = run.log.read_text().rpartition('"stage": "')[2].partition('"')[0]
    struck = strike(run)
    status = run.wait()
    while status != 0 and run.starts < MOST_STARTS:
        run.start()
        status = run.wait()
    seconds = time.monotonic() - begun
    if not struck:
        shutil.rmtree(run.run_dir, ignore_errors=True)
        return
    same = status == 0 and shard_hashes(run.run_dir) == alone[1]
    row.count, row.recovered, row.starts = row.count + 1, row.recovered + same, row.starts + run.starts
    row.lost.append(seconds - alone[0])
    print(f"{name}, in {stage}: {'same' if same else 'LOST'}, {run.starts} starts, {seconds:.0f} s", flush=True)
    if not same:
        print(run.log.read_text()[-3000:], flush=True)
    shutil.rmtree(run.run_dir, ignore_errors=True)


if __name__ == "__main__":
    main()
