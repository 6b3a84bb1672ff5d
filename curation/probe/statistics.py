"""Whether one strategy beats another by more than chance, from a few seeds of each.

Strategies are compared seed by seed: both of a pair met the same documents, the same validation text and the same
seed, so what a seed does to all of them cancels. A comparison has the mean difference, its 95 % interval, how many
seeds were won with an exact sign test, and a verdict.

A probe compares a dozen strategies, and of a dozen that do nothing one looks good. Three things keep that from being
called help: the p-values are corrected for the number of strategies (Holm 1979), an effect must be one worth speaking
of, and fewer than five seeds never suffice. Five seeds tell little about the spread of one strategy, though much about
that of all; so each strategy's variance is drawn towards what is usual among them (the moderated t of Smyth 2004,
https://doi.org/10.2202/1544-6115.1027). That is worth about as much as twice the seeds. How far it is drawn is bounded,
for strategies that share their clusters are not independent witnesses.

All seeds are asked about the same validation text, so by how much that is off is no matter of seeds: where it is known,
its error is added to theirs.

The sign test is reported beside it and decides nothing: of five seeds even five wins have p = 0.0625.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import digamma, polygamma
from scipy.stats import t as student

from curation.report.probe_results import HELPS, HURTS, LEAST_EFFECT, UNKNOWN, is_known

#: Fewer seeds never make a verdict.
FEWEST_SEEDS = 5
#: How often anything may be called a help or a harm where nothing is either, for one evaluator and metric.
FALSE_ALARMS = 0.05
#: Degrees of freedom that the other strategies' variances are worth at most, and how many of them it takes.
MOST_BORROWED, FEWEST_LENDERS = 12.0, 4
NO_ERRORS: Mapping[tuple[str, str, str], float] = {}
#: No standard deviation of differences, in nats, counts as smaller: figures are not that exact.
LEAST_SPREAD = 1e-4


def comparisons(
    cells: Sequence[dict[str, Any]], baseline: str, text_errors: Mapping[tuple[str, str, str], float] = NO_ERRORS
) -> list[dict[str, Any]]:
    """Every strategy against the baseline, by evaluator and metric.

    Args:
        cells: of results.json, in any order. A seed counts for a pair where both have a finite loss of it.
        baseline: the name of a strategy.
        text_errors: standard errors of the differences by the choice of validation text, which seeds can't tell, by
            evaluator, metric and strategy; what is not there counts as 0.

    Returns:
        Rows of results.json's `comparisons`, strategies in the order of `cells` in each evaluator and metric.
        `difference`, `low` and `high` are nats a token, negative where the strategy is better; `p` is the p-value
        after Holm's correction. With one seed `low`, `high` and `p` are None.

    Raises:
        ValueError: no cell is of the baseline.
    """
    if not any(cell["strategy"] == baseline for cell in cells):
        raise ValueError(f"no cell is of the baseline {baseline}: it must be among the strategies")
    rows = []
    for evaluator in dict.fromkeys(cell["evaluator"] for cell in cells):
        own = [cell for cell in cells if cell["evaluator"] == evaluator]
        for metric in dict.fromkeys(name for cell in own for name in cell["losses"]):
            errors = {key[2]: error for key, error in text_errors.items() if key[:2] == (evaluator, metric)}
            compared = _compared(own, metric, baseline, errors)
            rows += [{"evaluator": evaluator, "metric": metric, **row} for row in compared]
    return rows


def _compared(
    cells: Sequence[dict[str, Any]], metric: str, baseline: str, errors: Mapping[str, float]
) -> list[dict[str, Any]]:
    """The comparisons of one evaluator and metric."""
    losses: dict[str, dict[int, float]] = {}
    for cell in cells:
        if is_known(loss := cell["losses"].get(metric)):
            losses.setdefault(cell["strategy"], {})[cell["seed"]] = loss
    base = losses.pop(baseline, {})
    pairs = {name: [of[seed] - base[seed] for seed in sorted(of.keys() & base.keys())] for name, of in losses.items()}
    names = [name for name, differences in pairs.items() if differences]
    figures = interval([np.array(pairs[name]) for name in names], np.array([errors.get(name, 0.0) for name in names]))
    return [_row(name, np.array(pairs[name]), *of) for name, *of in zip(names, *figures, strict=True)]


def _row(
    name: str, differences: NDArray[np.float64], mean: np.float64, low: np.float64, high: np.float64, p: np.float64
) -> dict[str, Any]:
    wins, defeats = int((differences < 0).sum()), int((differences > 0).sum())
    return {
        "strategy": name,
        "difference": float(mean),
        "low": _known(low),
        "high": _known(high),
        "p": _known(p),
        "wins": wins,
        "seeds": len(differences),
        "p_sign": sign_test(wins, defeats),
        "verdict": verdict(float(mean), _known(p), len(differences)),
    }


def _known(value: np.float64) -> float | None:
    return None if np.isnan(value) else float(value)


def verdict(difference: float, p: float | None, seeds: int) -> str:
    """What may be said of a difference in nats with a corrected p-value from so many seeds."""
    if p is None or seeds < FEWEST_SEEDS or p >= FALSE_ALARMS or abs(difference) < LEAST_EFFECT:
        return UNKNOWN
    return HELPS if difference < 0 else HURTS


def interval(
    pairs: Sequence[NDArray[np.float64]], text_error: NDArray[np.float64] | None = None
) -> tuple[NDArray[np.float64], ...]:
    """Means with their 95 % intervals and corrected p-values.

    Args:
        pairs: of each strategy the differences by seed, one at least.
        text_error: float64[strategies], the standard error of each mean by the choice of validation text; None: 0.

    Returns:
        mean, low, high, p: float64[strategies]; the last three NaN where there is one seed. Intervals are each
        strategy's own, not widened for their number; p-values are corrected for it. Strategies that came to the same
        with every seed, as clips that no document reaches, count as one; one that never differs has p = 1.
    """
    mean = np.array([one.mean() for one in pairs])
    never = np.array([len(one) > 1 and not one.any() for one in pairs], bool)
    low, high, p = (np.where(never, at, np.nan) for at in (0.0, 0.0, 1.0))
    first = {tuple(one): index for index, one in reversed(list(enumerate(pairs)))}
    several = np.array(sorted(index for index in first.values() if len(pairs[index]) > 1 and pairs[index].any()), int)
    variances = np.array([pairs[index].var(ddof=1) for index in several])
    count = np.array([len(pairs[index]) for index in several], int)
    spread, degrees = moderated(variances, count - 1)
    error = spread / np.sqrt(count)
    if text_error is not None:  # degrees of freedom of the sum as Welch and Satterthwaite have them
        both = np.hypot(error, text_error[several])
        degrees, error = degrees * (both / error) ** 4, both
    reach = student.ppf(0.975, degrees) * error
    low[several], high[several] = mean[several] - reach, mean[several] + reach
    p[several] = holm(2 * student.sf(np.abs(mean[several]) / error, degrees))
    same = np.array([first[tuple(one)] for one in pairs], int)
    return mean, low[same], high[same], p[same]


def moderated(
    variances: NDArray[np.float64], degrees: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Standard deviations, each drawn towards what is usual, and the degrees of freedom they then have.

    Args:
        variances: float64[G]: of each strategy's differences.
        degrees: int64[G], at least 1: seeds less one.

    Returns:
        float64[G] twice. With fewer than FEWEST_LENDERS strategies nothing is borrowed.

    The prior's degrees of freedom and variance are Smyth's moment estimates from the logs of the variances (his
    section 6.2); the former is at most MOST_BORROWED.
    """
    variances = np.maximum(variances, LEAST_SPREAD**2)
    if len(variances) < FEWEST_LENDERS:
        return np.sqrt(variances), degrees.astype(np.float64)
    half = degrees / 2
    logs = np.log(variances) - digamma(half) + np.log(half)
    excess = float(np.var(logs, ddof=1) - polygamma(1, half).mean())
    usual, borrowed = math.exp(logs.mean()), MOST_BORROWED
    if excess > polygamma(1, MOST_BORROWED / 2):
        prior = brentq(lambda value: polygamma(1, value) - excess, 1e-3, MOST_BORROWED / 2)
        usual, borrowed = usual * math.exp(digamma(prior)) / prior, 2 * prior
    found = np.float64(borrowed) + degrees.astype(np.float64)
    return np.sqrt((borrowed * usual + degrees * variances) / found), found


def holm(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """p-values corrected so that any is below a only with probability a where no effect is real (Holm 1979)."""
    order = np.argsort(p, kind="stable")
    found = np.empty(len(p))
    found[order] = np.minimum(1.0, np.maximum.accumulate(p[order] * (len(p) - np.arange(len(p)))))
    return found


def sign_test(wins: int, defeats: int) -> float:
    """The exact two-sided p-value of so many wins against so many defeats; ties count for nothing."""
    count, more = wins + defeats, max(wins, defeats)
    tail = sum(math.comb(count, number) for number in range(more, count + 1))
    return min(1.0, 2 * tail / (1 << count))
