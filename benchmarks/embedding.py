"""Documents a second of the embedding stage's encoder against `SentenceTransformer.encode` with its defaults.

    python benchmarks/embedding.py --documents 600
    python benchmarks/embedding.py --budgets 512 1024 2048 4096 8192

Both encode the same texts with the same weights in the same process, one after the other, several times, so that a
busy machine slows both. The texts are pieces of the documentation and source files of the installed packages, with
the lengths of web text (log-normal, mean about 1,200 characters). The ratio is the median over the rounds; rates are
given by the clock and by core-second of CPU time. `--budgets` compares batch sizes instead.

Then the forward pass alone: its floating-point operations a second, and the share that they are of what matrix
products reach in the same number format, on the model's own shapes and on large squares. By core-second of CPU time
on a CPU, by the clock on a GPU.

The goals for a GPU are measured with (on a CPU: `--device cpu --documents 20 --rounds 1`)

    python benchmarks/embedding.py --device cuda --documents 20000 --alone
    python benchmarks/embedding.py --device cuda --documents 20000 --alone --shape bert-base --characters 4000

where `--shape bert-base` is an encoder of that size with random weights, 512 tokens at a time.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))

from curation.config import Embedding
from curation.embedding.batching import encode_in_batches
from curation.embedding.create import create_encoder
from curation.embedding.loading import load_model
from curation.embedding.resolve import locate, resolve

TEXT_FILES = {".py", ".md", ".rst", ".txt"}


def main() -> None:
    options = parse_options()
    texts = installed_texts(options.documents, options.characters)
    with tempfile.TemporaryDirectory() as folder:
        if options.shape:
            options.model, options.max_tokens = random_bert(Path(folder)), 512
        embedding = Embedding(model=options.model, precision=options.precision, max_tokens=options.max_tokens)
        spec = resolve(embedding)
        encoder = create_encoder(spec, embedding, device=options.device, threads=options.threads)
        print(
            f"{len(texts)} documents, mean {statistics.mean(map(len, texts)):.0f} characters; "
            f"{options.shape or spec.name}, {options.device}, {spec.precision}, {spec.max_tokens} tokens, "
            f"{options.threads} threads; taken: {encoder.taken}"
        )
        encoder.encode(texts[:32])  # the first call allocates
        if options.budgets:
            return compare_budgets(encoder, texts, options.budgets, options.rounds)
        if not options.alone:
            compare(encoder, texts, load_model(locate(spec), "float32", options.device, False), options)
        forward_pass(encoder, texts, options)
    return None


def compare(encoder, texts: list[str], reference, options: argparse.Namespace) -> None:  # noqa: ANN001
    """Prints our rates, theirs, and how alike the vectors are."""
    reference.max_seq_length = encoder.spec.max_tokens
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


def forward_pass(encoder, texts: list[str], options: argparse.Namespace) -> None:  # noqa: ANN001
    """Prints tokens and operations a second without the tokeniser, and their share of the matrix products' rate."""
    which = 1 if options.device == "cpu" else 0
    tokenising, ready = timed(lambda: encoder.prepare(texts))
    config = encoder.model[0].auto_model.config
    shape = config.num_hidden_layers, config.hidden_size, config.intermediate_size
    flop = forward_flop(ready.lengths, *shape)

    def forward() -> None:
        pool, padding = encoder._pool, ready.padding
        encode_in_batches(
            ready.lengths, encoder.dimensions, encoder.batch_tokens, ready.forward, padding=padding, pool=pool
        )

    seconds = [timed(forward)[0] for _ in range(options.rounds)]
    best = min(each[which] for each in seconds)
    tokens, a = int(ready.lengths.sum()), "core-second" if which else "second"
    print(
        f"forward pass: {tokens / min(clock for clock, _ in seconds):,.0f} tokens/s by the clock, "
        f"{tokens / best:,.0f} tokens and {flop / best / 1e9:,.0f} GFLOP a {a}; "
        f"tokenising took {tokenising[which] / best:.0%} of its time"
    )
    hidden, inner = shape[1:]
    rows = 2048 if which else encoder.batch_tokens
    side = 2048 if which else 8192
    for m, k, n in [(rows, hidden, hidden), (rows, hidden, inner), (rows, inner, hidden), (side, side, side)]:
        rate = product_rate(m, k, n, encoder.spec.precision, options.device)
        print(
            f"  [{m} x {k}] x [{k} x {n}]: {rate / 1e9:,.0f} GFLOP a {a}; the forward pass is {flop / best / rate:.0%}"
        )


