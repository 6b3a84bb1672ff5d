"""What learned weights promise: shares within their bounds, those that trials and check speak for, and the plan's own.

The trials themselves are not run again. That the plan draws by the weights is covered by making it once more
(`remade`); here its record must have them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from curation.config import Job
from curation.sampling.mixture_fit import target_of
from curation.sampling.mixture_space import MixtureSpace
from curation.stages.learned_weights import TRIALS, WEIGHTS, learns
from curation.stages.learning_outcome import kept_by, measure_of
from curation.stages.plan_tables import WEIGHTS as PLANNED
from curation.storage.store import Store
from curation.verify.files import Faults
from curation.verify.findings import fault_unless

#: What weights of 9 decimals may miss.
ROUNDING = 1e-6


def check_learned(store: Store, job: Job) -> Faults:
    """Every check of learned weights; none where the job learns none."""
    if learns(job) is None:
        return
    told = store.read_json(WEIGHTS)
    names = ("natural", "lower", "upper", "even", "fitted", "weight")
    column = {name: np.array([unit[name] for unit in told["units"]], np.float64) for name in names}
    sums = [column[name].sum() for name in ("natural", "even", "fitted", "weight")]
    yield fault_unless(np.allclose(sums, 1.0, rtol=0.0, atol=ROUNDING), f"{WEIGHTS}: shares do not add up to 1")
    for name in ("even", "fitted", "weight"):
        inside = (column["lower"] - ROUNDING <= column[name]) & (column[name] <= column["upper"] + ROUNDING)
        yield fault_unless(bool(inside.all()), f"{WEIGHTS}: {name} is not within the bounds")
    yield from _trials(store, job, told, column["fitted"])
    yield from _check(job, told)
    kept = kept_by(told["check"], measure_of(job))
    yield fault_unless(told["kept"] == kept, f"{WEIGHTS}: what is kept is not what the check says")
    if kept == "learned":
        same = np.array_equal(column["weight"], column["fitted"])
        yield fault_unless(same, f"{WEIGHTS}: the weights are not the fitted ones, which the check found better")
    else:
        start = MixtureSpace(column["natural"], column["lower"], column["upper"]).start
        same = np.allclose(column["weight"], start, rtol=0.0, atol=ROUNDING)
        yield fault_unless(same, f"{WEIGHTS}: the weights are not the natural ones within the bounds, which are kept")
    weight = {unit["name"]: unit["weight"] for unit in told["units"]}
    for phase in store.read_json(PLANNED):
        if phase["strategy"] == "learned":
            wanted = {name: found["wanted"] for name, found in phase["weights"].items()}
            same = wanted == {name: weight.get(name, 0.0) for name in job.domains}
            yield fault_unless(same, f"{PLANNED}: the weights are not those of {WEIGHTS}")


def _trials(store: Store, job: Job, told: dict[str, Any], fitted: np.ndarray[Any, Any]) -> Faults:
    """The table of trials has them all, and the fitted mixture is the best of them."""
    table = store.read_table(TRIALS)
    mixtures = np.array(table["weights"].to_pylist(), np.float64)
    losses = np.array(table["losses"].to_pylist(), np.float64)
    whole = len(mixtures) == told["trials"] and mixtures.shape[1:] == fitted.shape and np.isfinite(losses).all()
    yield fault_unless(bool(whole), f"{TRIALS}: not the {told['trials']} trials of {WEIGHTS}")
    if whole:
        target = target_of(losses, measure_of(job))
        best = np.array_equal(mixtures[int(np.argmin(target))], fitted)
        yield fault_unless(best, f"{WEIGHTS}: fitted is not the mixture that was best in {TRIALS}")
        same = abs(float(target.min()) - told["fit"]["fitted"]) < ROUNDING
        yield fault_unless(same, f"{WEIGHTS}: the loss of the fitted mixture is not that of {TRIALS}")


def _check(job: Job, told: dict[str, Any]) -> Faults:
    """The losses of the check are those of its groups."""
    check = told["check"]
    by_group = np.array([[group[name] for group in told["groups"]] for name in ("natural", "fitted")], np.float64)
    targets = target_of(by_group, measure_of(job)).tolist()
    found = [check["natural"], check["fitted"], check["difference"]]
    same = np.allclose(found, [*targets, targets[1] - targets[0]], rtol=0.0, atol=ROUNDING)
    yield fault_unless(same, f"{WEIGHTS}: the losses of the check are not those of its groups")
