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
from typing import Any

from faults import FAULTS, ROOT, Attempt, Cluster, Fault, MisbehavedError

sys.path.insert(0, str(ROOT))

from curation.storage.store import Store
from tests import s3_server
from tests.corpus import job, stored_hashes

MOST_STARTS = 6


@dataclass(frozen=True)
class Alone:
    """A run that was left alone."""

    seconds: float
    hashes: dict[str, str]
    started: list[tuple[str, float, float]]
    """Each stage, when it began and when the next one did, in seconds since the first."""


@dataclass(frozen=True)
class Places:
    """Where run directories can be."""

    folder: Path
    s3: Any

    def run_dir(self, place: str, name: str) -> str:
        """One of this name in a fault's place."""
        if place == "s3":
            return str(self.s3.uri(name))
        return str(self.folder / place / name)

    def remove(self, run_dir: str) -> None:
        """Takes a run directory away, that a small disk may not fill; the S3 server keeps what it has."""
        if not run_dir.startswith("s3:"):
            shutil.rmtree(run_dir, ignore_errors=True)


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
    os.environ |= {"AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any", "AWS_EC2_METADATA_DISABLED": "true"}
    s3 = s3_server.start()
    cluster, rng = Cluster(folder / "ray"), random.Random(options.seed)
    if any(fault.on_cluster for fault in faults.values()):
        cluster.start()
    try:
        soak(options, Places(folder, s3), faults, cluster, rng)
    finally:
        if cluster.ray:
            cluster.ray.shutdown()
        s3.process.terminate()
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
    places: Places,
    faults: dict[str, Fault],
    cluster: Cluster,
    rng: random.Random,
) -> None:
    path = job(places.folder / "corpus", places.folder / "run", scale=options.scale)
    settings = sorted({fault.setting for fault in faults.values()})
    alone = {where: undisturbed(path, places, where[1], cluster if where[0] else None) for where in settings}
    wanted = next(iter(alone.values())).hashes
    assert all(one.hashes == wanted for one in alone.values()), "the undisturbed runs differ"
    for (on_cluster, place), one in alone.items():
        where = f"{'on the cluster' if on_cluster else 'with its own Ray'}{', ' if place else ''}{place}"
        print(f"undisturbed, {where}: {one.seconds:.1f} s", flush=True)
    table = {(name, stage): Row() for name in faults for stage in options.stages}
    begun = time.monotonic()
    while sum(row.count for row in table.values()) < options.runs and time.monotonic() - begun < options.minutes * 60:
        least = min(row.count for row in table.values())
        name, stage = rng.choice([key for key, row in table.items() if row.count == least])
        fault = faults[name]
        title = f"{name.replace(' ', '-')}-{time.monotonic_ns()}"
        run_dir, log = places.run_dir(fault.place, title), places.folder / f"{title}.log"
        run = Attempt(path, run_dir, log, rng, cluster if fault.on_cluster else None, places.s3)
        disturb(run, name, stage, alone[fault.setting], table[name, stage])
        places.remove(run_dir)
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


def undisturbed(path: str, places: Places, place: str, cluster: Cluster | None) -> Alone:
    """A run that is left alone."""
    title = f"alone-{cluster is not None}-{place}"
    run_dir = places.run_dir(place, title)
    run = Attempt(path, run_dir, places.folder / f"{title}.log", random.Random(0), cluster)
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
    hashes = stored_hashes(Store.open(run_dir))
    places.remove(run_dir)
    return Alone(seconds, hashes, spans)


def disturb(run: Attempt, name: str, stage: str, alone: Alone, row: Row) -> None:
    """A run with one fault, resumed until it is done; counts only where the fault came in time."""
    begun = time.monotonic()
    run.start()
    stage, pause = moment(run.rng, alone, stage or FAULTS[name].stage)
    run.wait_for_start(stage)
    time.sleep(pause)
    struck, fault = True, ""
    try:
        struck = FAULTS[name].strike(run)
    except MisbehavedError as error:
        fault = f"; {error}"
    status = run.wait()
    while status != 0 and run.starts < MOST_STARTS:
        run.start()
        status = run.wait()
    seconds = time.monotonic() - begun
    if not struck:
        return
    same = status == 0 and not fault and stored_hashes(Store.open(run.run_dir)) == alone.hashes
    row.count, row.recovered, row.starts = row.count + 1, row.recovered + same, row.starts + run.starts
    row.lost.append(seconds - alone.seconds)
    outcome = "same" if same else "LOST"
    print(f"{name}, {stage} + {pause:.1f} s: {outcome}, {run.starts} starts, {seconds:.0f} s{fault}", flush=True)
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
