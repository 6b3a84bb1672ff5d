"""How near `curation plan` comes: its time for each stage of the demo, and the times of the run that follows.

    python benchmarks/predicted.py [--runs 5] [--model lexical] [--folder DIR]

Each round makes an estimate, measured on this machine in a process of its own as the command does, and then runs the
job from nothing, in a process of its own too. The estimate runs at the priority that Ray gives its workers: where
others use the machine too, both get the same share of it. A stage is near when the larger of the two times is at most
1.5 times the smaller. Stages of which both are below 0.2 seconds are listed and not judged: at that size a ratio says
nothing.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from curation.demo import build_corpus, demo_job
from curation.estimate.plan import Estimate, estimate
from curation.job_file import load_job
from curation.pipeline import STAGES
from curation.storage.store import Store

NEAR, SHORT = 1.5, 0.2

#: How nice Ray's workers are.
NICE = 15


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--model", help="another encoder than the demo's, e.g. lexical")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir(), "curation-predicted"))
    options = parser.parse_args()
    corpus, run_dir = options.folder / "corpus", options.folder / "run"
    built = build_corpus(corpus)
    print(f"{sum(built.documents.values()):,} documents in {len(built.documents)} domains, {os.cpu_count()} CPUs")
    job = options.folder / "job.yaml"
    job.write_text(demo_job(corpus, run_dir), encoding="utf-8")
    overrides = [f"embedding.model={options.model}"] if options.model else []
    rounds = []
    for number in range(options.runs):
        rounds.append((predicted(job, overrides), measured(job, overrides, run_dir)))
        print(f"\nround {number + 1} of {options.runs}", flush=True)
        show(rounds)


def predicted(job: Path, overrides: list[str]) -> Estimate:
    """The estimate, from a fresh process."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), os.nice, (NICE,)) as apart:
        return apart.submit(estimate, load_job(str(job), overrides)).result()


def measured(job: Path, overrides: list[str], run_dir: Path) -> dict[str, float]:
    """The seconds of each stage of a run from nothing."""
    shutil.rmtree(run_dir, ignore_errors=True)
    sets = [part for one in overrides for part in ("--set", one)]
    command = [sys.executable, "-m", "curation.cli", "run", str(job), *sets]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    store = Store.open(str(run_dir))
    return {stage.name: marker.seconds for stage in STAGES if (marker := store.marker(stage.name))}


def show(rounds: list[tuple[Estimate, dict[str, float]]]) -> None:
    """The table, and how many are near."""
    print(f"{'stage':<12} {'predicted':>9}  measured in each round, and the ratio to that round's prediction")
    near = judged = held = 0
    for index, stage in enumerate(STAGES):
        cells = []
        times = [found.times[index] for found, _ in rounds]
        for time, (_, seconds) in zip(times, rounds, strict=True):
            actual = max(1e-3, seconds[stage.name])
            ratio = actual / time.seconds
            short = actual < SHORT and time.seconds < SHORT
            is_near = 1 / NEAR <= ratio <= NEAR
            judged, near = judged + (not short), near + (not short and is_near)
            held += not short and time.low <= actual <= time.high
            cells.append(f"{actual:6.2f} {'(short)' if short else f'x{ratio:4.2f}' + ' !'[not is_near]:<7}")
        print(f"{stage.name:<12} {statistics.median(time.seconds for time in times):>9.2f} {' '.join(cells)}")
    print(f"\nwithin a factor of {NEAR}: {near} of {judged}; within the range that is printed: {held} of {judged}")
    print(f"(short): both below {SHORT} s, {len(rounds) * len(STAGES) - judged} times; !: not within {NEAR}")
    totals = [sum(seconds.values()) / sum(time.seconds for time in found.times) for found, seconds in rounds]
    print("whole job, measured over predicted: " + " ".join(f"x{ratio:.2f}" for ratio in totals), flush=True)


if __name__ == "__main__":
    main()
