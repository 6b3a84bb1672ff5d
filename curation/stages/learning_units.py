"""What weights are learned of, and what the job's plan gives each cell under them.

Units are the domains; or the groups of clusters, as the job makes them, else the clusters merged to MOST_UNITS by Ward
linkage (`clustering.groups`). CLIMB (arXiv 2504.13161) works on some 20. But what is rare lies beside what is common
in a unit as large as that, and no weight can part them: with 52 true domains in 300 clusters, the best weights of 20,
40, 100 and 300 units can win about 64, 73, 83 and 89 % of what even domains do (in mean log share of the domains). The
regression takes 100 with some 100 trials, since it knows what each unit holds (`sampling.mixture_fit`). Under learned
weights of clusters each cluster of a group gets its share by size, so the natural weights are the corpus as it is.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from curation.clustering.groups import group_clusters
from curation.config import Job
from curation.errors import JobError
from curation.sampling.allocation import allocate
from curation.sampling.mixture_space import Floats, MixtureSpace, mixture_space
from curation.stages import held_out
from curation.stages.centroid_file import load_centroids
from curation.stages.clusters import load_groups, load_top_groups
from curation.stages.eligible import Cells, cells_of, load_eligible
from curation.stages.learned_weights import Learns, learns
from curation.stages.phases import PhaseRequest, budget_tokens, phases_of
from curation.stages.splits import load_splits
from curation.storage.store import Store

#: Units that clusters are merged to.
MOST_UNITS = 100
#: The key of the job file that asks for weights.
KEYS: dict[Learns, str] = {"domains": "blending.weights", "clusters": "sampling.cluster_weights"}
#: Under `when_short: strict`, what a weight keeps off the most that its domain can give, as a share of that and of the
#: budget: weights are rounded, and the plan takes no more.
STRICT = 1e-6, 2e-9


class Keys(NamedTuple):
    """Where budget and clips come from, for messages."""

    budget: str = "sampling.budget"
    clips: str = "sampling.clip"


@dataclass(frozen=True, eq=False)
class Mixing:
    """The plan of a job as a function of the weights of U units."""

    of: Learns
    names: list[str]
    """Of the units: domains, or numbers of groups."""
    numbers: NDArray[np.int64]
    """int64[U], ascending: indices of the domains, numbers of the groups."""
    unit: NDArray[np.int32]
    """int32[C x D]: the unit of each cell; -1 where nothing may be drawn."""
    tokens: NDArray[np.int64]
    """int64[C, D]: tokens that may be drawn."""
    groups: NDArray[np.int32] | None
    """int32[C, L], as `preference` takes them."""
    space: MixtureSpace
    budget: float
    """Tokens that the job draws with these weights."""
    clips: NDArray[np.int64]
    exponent: float
    shares: tuple[float, float]
    """Least and largest share of a cluster."""
    domains: list[str]
    level_exponent: float | None = None
    """Of levels that each count by themselves, as `preference` takes it."""
    keys: Keys = field(default_factory=Keys)

    @property
    def unit_tokens(self) -> NDArray[np.int64]:
        """int64[U]: tokens of each unit that may be drawn."""
        there = self.unit >= 0
        found = np.bincount(self.unit[there], self.tokens.ravel()[there], len(self.names))
        return np.rint(found).astype(np.int64)

    def cell_tokens(self, weights: Floats) -> Floats:
        """Tokens that the plan draws from each cell, float64[C x D], for weights float64[U]."""
        # Of all groups, also those that nothing may be drawn from.
        whole = np.zeros(len(self.domains) if self.of == "domains" or self.groups is None else self.groups.max() + 1)
        whole[self.numbers] = weights
        by_domain = self.of == "domains"
        return allocate(
            self.tokens,
            budget=self.budget,
            clips=self.clips,
            exponent=self.exponent,
            domain_weights=whole if by_domain else None,
            when_short="hold_budget",
            domain_names=self.domains,
            min_share=self.shares[0],
            max_share=self.shares[1],
            groups=self.groups,
            group_weights=None if by_domain else whole,
            level_exponent=self.level_exponent,
        ).target.ravel()


def mixing_of(job: Job, store: Store, cells: Cells) -> Mixing:
    """What a job's weights are learned of.

    Args:
        job: a job that learns weights.
        store: its run directory, where groups and centroids are.
        cells: what there is, groups left out.

    Raises:
        JobError: there are not two units, or the clip leaves no choice between them.
    """
    of = learns(job)
    assert of is not None, "only asked for where weights are learned"
    requests = [request for request in phases_of(job) if reads_weights(request, of)]
    budget = sum(budget_tokens(request, cells) for request in requests)
    clips: NDArray[np.int64] = np.max([request.clips for request in requests], axis=0)
    tokens = cells.open_tokens
    groups = _groups(job, store, of)
    if of == "clusters":
        assert groups is not None, "clusters always have groups here"
        numbers, exponent = np.broadcast_to(groups, tokens.shape), 1.0
    else:
        numbers, exponent = np.broadcast_to(np.arange(tokens.shape[1]), tokens.shape), requests[0].exponent
    found, unit = _units(numbers, tokens)
    names = [str(number) if of == "clusters" else job.domains[number] for number in found.tolist()]
    keys = _keys(requests)
    space = _space(job, of, names, unit, tokens, clips, budget, keys)
    sampling = job.sampling
    beta = sampling.group_exponent if sampling.balance == "levels" and of == "domains" else None
    bounds = sampling.min_cluster_share, sampling.max_cluster_share
    return Mixing(
        of, names, found, unit, tokens, groups, space, budget, clips, exponent, bounds, job.domains, beta, keys
    )


def guarded(mixing: Mixing, alike: Floats) -> Mixing:
    """The same, but that no weight goes below what no validation text speaks for.

    What stands in no text of validation seems to be worth nothing, so trials would take it down to the floor.

    Args:
        mixing: the units.
        alike: float64[G, U], the share of each unit's tokens that are of each validated group.

    Raises:
        JobError: that leaves no choice.
    """
    space = mixing.space
    unheard = np.minimum(space.natural * (1.0 - alike.sum(axis=0)), space.upper)
    higher = replace(mixing, space=replace(space, lower=np.maximum(space.lower, unheard)))
    _check_choice(higher.space, mixing.of, mixing.keys)
    return higher


def reads_weights(request: PhaseRequest, of: Learns) -> bool:
    """Whether a phase draws by the weights: those of clusters are for all."""
    return of == "clusters" or request.weights == "learned"


def is_strict(job: Job) -> bool:
    """Whether the plan refuses a domain's weight that is more than the domain can give."""
    return any(one.weights == "learned" and one.when_short == "strict" for one in phases_of(job))


