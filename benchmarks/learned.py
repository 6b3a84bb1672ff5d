"""Learned weights on a labelled corpus: the share of what balancing the true domains wins, and the time it takes.

    python benchmarks/learned.py CORPUS FOLDER [--tokens 2500000] [--seeds 1] [--clusters 300]
        [--only STRATEGY ...] [--set KEY=VALUE ...]

CORPUS holds a Parquet file a domain, as `benchmarks/labelled.py` makes them. Of each domain HELD documents are taken
out before anything else is done; the rest is the corpus of a job in FOLDER that is run once a strategy. What each
strategy's schedule draws trains an n-gram model (`curation.language_model`), which is scored on the documents taken
out. The macro loss is the mean over domains. The gain of the oracle, even weights of the true domains, is what the
others' are a share of, from random on, so `--only` needs both of these. `learned domains` has the labels too, and is to
find what they are worth; `learned clusters` draws by clusters, and knows the labels of its validation texts only.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from curation.bpe import train_bpe
from curation.counter_rng import keys
from curation.language_model.encoding import encode
from curation.language_model.ngram import questions
from curation.language_model.ngram_pool import answers, losses

#: Documents of a domain that are taken out, and at most this share of them.
HELD, HELD_SHARE = 60, 0.2
VOCABULARY, VOCABULARY_TEXTS = 4096, 10_000

STRATEGIES = {
    "random": ["sampling.method=random"],
    "oracle": ["blending.weights=even", "sampling.cluster_exponent=1"],
    "ClusterClip": [],
    "learned domains": ["blending.weights=learned", "sampling.cluster_exponent=1"],
    "learned clusters": ["sampling.cluster_weights=learned"],
}


def take_out(corpus: Path, folder: Path) -> tuple[list[str], list[str], list[str]]:
    """Writes the corpus without the documents for scoring; the domains, and text and domain of those documents."""
    (folder / "corpus").mkdir(parents=True, exist_ok=True)
    domains, texts, labels = [], [], []
    for file in sorted(corpus.glob("*.parquet")):
        found = pq.read_table(file, columns=["text"])["text"]
        order = np.argsort(keys(0, f"benchmark.{file.stem}", np.arange(len(found))))
        held = np.sort(order[: min(HELD, int(HELD_SHARE * len(found)))])
        rest = np.ones(len(found), np.bool_)
        rest[held] = False
        pq.write_table(pa.table({"text": found.filter(pa.array(rest))}), folder / "corpus" / file.name)
        domains.append(file.stem)
        texts += found.take(pa.array(held)).to_pylist()
        labels += [file.stem] * len(held)
    return domains, texts, labels


def write_job(folder: Path, domains: list[str], args: argparse.Namespace) -> Path:
    """The job file; a strategy and a seed are what `--set` adds."""
    job = {
        "run_dir": "",
        "split_bytes": 8_000_000,
        "sources": [{"domain": name, "path": str(folder / "corpus" / f"{name}.parquet")} for name in domains],
        "embedding": {"model": "lexical"},
        "clustering": {"clusters": args.clusters},
        "sampling": {"budget": {"tokens": args.tokens}},
        "audit": {"languages": False},
    }
    path = folder / "job.yaml"
    path.write_text(yaml.safe_dump(job, sort_keys=False))
    return path


def drawn(run_dir: Path) -> np.ndarray:
    """How often each document is drawn, by doc_id."""
    parts = sorted((run_dir / "schedule").glob("part-*.parquet"))
    doc_id = np.concatenate([pq.read_table(part, columns=["doc_id"])["doc_id"].to_numpy() for part in parts])
    return np.bincount(doc_id)


def scores(
    folder: Path, domains: list[str], copies: dict[str, np.ndarray], texts: list[str], labels: list[str]
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The domains' names, and for each strategy the loss on each of them: float64[domains]."""
    pool = [
        text for name in domains for text in pq.read_table(folder / "corpus" / f"{name}.parquet")["text"].to_pylist()
    ]
    used = np.unique(np.concatenate([np.flatnonzero(count) for count in copies.values()]))
    some = np.random.default_rng(0).choice(len(pool), min(VOCABULARY_TEXTS, len(pool)), replace=False)
    bpe = train_bpe([pool[i] for i in np.sort(some)], VOCABULARY)
    held = encode(bpe, texts)
    asked = questions(held, vocabulary=VOCABULARY)
    compiled = answers(asked, encode(bpe, [pool[i] for i in used]))
    names, place = np.unique(labels, return_inverse=True)
    tokens = held.lengths
    found = {}
    for name, count in copies.items():
        lost = losses(asked, compiled, np.pad(count, (0, len(pool) - len(count)))[used])
        found[name] = np.bincount(place, lost * tokens) / np.bincount(place, tokens)
    return names, found


def main() -> None:
    """Runs every strategy for every seed, and prints the shares of the oracle's gain."""
    parser = argparse.ArgumentParser()
    parser.add_argument("corpus", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tokens", type=int, default=2_500_000)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--clusters", type=int, default=300)
    parser.add_argument("--only", nargs="+", choices=list(STRATEGIES), default=list(STRATEGIES))
    parser.add_argument("--set", nargs="*", default=[])
    args = parser.parse_args()
    if missing := {"random", "oracle"} - set(args.only):
        parser.error(f"--only lacks {' and '.join(sorted(missing))}, which shares are computed of")
    domains, texts, labels = take_out(args.corpus, args.folder)
    path = write_job(args.folder, domains, args)
    for seed in range(args.seeds):
        run_dir = args.folder / f"run-{seed}"
        copies = {}
        for name in args.only:
            given = [f"run_dir={run_dir}", f"seed={seed}", *args.set, *STRATEGIES[name]]
            begun = time.monotonic()
            command = [sys.executable, "-m", "curation.cli", "run", str(path)]
            command += [part for one in given for part in ("--set", one)]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            copies[name] = drawn(run_dir)
            told = json.loads((run_dir / "learned/_done.json").read_text())
            if "learned" in name:
                print(f"{name}: stage {told['seconds']:.0f} s, run {time.monotonic() - begun:.0f} s")
        names, found = scores(args.folder, domains, copies, texts, labels)
        macro = {name: float(lost.mean()) for name, lost in found.items()}
        gain = macro["random"] - macro["oracle"]
        for name, lost in found.items():
            share = (macro["random"] - macro[name]) / gain
            worst = names[int(lost.argmax())]
            print(f"seed {seed}  {name:18} macro {macro[name]:.4f}  share {share:7.1%}  worst {lost.max():.3f} {worst}")


if __name__ == "__main__":
    main()
