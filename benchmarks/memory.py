"""Peak memory of a whole job on a JSONL corpus that is larger than the object store.

    python benchmarks/memory.py --gibibytes 4

A 4 GiB file, the lexical encoder, a 1 GiB object store. From outside, four times a second: RSS of every process of
the job added up (shared pages counted in each), and PSS (each page counted once). Goal: RSS below 6 GiB.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
from corpus import write_jsonl

GIB = 1 << 30


def family(process: psutil.Process) -> list[psutil.Process]:
    return [process, *process.children(recursive=True)]


def memory(processes: list[psutil.Process]) -> tuple[int, int]:
    """RSS and PSS of the processes, added up; those that have just ended count nothing."""
    rss = pss = 0
    for process in processes:
        try:
            full = process.memory_full_info()
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
        rss, pss = rss + full.rss, pss + full.pss
    return rss, pss


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gibibytes", type=float, default=4.0)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir(), "curation-memory"))
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    corpus = options.folder / "corpus.jsonl"
    if not corpus.exists() or corpus.stat().st_size < options.gibibytes * GIB:
        print(f"{write_jsonl(corpus, options.folder, int(options.gibibytes * GIB)):,} documents")
    shutil.rmtree(options.folder / "run", ignore_errors=True)
    job = options.folder / "job.yaml"
    job.write_text(
        f"run_dir: {options.folder}/run\nsources: [{{domain: all, path: {corpus}}}]\nembedding: {{model: lexical}}\n"
        "clustering: {clusters: 100}\nresources: {object_store_bytes: 1073741824}\n"
    )
    begun = time.monotonic()
    process = subprocess.Popen([sys.executable, "-m", "curation.cli", "run", str(job)], stdout=subprocess.DEVNULL)
    outer, peak_rss, peak_pss, at = psutil.Process(process.pid), 0, 0, 0.0
    while process.poll() is None:
        rss, pss = memory(family(outer))
        if rss > peak_rss:
            peak_rss, at = rss, time.monotonic() - begun
        peak_pss = max(peak_pss, pss)
        time.sleep(0.25)
    print(
        f"exit {process.returncode} after {time.monotonic() - begun:.0f} s; peak RSS {peak_rss / GIB:.2f} GiB "
        f"(after {at:.0f} s), peak PSS {peak_pss / GIB:.2f} GiB; goal: RSS below 6 GiB"
    )


if __name__ == "__main__":
    main()
