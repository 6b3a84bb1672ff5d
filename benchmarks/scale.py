"""Time and memory of each stage for a corpus too large to try here, from measured rates and counted operations.

    python benchmarks/scale.py                                    # 100 M documents of 12 kB, 4 A100, 48 CPUs
    python benchmarks/scale.py --hardware h100 --gpus 8 --encoder minilm --tokens 256

The model, its rates and what they rest on are those of `curation plan --hardware` (`curation/estimate/`); here the
corpus is given by numbers, and the memory that stages need stands beside the time. No GPU stage has been measured.
"""

from __future__ import annotations

import argparse

from curation.estimate.cluster import Cluster
from curation.estimate.profiles import PEAKS, Network, Reading, profile_rates
from curation.estimate.stages import stage_times
from curation.estimate.work import Work
from curation.progress import clock

ENCODERS = {"bert-base": Network(12, 768, 3072), "minilm": Network(6, 384, 1536)}
#: Bytes of Parquet shards, and of what is spilled for them, for a byte of text.
SHARDS, SPILLED = 0.4, 0.6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=float, default=1e8)
    parser.add_argument("--bytes", type=float, default=1.2e12)
    parser.add_argument("--tokens", type=int, default=512, help="that the encoder reads of a document")
    parser.add_argument("--encoder", choices=ENCODERS, default="bert-base")
    parser.add_argument("--hardware", choices=PEAKS, default="a100")
    parser.add_argument("--gpus", type=int, default=4)
    parser.add_argument("--cpus", type=int, default=48)
    parser.add_argument("--clusters", type=int, default=2000)
    parser.add_argument("--fit-rows", type=float, default=1e7)
    parser.add_argument("--iterations", type=int, default=30)
    o = parser.parse_args()
    network = ENCODERS[o.encoder]
    work = Work(
        files=max(1, round(o.bytes / 1e9)),
        bytes=o.bytes,
        documents=o.documents,
        text_bytes=o.bytes,
        splits=max(1.0, o.bytes / 2**26),
        encoder="sentence-transformers",
        dimensions=network.hidden,
        clusters=o.clusters,
        fit_rows=min(o.fit_rows, o.documents),
        iterations=o.iterations,
        restarts=1,
        drawn_bytes=o.bytes,
        format="parquet",
        shard_bytes=SHARDS * o.bytes,
        spill_bytes=SPILLED * o.bytes,
    )
    rates = profile_rates(
        o.hardware, Reading(network, o.tokens, o.tokens, o.bytes / o.documents), o.clusters, network.hidden
    )
    times = stage_times(work, rates, Cluster(0, 1, 0, o.cpus, o.gpus))
    needs = memory(work, o.gpus)
    for time in times:
        told = f"{clock(time.low)} - {clock(time.high)}"
        print(f"{time.stage:<12} {clock(time.seconds):>8}  {told:<18} {needs.get(time.stage, ''):<34} {time.note}")
    print(f"{'all':<12} {clock(sum(time.seconds for time in times)):>8}")


def memory(work: Work, gpus: int) -> dict[str, str]:
    """What stages need besides time."""
    vectors = 2 * work.dimensions
    return {
        "documents": "a split a task, 64 MiB of text",
        "duplicates": "40 bytes a document of a bucket",
        "embeddings": f"{vectors * work.documents / 1e9:.0f} GB of vectors on storage",
        "repeats": "40 bytes a document of a bucket",
        "centroids": f"{vectors * work.fit_rows / gpus / 1e9:.1f} GB a GPU ({work.fit_rows:.3g} rows)",
        "assignments": "a split a task",
        "clusters": "sums a cluster",
        "plan": f"{54 * work.documents / 2**30:.1f} GiB, one process",
        "shards": "a split or a group a task",
    }


if __name__ == "__main__":
    main()