def left_tokens(clusters: int, store: Store, job: Job) -> NDArray[np.int64]:
    """Tokens of each cell without what is held out for validation, int64[C, D], as the plan finds them."""
    assigned = store.marker("assignments")
    total = assigned.stats["documents"] if assigned else 0
    content = held_out.reads_content(job)
    documents = load_eligible(store, load_splits(store), job.domains, total, with_content=content)
    left, _ = held_out.hold_out(job, documents, cells_of(job, documents, clusters))
    return cells_of(job, left, clusters).tokens


def theme_groups(job: Job, store: Store) -> NDArray[np.int32]:
    """The groups that stand for the clusters' themes: int32[C]."""
    if job.clustering.groups is not None:
        return load_top_groups(store)
    return group_clusters(load_centroids(store), [MOST_UNITS])[:, 0]


def _groups(job: Job, store: Store, of: Learns) -> NDArray[np.int32] | None:
    if of == "clusters":
        return theme_groups(job, store)[:, None]
    return load_groups(store, job)


def _units(numbers: NDArray[np.integer], tokens: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """The numbers that have tokens, ascending, and the place among them of each cell: int32[C x D], -1 where empty."""
    there = tokens.ravel() > 0
    found, place = np.unique(numbers.ravel()[there], return_inverse=True)
    unit = np.full(tokens.size, -1, np.int32)
    unit[there] = place
    return found.astype(np.int64), unit


def _keys(requests: list[PhaseRequest]) -> Keys:
    """The keys of some phases."""
    clips = dict.fromkeys(key for request in requests for key in request.clip_keys)
    return Keys(" and ".join(request.budget_key for request in requests), " and ".join(clips))


def _space(
    job: Job,
    of: Learns,
    names: list[str],
    unit: NDArray[np.int32],
    tokens: NDArray[np.int64],
    clips: NDArray[np.int64],
    budget: float,
    keys: Keys,
) -> MixtureSpace:
    """The bounds of the weights."""
    if len(names) < 2:
        only = "one group of clusters" if of == "clusters" else f"domain {names[0]!r}"
        raise JobError(f"{KEYS[of]} is learned, and there is only {only} to draw from: give it another value")
    there = unit >= 0
    cells = (values.ravel()[there] for values in (tokens, tokens * clips))
    have, most = (np.asarray(np.bincount(unit[there], one, len(names)), np.float64) for one in cells)
    if is_strict(job):
        most = np.maximum(most - np.maximum(STRICT[0] * most, STRICT[1] * budget), most / 2)
    space = mixture_space(have, most, budget, job.learning.floor, keys.budget, keys.clips)
    _check_choice(space, of, keys)
    return space


def _check_choice(space: MixtureSpace, of: Learns, keys: Keys) -> None:
    """Refuses bounds that leave a single mixture."""
    if space.is_point:
        raise JobError(
            f"{KEYS[of]} is learned, and learning.floor, the clip and what has too few documents for validation leave "
            f"no choice at this budget: lower learning.floor or {keys.budget}, or raise {keys.clips}"
        )
