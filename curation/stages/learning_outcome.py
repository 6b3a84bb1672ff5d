"""What the trials came to: the weights, the check on texts that were not used, and what is kept.

The fitted mixture is the one with the least measured target of all trials. The check draws it, the natural and the even
mixture anew, DRAWS times each, and scores them on the half of the validation texts that nothing was fitted on. The
difference to the natural mixture has an interval from resampling the draws and the texts of each group (a paired
bootstrap). A resample has one less than there are: n of n would give the mean of n texts (n - 1) / n of its variance,
half of it where a group has two (Rao and Wu 1988, "Resampling inference with complex survey data"). The fitted weights
are kept where all of it lies below 0, and where the texts say enough for that to mean something (`LEAST_CHECKED`).
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from curation.config import Job
from curation.counter_rng import keys
from curation.sampling.mixture_fit import Floats, Measure, Trials, fit_losses, fit_quality, target_of
from curation.stages.context import Run
from curation.stages.learned_weights import LEARNED_VERSION
from curation.stages.learning_sample import CHECK, FIT, POOL
from curation.stages.learning_texts import load_given_digest, load_settled
from curation.stages.learning_trials import Setting, group_losses, try_checks
from curation.stages.workers import map_items

#: Draws of each mixture in the check, and resamples of the texts.
DRAWS, RESAMPLES = 4, 1000
#: Fewest texts of the check, counted as `texts_of` does. Fitted weights that are worth no more than the natural ones
#: are kept by chance in 3 to 7 % of all cases from here on. With 24, 2 and 2 texts in three groups, which count as 9,
#: it is 7 to 11 %; with 2 texts in the one group that counts 13 to 19 %, with one 37 to 39 % (simulated, differences
#: normal or of Student's t with 3 degrees of freedom; with very many texts 2.5 %).
LEAST_CHECKED: dict[Measure, int] = {"mean": 10, "worst": 5}


def measure_of(job: Job) -> Measure:
    """How the target is computed of the losses of the groups."""
    return "worst" if job.learning.target == "worst_domain" else "mean"


def outcome(run: Run, setting: Setting, trials: Trials) -> tuple[dict[str, Any], dict[str, Any]]:
    """What `learned/weights.json` says, and what the stage counts."""
    job, mixing, measure = run.job, setting.mixing, measure_of(run.job)
    space = mixing.space
    target = target_of(trials.losses, measure)
    best = int(np.argmin(target))
    fitted, quality = trials.mixtures[best], fit_quality(trials, measure)
    mixtures = np.stack([space.start, space.even, fitted])
    [(_, found)] = map_items([mixtures], try_checks, run.store, setting, DRAWS)
    of = found.half == CHECK
    losses, group, weight = found.losses[:, :, of], found.group[of], found.tokens[of]
    check = check_of(losses, group, weight, measure, job.seed)
    kept = kept_by(check, measure)
    final = fitted if kept == "learned" else space.start
    others = trials.only(np.arange(len(target)) != best)
    predicted = fit_losses(others).losses(fitted[None])
    names, by_group = group_names(job, group), group_losses(losses.mean(axis=1), group, weight)
    sample = load_settled(run.store)
    pool = sample.only(sample.role == POOL)
    columns = (space.natural, space.lower, space.upper, space.even, fitted, final)
    labels = ("natural", "lower", "upper", "even", "fitted", "weight")
    told = {
        "version": LEARNED_VERSION,
        "of": mixing.of,
        "target": job.learning.target,
        "kept": kept,
        "units": [
            {"name": name} | dict(zip(labels, map(float, values), strict=True))
            for name, values in zip(mixing.names, zip(*columns, strict=True), strict=True)
        ],
        "group_of_cluster": None if mixing.of == "domains" or mixing.groups is None else mixing.groups[:, 0].tolist(),
        "trials": len(target),
        "rounds": job.learning.rounds,
        "pool": {"documents": len(pool.doc_id), "tokens": round(float(pool.tokens.sum()))},
        "trial_tokens": round(setting.scale * mixing.budget),
        "validation": {"fit": int((found.half == FIT).sum()), "check": int(of.sum())},
        "fit": {
            "natural": float(target[0]),
            "even": float(target[1]),
            "fitted": float(target[best]),
            # Of the fitted mixture, by a regression of the other trials.
            "predicted": float(target_of(predicted, measure)[0]),
            "r2": quality.r2,
            "rank_correlation": quality.rank_correlation,
        },
        "check": check,
        "groups": [
            {"name": name, "natural": float(natural), "fitted": float(learned)}
            for name, natural, learned in zip(names, by_group[0], by_group[2], strict=True)
        ],
    }
    stats: dict[str, Any] = {"trials": len(target), "units": len(mixing.names), "kept": kept}
    if job.learning.validation:
        stats["validation_files"] = load_given_digest(run.store)
    return _rounded(told), stats


def check_of(
    found: Floats, group: NDArray[np.int32], weight: Floats, measure: Measure, seed: int
) -> dict[str, float | int]:
    """How the fitted mixture does on texts that nothing was fitted on.

    Args:
        found: float64[3, draws, n], losses on n texts of the natural, the even and the fitted mixture.
        group: int32[n], the group of each text.
        weight: float64[n], its tokens.
        measure: how the target is computed of the losses of the groups.
        seed: of the job.

    Returns:
        The target of each mixture; the difference of the fitted to the natural one, and its 95 % interval; how many
        texts that rests on (`texts_of`).
    """
    by_group = group_losses(found.mean(axis=1), group, weight)
    targets = target_of(by_group, measure)
    random = np.random.default_rng(keys(seed, "learning.check", np.zeros(1, np.int64)))
    times = _resampled(group, random)
    draws = found.shape[1]
    share = random.multinomial(draws - 1, np.full(draws, 1 / draws), RESAMPLES) / (draws - 1)
    belongs = (np.unique(group) == group[:, None]) * weight[:, None]
    tokens = times @ belongs

    def resampled(losses: Floats) -> Floats:
        sums = sum(share[:, draw, None] * (times @ (belongs * losses[draw][:, None])) for draw in range(draws))
        return target_of(sums / tokens, measure)

    low, high = np.quantile(resampled(found[2]) - resampled(found[0]), (0.025, 0.975))
    told = dict(zip(("natural", "even", "fitted"), map(float, targets), strict=True))
    ends = {"difference": told["fitted"] - told["natural"], "low": float(low), "high": float(high)}
    return told | ends | {"draws": draws, "texts": texts_of(by_group[[0, 2]], group, measure)}


def _resampled(group: NDArray[np.int32], random: np.random.Generator) -> Floats:
    """How often each of n texts comes in each resample, one text less of each group: float64[RESAMPLES, n].

    The only text of a group comes once.
    """
    order = np.argsort(group, kind="stable")
    starts = np.searchsorted(group[order], group[order])
    sizes = np.searchsorted(group[order], group[order], side="right") - starts
    drawn = np.flatnonzero((starts != np.arange(len(order))) | (sizes == 1))
    starts, sizes = starts[drawn], sizes[drawn]
    some = order[starts + (random.random((RESAMPLES, len(drawn))) * sizes).astype(np.int64)]
    some += np.arange(RESAMPLES)[:, None] * len(order)
    times = np.bincount(some.ravel(), minlength=RESAMPLES * len(order)).reshape(RESAMPLES, len(order))
    return times.astype(np.float64)


def texts_of(by_group: Floats, group: NDArray[np.int32], measure: Measure) -> float:
    """How many texts the target rests on.

    Of a mean of groups: as many as would, in groups of one size, give it the same variance, `G^2 / sum_g 1 / n_g`. Of
    the worst group: its own.

    Args:
        by_group: float64[mixtures, G], their losses on the groups.
        group: int32[n], the group of each text.
        measure: how the target is computed of the losses of the groups.

    Example:
        >>> texts_of(np.zeros((2, 2)), np.array([0] * 24 + [1] * 2, np.int32), "mean")
        7.384615384615385
    """
    _, sizes = np.unique(group, return_counts=True)
    if measure == "worst":
        return float(sizes[by_group.argmax(axis=1)].min())
    return float(len(sizes) ** 2 / (1 / sizes).sum())


def kept_by(check: dict[str, float | int], measure: Measure) -> Literal["learned", "natural"]:
    """Which weights a check speaks for."""
    return "learned" if check["high"] < 0 and check["texts"] >= LEAST_CHECKED[measure] else "natural"


def why_natural(check: dict[str, float | int], measure: Measure) -> str:
    """Why the natural weights are kept, in words."""
    if check["texts"] < LEAST_CHECKED[measure]:
        return (
            f"the texts that the weights were not fitted on are too few (as few as {check['texts']:.0f} of one group; "
            f"{LEAST_CHECKED[measure]} are needed) to say whether the fitted weights are better than the natural ones"
        )
    return "the fitted weights are no better than the natural ones on texts that they were not fitted on"


def group_names(job: Job, group: NDArray[np.int32]) -> list[str]:
    """The names of the groups that texts stand for, in their order."""
    numbers = np.unique(group).tolist()
    if job.learning.target == "validation":
        return ["validation"]
    return [str(number) if job.learning.target == "macro_cluster" else job.domains[number] for number in numbers]


def _rounded(value: Any) -> Any:
    """The same with numbers of 9 decimals: the last bits differ from processor to processor."""
    if isinstance(value, dict):
        return {key: _rounded(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_rounded(one) for one in value]
    return round(value, 9) if isinstance(value, float) else value
