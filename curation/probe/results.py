"""What a probe leaves: its results as one JSON, put together from the cells, and how a pilot foretold a whole probe.

`RUN_DIR/probe/<key>/results.json`; `RUN_DIR/probe/latest.json` names the last one. The same run and settings give the
same bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from curation.config import Job
from curation.probe.asked import Asked
from curation.probe.clip import clip_guidance
from curation.probe.figures import TARGETS, Scope, difference_errors
from curation.probe.pool import Pool
from curation.probe.statistics import comparisons
from curation.probe.strategies import BASELINE, Strategy
from curation.probe.trials import BY_DOCUMENT, Plan, done_cell
from curation.probe.words import sentence
from curation.report.probe_results import main_evaluator, mean_losses
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
    pool: Pool, plan: Plan, job: Job, data: str, asked: Asked, epochs: float, target: str
) -> dict[str, Any]:
    """What results.json says of how it was done; `data` is what it was of, as `data_key` names it."""
    held = sorted({index for fold in plan.folds for index in fold.held_back})
    return {
        "budget_tokens": plan.budget,
        "pool_tokens": len(pool.text.tokens),
        "pool_documents": len(pool.doc_id),
        "validation_tokens": len(pool.validation.text.tokens),
        "validation_documents": len(pool.validation.domain),
        "epochs": round(epochs, 6),
        "pool": pool.key,
        "data": data,
        "seed": asked.seed,
        "seeds": max(asked.seeds.values()),
        "fraction": asked.fraction,
        "evaluators": list(asked.seeds),
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
    """results.json of a probe whose cells, taken over `scope`, are all done; but for its `pilot`."""
    whole = [
        cell
        for evaluator, count in seeds.items()
        for strategy in strategies
        for seed in range(count)
        if (cell := done_cell(store, plan, strategy, seed, evaluator)) is not None
    ]
    cells = [{name: value for name, value in cell.items() if name not in ("key", BY_DOCUMENT)} for cell in whole]
    results: dict[str, Any] = {
        "version": RESULTS_VERSION,
        "settings": settings,
        "strategies": [vars(strategy) for strategy in strategies],
        "cells": cells,
        "comparisons": comparisons(cells, BASELINE, text_errors(whole, scope)),
    }
    results["clip"] = clip_guidance(results)
    results["sentence"] = sentence(results)
    return results | {"pilot": None}


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

    Of a part: against a whole probe; of the whole: against one of a part. Of several that with most strategies in
    common is taken, of these the one of the largest part, then that which draws the most similar number of epochs.
    None where there is no other probe of the same kind.

    Returns:
        `fraction` and `whole_key` of the two, `rank_correlation` of the strategies' mean target losses (Spearman), by
        the model that judges in both, and `strategies` that both have.
    """
    from scipy.stats import spearmanr

    metric, epochs = TARGETS[results["settings"]["target"]], results["settings"]["epochs"]
    own = strategy_losses(results, metric)
    best: tuple[tuple[float, ...], str, dict[str, Any], list[str]] | None = None
    for other_key, other in _others(store, key, results):
        theirs = strategy_losses(other, metric)
        shared = [name for name in own if name in theirs]
        rank = (len(shared), other["settings"]["fraction"], -abs(other["settings"]["epochs"] - epochs))
        if len(shared) >= LEAST_SHARED and (best is None or rank > best[0]):
            best = rank, other_key, other, shared
    if best is None:
        return None
    _, other_key, other, shared = best
    part = min((results, other), key=lambda one: float(one["settings"]["fraction"]))
    theirs = strategy_losses(other, metric)
    found = spearmanr([own[name] for name in shared], [theirs[name] for name in shared]).statistic
    return {
        "fraction": part["settings"]["fraction"],
        "whole_key": other_key if part is results else key,
        "rank_correlation": None if np.isnan(found) else round(float(found), 4),
        "strategies": shared,
    }


def _others(store: Store, key: str, results: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Probes of the run that are of the whole where this one is of a part, and the other way round; by their key.

    They are of the same data, and were asked and judged alike.
    """
    for name in sorted(store.list("probe")):
        if not name.endswith("/results.json") or name == results_name(key):
            continue
        other = store.read_json(name)
        if _kind(other) == _kind(results) and _is_part(other) != _is_part(results):
            yield name.split("/")[1], other


def _kind(results: dict[str, Any]) -> list[Any]:
    """What two probes must have in common besides strategies."""
    same = [results["settings"].get(name) for name in ("data", "held_back", "folds")]
    return [results["version"], main_evaluator(results), *same]


def _is_part(results: dict[str, Any]) -> bool:
    return float(results["settings"]["fraction"]) < 1


def strategy_losses(results: dict[str, Any], metric: str) -> dict[str, float]:
    """The mean over seeds of a loss of each strategy by the model that judges; those that have none are left out."""
    names = dict.fromkeys(cell["strategy"] for cell in results["cells"])
    found = {name: mean_losses(results, main_evaluator(results), name).get(metric) for name in names}
    return {name: loss for name, loss in found.items() if loss is not None}
