"""What was learned: the file of the fitted weights, as the plan, reports and checks read it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from curation.config import Job
from curation.storage.store import Store

WEIGHTS, TRIALS = "learned/weights.json", "learned/trials.parquet"
#: Raised where the same trials would give other weights or figures: what was learned before is learned anew.
LEARNED_VERSION = 2

Learns = Literal["domains", "clusters"]


@dataclass(frozen=True, eq=False)
class Learned:
    """Fitted weights."""

    of: Learns
    weights: NDArray[np.float64]
    """float64[D], or float64[G] of groups of clusters; 0 for those without tokens, sum 1."""
    groups: NDArray[np.int32] | None
    """int32[C, 1], the group of each cluster; None where domains are weighted."""
    because: dict[str, Any]
    """How they came about, for the record of the weights."""


def learns(job: Job) -> Learns | None:
    """Whose weights a job learns."""
    if job.sampling.cluster_weights == "learned":
        return "clusters"
    return "domains" if "learned" in job.strategies else None


def load_learned(store: Store, job: Job) -> Learned | None:
    """The fitted weights, where the job asks for them."""
    of = learns(job)
    if of is None:
        return None
    told = store.read_json(WEIGHTS)
    weights = {unit["name"]: unit["weight"] for unit in told["units"]}
    names = job.domains if of == "domains" else [str(group) for group in range(max(told["group_of_cluster"]) + 1)]
    groups = None if of == "domains" else np.array(told["group_of_cluster"], np.int32)[:, None]
    return Learned(of, np.array([weights.get(name, 0.0) for name in names]), groups, _because(told))


def _because(told: dict[str, Any]) -> dict[str, Any]:
    """What the record of the weights says of how they came about: all of the file but what is long."""
    return {key: value for key, value in told.items() if key not in ("version", "group_of_cluster", "groups")}
