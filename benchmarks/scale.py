"""Time and memory of each stage for a corpus too large to try here, from measured rates and counted operations.

    python benchmarks/scale.py                                          # 100 M documents of 12 kB, 4 A100, 48 CPUs
    python benchmarks/scale.py --gpus 8 --peak 989 --encoder minilm --tokens 256

What is read and written by CPUs scales with bytes or documents, at the rates of one CPU slot that `RATES` holds. They
come from a run of `benchmarks/memory.py` (4.1 GB of JSONL, 3,349,670 documents, 2 slots of a shared cloud machine) and
from `benchmarks/planning.py`, `benchmarks/clustering.py` and `benchmarks/embedding.py --alone`. GPU stages are counted
operations over an assumed share of the data sheet's peak: 45 % of what matrix products reach, and those 80 % of the
peak (an H100 was once measured at 81 %). No GPU stage has been measured. Everything is assumed to divide evenly and
storage to keep up; both are optimistic.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

#: What one CPU slot does in a second (bytes, documents, tokens) or, for `product`, rows x clusters x dimensions.
RATES = {
    "count_bytes": 0.8e9,
    "describe_bytes": 60e6,
    "duplicate_documents": 0.8e6,
    "tokenised_tokens": 0.4e6,
    "assigned_documents": 140e3,
    "product": 100e9,
    "summed_documents": 147e3,
    "planned_documents": 1.57e6,  # of the whole plan, which is one process
    "written_bytes": 47e6,
}
#: Share of the data sheet's peak that large matrix products reach, and share of that which the encoder reaches.
REACHED, FORWARD = 0.8, 0.45
#: Share of the matrix product's rate that the assignment of K-Means on a GPU reaches, and bytes a second to the GPU.
ASSIGNING, TO_GPU = 0.5, 25e9
#: Characters shown to the tokenizer for each token that is kept (`embedding.chunks`), and characters a token.
SHOWN, CHARACTERS = 16, 4


@dataclass(frozen=True)
class Encoder:
    """Layers, hidden size and inner size of a BERT."""

    layers: int
    hidden: int
    inner: int

    def operations(self, tokens: int) -> float:
        """Multiplications and additions for a document: 2 (4 h^2 + 2 h i) + 4 s h for each token and layer."""
        h, i = self.hidden, self.inner
        return float(tokens * self.layers * (2 * (4 * h * h + 2 * h * i) + 4 * tokens * h))


ENCODERS = {"bert-base": Encoder(12, 768, 3072), "minilm": Encoder(6, 384, 1536)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=float, default=1e8)
    parser.add_argument("--bytes", type=float, default=1.2e12)
    parser.add_argument("--tokens", type=int, default=512, help="that the encoder reads of a document")
    parser.add_argument("--encoder", choices=ENCODERS, default="bert-base")
    parser.add_argument("--gpus", type=int, default=4)
    parser.add_argument("--peak", type=float, default=312, help="of a GPU in bfloat16, TFLOP/s (A100 312, H100 989)")
    parser.add_argument("--cpus", type=int, default=48)
    parser.add_argument("--clusters", type=int, default=2000)
    parser.add_argument("--fit-rows", type=float, default=1e7)
    parser.add_argument("--iterations", type=int, default=30)
    options = parser.parse_args()
    rows = stages(options)
    for name, seconds, memory, note in rows:
        print(f"{name:<12} {clock(seconds):>8}  {memory:<34} {note}")
    print(f"{'all':<12} {clock(sum(seconds for _, seconds, _, _ in rows)):>8}")


def stages(o: argparse.Namespace) -> list[tuple[str, float, str, str]]:
    """Of each stage: name, seconds, memory, and what the time is made of."""
    encoder = ENCODERS[o.encoder]
    d, k, product_rate = encoder.hidden, o.clusters, o.gpus * o.peak * 1e12 * REACHED
    vectors = 2 * d * o.documents
    operations = o.documents * encoder.operations(o.tokens)
    forward = operations / (product_rate * FORWARD)
    shown = o.documents * min(o.tokens * SHOWN / CHARACTERS, o.bytes / o.documents / CHARACTERS)
    tokenising = shown / RATES["tokenised_tokens"] / o.cpus
    fit_rows = min(o.fit_rows, o.documents)
    iteration = 2 * fit_rows * k * d / (product_rate * ASSIGNING)
    loading = 2 * d * fit_rows / (TO_GPU * o.gpus) + o.documents / RATES["assigned_documents"] / o.cpus
    assigning = o.documents / RATES["assigned_documents"] + o.documents * k * d / RATES["product"]
    spill = f"{o.bytes * 0.45 / 1e12:.2f} TB on storage while it runs"
    return [
        ("sources", o.bytes / RATES["count_bytes"] / o.cpus, "", "rows counted"),
        ("documents", o.bytes / RATES["describe_bytes"] / o.cpus, "a split a task, 64 MiB of text", "hashes, tokens"),
        (
            "duplicates",
            o.documents / RATES["duplicate_documents"],
            "40 bytes a document of a bucket",
            "one task a bucket",
        ),
        (
            "embeddings",
            max(forward, tokenising),
            f"{vectors / 1e9:.0f} GB of vectors on storage",
            f"{operations:.3g} operations; tokenising beside it {clock(tokenising)}",
        ),
        ("repeats", o.documents / RATES["duplicate_documents"], "40 bytes a document of a bucket", "one task a bucket"),
        (
            "centroids",
            loading + o.iterations * iteration,
            f"{2 * d * fit_rows / o.gpus / 1e9:.1f} GB a GPU ({fit_rows:.3g} rows)",
            f"{o.iterations} iterations of {iteration:.2f} s, and reading",
        ),
        ("assignments", assigning / o.cpus, "a split a task", f"all documents, {k} clusters, on CPUs"),
        ("clusters", o.documents / RATES["summed_documents"] / o.cpus, "sums a cluster", ""),
        ("plan", o.documents / RATES["planned_documents"], f"{54 * o.documents / 2**30:.1f} GiB, one process", ""),
        ("shards", o.bytes / RATES["written_bytes"] / o.cpus, spill, "text read once more, one epoch"),
    ]


def clock(seconds: float) -> str:
    """A duration for people."""
    return (
        f"{seconds:.0f} s"
        if seconds < 100
        else f"{seconds / 60:.0f} min"
        if seconds < 6000
        else f"{seconds / 3600:.1f} h"
    )


if __name__ == "__main__":
    main()
