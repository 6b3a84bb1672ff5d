"""The outcome of a probe in one sentence, for people who decide about a training run.

It says what was compared with what, by how much in nats and in perplexity, how sure that is, what it costs on the
natural mixture, and by which model. It never says more than the verdict does: a best strategy that may be luck is
called that.
"""

from __future__ import annotations

import math
from typing import Any

from curation.probe.statistics import FEWEST_SEEDS
from curation.progress import printable, short
from curation.report.probe_results import EVALUATORS, HELPS, HURTS, METRICS, Judgement, hurting, judgement

CAVEAT = "the models are small, so trust the direction more than the size"
#: Domains held back that are named; of more than these their number is told.
NAMED = 4


def sentence(results: dict[str, Any]) -> str:
    """The outcome in a sentence.

    Args:
        results: results.json with its `comparisons`.
    """
    judged = judgement(results)
    if judged is None:
        return "Can't tell whether anything helps: nothing was compared with the baseline."
    beginning = {HELPS: _helps, HURTS: _hurts}.get(judged.verdict, _unknown)(results, judged)
    parts = [beginning, *(_agreement(row, judged) for row in judged.others)]
    if judged.verdict == HELPS:
        parts.append(_price(results, judged))
    return "; ".join([*parts, f"{CAVEAT}."])


def _helps(results: dict[str, Any], judged: Judgement) -> str:
    row = judged.best
    return (
        f"{named(results, row['strategy'])} helps: the {METRICS[judged.metric]} falls by {-row['difference']:.3f} nats "
        f"a token ({perplexity(row['difference'])}, 95% interval {-row['high']:.3f} to {-row['low']:.3f}) "
        f"{_against(results, judged)}, in {_seeds(row)}"
    )


def _hurts(results: dict[str, Any], judged: Judgement) -> str:
    row, rows = judged.best, compared(results, judged)
    best, bad = named(results, row["strategy"]), hurting(rows)
    if len(rows) == 1:
        beginning = f"{best} hurts: it"
    elif bad == len(rows):
        beginning = f"All {bad} strategies hurt: even the best, {best},"
    else:
        beginning = f"Nothing helps and {bad} of {len(rows)} strategies hurt: the best, {best},"
    return f"{beginning} {_change(results, judged)}"


def _unknown(results: dict[str, Any], judged: Judgement) -> str:
    row, rows = judged.best, compared(results, judged)
    best = named(results, row["strategy"])
    beginning = (
        f"whether {best} helps: it" if len(rows) == 1 else f"whether anything helps: the best of {len(rows)}, {best},"
    )
    told = f"Can't tell {beginning} {_change(results, judged)}, better in {_seeds(row)}"
    if row["seeds"] < FEWEST_SEEDS:
        return f"{told}, and fewer than {FEWEST_SEEDS} seeds prove nothing"
    if judged.opposed and row["verdict"] == HELPS:
        return told
    return f"{told}, which may be chance or is too little to matter"


def _change(results: dict[str, Any], judged: Judgement) -> str:
    """By how much the best strategy changes the loss, and against what."""
    row = judged.best
    told = f"changes the {METRICS[judged.metric]} by {row['difference']:+.3f} nats a token"
    return f"{told} ({perplexity(row['difference'])}) {_against(results, judged)}"


def _seeds(row: dict[str, Any]) -> str:
    return f"{row['wins']} of {row['seeds']} {'seed' if row['seeds'] == 1 else 'seeds'}"


def _against(results: dict[str, Any], judged: Judgement) -> str:
    """What it is compared with, on how much text, by which model."""
    settings = results["settings"]
    told = f"against {named(results, settings['baseline'])} at {short(settings['budget_tokens'])} tokens"
    if held := settings["held_back"]:
        domains = ", ".join(map(printable, held)) if len(held) <= NAMED else f"{len(held)} domains"
        told += f", on what was held back from training ({domains}),"
    return f"{told} by {EVALUATORS[judged.evaluator]}"


def _agreement(row: dict[str, Any], judged: Judgement) -> str:
    """What another model says of the best strategy."""
    if row["difference"] * judged.best["difference"] > 0:
        says = "agrees in direction"
    else:
        says = "says the opposite" if judged.opposed else "does not confirm it"
    told = f"{row['difference']:+.3f} nats, better in {_seeds(row)}"
    return f"{EVALUATORS[row['evaluator']]} {says} ({told})"


def _price(results: dict[str, Any], judged: Judgement) -> str:
    """What the best strategy costs on the natural mixture."""
    rows = compared(results, judged, "natural")
    cost = next((row for row in rows if row["strategy"] == judged.best["strategy"]), None)
    if cost is None:
        return "what it costs on the natural mixture was not measured"
    told = f"{abs(cost['difference']):.3f} nats ({perplexity(cost['difference'])}) on the natural mixture"
    return f"it costs {told}" if cost["difference"] > 0 else f"it costs nothing and gains {told}"


def compared(results: dict[str, Any], judged: Judgement, metric: str | None = None) -> list[dict[str, Any]]:
    """The comparisons by the model that judges, on its metric or another one."""
    wanted = metric or judged.metric, judged.evaluator
    return [row for row in results["comparisons"] if (row["metric"], row["evaluator"]) == wanted]


def named(results: dict[str, Any], strategy: str) -> str:
    """A strategy's name, with what it is in words."""
    words = next((one["words"] for one in results["strategies"] if one["name"] == strategy), "")
    return f"{strategy} ({words})" if words else strategy


def perplexity(difference: float) -> str:
    """A difference in nats a token as a change of the perplexity: "8.3% lower perplexity"."""
    change = math.expm1(difference)
    return f"{abs(change):.1%} {'lower' if change < 0 else 'higher'} perplexity"
