"""How often a document may be repeated: the sweep over the clip, what each value costs, and the one to take.

The clip is a trade: a higher one makes the mixture more even and repeats more of it. The losses of neighbouring clips
differ by less than the seeds move them, so the lowest is a matter of luck. Taken is the smallest clip that is not
worse than the best by more than one standard error of their difference (the rule by which Breiman et al. 1984 prune
trees), nor by more than an effect worth speaking of: of equals, the one that repeats least. Both bounds hold: seeds
that lie far apart are no reason to take a clip whose loss is much higher.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from curation.report.probe_results import (
    HELPS,
    LEAST_EFFECT,
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

#: The share of the drawn tokens that must be repeated, and by which clips must differ, or the sweep tells nothing.
LEAST_REPEATED = 0.01
UNTOLD = (
    "at this budget hardly anything is repeated, whatever the clip ({share:.1%} of the tokens drawn at most), so the "
    "sweep can't tell; --epochs draws as much of the pool as your job draws of the corpus."
)
ALIKE = (
    "every clip repeats about the same share of the tokens drawn ({share:.0%}), so the clip does not bind at this "
    "budget, and any of these will do."
)


def clip_guidance(results: dict[str, Any]) -> dict[str, Any] | None:
    """The sweep over the clip and the value it recommends.

    Args:
        results: results.json with its `comparisons`.

    Returns:
        `metric`; `rows` by rising clip: clip, the mean loss under the metric's name, natural, repeated_share,
        unique_tokens, and difference, low and high: the loss against the baseline's with its 95 % interval, None
        where there was nothing to compare; `recommended`, a clip, or None where hardly anything is repeated at any of
        them, or as much at all of them, so that the sweep tells nothing; `why`, in words. None with fewer than two
        clips.
    """
    metric, evaluator = target_metric(results), main_evaluator(results)
    compared = {
        row["strategy"]: row
        for row in results["comparisons"]
        if (row["metric"], row["evaluator"]) == (metric, evaluator)
    }
    names = swept(results, metric)
    if len(names) < 2:
        return None
    rows = [_row(results, clip, name, compared.get(name, {})) for clip, name in names.items()]
    found = {"metric": metric, "rows": rows}
    shares = [row["repeated_share"] for row in rows]
    if max(shares) - min(shares) < LEAST_REPEATED:
        untold = UNTOLD if max(shares) < LEAST_REPEATED else ALIKE
        return found | {"recommended": None, "why": untold.format(share=max(shares))}
    best = min(rows, key=lambda row: float(row[metric]))
    taken = next(row for row in rows if not _worse(results, metric, names[row["clip"]], names[best["clip"]]))
    helps = [clip for clip, name in names.items() if compared.get(name, {}).get("verdict") == HELPS]
    return found | {"recommended": taken["clip"], "why": _why(taken, best, metric, helps)}


def _row(results: dict[str, Any], clip: int, strategy: str, against: dict[str, Any]) -> dict[str, Any]:
    """A clip and what its strategy came to; `against`: its comparison with the baseline."""
    metric, evaluator = target_metric(results), main_evaluator(results)
    losses = mean_losses(results, evaluator, strategy)
    costs = {key: mean_of(results, evaluator, strategy, key) for key in ("repeated_share", "unique_tokens")}
    bounds = {key: against.get(key) for key in ("difference", "low", "high")}
    return {"clip": clip, metric: losses[metric], "natural": losses.get("natural"), **costs, **bounds}


def swept(results: dict[str, Any], metric: str) -> dict[int, str]:
    """The strategies of the sweep that have this loss, by rising clip: most of them, and all that differ in no more."""
    found: dict[str, dict[int, str]] = {}
    for one in results["strategies"]:
        clip = one["parameters"].get(CLIP)
        if SWEPT.fullmatch(one["name"]) and isinstance(clip, int) and _by_seed(results, metric, one["name"]):
            others = repr(sorted((key, repr(value)) for key, value in one["parameters"].items() if key != CLIP))
            found.setdefault(others, {})[clip] = one["name"]
    return dict(sorted(max(found.values(), key=len, default={}).items()))


def _by_seed(results: dict[str, Any], metric: str, strategy: str) -> dict[int, float]:
    cells = cells_of(results, main_evaluator(results), strategy)
    return {cell["seed"]: cell["losses"][metric] for cell in cells if is_known(cell["losses"].get(metric))}


def _worse(results: dict[str, Any], metric: str, strategy: str, best: str) -> bool:
    """Whether a strategy is behind the best one by more than the noise, or by more than is worth speaking of.

    One seed does not tell the noise, so there the second alone counts.
    """
    losses, least = _by_seed(results, metric, strategy), _by_seed(results, metric, best)
    shared = sorted(losses.keys() & least.keys())
    if not shared:
        return True
    behind = np.array([losses[seed] - least[seed] for seed in shared])
    error = behind.std(ddof=1) / np.sqrt(len(behind)) if len(behind) > 1 else np.inf
    return bool(behind.mean() > min(error, LEAST_EFFECT))


def _why(taken: dict[str, Any], best: dict[str, Any], metric: str, helps: list[int]) -> str:
    loss, repeated = f"{taken[metric]:.3f}", f"{taken['repeated_share']:.0%}"
    if taken is best:
        told = f"its {METRICS[metric]}, {loss}, is the lowest of the sweep; {repeated} of the tokens drawn are repeated"
    else:
        told = (
            f"its {METRICS[metric]}, {loss}, is as low as that of the best, clip {best['clip']} with "
            f"{best[metric]:.3f}, within {LEAST_EFFECT} nats, and {repeated} of the tokens drawn are repeated "
            f"instead of {best['repeated_share']:.0%}"
        )
    if taken["clip"] in helps:
        return f"{told}."
    if helps:
        return f"{told}; by itself it is not proven to help, which clip {helps[0]} is."
    return f"{told}; but at no clip is it proven to help."
