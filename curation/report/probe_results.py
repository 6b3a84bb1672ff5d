"""What the results of a probe say: which loss is the target, which model judges, what is best, and does it help.

`curation probe` writes `probe/<key>/results.json`; its sentence, its tables and the page all read it through these.
Where two models judged, the one with more seeds does, and another one that finds the opposite with every seed takes
back a "helps": on one small corpus an n-gram model put a strategy 0.17 nats behind random where a GPT put it 0.10
ahead.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

HELPS, HURTS, UNKNOWN = "helps", "hurts", "can't tell"
#: Nats a token: less than this, one per cent of the perplexity, is nothing to speak of.
LEAST_EFFECT = 0.01

#: Mean losses over groups of validation documents that all count the same; one of them is a probe's target.
MACRO = ("macro_domain", "macro_cluster", "macro_language")
#: What a cell's losses are, in words.
METRICS = {
    "macro_domain": "loss averaged over domains",
    "macro_cluster": "loss averaged over clusters",
    "macro_language": "loss averaged over languages",
    "worst_domain": "loss on the worst domain",
    "p90_domain": "loss that nine of ten domains stay under",
    "natural": "loss on the natural mixture",
}
#: The models that judge, in words.
EVALUATORS = {"ngram": "the n-gram model", "gpt": "the small GPT"}


@dataclass(frozen=True)
class Judgement:
    """What a probe comes to.

    Attributes:
        verdict: HELPS: something does; HURTS: something does, and nothing gains enough to speak of; else UNKNOWN.
        metric: the target, a name in METRICS.
        evaluator: the model that judges.
        best: the comparison of the best strategy: of those that help and every model finds better, else of those that
            help, else of all.
        others: the same strategy and metric by the other models.
        opposed: whether another model found it worse with every seed; then the verdict is never HELPS.
    """

    verdict: str
    metric: str
    evaluator: str
    best: dict[str, Any]
    others: list[dict[str, Any]]
    opposed: bool


def judgement(results: dict[str, Any]) -> Judgement | None:
    """What the results come to; None where nothing was compared with the baseline."""
    metric, evaluator = target_metric(results), main_evaluator(results)
    rows = [row for row in results["comparisons"] if row["metric"] == metric]
    own = sorted((row for row in rows if row["evaluator"] == evaluator), key=lambda row: float(row["difference"]))
    if not own:
        return None
    helpful = [row for row in own if row["verdict"] == HELPS]
    confirmed = [row for row in helpful if all(one["difference"] < 0 for one in _others(row, rows))]
    best = (confirmed or helpful or own)[0]
    others = _others(best, rows)
    opposed = any(one["difference"] > 0 and one["wins"] == 0 for one in others)
    if helpful:
        verdict = UNKNOWN if opposed else HELPS
    else:
        verdict = HURTS if hurting(own) and not any(may_gain(row) for row in own) else UNKNOWN
    return Judgement(verdict, metric, evaluator, best, others, opposed)


def hurting(rows: list[dict[str, Any]]) -> int:
    """How many comparisons say HURTS."""
    return sum(row["verdict"] == HURTS for row in rows)


def may_gain(row: dict[str, Any]) -> bool:
    """Whether a comparison's interval leaves room for a gain worth speaking of; with one seed it does."""
    return row["low"] is None or row["low"] < -LEAST_EFFECT


def _others(row: dict[str, Any], rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The comparisons of the same strategy by other models."""
    return [one for one in rows if one["strategy"] == row["strategy"] and one is not row]


def target_metric(results: dict[str, Any]) -> str:
    """The macro loss that a probe is about: `settings.target` where it was compared, else the first that was."""
    compared = {row["metric"] for row in results["comparisons"]}
    wanted = f"macro_{results['settings'].get('target') or 'domain'}"
    return next((name for name in (wanted, *MACRO) if name in compared), wanted)


def main_evaluator(results: dict[str, Any]) -> str:
    """The model that judges: that with the most seeds, the first of equals."""
    seeds: dict[str, set[int]] = {name: set() for name in results["settings"]["evaluators"]}
    for cell in results["cells"]:
        seeds.setdefault(cell["evaluator"], set()).add(cell["seed"])
    return max(seeds, key=lambda name: len(seeds[name]))


def mean_losses(results: dict[str, Any], evaluator: str, strategy: str) -> dict[str, float | None]:
    """The mean over seeds of each loss of a strategy; None where no seed has a finite one."""
    cells = cells_of(results, evaluator, strategy)
    found = {}
    for name in dict.fromkeys(name for cell in cells for name in cell["losses"]):
        known = [cell["losses"][name] for cell in cells if is_known(cell["losses"].get(name))]
        found[name] = sum(known) / len(known) if known else None
    return found


def is_known(loss: float | None) -> bool:
    """Whether a loss is there: it is None where nothing was measured, and not finite where a training diverged."""
    return loss is not None and math.isfinite(loss)


def mean_of(results: dict[str, Any], evaluator: str, strategy: str, key: str) -> float:
    """The mean over seeds of a count or share of a strategy's cells; there must be one."""
    values = [float(cell[key]) for cell in cells_of(results, evaluator, strategy)]
    return sum(values) / len(values)


def cells_of(results: dict[str, Any], evaluator: str, strategy: str) -> list[dict[str, Any]]:
    """The cells of a strategy by one model, by seed."""
    own = (cell for cell in results["cells"] if (cell["evaluator"], cell["strategy"]) == (evaluator, strategy))
    return sorted(own, key=lambda cell: int(cell["seed"]))
