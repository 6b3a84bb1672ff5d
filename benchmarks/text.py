"""The built-in quality scorer and the text features beside embedding, on one core.

    python benchmarks/text.py [--documents 3000] [--rounds 3] [--model sentence-transformers/all-MiniLM-L6-v2]

Each round scores, measures and embeds the same documents one after the other in one process, so that a busy machine
slows all. The share is of the embedding's time by the median of the rounds: with the model on a sample of the
documents, and with the lexical encoder, which is hundreds of times faster.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.corpus import documents
from curation.config import Embedding
from curation.embedding.create import create_encoder
from curation.embedding.lexical import fit_lexical
from curation.embedding.resolve import resolve
from curation.text.features import profile
from curation.text.heuristics import heuristic_quality


def seconds(work: Callable[[], object]) -> float:
    begun = time.process_time()
    work()
    return time.process_time() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--documents", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--model", default="sentence-transformers/all-MiniLM-L6-v2")
    options = parser.parse_args()
    os.sched_setaffinity(0, {0})
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        texts = [text for _, text in documents(Path(folder), options.documents, characters=1800)]
    column, excerpts = pa.array(texts, pa.large_string()), [text[:2048] for text in texts]
    sample = texts[:: max(1, len(texts) // 100)][:100]
    chosen = Embedding(model=options.model)
    model = create_encoder(resolve(chosen), chosen, device="cpu", threads=1)
    lexical = fit_lexical(texts[:2000], Embedding(model="lexical"), 0)
    model.encode(sample[:8])
    works: dict[str, tuple[Callable[[], object], int]] = {
        "scorer": (lambda: heuristic_quality(column), len(texts)),
        "features": (lambda: profile(excerpts), len(texts)),
        "lexical": (lambda: lexical.encode(texts), len(texts)),
        "model": (lambda: model.encode(sample), len(sample)),
    }
    took: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(options.rounds):
        for name, (work, count) in works.items():
            took[name].append(seconds(work) / count)
    cost = {name: statistics.median(times) for name, times in took.items()}
    size = sum(len(text.encode()) for text in texts) / len(texts)
    print(f"{len(texts)} documents of {size:.0f} bytes, load {os.getloadavg()[0]:.1f}; documents a core-second:")
    for name, each in cost.items():
        shares = f"{each / cost['model']:.2%} of the model, {each / cost['lexical']:.0%} of lexical"
        print(f"{name:>10} {1 / each:>10,.0f}   {size / each / 1e6:>6.1f} MB/s   {shares}")


if __name__ == "__main__":
    main()
