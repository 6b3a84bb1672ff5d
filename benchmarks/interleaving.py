"""Draws a second of the interleavers, and how far each strays from the mixture that was asked for.

    python benchmarks/interleaving.py --draws 10_000_000 --sources 10 100 2000

D sources have quotas that fall as 1 / rank^exponent and sum to N draws. The worst deviation is the most that any
source is ahead of or behind its share after any draw: max over sources d and draws i of
|count_d(i) - i * quota_d / N|.

    ours, mixture `interleave` on the draws of each source, evenly spaced: gives what greedy gives, source and index
    ours          `schedule`, order `stationary`, on N documents of one token that lie in random order; it also puts
                  the documents of a source in random order, and gives documents instead of source and index
    greedy        Megatron's rule: the source that is furthest behind, argmax(w_d * max(i, 1) - count_d), the lowest d
                  of equals; a draw costs O(D), so it is timed on fewer draws where D is large
    iid           `rng.choice` in blocks of 1,000, as Hugging Face `interleave_datasets` does; it gives sources only
    paper's loop  ClusterClip's: a source at random among those that are not spent, its next document, clip 1. It is
                  not meant to keep the mixture (small sources are spent first); its deviation says by how much

The loops are compiled by Numba before they are timed. The process keeps to one core (on Linux), and the methods take
turns in every round, so that a busy machine slows all. Rates are medians of the rounds, by the clock and by
core-second of CPU time; the ratio to greedy is the median of the rounds' ratios of CPU time. Goals: ours at least 5
million draws/s at every D; at D = 2000 a deviation of at most 5, and at least 15 times the speed of greedy.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[1]))

from curation import counter_rng
from curation.sampling.interleave import interleave
from curation.sampling.schedule import schedule

#: The smallest quota.
LEAST = 20
#: Numbers that greedy may compare, and draws of the loop in plain Python, in one timing.
GREEDY_WORK, PYTHON_DRAWS = 4_000_000_000, 500_000
IID_BLOCK = 1000

Quotas = NDArray[np.int64]
Sources = NDArray[Any]


@dataclass(frozen=True)
class Method:
    """One way to interleave."""

    name: str
    draws: int
    """Draws that are timed, of as many as the quotas sum to."""
    run: Callable[[], Any]
    """What is timed."""
    sources: Callable[[Any], Sources] = lambda result: result
    """integers[draws]: the source of each draw, from what `run` returned."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=10_000_000)
    parser.add_argument("--sources", type=int, nargs="+", default=[10, 100, 2000])
    parser.add_argument("--exponent", type=float, default=1.0, help="0: even quotas; 1: as words in a text (Zipf)")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    if options.draws < 2 * LEAST * max(options.sources):
        parser.error(f"--draws must be at least {2 * LEAST} a source")
    check_deviation()  # compiles the loops, too
    print(
        f"{options.draws:,} draws, exponent {options.exponent}, median of {options.rounds} rounds, {pinned()}, "
        f"load {os.getloadavg()[0]:.2f}"
    )
    print(
        f"{'method':20} {'D':>5} {'timed draws':>12} {'draws/s':>12} {'a core-second':>14} {'deviation':>12} "
        f"{'x greedy':>9}"
    )
    for sources in options.sources:
        compare(quotas(options.draws, sources, options.exponent), options.rounds)


def pinned() -> str:
    """Keeps the process, and the threads it starts from now on, to one core, where the system can do that."""
    if not hasattr(os, "sched_setaffinity"):
        return "not kept to one core"
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    return "on one core"


def quotas(draws: int, sources: int, exponent: float) -> Quotas:
    """int64[sources]: `LEAST` each, and of the rest a share as 1 / rank^exponent; in random order; sum `draws`."""
    share = (np.random.default_rng(0).permutation(sources) + 1.0) ** -exponent
    ends = np.round(np.cumsum(share) / share.sum() * (draws - LEAST * sources)).astype(np.int64)
    ends[1:] -= ends[:-1].copy()
    quota: Quotas = ends + LEAST
    return quota


