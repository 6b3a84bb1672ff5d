"""What a split costs by being one: the same rows in many splits and in few.

    python benchmarks/splits.py --splits 100000

One JSONL file of ten short rows a split, each with a vector of its own, so that no model is in the way. The job is run
twice, each in a process of its own: with a split of ten rows, and with one of 10,000. The difference of the two by
stage is overhead: scheduling, receipts, opening and committing files. Beside it the driver's memory (its peak RSS, read
from outside) a thousand splits. Goal: no stage above 2 ms a split.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil

ROOT = Path(__file__).resolve().parent.parent
MIB = 1 << 20
ROWS = 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--splits", type=int, default=100_000)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir(), "curation-splits"))
    options = parser.parse_args()
    corpus, line = options.folder / f"{options.splits}.jsonl", 0
    options.folder.mkdir(parents=True, exist_ok=True)
    line = write_corpus(corpus, options.splits * ROWS)
    few = measured(options.folder, corpus, line * 10_000)
    many = measured(options.folder, corpus, line * ROWS)
    splits = many["splits"]
    more = splits - few["splits"]
    print(f"{few['splits']:,} splits {few['wall']:.0f} s, {splits:,} splits {many['wall']:.0f} s")
    print(f"{'stage':12} {'few s':>8} {'many s':>8} {'ms a split':>11}")
    for stage, seconds in many["seconds"].items():
        each = 1000 * (seconds - few["seconds"][stage]) / more
        print(f"{stage:12} {few['seconds'][stage]:8.1f} {seconds:8.1f} {each:11.2f}")
    before, after = few["peak"] / MIB, many["peak"] / MIB
    print(f"driver: {before:.0f} and {after:.0f} MiB, {1000 * (after - before) / more:.2f} MiB a thousand splits")


def write_corpus(path: Path, rows: int) -> int:
    """Writes rows of equal length, if they are not there yet; returns the bytes of one."""
    rng = np.random.default_rng(0)
    with path.open("w") as file:
        for number in range(rows):
            vector = ", ".join(f"{value:.4f}" for value in rng.uniform(0.0, 0.9999, 4))
            line = f'{{"text": "document {number:09} of the corpus", "v": [{vector}]}}\n'
            file.write(line)
    return len(line)


def measured(folder: Path, corpus: Path, split_bytes: int) -> dict:
    """Seconds a stage and the driver's peak memory of a run with splits of this size."""
    run_dir = Path(tempfile.mkdtemp(prefix="run-", dir=folder))
    job = run_dir / "job.yaml"
    job.write_text(
        f"run_dir: {run_dir}/run\nsplit_bytes: {split_bytes}\nclustering: {{clusters: 20, max_iterations: 5}}\n"
        f"sources: [{{domain: all, path: {corpus}, vector_column: v}}]\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "RAY_AUTH_MODE": "disabled"}
    command = [sys.executable, "-m", "curation.cli", "run", str(job)]
    with (run_dir / "log").open("w") as log:
        begun, peak = time.monotonic(), 0
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=log)
        while process.poll() is None:
            try:
                peak = max(peak, psutil.Process(process.pid).memory_info().rss)
            except psutil.NoSuchProcess:
                break
            time.sleep(0.2)
        wall = time.monotonic() - begun
    if process.wait():
        raise SystemExit((run_dir / "log").read_text()[-3000:])
    events = [json.loads(line) for line in (run_dir / "run/events.jsonl").read_text().splitlines()]
    seconds = {event["stage"]: event["seconds"] for event in events if event["event"] == "stage"}
    sources = json.loads((run_dir / "run/sources/_done.json").read_text())
    splits = next(part["rows"] for part in sources["parts"] if part["name"].endswith("splits.parquet"))
    subprocess.run(["rm", "-r", run_dir], check=True)
    return {"wall": wall, "seconds": seconds, "peak": peak, "splits": splits}


if __name__ == "__main__":
    main()
