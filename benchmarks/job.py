"""The whole job with the lexical encoder against plain single-process Python doing the same steps.

    python benchmarks/job.py --documents 200000 --rounds 3

Both are timed as whole processes, start of Ray and imports included, in turn, on the same files. Goal: ours takes
less than 1.3 times as long on 2 cores.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from corpus import write_parquet

CLUSTERS, CLIP = 100, 5


def timed(command: list[str]) -> float:
    begun = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--documents", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir(), "curation-bench"))
    options = parser.parse_args()
    folder = options.folder / f"{options.documents}"
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "corpus").exists():
        size = write_parquet(folder, options.documents)
        print(f"{options.documents} documents, {size / 1e6:.0f} MB of text")
    job = folder / "job.yaml"
    job.write_text(
        f"run_dir: {folder}/run\nsources: [{{domain: all, path: {folder}/corpus}}]\nsplit_bytes: 16_777_216\n"
        f"embedding: {{model: lexical}}\nclustering: {{clusters: {CLUSTERS}}}\nsampling: {{clip: {CLIP}}}\n"
    )
    ours, plain = [], []
    for _ in range(options.rounds):
        shutil.rmtree(folder / "run", ignore_errors=True)
        ours.append(timed([sys.executable, "-m", "curation.cli", "run", str(job)]))
        shutil.rmtree(folder / "plain", ignore_errors=True)
        script = Path(__file__).with_name("plain.py")
        plain.append(
            timed(
                [sys.executable, str(script), str(folder / "corpus"), str(folder / "plain"), str(CLUSTERS), str(CLIP)]
            )
        )
        print(f"ours {ours[-1]:.1f} s, plain {plain[-1]:.1f} s, ratio {ours[-1] / plain[-1]:.2f}", flush=True)
    ratio = statistics.median(a / b for a, b in zip(ours, plain, strict=True))
    medians = f"ours {statistics.median(ours):.1f} s, plain {statistics.median(plain):.1f} s"
    print(f"median: {medians}, ratio {ratio:.2f} (goal: below 1.30)")


if __name__ == "__main__":
    main()
