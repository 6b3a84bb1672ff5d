"""Soak: runs with a fault at a random moment, resumed by the same command, until each ends as the undisturbed one.

    python benchmarks/soak.py --runs 100
    python benchmarks/soak.py --faults "node removed" --stages embeddings centroids shards --runs 9

One standing cluster of three nodes with a CPU each, all on this machine, serves the runs; the driver is a process of
its own. A run's fault is drawn from those that were drawn least often, and its moment from the length of the
undisturbed run, or of one of its stages. A driver that ended otherwise than well is started again, up to
five times. A fault that comes after the end is drawn anew. What is lost is the time from the first start to the end,
less that of the undisturbed run. Disk full needs the right to mount a tmpfs, and is left out without it.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from faults import FAULTS, ROOT, Attempt, Cluster, Fault

sys.path.insert(0, str(ROOT))

from tests.corpus import job, shard_hashes

MOST_STARTS = 6


@dataclass(frozen=True)
class Alone:
    """A run that was left alone."""

    seconds: float
    hashes: dict[str, str]
    started: list[tuple[str, float, float]]
    """Each stage, when it began and when the next one did, in seconds since the first."""


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
    cluster, rng = Cluster(folder / "ray"), random.Random(options.seed)
    if any(fault.on_cluster for fault in faults.values()):
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
    text = "strike in each of these, by its name in the log"
    parser.add_argument("--stages", nargs="*", default=[""], metavar="STAGE", help=text)
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
    faults: dict[str, Fault],
    cluster: Cluster,
    rng: random.Random,
) -> None:
    path = job(folder / "corpus", folder / "run", scale=options.scale)
    places = {fault.on_cluster for fault in faults.values()}
    alone = {where: undisturbed(path, folder, cluster if where else None) for where in sorted(places)}
    wanted = next(iter(alone.values())).hashes
    assert all(one.hashes == wanted for one in alone.values()), "the undisturbed runs differ"
    for where, one in alone.items():
        print(f"undisturbed, {'on the cluster' if where else 'with its own Ray'}: {one.seconds:.1f} s", flush=True)
    table = {(name, stage): Row() for name in faults for stage in options.stages}
    begun = time.monotonic()
    while sum(row.count for row in table.values()) < options.runs and time.monotonic() - begun < options.minutes * 60:
        least = min(row.count for row in table.values())
        name, stage = rng.choice([key for key, row in table.items() if row.count == least])
        fault = faults[name]
        base = folder / "disk" if name == "disk full" else folder
        run_dir = base / f"{name.replace(' ', '-')}-{time.monotonic_ns()}"
        run = Attempt(path, run_dir, folder / f"{run_dir.name}.log", rng, cluster if fault.on_cluster else None)
        disturb(run, name, stage, alone[fault.on_cluster], table[name, stage])
        shutil.rmtree(run_dir, ignore_errors=True)
        if fault.on_cluster:
            cluster.mend()
    print(f"{'fault':20} {'in':12} {'count':>6} {'recovered':>10} {'starts':>7} {'lost s, mean':>13} {'max':>6}")
    for (name, stage), row in table.items():
        if row.count:
            lost = f"{sum(row.lost) / len(row.lost):13.1f} {max(row.lost):6.1f}"
            print(f"{name:20} {stage or 'any':12} {row.count:6} {row.recovered:10} {row.starts:7} {lost}")
    total, recovered = (sum(getattr(row, key) for row in table.values()) for key in ("count", "recovered"))
    print(f"{recovered} of {total} runs ended with the sha256 of all shards of the undisturbed run")
    if recovered < total:
        raise SystemExit(1)


def undisturbed(path: str, folder: Path, cluster: Cluster | None) -> Alone:
    """A run that is left alone."""
    run_dir = folder / f"alone-{cluster is not None}"
    run = Attempt(path, run_dir, folder / f"{run_dir.name}.log", random.Random(0), cluster)
    begun = time.monotonic()
    run.start()
    if run.wait():
        raise SystemExit(f"the undisturbed run failed:\n{run.log.read_text()[-2000:]}")
    seconds = time.monotonic() - begun
    events = [json.loads(line) for line in run.log.read_text().splitlines() if line.startswith("{")]
    starts = [(event["stage"], event["time"]) for event in events if event["event"] == "start"]
    ends = [*(at for _, at in starts[1:]), events[-1]["time"]]
    first = starts[0][1]
    spans = [(stage, at - first, end - first) for (stage, at), end in zip(starts, ends, strict=True)]
    return Alone(seconds, shard_hashes(run_dir), spans)


def disturb(run: Attempt, name: str, stage: str, alone: Alone, row: Row) -> None:
    """A run with one fault, resumed until it is done; counts only where the fault came in time."""
    begun = time.monotonic()
    run.start()
    stage, pause = moment(run.rng, alone, stage or FAULTS[name].stage)
    run.wait_for_start(stage)
    time.sleep(pause)
    struck = FAULTS[name].strike(run)
    status = run.wait()
    while status != 0 and run.starts < MOST_STARTS:
        run.start()
        status = run.wait()
    seconds = time.monotonic() - begun
    if not struck:
        return
    same = status == 0 and shard_hashes(run.run_dir) == alone.hashes
    row.count, row.recovered, row.starts = row.count + 1, row.recovered + same, row.starts + run.starts
    row.lost.append(seconds - alone.seconds)
    outcome = "same" if same else "LOST"
    print(f"{name}, {stage} + {pause:.1f} s: {outcome}, {run.starts} starts, {seconds:.0f} s", flush=True)
    if not same:
        print(run.log.read_text()[-3000:], flush=True)


def moment(rng: random.Random, alone: Alone, stage: str) -> tuple[str, float]:
    """A stage and the seconds since its start: of this stage, or of any, as long as each took."""
    spans = [span for span in alone.started if stage in {"", span[0]}]
    at = rng.uniform(0.0, sum(end - begun for _, begun, end in spans))
    for name, begun, end in spans:
        if at <= end - begun:
            return name, at
        at -= end - begun
    return name, end - begun


if __name__ == "__main__":
    main()
