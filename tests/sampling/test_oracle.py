"""The plan against the paper's own loop (ClusterClip, arXiv 2402.14526).

The loop: until the budget is spent, pick one of the active clusters at random and take its next context; a cluster's
documents are gone through in random order, again and again, each at most `clip` times; then the cluster is dropped.
A context is a fixed number of tokens, as a trainer reads them.

`loop` is that, word by word, and slow. What it takes from each cluster depends on its documents only by how many
contexts they make, so `contexts_taken` needs just these, and draws from exactly the same law: give each cluster an
independent Poisson process of rate 1, cut after as many arrivals as it has contexts, and merge them by time. The
next arrival is equally likely to come from each of the clusters that are not spent, because exponential waiting
times have no memory. One run is one sort of arrival times; the first test compares the two.

The mean of the loop is not the plan exactly: a cluster whose limit lies within the loop's own fluctuation of the
level (its square root) is spent in some runs and not in others, so the mean falls short of both; the others make up
for it. That part is of order 1 / sqrt(contexts a cluster), 0.4 / sqrt(1000) = 1.3 % of such a cluster. So corpora
have a mean of at least 1,000 contexts drawn a cluster, which is small: 512,000 tokens in contexts of 512.
"""

from __future__ import annotations

import numpy as np
import pytest

from curation.sampling.copies import copies
from curation.sampling.schedule import schedule

from .corpora import Corpus, plan
from .test_copies import promises_hold

CORPORA = 200
RUNS = 60
CONTEXT = 512


def loop(corpus: Corpus, clip: int, contexts: int, rng: np.random.Generator) -> np.ndarray:
    """Contexts taken from each cluster by the paper's loop; checks on the way that no document passes the clip."""
    taken = np.zeros(corpus.clusters, dtype=np.int64)
    members = [rng.permutation(np.flatnonzero(corpus.cluster == c)) for c in range(corpus.clusters)]
    uses = np.zeros(len(corpus.tokens), dtype=np.int64)
    turn = np.zeros(corpus.clusters, dtype=np.int64)  # documents begun
    rest = np.zeros(corpus.clusters, dtype=np.int64)  # tokens left of the document that was begun
    active = [c for c in range(corpus.clusters) if len(members[c])]
    for _ in range(contexts):
        c = active[rng.integers(len(active))]
        wanted = CONTEXT
        while wanted:
            if rest[c] == 0:
                document = members[c][turn[c] % len(members[c])]
                turn[c] += 1
                uses[document] += 1
                rest[c] = corpus.tokens[document]
            step = min(wanted, rest[c])
            wanted, rest[c] = wanted - step, rest[c] - step
        taken[c] += 1
        if rest[c] == 0 and turn[c] == clip * len(members[c]):
            active.remove(c)
    assert uses.max() <= clip
    return taken


def contexts_taken(limits: np.ndarray, contexts: int, level: float, runs: int, rng: np.random.Generator) -> np.ndarray:
    """Contexts taken from each cluster in each of many runs of the loop: int64[runs, clusters].

    Args:
        limits: contexts that each cluster can give, clip times its documents.
        contexts: contexts to take in all, at most the sum of the limits.
        level: about how many are taken from a cluster that is not spent; says how many arrivals to draw.
        runs: number of runs.
        rng: the generator.
    """
    arrivals = min(int(level + 8 * np.sqrt(level) + 50), int(limits.max()))
    spent = np.arange(arrivals) >= limits[:, None]
    taken = np.empty((runs, len(limits)), dtype=np.int64)
    for run in range(runs):
        time = np.cumsum(rng.standard_exponential((len(limits), arrivals)), axis=1)
        time[spent] = np.inf
        end = np.partition(time.ravel(), contexts - 1)[contexts - 1]
        taken[run] = (time <= end).sum(axis=1)
        # Nobody may have run out of arrivals that were not drawn.
        assert ((taken[run] < arrivals) | (limits <= arrivals)).all()
    return taken


