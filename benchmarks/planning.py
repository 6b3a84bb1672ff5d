"""The planner at scale: time and peak memory of the driver actor, from 1 to 100 million documents.

    python benchmarks/planning.py [--documents 1e6 1e7 1e8] [--clusters 2000] [--domains 20] [--folder DIR]
                                  [--validation 0.005] [--copies]

Builds the tables that a plan reads (documents and assignments in parts by split, clusters and domains of uneven
sizes), starts Ray with 2 CPUs and lets the very actor of the `plan` stage make a plan of one epoch, clip 5, domain
weights and all. Its peak memory is what the kernel says of its process (VmHWM), read from this one. A run's time is
everything from the actor's start to the last part on disk; the slope is between one size and the next. `--validation`
holds a share out, and with `--copies` a third of the documents have a copy and `dedup.exact` is false.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa
import ray

from curation.config import Job
from curation.stages.board import board
from curation.stages.centroid_file import CENTROIDS
from curation.stages.context import Result
from curation.stages.plan import Planner
from curation.stages.sources import SPLITS
from curation.stages.splits import part_name
from curation.storage.store import Marker, Store

#: Documents a split: 64 MiB at 1.8 kB a document.
SPLIT = 37_000


def build(store: Store, documents: int, clusters: int, domains: int, copies: bool = False) -> None:
    """The tables that a plan reads; with hashes of texts where there are to be copies."""
    sizes = np.arange(1, domains + 1) ** -1.0
    bounds = np.concatenate([[0], np.round(np.cumsum(sizes / sizes.sum()) * documents)]).astype(np.int64)
    splits = []
    for domain in range(domains):
        for first in range(bounds[domain], bounds[domain + 1], SPLIT):
            splits.append((domain, first, min(SPLIT, int(bounds[domain + 1]) - first)))
    share = np.arange(1, clusters + 1) ** -0.8
    cumulative = np.cumsum(share / share.sum())

    def write(index: int) -> None:
        domain, first, rows = splits[index]
        rng = np.random.default_rng(index)
        ids = np.arange(first, first + rows)
        size = np.clip(rng.lognormal(7.0, 1.0, rows), 20, 200_000).astype(np.int32)
        # Each domain has its own mixture of clusters.
        cluster = (np.searchsorted(cumulative, rng.random(rows)) * (2 * domain + 1) + 37 * domain) % clusters
        name = pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int16)), pa.array([f"d{domain:02}"]))
        table = {"doc_id": ids, "domain": name, "tokens": np.maximum(size // 4, 1), "bytes": size}
        if copies:
            text = rng.integers(0, 2 * documents, rows, dtype=np.uint64)
            halves = pa.py_buffer(np.stack([text * np.uint64(0x9E3779B97F4A7C15), text], axis=1).tobytes())
            table["content_hash"] = pa.FixedSizeBinaryArray.from_buffers(pa.binary(16), rows, [None, halves])
        store.write_table(part_name("documents", index), pa.table(table))
        assigned = {"doc_id": ids, "cluster": cluster.astype(np.int32)}
        store.write_table(part_name("assignments", index), pa.table(assigned))

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(write, range(len(splits))))
    columns = zip(*[(k, 0, k, 0, rows, first, 0, 0) for k, (_, first, rows) in enumerate(splits)], strict=True)
    names = ["split_id", "file_id", "read_group", "first_row", "rows", "first_doc_id", "start", "stop"]
    store.write_table(SPLITS, pa.table(dict(zip(names, map(list, columns), strict=True))))
    store.write_arrays(CENTROIDS, {"centroids": np.zeros((clusters, 2), np.float32)})
    store.finish(Marker("assignments", "", [], {"documents": documents}, 0.0))


def peak_bytes() -> int:
    """Peak resident memory of the planner's process, from the kernel's record."""
    for process in psutil.process_iter(["cmdline"]):
        if any("ray::Planner" in part for part in process.info["cmdline"] or ()):
            status = Path(f"/proc/{process.pid}/status").read_text()
            return int(status.split("VmHWM:")[1].split()[0]) * 1024
    raise RuntimeError("the planner's process is gone")


def planned_job(folder: Path, domains: int, validation: float | None = None, copies: bool = False) -> Job:
    """The job that is planned."""
    sources = [{"domain": f"d{d:02}", "path": "unread", "weight": 1.0 + d % 3} for d in range(domains)]
    tree = {"run_dir": str(folder), "sources": sources, "blending": {"weights": "proportional"}}
    output = {"validation": {"fraction": validation}} if validation else {}
    return Job.model_validate({**tree, "output": output, "dedup": {"exact": not copies}})


def measure(
    folder: Path, documents: int, clusters: int, domains: int, validation: float | None, copies: bool
) -> tuple[float, int, Result]:
    """Seconds, peak bytes and the plan's result for so many documents."""
    store = Store.open(str(folder))
    build(store, documents, clusters, domains, copies)
    job = planned_job(folder, domains, validation, copies)
    begun = time.perf_counter()
    planner = ray.remote(num_cpus=1)(Planner).remote()
    result = ray.get(planner.plan.remote(store, job, board()))
    seconds = time.perf_counter() - begun
    if not isinstance(result, Result):
        raise result
    peak = peak_bytes()
    ray.kill(planner)
    return seconds, peak, result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--documents", type=float, nargs="+", default=[1e6, 1e7, 1e8])
    parser.add_argument("--clusters", type=int, default=2000)
    parser.add_argument("--domains", type=int, default=20)
    parser.add_argument("--folder", help="where the tables go; about 25 bytes a document (default: a temporary folder)")
    parser.add_argument("--validation", type=float, help="share of the documents that is held out")
    parser.add_argument("--copies", action="store_true", help="let a third of the documents have a copy")
    options = parser.parse_args()
    ray.init(num_cpus=2, include_dashboard=False, object_store_memory=200_000_000, log_to_driver=False)
    print(
        f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}; {options.clusters} clusters, {options.domains} domains"
    )
    columns = ["documents", "seconds", "us a doc", "peak GiB", "B a doc", "draws", "B a draw stored"]
    print("  ".join(columns))
    before: tuple[int, float, int] | None = None
    for documents in map(int, options.documents):
        folder = Path(tempfile.mkdtemp(dir=options.folder))
        try:
            seconds, peak, result = measure(
                folder, documents, options.clusters, options.domains, options.validation, options.copies
            )
        finally:
            shutil.rmtree(folder)
        draws = int(result.stats["draws"])
        stored = sum(part.bytes for part in result.parts if part.name.startswith("schedule/"))
        figures = [f"{documents:,}", f"{seconds:.1f}", f"{seconds / documents * 1e6:.2f}", f"{peak / 2**30:.2f}"]
        figures += [f"{peak / documents:.0f}", f"{draws:,}", f"{stored / draws:.1f}"]
        print("  ".join(figures))
        if before:
            more = documents - before[0]
            time_slope, memory_slope = (seconds - before[1]) / more * 1e6, (peak - before[2]) / more
            print(f"slope: {time_slope:.2f} us and {memory_slope:.0f} bytes a document more")
        before = (documents, seconds, peak)


if __name__ == "__main__":
    main()
