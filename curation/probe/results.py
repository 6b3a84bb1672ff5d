"""What a probe leaves: its results as one JSON, put together from the cells, and how a pilot foretold a whole probe.

`RUN_DIR/probe/<key>/results.json`; `RUN_DIR/probe/latest.json` names the last one. The same run and settings give the
same bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from curation.config import Job
from curation.probe.clip import clip_guidance
from curation.probe.figures import TARGETS, Scope, difference_errors
from curation.probe.pool import Pool
from curation.probe.statistics import comparisons
from curation.probe.strategies import BASELINE, Strategy
from curation.probe.trials import BY_DOCUMENT, Plan, done_cell
from curation.probe.words import sentence
from curation.storage.store import Store

RESULTS_VERSION = 1
#: Names the last probe of a run.
LATEST = "probe/latest.json"
#: Strategies that two probes must share for their orders to be compared.
LEAST_SHARED = 3


def results_name(key: str) -> str:
    """The file of a probe's results."""
    return f"probe/{key}/results.json"


def settings_of(
    pool: Pool, plan: Plan, job: Job, fraction: float, seeds: dict[str, int], target: str
) -> dict[str, Any]:
    """What results.json says of how it was done."""
    held = sorted({index for fold in plan.folds for index in fold.held_back})
    return {
        "budget_tokens": plan.budget,
        "pool_tokens": len(pool.text.tokens),
        "pool_documents": len(pool.doc_id),
        "validation_tokens": len(pool.validation.text.tokens),
        "validation_documents": len(pool.validation.domain),
        "seeds": max(seeds.values()),
        "fraction": fraction,
        "evaluators": list(seeds),
        "held_back": [job.domains[index] for index in held] or None,
        "folds": len(plan.folds),
        "baseline": BASELINE,
        "target": target,
    }


def build_results(
    store: Store,
    plan: Plan,
    strategies: Sequence[Strategy],
    seeds: dict[str, int],
    settings: dict[str, Any],
    scope: Scope,
) -> dict[str, Any]:
    """results.json of a probe whose cells, taken over `scope`, are all done; but for its `pilot` and `debt`."""
    whole = [
        cell
        for evaluator, count in seeds.items()
        for strategy in strategies
        for seed in range(count)
        if (cell := done_cell(store, plan, strategy, seed, evaluator)) is not None
    ]
    cells = [{name: value for name, value in cell.items() if name not in ("key", BY_DOCUMENT)} for cell in whole]
    compared = comparisons(cells, BASELINE, text_errors(whole, scope))
    first = next(iter(seeds))
    results: dict[str, Any] = {
        "version": RESULTS_VERSION,
        "settings": settings,
        "strategies": [vars(strategy) for strategy in strategies],
        "cells": cells,
        "comparisons": compared,
        "price": {
            row["strategy"]: row["difference"]
            for row in compared
            if (row["evaluator"], row["metric"]) == (first, "natural")
        },
    }
    results["clip"] = clip_guidance(results)
    results["sentence"] = sentence(results)
    return results | {"pilot": None, "debt": None}


def text_errors(cells: Sequence[dict[str, Any]], scope: Scope) -> dict[tuple[str, str, str], float]:
    """How far off each comparison is by the choice of validation text, by evaluator, metric and strategy."""
    losses: dict[tuple[str, str], list[list[float]]] = {}
    for cell in cells:
        losses.setdefault((cell["evaluator"], cell["strategy"]), []).append(cell[BY_DOCUMENT])
    means = {name: np.mean(of, axis=0) for name, of in losses.items()}
    return {
        (evaluator, metric, strategy): error
        for (evaluator, strategy), mean in means.items()
        for metric, error in difference_errors(scope, mean - means[evaluator, BASELINE]).items()
    }


def pilot_of(store: Store, key: str, results: dict[str, Any]) -> dict[str, Any] | None:
    """How well a probe of a part of the corpus foretells one of the whole, by the order of the strategies.

    Of a part: against the whole probe with most strategies in common; of the whole: against such a part. None where
    there is no other probe of the same kind.

    Returns:
        `fraction` and `whole_key` of the two, `rank_correlation` of the strategies' mean target losses (Spearman), by
        the first evaluator of both, and `strategies` that both have.
    """
    from scipy.stats import spearmanr

    metric = TARGETS[results["settings"]["target"]]
    own = mean_losses(results, metric)
    best: dict[str, Any] | None = None
    for other_key, other in _others(store, key, results):
        theirs = mean_losses(other, metric)
        shared = [name for name in own if name in theirs]
        if len(shared) < LEAST_SHARED or (best and len(shared) <= len(best["strategies"])):
            continue
        part = min((results, other), key=lambda one: float(one["settings"]["fraction"]))
        found = spearmanr([own[name] for name in shared], [theirs[name] for name in shared]).statistic
        best = {
            "fraction": part["settings"]["fraction"],
            "whole_key": other_key if part is results else key,
            "rank_correlation": None if np.isnan(found) else round(float(found), 4),
            "strategies": shared,
        }
    return best


def _others(store: Store, key: str, results: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Probes of the run that are of the whole where this one is of a part, and the other way round; by their key."""
    is_part = results["settings"]["fraction"] < 1
    for name in sorted(store.list("probe")):
        if not name.endswith("/results.json") or name == results_name(key):
            continue
        other = store.read_json(name)
        settings = other["settings"]
        same = all(settings.get(one) == results["settings"].get(one) for one in ("held_back", "folds"))
        if same and (settings["fraction"] < 1) != is_part and not (is_part and settings["fraction"] < 1):
            yield name.split("/")[1], other


def mean_losses(results: dict[str, Any], metric: str) -> dict[str, float]:
    """The mean over seeds of a loss by the first evaluator; strategies that have none of it are left out."""
    first = results["settings"]["evaluators"][0]
    found: dict[str, list[float]] = {}
    for cell in results["cells"]:
        if cell["evaluator"] == first and cell["losses"][metric] is not None:
            found.setdefault(cell["strategy"], []).append(cell["losses"][metric])
    return {name: float(np.mean(losses)) for name, losses in found.items()}
