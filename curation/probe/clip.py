"""How often a document may be repeated: the sweep over the clip, what each value costs, and the one to take.

The clip is a trade: a higher one makes the mixture more even and repeats more of it. The losses of neighbouring clips
differ by less than the seeds move them, so the lowest is a matter of luck. Taken is the smallest clip that is not
worse than the best by more than one standard error of their difference (the rule by which Breiman et al. 1984 prune
trees), nor by more than an effect worth speaking of: of equals, the one that repeats least.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from curation.probe.statistics import LEAST_EFFECT
from curation.report.probe_results import (
    HELPS,
    METRICS,
    cells_of,
    is_known,
    main_evaluator,
    mean_losses,
    mean_of,
    target_metric,
)

#: Names of the strategies of the sweep, and the key in which they differ.
SWEPT, CLIP = re.compile(r"cluster_clip_\d+"), "sampling.clip"


def clip_guidance(results: dict[str, Any]) -> dict[str, Any] | None:
    """The sweep over the clip and the value it recommends.

    Args:
        results: results.json with its `comparisons`.

    Returns:
        `metric`; `rows` by rising clip: clip, the mean loss under the metric's name, natural, repeated_share,
        unique_tokens, and difference, low and high: the loss against the baseline's with its 95 % interval, None
        where there was nothing to compare; `recommended`, a clip; `why`, in words. None with fewer than two clips.
    """
    metric, evaluator = target_metric(results), main_evaluator(results)
    compared = {
        row["strategy"]: row
        for row in results["comparisons"]
        if (row["metric"], row["evaluator"]) == (metric, evaluator)
    }
    names = {
        clip: name
        for clip, name in swept(results).items()
        if mean_losses(results, evaluator, name).get(metric) is not None
    }
    if len(names) < 2:
        return None
    rows = []
    for clip, name in names.items():
        losses, against = mean_losses(results, evaluator, name), compared.get(name, {})
        own = {key: mean_of(results, evaluator, name, key) for key in ("repeated_share", "unique_tokens")}
        bounds = {key: against.get(key) for key in ("difference", "low", "high")}
        rows.append({"clip": clip, metric: losses[metric], "natural": losses.get("natural"), **own, **bounds})
    best = min(rows, key=lambda row: float(row[metric]))
    taken = next(row for row in rows if not _worse(results, evaluator, metric, names[row["clip"]], names[best["clip"]]))
    helps = [clip for clip, name in names.items() if compared.get(name, {}).get("verdict") == HELPS]
    why = _why(taken, best, metric, helps)
    return {"metric": metric, "rows": rows, "recommended": taken["clip"], "why": why}


def swept(results: dict[str, Any]) -> dict[int, str]:
    """The strategies of the sweep by rising clip: those that differ in nothing else from the most of them."""
    found: dict[str, dict[int, str]] = {}
    for one in results["strategies"]:
        clip = one["parameters"].get(CLIP)
        if SWEPT.fullmatch(one["name"]) and isinstance(clip, int):
            others = repr(sorted((key, repr(value)) for key, value in one["parameters"].items() if key != CLIP))
            found.setdefault(others, {})[clip] = one["name"]
    return dict(sorted(max(found.values(), key=len, default={}).items()))


def _worse(results: dict[str, Any], evaluator: str, metric: str, strategy: str, best: str) -> bool:
    """Whether a strategy is behind the best one by more than the noise and by more than is worth speaking of."""
    losses = [
        {
            cell["seed"]: cell["losses"][metric]
            for cell in cells_of(results, evaluator, name)
            if is_known(cell["losses"].get(metric))
        }
        for name in (strategy, best)
    ]
    shared = sorted(losses[0].keys() & losses[1].keys())
    if not shared:
        return True
    behind = np.array([losses[0][seed] - losses[1][seed] for seed in shared])
    error = behind.std(ddof=1) / np.sqrt(len(behind)) if len(behind) > 1 else 0.0
    return bool(behind.mean() > max(error, LEAST_EFFECT))


def _why(taken: dict[str, Any], best: dict[str, Any], metric: str, helps: list[int]) -> str:
    loss, repeated = f"{taken[metric]:.3f}", f"{taken['repeated_share']:.0%}"
    if taken is best:
        told = f"its {METRICS[metric]}, {loss}, is the lowest of the sweep; {repeated} of the tokens drawn are repeated"
    else:
        told = (
            f"its {METRICS[metric]}, {loss}, is as low as that of the best, clip {best['clip']} with "
            f"{best[metric]:.3f}, but for noise, and {repeated} of the tokens drawn are repeated instead of "
            f"{best['repeated_share']:.0%}"
        )
    if taken["clip"] in helps:
        return f"{told}."
    if helps:
        return f"{told}; by itself it is not proven to help, which clip {helps[0]} is."
    return f"{told}; but at no clip is it proven to help."