def methods(quota: Quotas) -> list[Method]:
    draws, sources = int(quota.sum()), len(quota)
    weights = quota / draws
    rng = np.random.default_rng(0)
    doc_id = np.arange(draws)
    cell = rng.permutation(np.repeat(np.arange(sources, dtype=np.int32), quota))
    tokens, counts = np.ones(draws, np.int32), np.ones(draws, np.int16)
    pace = quota[:, None].astype(np.float64)
    few, fewest = min(draws, GREEDY_WORK // sources), min(draws, PYTHON_DRAWS)
    return [
        Method("ours, mixture", draws, lambda: even_mixture(quota), lambda drawn: drawn[0]),
        Method(
            "ours",
            draws,
            lambda: schedule(doc_id, cell, tokens, counts, pace, "stationary", seed=0),
            lambda drawn: cell[drawn.document],
        ),
        Method("greedy", few, lambda: greedy(weights, few), lambda drawn: drawn[0]),
        Method("iid", draws, lambda: iid(weights, draws)),
        Method("paper's loop", draws, lambda: paper_loop(quota, draws, 0), lambda drawn: drawn[0]),
        Method("paper's loop, Python", fewest, lambda: np.array(paper_loop_in_python(quota.tolist(), fewest))),
    ]


def compare(quota: Quotas, rounds: int) -> None:
    """Prints a line for each method."""
    compared, weights = methods(quota), quota / quota.sum()
    seconds: dict[str, list[tuple[float, float]]] = {method.name: [] for method in compared}
    deviation: dict[str, float] = {}
    for _ in range(rounds):
        for method in compared:
            spent, result = timed(method.run)
            seconds[method.name].append((spent[0] / method.draws, spent[1] / method.draws))
            if method.name not in deviation:  # the same in every round
                deviation[method.name] = worst_deviation(method.sources(result).astype(np.int32), weights)
            del result
    for method in compared:
        clock, cpu = (1 / statistics.median(spent[which] for spent in seconds[method.name]) for which in (0, 1))
        both = zip(seconds["greedy"], seconds[method.name], strict=True)
        ratio = statistics.median(theirs[1] / ours[1] for theirs, ours in both)
        print(
            f"{method.name:20} {len(quota):5d} {method.draws:12,} {clock:12,.0f} {cpu:14,.0f} "
            f"{deviation[method.name]:12,.2f} {ratio:9.2f}",
            flush=True,
        )


def timed(work: Callable[[], Any]) -> tuple[tuple[float, float], Any]:
    """Seconds by the clock and of CPU time, and what the work returned."""
    clock, cpu = time.perf_counter(), time.process_time()
    result = work()
    return (time.perf_counter() - clock, time.process_time() - cpu), result


def even_mixture(quota: Quotas) -> tuple[Sources, Sources]:
    """Our own rule on quotas alone: the source of each draw, and how many draws the source gave before."""
    source_of = np.repeat(np.arange(len(quota), dtype=np.int32), quota)
    index_of = np.arange(len(source_of), dtype=np.int32) - np.repeat((np.cumsum(quota) - quota).astype(np.int32), quota)
    phase = counter_rng.uniform(0, "sampling.phase", np.arange(len(quota)))
    keys = (index_of + phase[source_of]) / quota[source_of]
    source, index = np.empty_like(source_of), np.empty_like(index_of)
    for part, places in interleave(keys, quota, np.zeros(len(quota)), np.ones(len(quota))):
        source_of.take(places, out=source[part], mode="clip")
        index_of.take(places, out=index[part], mode="clip")
    return source, index


@njit()
def greedy(weights: NDArray[np.float64], draws: int) -> tuple[Sources, Sources]:
    """Megatron's rule: the source of each draw, and how many draws the source gave before."""
    count = np.zeros(len(weights), np.int64)
    source, index = np.empty(draws, np.int32), np.empty(draws, np.int64)
    for i in range(draws):
        due = float(max(i, 1))
        best, furthest = 0, weights[0] * due - count[0]
        for d in range(1, len(weights)):
            behind = weights[d] * due - count[d]
            if behind > furthest:
                best, furthest = d, behind
        source[i], index[i] = best, count[best]
        count[best] += 1
    return source, index


def iid(weights: NDArray[np.float64], draws: int) -> Sources:
    """The source of each draw, by chance."""
    rng = np.random.default_rng(0)
    source = np.empty(draws, np.int32)
    for start in range(0, draws, IID_BLOCK):
        block = source[start : start + IID_BLOCK]
        block[:] = rng.choice(len(weights), size=IID_BLOCK, p=weights)[: len(block)]
    return source


@njit()
def paper_loop(quota: Quotas, draws: int, seed: int) -> tuple[Sources, Sources]:
    """ClusterClip's loop: the source of each draw, and how many draws the source gave before."""
    np.random.seed(seed)
    active, count = np.arange(len(quota)), np.zeros(len(quota), np.int64)
    left = len(quota)
    source, index = np.empty(draws, np.int32), np.empty(draws, np.int64)
    for i in range(draws):
        place = np.random.randint(0, left)
        chosen = active[place]
        source[i], index[i] = chosen, count[chosen]
        count[chosen] += 1
        if count[chosen] == quota[chosen]:
            left -= 1
            active[place] = active[left]
    return source, index


def paper_loop_in_python(quota: list[int], draws: int) -> list[int]:
    """The same loop for the interpreter: the source of each draw."""
    rng = random.Random(0)
    active, left = list(range(len(quota))), list(quota)
    source = []
    for _ in range(draws):
        place = rng.randrange(len(active))
        chosen = active[place]
        source.append(chosen)
        left[chosen] -= 1
        if not left[chosen]:
            active[place] = active[-1]
            active.pop()
    return source


@njit()
def worst_deviation(source: Sources, weights: NDArray[np.float64]) -> float:
    """Max over d and i of |count_d(i) - i * weights_d|, count_d(i) being the draws from d among the first i.

    Between two draws from d its count stands still and i * weights_d grows evenly, so the distance is convex in i and
    largest at either end: just after a draw from d, or just before the next one (or at the end of all draws). So it is
    enough to look at the source that is drawn, before and after: O(draws + sources), not O(draws * sources).
    """
    count = np.zeros(len(weights), np.int64)
    worst = 0.0
    for i in range(len(source)):
        d = source[i]
        worst = max(worst, abs(count[d] - i * weights[d]))
        count[d] += 1
        worst = max(worst, abs(count[d] - (i + 1) * weights[d]))
    for d in range(len(weights)):
        worst = max(worst, abs(count[d] - len(source) * weights[d]))
    return worst


def check_deviation() -> None:
    """On a small case, the deviation of every method is what its definition says."""
    quota = quotas(2000, 12, 1.0)
    weights = quota / quota.sum()
    for method in methods(quota):
        source = method.sources(method.run()).astype(np.int32)
        counts = np.cumsum(source[:, None] == np.arange(len(quota)), axis=0)
        brute = np.abs(counts - np.arange(1, len(source) + 1)[:, None] * weights).max()
        found = worst_deviation(source, weights)
        if abs(found - brute) > 1e-9:
            raise AssertionError(f"{method.name}: deviation {found}, and by its definition {brute}")


if __name__ == "__main__":
    main()
