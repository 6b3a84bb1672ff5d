"""Results of a made-up probe, in the shape of results.json, whose figures agree with one another."""

from __future__ import annotations

import math

import numpy as np

from curation.probe.clip import clip_guidance
from curation.probe.statistics import comparisons
from curation.probe.words import sentence

#: Strategies of a made-up probe: what each changes of the macro loss and of the natural one, in nats, and the share
#: of its drawn tokens that are repeated.
EFFECTS = {
    "random": (0.0, 0.0, 0.0),
    "uniform": (0.03, 0.12, 0.30),
    "cluster_clip_1": (-0.045, 0.03, 0.0),
    "cluster_clip_3": (-0.082, 0.06, 0.08),
    "cluster_clip_5": (-0.087, 0.09, 0.13),
    "cluster_clip_10": (-0.080, 0.10, 0.18),
    "cluster_clip_20": (-0.060, 0.11, 0.22),
    "groups_30": (-0.19, 0.14, 0.15),
    "temper": (-0.02, 0.01, 0.01),
}
DOMAINS = ("web", "news", "books", "law", "poems in Urdu")
PARAMETERS = {"clustering.clusters": 100, "sampling.cluster_exponent": 0.0}


def made_cells(effects, seeds=5, noise=0.01, shared=0.05, evaluator="ngram", domains=DOMAINS, seed=0):
    """Cells of a probe: every seed moves all strategies by the same, and each by some noise of its own."""
    rng = np.random.default_rng(seed)
    base = {name: 4.0 + 0.7 * rng.random() for name in domains}
    level = rng.normal(0, shared, seeds)
    return [
        _cell(rng, name, of, number, evaluator, base, level[number] + rng.normal(0, noise))
        for name, of in effects.items()
        for number in range(seeds)
    ]


def _cell(rng, name, effect, seed, evaluator, base, moved):
    macro, natural, repeated = effect
    by_domain = {
        domain: loss + moved + macro * 2 * (number + 1) / (len(base) + 1) + rng.normal(0, 0.003)
        for number, (domain, loss) in enumerate(base.items())
    }
    ordered = sorted(by_domain.values())
    mean = sum(ordered) / len(ordered)
    return {
        "strategy": name,
        "seed": seed,
        "evaluator": evaluator,
        "losses": {
            "macro_domain": float(mean),
            "macro_cluster": mean + 0.1,
            "macro_language": None,
            "worst_domain": ordered[-1],
            "p90_domain": ordered[math.ceil(0.9 * len(ordered)) - 1],
            "natural": 4.0 + moved + natural,
        },
        "worst_name": max(by_domain, key=by_domain.get),
        "by_domain": by_domain,
        "tokens": 2_500_000,
        "unique_tokens": round(2_500_000 * (1 - repeated)),
        "documents": 9000,
        "largest_copies": 1 if repeated == 0 else 5,
        "repeated_share": repeated,
    }


def made_results(effects=None, gpt=None, **of_cells) -> dict:
    """Results with all that a probe adds to its cells; `gpt`: the effects that a small GPT found in three seeds."""
    effects = EFFECTS if effects is None else effects
    cells = made_cells(effects, **of_cells)
    if gpt is not None:
        cells += made_cells(gpt, seeds=3, evaluator="gpt", seed=1)
    results = {
        "version": 1,
        "settings": {
            "budget_tokens": 2_500_000,
            "pool_tokens": 20_000_000,
            "pool_documents": 60_000,
            "validation_tokens": 500_000,
            "validation_documents": 1_200,
            "seeds": len({cell["seed"] for cell in cells}),
            "fraction": 1.0,
            "evaluators": ["ngram"] if gpt is None else ["ngram", "gpt"],
            "held_back": None,
            "baseline": "random",
        },
        "strategies": [{"name": name, "words": words_of(name), "parameters": parameters_of(name)} for name in effects],
        "cells": cells,
        "comparisons": comparisons(cells, "random"),
        "pilot": None,
    }
    results["clip"] = clip_guidance(results)
    results["sentence"] = sentence(results)
    return results


def words_of(name):
    return "the corpus as it is" if name == "random" else f"{name.replace('_', ' ')}, in words"


def parameters_of(name):
    kind, _, clip = name.rpartition("_")
    return {**PARAMETERS, "sampling.clip": int(clip)} if kind == "cluster_clip" else {"sampling.cluster_exponent": 1.0}
