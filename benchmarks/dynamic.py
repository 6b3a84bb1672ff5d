"""Dynamic against static sampling: a small model, a corpus with one hard and rare cluster, equal tokens.

    python benchmarks/dynamic.py

The corpus has eight clusters. In seven of them the next word hangs on the last one: each of a cluster's words has one
usual successor (85 %, else any word of the cluster). In the eighth, 3 % of the documents, it hangs on the last two: 576
pairs instead of 24 words have a usual successor each. So nothing can be learnt of it from the others, one pass shows
each pair only some twenty times, and it takes a model more steps; but its noise is that of the others, and a model
that knew the rules would have the same loss everywhere. That is what makes it hard, and worth drawing more often.

The model predicts a word from the three before it: embeddings, one hidden layer, softmax (Bengio et al. 2003). All runs
of a seed begin with the same weights and train on the same number of tokens: those of the corpus, once.

    static     the shards in their order: every document once
    even       shards of a plan with even clusters and the same clip, in their order (ClusterClip)
    dynamic    `DynamicData` on the shards of `static`; after every step, the mean loss of each cluster in the batch

Goals, for every seed: the share of the hard cluster rises, its validation loss falls below that of `static`, and no
document is used more often than the clip allows. Ends with status 1 where one is missed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parents[1]))

from curation.sampling.copies import copies
from curation.sampling.schedule import schedule
from curation.sampling.water_filling import fill, water_level
from curation.training.dynamic import DynamicData
from curation.training.static import TrainingData
from tests.training.folders import write_run

CLUSTERS, HARD, HARD_SHARE = 8, 7, 0.03
WORDS, CLUSTER_WORDS = 96, 24
USUAL = 0.85
DOCUMENTS, VALIDATION = 8000, 320
CLIP, BATCH, CONTEXT = 5, 16, 3


@dataclass(frozen=True)
class Result:
    """What a run came to."""

    losses: NDArray[np.float64]
    """float64[CLUSTERS]: validation loss in nats a word."""
    hard: tuple[float, ...]
    """Share of the hard cluster in the trained tokens, in each quarter of the run."""
    most: int
    """Uses of the document that was used most."""
    documents: int
    """Different documents that were used."""
    tokens: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rate", type=float, default=0.03)
    parser.add_argument("--cap", type=float, default=5.0)
    options = parser.parse_args()
    began, missed = time.perf_counter(), 0
    for seed in range(options.seeds):
        with tempfile.TemporaryDirectory() as folder:
            missed += compare(Path(folder), seed, options.rate, options.cap)
    print(f"{time.perf_counter() - began:.0f} s; {missed} goals missed")
    sys.exit(min(missed, 1))


def compare(folder: Path, seed: int, rate: float, cap: float) -> int:
    """Prints the three runs of a seed; the number of goals that were missed."""
    corpus = documents(seed)
    natural, even = (write_plan(folder / name, corpus, name == "even", seed) for name in ("static", "even"))
    budget = sum(document["tokens"] for document in corpus[:-VALIDATION])
    static = train(natural, fixed_order(natural), budget, seed, None)
    levelled = train(even, fixed_order(even), budget, seed, None)
    data = DynamicData(natural, BATCH, rate=rate, cap=cap, seed=seed, collate=ids_of)
    base = data.shares[HARD]
    dynamic = train(natural, data.batches(), budget, seed, data)
    print(f"\nseed {seed}: {budget:,} tokens; validation loss in nats a word, cluster {HARD} is the hard one")
    print(
        f"{'':10}"
        + "".join(f"{cluster:>7}" for cluster in range(CLUSTERS))
        + "    mean  hard cluster's share by quarter"
    )
    for name, result in (("static", static), ("even", levelled), ("dynamic", dynamic)):
        print(
            f"{name:10}" + "".join(f"{loss:7.3f}" for loss in result.losses) + f" {result.losses.mean():7.3f}  "
            f"{' '.join(f'{share:.1%}' for share in result.hard)}; {result.documents:,} documents, each at most "
            f"{result.most} times; {result.tokens:,} tokens",
            flush=True,
        )
    print(f"           share asked for at the end {data.shares[HARD]:.1%}, in the plan {base:.1%}")
    goals = {
        "the hard cluster's share rises": data.shares[HARD] > base and dynamic.hard[-1] > static.hard[-1],
        "its validation loss is below static": dynamic.losses[HARD] < static.losses[HARD],
        "no document above the clip": dynamic.most <= CLIP,
    }
    for goal, met in goals.items():
        print(f"           {goal}: {'yes' if met else 'NO'}")
    return sum(not met for met in goals.values())


# ---- the corpus -----------------------------------------------------------------------------------------------------


def documents(seed: int) -> list[dict[str, Any]]:
    """Documents of 40 to 80 words; the last ones, as many of each cluster, are for validation."""
    rng = np.random.default_rng(seed)
    words = [rng.permutation(WORDS)[:CLUSTER_WORDS] for _ in range(CLUSTERS)]
    after_one = [rng.integers(0, CLUSTER_WORDS, CLUSTER_WORDS) for _ in range(CLUSTERS)]
    after_two = rng.integers(0, CLUSTER_WORDS, (CLUSTER_WORDS, CLUSTER_WORDS))
    shares = np.full(CLUSTERS, (1 - HARD_SHARE) / (CLUSTERS - 1))
    shares[HARD] = HARD_SHARE
    clusters = [*rng.choice(CLUSTERS, DOCUMENTS, p=shares), *np.arange(VALIDATION) % CLUSTERS]
    found = []
    for cluster in clusters:
        places = rng.integers(0, CLUSTER_WORDS, rng.integers(40, 81))  # those that stay are the noise
        for at in np.flatnonzero(rng.random(len(places)) < USUAL):
            if at >= 2:
                last = places[at - 2 : at]
                places[at] = after_two[last[0], last[1]] if cluster == HARD else after_one[cluster][last[1]]
        text = " ".join(map(str, words[cluster][places]))
        found.append({"text": text, "domain": "synthetic", "cluster": int(cluster), "tokens": len(places)})
    return found


def write_plan(folder: Path, corpus: list[dict[str, Any]], even: bool, seed: int) -> str:
    """Writes a run whose plan draws the corpus once, as it is or with even clusters, in a stationary order."""
    training = corpus[:-VALIDATION]
    cluster = np.array([document["cluster"] for document in training], np.int32)
    tokens = np.array([document["tokens"] for document in training], np.int32)
    available = np.bincount(cluster, tokens, CLUSTERS)
    wish = np.full(CLUSTERS, 1 / CLUSTERS) if even else available / available.sum()
    target = fill(wish, available * CLIP, water_level(wish, available * CLIP, available.sum()))[:, None]
    numbers = np.arange(len(training))
    counts = copies(numbers, cluster, tokens, target, np.array([CLIP]), seed)
    drawn = schedule(numbers, cluster, tokens, counts, target, "stationary", seed).document.tolist()
    drawn += range(len(training), len(corpus))
    return str(write_run(folder, corpus, drawn, clip=CLIP, shard_rows=2048, validation=VALIDATION))


# ---- the trainer ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Batch:
    """Words to be predicted, row after row: their contexts, themselves, and the row of each."""

    contexts: Tensor
    words: Tensor
    row: Tensor
    clusters: Tensor
    doc_ids: list[int]


def ids_of(rows: list[dict[str, Any]]) -> Batch:
    """The contexts and words of some documents."""
    contexts, words, row = [], [], []
    for number, found in enumerate(rows):
        ids = torch.tensor([WORDS] * CONTEXT + [int(word) for word in found["text"].split()])
        contexts.append(ids.unfold(0, CONTEXT, 1)[:-1])
        words.append(ids[CONTEXT:])
        row.append(torch.full((len(ids) - CONTEXT,), number))
    clusters = torch.tensor([found["cluster"] for found in rows])
    return Batch(torch.cat(contexts), torch.cat(words), torch.cat(row), clusters, [found["doc_id"] for found in rows])


def fixed_order(run_dir: str) -> Iterator[Batch]:
    return TrainingData(run_dir, BATCH, collate=ids_of).batches()


def train(run_dir: str, batches: Iterator[Batch], budget: int, seed: int, listener: DynamicData | None) -> Result:
    """Trains a new model on the batches until the budget is spent; `listener` is told the losses."""
    torch.manual_seed(seed)
    model = nn.Sequential(
        nn.Embedding(WORDS + 1, 32), nn.Flatten(), nn.Linear(32 * CONTEXT, 256), nn.ReLU(), nn.Linear(256, WORDS)
    )
    optimiser = torch.optim.Adam(model.parameters(), lr=2e-3)
    uses: Counter[int] = Counter()
    trained = np.zeros((4, CLUSTERS))
    tokens = 0
    for batch in batches:
        each = nn.functional.cross_entropy(model(batch.contexts), batch.words, reduction="none")
        optimiser.zero_grad()
        each.mean().backward()
        optimiser.step()
        cluster = batch.clusters[batch.row]
        count = torch.bincount(cluster, minlength=CLUSTERS)
        if listener is not None:
            means = torch.bincount(cluster, each.detach(), CLUSTERS) / count
            listener.update({one: float(means[one]) for one in batch.clusters.unique().tolist()})
        trained[min(4 * tokens // budget, 3)] += count.numpy()
        tokens += len(batch.words)
        uses.update(batch.doc_ids)
        if tokens >= budget * 0.995:  # the last batch of an epoch may not be full
            break
    shares = trained[:, HARD] / trained.sum(axis=1)
    return Result(validation_losses(run_dir, model), tuple(shares), max(uses.values()), len(uses), tokens)


def validation_losses(run_dir: str, model: nn.Module) -> NDArray[np.float64]:
    sums, counts = np.zeros(CLUSTERS), np.zeros(CLUSTERS)
    with torch.no_grad():
        for batch in TrainingData(run_dir, BATCH, split="validation", drop_last=False, collate=ids_of).batches():
            each = nn.functional.cross_entropy(model(batch.contexts), batch.words, reduction="none")
            cluster = batch.clusters[batch.row].numpy()
            sums += np.bincount(cluster, each.numpy(), CLUSTERS)
            counts += np.bincount(cluster, minlength=CLUSTERS)
    losses: NDArray[np.float64] = sums / counts
    return losses


if __name__ == "__main__":
    main()