def forward_flop(lengths: np.ndarray, layers: int, hidden: int, inner: int) -> float:
    """Floating-point operations of a BERT-like encoder's products on real tokens, padding not counted.

    Per token and layer 2·(4·hidden² + 2·hidden·inner) for the linear layers (queries, keys, values, output; up, down)
    and 4·length·hidden for attention (scores, and the sum of the values). Norms, GELU and softmax are not counted.
    """
    lengths = lengths.astype(np.float64)
    linear = 2 * (4 * hidden**2 + 2 * hidden * inner) * lengths.sum()
    return layers * (linear + 4 * hidden * (lengths**2).sum())


def product_rate(m: int, k: int, n: int, precision: str, device: str) -> float:
    """Operations a second of [m, k] · [k, n]: by the clock on a GPU, by CPU time on one thread on a CPU; best of 8."""
    dtype = getattr(torch, precision)
    left, right = torch.randn(m, k, device=device).to(dtype), torch.randn(k, n, device=device).to(dtype)
    torch.set_num_threads(1)

    def several() -> None:
        for _ in range(4):
            torch.matmul(left, right)
        if device != "cpu":
            torch.cuda.synchronize()

    several()
    return 4 * 2 * m * k * n / min(timed(several)[0][1 if device == "cpu" else 0] for _ in range(8))


def random_bert(folder: Path) -> str:
    """The folder of a BERT-base-sized sentence encoder with random weights and the packaged model's tokenizer."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import Pooling, Transformer
    from transformers import AutoTokenizer, BertConfig, BertModel

    tokenizer = AutoTokenizer.from_pretrained(str(locate(resolve(Embedding()))), model_max_length=512)
    BertModel(BertConfig(vocab_size=len(tokenizer)), add_pooling_layer=False).save_pretrained(folder / "bare")
    tokenizer.save_pretrained(folder / "bare")
    model = SentenceTransformer(modules=[Transformer(str(folder / "bare")), Pooling(768)], device="cpu")
    model.save(str(folder / "whole"))
    return str(folder / "whole")


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=600)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--model", default=Embedding().model)
    parser.add_argument("--max-tokens", type=int, default=256)
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--shape", choices=["bert-base"], help="an encoder of this size with random weights")
    parser.add_argument("--characters", type=int, help="length of every text, instead of those of web text")
    parser.add_argument("--alone", action="store_true", help="without SentenceTransformer.encode")
    parser.add_argument("--budgets", type=int, nargs="*", help="compare these budgets of tokens a batch")
    return parser.parse_args()


def installed_texts(documents: int, characters: int | None = None) -> list[str]:
    """Pieces of text files of the installed packages: the same for the same packages. Over again if they run out."""
    root = Path(np.__file__).parents[1]
    files = sorted(f for f in root.rglob("*") if f.suffix in TEXT_FILES or f.name == "METADATA")
    rng = np.random.default_rng(0)
    texts: list[str] = []
    while len(texts) < documents:
        for index in rng.permutation(len(files)):
            text = files[index].read_text(encoding="utf-8", errors="replace")
            wanted = characters or int(max(50, rng.lognormal(6.8, 0.8)))
            length = min(len(text), wanted)
            start = int(rng.integers(0, len(text) - length + 1))
            if length >= (characters or 50):
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
