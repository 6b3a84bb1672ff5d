"""What a page shows of a probe: the results, summed up over seeds.

The scripts draw what stands here and work nothing out: means, intervals and verdicts are those of `curation probe`.
What is not finite, where a training diverged, does not come here: JSON has no word for it. Domains come in the order
of what the best strategy does to them.
"""

from __future__ import annotations

import json
import math
from typing import Any, TypedDict

from curation.report.probe_results import (
    EVALUATORS,
    METRICS,
    UNKNOWN,
    cells_of,
    is_known,
    judgement,
    main_evaluator,
    mean_losses,
    mean_of,
    target_metric,
)

#: The versions of results.json and debt.json that are understood.
VERSION, DEBT_VERSION = 1, 2
#: What of a comparison is shown.
COMPARED = ("difference", "low", "high", "wins", "seeds", "p_sign", "verdict")
#: Counts and shares of a strategy's cells.
COSTS = ("repeated_share", "unique_tokens", "documents", "largest_copies")


class Judged(TypedDict):
    """A strategy by one model."""

    losses: dict[str, float | None]
    """Means over seeds, by metric."""
    compared: dict[str, dict[str, Any]]
    """The comparison with the baseline, by metric; empty for the baseline."""
    costs: dict[str, float]


class Strategy(TypedDict):
    """A strategy."""

    name: str
    words: str
    settings: list[str]
    """Keys of the job file that make it, as `--set` has them."""
    by: dict[str, Judged]
    """By model."""


class Domains(TypedDict):
    """The loss on each domain, means over seeds: with the baseline, and with the best strategy; most gained first."""

    names: list[str]
    before: list[float]
    after: list[float]


class Probe(TypedDict):
    """The section about a probe."""

    sentence: str
    verdict: str
    settings: dict[str, Any]
    metric: str
    """The target."""
    metrics: dict[str, str]
    """What was measured, in words."""
    evaluators: list[tuple[str, str]]
    """Models and their names in words; the one that judges comes first."""
    strategies: list[Strategy]
    best: str
    domains: Domains
    clip: dict[str, Any] | None
    pilot: dict[str, Any] | None


def probe_part(results: dict[str, Any] | None) -> Probe | None:
    """What the page shows of results.json; None where there is none, or one of another version."""
    if results is None or results.get("version") != VERSION:
        return None
    judged, evaluator = judgement(results), main_evaluator(results)
    baseline = results["settings"]["baseline"]
    best = judged.best["strategy"] if judged else baseline
    measured = {row["metric"] for row in results["comparisons"]}
    names = sorted(results["settings"]["evaluators"], key=lambda name: name != evaluator)
    return Probe(
        sentence=results["sentence"],
        verdict=judged.verdict if judged else UNKNOWN,
        settings=results["settings"],
        metric=target_metric(results),
        metrics={name: words for name, words in METRICS.items() if name in measured},
        evaluators=[(name, EVALUATORS[name]) for name in names],
        strategies=[_strategy(results, one, names) for one in results["strategies"]],
        best=best,
        domains=_domains(results, evaluator, baseline, best),
        clip=results["clip"],
        pilot=results["pilot"],
    )


def debt_part(debt: dict[str, Any] | None) -> dict[str, Any] | None:
    """What the page shows of debt.json, or None as above; a number that is not finite is None in it."""
    if debt is None or debt.get("version") != DEBT_VERSION:
        return None
    return {name: _finite(value) for name, value in debt.items()}


def _finite(value: Any) -> Any:
    """A value of JSON with None for each number in it that is not finite."""
    if isinstance(value, dict):
        return {name: _finite(inside) for name, inside in value.items()}
    if isinstance(value, list):
        return [_finite(inside) for inside in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _strategy(results: dict[str, Any], one: dict[str, Any], evaluators: list[str]) -> Strategy:
    """A strategy as each model judged it."""
    settings = [f"{key}={_written(value)}" for key, value in one["parameters"].items()]
    by = {name: _judged(results, name, one["name"]) for name in evaluators if cells_of(results, name, one["name"])}
    return Strategy(name=one["name"], words=one["words"], settings=settings, by=by)


def _written(value: Any) -> str:
    """A value as `--set` takes it."""
    return value if isinstance(value, str) else json.dumps(value)


def _judged(results: dict[str, Any], evaluator: str, strategy: str) -> Judged:
    compared = {
        row["metric"]: {key: row[key] for key in COMPARED}
        for row in results["comparisons"]
        if (row["evaluator"], row["strategy"]) == (evaluator, strategy)
    }
    costs = {key: mean_of(results, evaluator, strategy, key) for key in COSTS}
    return Judged(losses=mean_losses(results, evaluator, strategy), compared=compared, costs=costs)


def _domains(results: dict[str, Any], evaluator: str, baseline: str, best: str) -> Domains:
    """The domains that both strategies have a loss of."""
    before, after = (_by_domain(results, evaluator, name) for name in (baseline, best))
    names = sorted(before.keys() & after.keys(), key=lambda name: (after[name] - before[name], name))
    return Domains(names=names, before=[before[name] for name in names], after=[after[name] for name in names])


def _by_domain(results: dict[str, Any], evaluator: str, strategy: str) -> dict[str, float]:
    """The mean loss over seeds on each domain."""
    values: dict[str, list[float]] = {}
    for cell in cells_of(results, evaluator, strategy):
        for name, loss in cell["by_domain"].items():
            if is_known(loss):
                values.setdefault(name, []).append(float(loss))
    return {name: sum(found) / len(found) for name, found in values.items()}
