"""Documents a second of the embedding stage's encoder against `SentenceTransformer.encode` with its defaults.

    python benchmarks/embedding.py --documents 600

Both encode the same texts with the same weights in the same process, one after the other, several times, so that a
busy machine slows both. The texts are pieces of the documentation and source files of the installed packages, with
the lengths of web text (log-normal, mean about 1,200 characters). The ratio is the median over the rounds; rates are
given by the clock and by core-second of CPU time. `--budgets 1024 2048 ...` compares batch sizes instead.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))

from curation.config import Embedding
from curation.embedding.create import create_encoder
from curation.embedding.loading import load_model
from curation.embedding.resolve import locate, resolve

TEXT_FILES = {".py", ".md", ".rst", ".txt"}


def main() -> None:
    options = parse_options()
    texts = installed_texts(options.documents)
    embedding = Embedding(model=options.model, precision=options.precision, max_tokens=options.max_tokens)
    spec = resolve(embedding)
    device = options.device
    encoder = create_encoder(spec, embedding, device=device, threads=options.threads)
    print(
        f"{len(texts)} documents, mean {statistics.mean(map(len, texts)):.0f} characters; {spec.name}, {device}, "
        f"{spec.precision}, {spec.max_tokens} tokens, {options.threads} threads"
    )
    encoder.encode(texts[:32])  # the first call allocates and compiles
    if options.budgets:
        return compare_budgets(encoder, texts, options.budgets, options.rounds)
    reference = load_model(locate(spec), "float32", device, False)
    reference.max_seq_length = spec.max_tokens
    reference.encode(texts[:32])
    ours, theirs = [], []
    for round_ in range(options.rounds):
        seconds, encoded = timed(lambda: encoder.encode(texts))
        ours.append(seconds)
        torch.set_num_threads(options.threads)
        seconds, expected = timed(lambda: reference.encode(texts, show_progress_bar=False))
        theirs.append(seconds)
        print(f"round {round_}: ours {rates(len(texts), ours[-1])}, theirs {rates(len(texts), theirs[-1])}")
    cosines = (unit(encoded.vectors) * unit(expected)).sum(axis=1)
    best = min(clock for clock, _ in ours)
    print(
        f"ours: {encoded.tokens / best:,.0f} tokens/s in the best round, "
        f"{encoded.padded / encoded.tokens - 1:.1%} padding, {encoded.truncated} cut off, "
        f"batches of {encoded.batch_tokens} tokens"
    )
    print(
        f"ratio to SentenceTransformer.encode, median of {options.rounds}: {median_ratio(theirs, ours, 0):.2f} by the "
        f"clock, {median_ratio(theirs, ours, 1):.2f} by CPU time; cosine to its vectors: mean {cosines.mean():.6f}, "
        f"least {cosines.min():.6f}"
    )
    return None


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=600)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--model", default=Embedding().model)
    parser.add_argument("--max-tokens", type=int, default=256)
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--budgets", type=int, nargs="*", help="compare these budgets of tokens a batch")
    return parser.parse_args()


def installed_texts(documents: int) -> list[str]:
    """Pieces of text files of the installed packages: the same for the same packages."""
    root = Path(np.__file__).parents[1]
    files = sorted(f for f in root.rglob("*") if f.suffix in TEXT_FILES or f.name == "METADATA")
    rng = np.random.default_rng(0)
    texts: list[str] = []
    for index in rng.permutation(len(files)):
        text = files[index].read_text(encoding="utf-8", errors="replace")
        length = int(min(len(text), max(50, rng.lognormal(6.8, 0.8))))
        start = int(rng.integers(0, len(text) - length + 1))
        if length >= 50:
            texts.append(text[start : start + length])
        if len(texts) == documents:
            break
    return texts


def compare_budgets(encoder, texts: list[str], budgets: list[int], rounds: int) -> None:  # noqa: ANN001
    """Prints the best round of each budget."""
    best = dict.fromkeys(budgets, (float("inf"), float("inf")))
    for _ in range(rounds):
        for budget in budgets:
            encoder.batch_tokens = budget
            seconds, _ = timed(lambda: encoder.encode(texts))
            best[budget] = (min(best[budget][0], seconds[0]), min(best[budget][1], seconds[1]))
    for budget, seconds in best.items():
        print(f"{budget:6d} tokens a batch: {rates(len(texts), seconds)}")


def timed(work: Callable[[], object]) -> tuple[tuple[float, float], object]:
    """Seconds by the clock and of CPU time, and what the work returned."""
    clock, cpu = time.perf_counter(), time.process_time()
    result = work()
    return (time.perf_counter() - clock, time.process_time() - cpu), result


def rates(documents: int, seconds: tuple[float, float]) -> str:
    return f"{documents / seconds[0]:.1f} documents/s ({documents / seconds[1]:.1f} a core-second)"


def median_ratio(theirs: list[tuple[float, float]], ours: list[tuple[float, float]], which: int) -> float:
    return statistics.median(t[which] / o[which] for t, o in zip(theirs, ours, strict=True))


def unit(vectors: np.ndarray) -> np.ndarray:
    vectors = np.asarray(vectors, np.float64)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


if __name__ == "__main__":
    main()
