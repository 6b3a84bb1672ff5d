"""What the trials came to: the weights, the check on texts that were not used, and what is kept.

The fitted mixture is the one with the least measured target of all trials. The check draws it, the natural and the even
mixture anew, DRAWS times each, and scores them on the half of the validation texts that nothing was fitted on. The
difference to the natural mixture has an interval from resampling the texts of each group (a paired bootstrap). The
fitted weights are kept where all of it lies below 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from curation.config import Job
from curation.counter_rng import keys
from curation.sampling.mixture_fit import Floats, Measure, Trials, fit_losses, fit_quality, target_of
from curation.stages.context import Run
from curation.stages.learning_sample import CHECK, FIT, POOL
from curation.stages.learning_texts import KEY, load_compiled
from curation.stages.learning_trials import Setting, group_losses, held_documents, try_checks
from curation.stages.reference import files_digest, reference_files
from curation.stages.workers import map_items

#: Draws of each mixture in the check, and resamples of the texts.
DRAWS, RESAMPLES = 4, 1000


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
    compiled = load_compiled(run.store, setting.digest, setting.vocabulary)
    held, group, weight = held_documents(compiled)
    of = held == CHECK
    check = check_of(found[:, of], group[of], weight[of], measure, job.seed)
    kept = "learned" if check["high"] < 0 else "natural"
    final = fitted if kept == "learned" else space.start
    predicted = fit_losses(trials).losses(fitted[None])
    names, by_group = group_names(job, group), group_losses(found[:, of], group[of], weight[of])
    pool = compiled.sample.only(compiled.sample.role == POOL)
    columns = (space.natural, space.lower, space.upper, space.even, fitted, final)
    labels = ("natural", "lower", "upper", "even", "fitted", "weight")
    told = {
        "version": 1,
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
        "validation": {"fit": int((held == FIT).sum()), "check": int(of.sum())},
        "fit": {
            "natural": float(target[0]),
            "even": float(target[1]),
            "fitted": float(target[best]),
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
        stats["validation_files"] = files_digest(reference_files(job.learning.validation, KEY))
    return _rounded(told), stats


def check_of(
    found: Floats, group: NDArray[np.int32], weight: Floats, measure: Measure, seed: int
) -> dict[str, float | int]:
    """How the fitted mixture does on texts that nothing was fitted on.

    Args:
        found: float64[3, n], losses on n texts of the natural, the even and the fitted mixture.
        group: int32[n], the group of each text.
        weight: float64[n], its tokens.
        measure: how the target is computed of the losses of the groups.
        seed: of the job.

    Returns:
        The target of each mixture; the difference of the fitted to the natural one, and its 95 % interval.
    """
    targets = target_of(group_losses(found, group, weight), measure)
    order = np.argsort(group, kind="stable")
    starts = np.searchsorted(group[order], group[order])
    sizes = np.searchsorted(group[order], group[order], side="right") - starts
    random = np.random.default_rng(keys(seed, "learning.check", np.zeros(1, np.int64)))
    # As many texts of each group, some of them several times; how often each comes in each resample.
    some = order[starts + (random.random((RESAMPLES, len(order))) * sizes).astype(np.int64)]
    some += np.arange(RESAMPLES)[:, None] * len(order)
    times = np.bincount(some.ravel(), minlength=some.size).reshape(some.shape).astype(np.float64)
    belongs = (np.unique(group) == group[:, None]) * weight[:, None]
    tokens = times @ belongs
    natural, fitted = (target_of(times @ (belongs * found[k][:, None]) / tokens, measure) for k in (0, 2))
    differences = fitted - natural
    low, high = np.quantile(differences, (0.025, 0.975))
    told = dict(zip(("natural", "even", "fitted"), map(float, targets), strict=True))
    ends = {"difference": told["fitted"] - told["natural"], "low": float(low), "high": float(high)}
    return told | ends | {"draws": DRAWS}


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