def random_problem(seed: int) -> tuple[Corpus, int, int]:
    """A corpus, a clip, and a budget in contexts.

    2 to 50 clusters of log-normal or Zipf-like sizes, each a whole number of contexts (its last document evens it
    out); 1 to 4 domains; documents of log-normal length, mean 2 contexts; clip 1 to 8; 0.2 to min(clip, 3) epochs.
    Every fifth is the hard case: clusters of nearly one size, of which nearly all that the clip allows is drawn, so
    that for each it is a matter of luck whether it is spent.
    """
    rng = np.random.default_rng(seed)
    clusters, domains, clip = int(rng.integers(2, 51)), int(rng.integers(1, 5)), int(rng.integers(1, 9))
    epochs = float(rng.uniform(0.2, min(clip, 3)))
    if seed % 5 == 0:
        clip = int(rng.integers(1, 4))
        epochs = clip * float(rng.uniform(0.9, 1))
        weight = rng.uniform(0.95, 1.05, clusters)
    elif rng.random() < 0.5:
        weight = np.arange(1, clusters + 1) ** -rng.uniform(0.2, 1.5)
    else:
        weight = rng.lognormal(0, rng.uniform(0.1, 1.5), clusters)
    sizes = np.maximum(1, np.round(weight / weight.mean() * rng.uniform(1000, 1200) / epochs)).astype(np.int64)
    spread = rng.uniform(0.1, 1.5)
    lengths, owners = [], []
    for c, size in enumerate(sizes * CONTEXT):
        many = np.maximum(1, rng.lognormal(np.log(2 * CONTEXT) - spread**2 / 2, spread, size // CONTEXT + 10))
        ends = np.minimum(np.cumsum(many.astype(np.int64)), size)
        ends = np.append(ends[: np.searchsorted(ends, size)], size)
        lengths.append(np.diff(ends, prepend=0))
        owners.append(np.full(len(ends), c))
    tokens = np.concatenate(lengths).astype(np.int32)
    arrival = rng.permutation(len(tokens))
    corpus = Corpus(
        np.arange(len(tokens)),
        np.concatenate(owners).astype(np.int32)[arrival],
        rng.integers(0, domains, len(tokens)).astype(np.int16),
        tokens[arrival],
        clusters,
        domains,
    )
    return corpus, clip, int(epochs * sizes.sum())


def cluster_contexts(corpus: Corpus) -> np.ndarray:
    """Contexts that one pass over each cluster gives."""
    return corpus.cell_tokens.sum(axis=1) // CONTEXT


def test_the_quick_loop_has_the_law_of_the_loop():
    """Mean and spread of what each cluster gives, over 1,500 runs of either."""
    rng = np.random.default_rng(0)
    sizes = np.array([3, 6, 10, 12, 40])  # contexts; documents of a third, a whole, and two contexts
    tokens = np.concatenate(
        [[CONTEXT // 4, CONTEXT - CONTEXT // 4] * (n // 3) + [CONTEXT] * (n - n // 3) for n in sizes]
    )
    owners = np.repeat(np.arange(5), [n + n // 3 for n in sizes])
    corpus = Corpus(np.arange(len(tokens)), owners, np.zeros(len(tokens), np.int16), tokens, 5, 1)
    assert cluster_contexts(corpus).tolist() == sizes.tolist()
    slow = np.array([loop(corpus, 2, 70, rng) for _ in range(1500)])
    quick = contexts_taken(2 * sizes, 70, level=40.0, runs=1500, rng=rng)
    for taken in (slow, quick):
        assert (taken.sum(axis=1) == 70).all()
        assert (taken <= 2 * sizes).all()
    noise = np.sqrt((slow.var(axis=0) + quick.var(axis=0)) / 1500)
    assert (np.abs(slow.mean(axis=0) - quick.mean(axis=0)) < 5 * noise + 1e-9).all()
    spent = np.array([(slow == 2 * sizes).mean(axis=0), (quick == 2 * sizes).mean(axis=0)])
    assert ((spent > 0.1) & (spent < 0.9)).any()  # for some cluster the cap is a matter of luck
    assert (np.abs(spent[0] - spent[1]) < 5 * np.sqrt(2 * 0.25 / 1500)).all()
    varied = slow.std(axis=0) > 1
    assert quick.std(axis=0)[varied] == pytest.approx(slow.std(axis=0)[varied], rel=0.15)


def test_the_plan_keeps_its_promises_and_agrees_with_the_loop(capsys):
    gaps, noises, worst = np.empty(CORPORA), np.empty(CORPORA), ""
    for seed in range(CORPORA):
        corpus, clip, contexts = random_problem(seed)
        budget = contexts * CONTEXT
        got = plan(corpus, budget / corpus.tokens.sum(), clip)
        assert got.total == pytest.approx(budget, rel=1e-12)
        counts = keeps_its_promises(corpus, clip, got)
        planned = got.target.sum(axis=1)
        realised = corpus.totals(counts).reshape(got.target.shape).sum(axis=1)
        assert np.abs(realised - planned).sum() / budget < 0.02
        taken = contexts_taken(
            clip * cluster_contexts(corpus),
            contexts,
            got.pace.sum(axis=1).max() / CONTEXT,
            RUNS,
            np.random.default_rng([seed, 1]),
        )
        mean = taken.mean(axis=0) * CONTEXT
        gaps[seed] = np.abs(mean - planned).sum() / budget
        # The mean absolute error of a mean of RUNS normal numbers.
        error = taken.std(axis=0, ddof=1) / np.sqrt(RUNS) * np.sqrt(2 / np.pi) * CONTEXT
        noises[seed] = error.sum() / budget
        if gaps[seed] == gaps[: seed + 1].max():
            worst = (
                f"seed {seed}: {corpus.clusters} clusters, clip {clip}, {budget / corpus.tokens.sum():.2f} epochs, "
                f"{contexts / corpus.clusters:.0f} contexts a cluster, {got.clipped.any(axis=1).sum()} spent"
            )
    with capsys.disabled():
        print(
            f"\noracle: {CORPORA} corpora x {RUNS} runs of the loop; token-weighted gap to the plan: "
            f"mean {gaps.mean():.2%}, max {gaps.max():.2%}; the loop's Monte-Carlo noise in it: "
            f"mean {noises.mean():.2%}, max {noises.max():.2%}"
            f"\noracle: the worst is {worst}, noise {noises[gaps.argmax()]:.2%}"
        )
    assert gaps.max() < 0.02


def keeps_its_promises(corpus: Corpus, clip: int, got) -> np.ndarray:
    """The copies; checked, and scheduled, with no document used r + 2 times before all of its cell were r + 1."""
    counts = copies(corpus.doc_id, corpus.cell, corpus.tokens, got.target, np.full(corpus.domains, clip), seed=0)
    promises_hold(corpus, got.target, clip, counts)
    drawn = schedule(corpus.doc_id, corpus.cell, corpus.tokens, counts, got.pace, "general_to_specific", seed=0)
    assert np.array_equal(np.bincount(drawn.document, minlength=len(counts)), counts)
    by_cell = np.argsort(corpus.cell[drawn.document], kind="stable")
    repetition, cell = drawn.repetition[by_cell], corpus.cell[drawn.document][by_cell]
    assert (np.diff(repetition)[np.diff(cell) == 0] >= 0).all()
    return counts
