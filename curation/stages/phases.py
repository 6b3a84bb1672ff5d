"""Phases: what the job asks of each part of the output, and what is decided for it.

Without `phases` in the job file the output has one part. `decide` works on the table of cells alone, so the planner
and a sweep of `curation plan` come to the same figures.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curation.config import Budget, Job, Phase
from curation.config.plan import NO_CLIP
from curation.errors import JobError
from curation.sampling.allocation import Allocation, WhenShort, allocate
from curation.sampling.auto_weights import FeatureTable, Reason, cover, match
from curation.sampling.domain_weights import formula_weights
from curation.sampling.schedule import Order, Schedule
from curation.sampling.token_caps import Kept
from curation.sampling.trimming import Carried
from curation.stages.eligible import Cells
from curation.stages.learned_weights import Learned


@dataclass(frozen=True)
class PhaseRequest:
    """What the job asks of a phase, every default filled in."""

    number: int
    folder: str
    """Folder of its shards in `shards`; empty where there are no phases."""
    budget: Budget
    clips: NDArray[np.int64]
    """int64[D]."""
    exponent: float
    order: Order
    weights: str | dict[str, float]
    when_short: WhenShort
    by_quality: bool
    """Whether the documents of a cell are drawn in proportion to f(quality)."""
    budget_key: str
    clip_keys: list[str]
    """Keys of the job file that the budget and the domains' clips come from, for messages."""


@dataclass(frozen=True)
class Profiles:
    """Features of the domains, and of the reference corpus if there is one: (means, errors), float64[F] each."""

    table: FeatureTable
    reference: tuple[NDArray[np.float64], NDArray[np.float64]] | None


@dataclass(frozen=True)
class Weighing:
    """The domain weights asked for, and how they came about."""

    strategy: str
    wanted: NDArray[np.float64] | None
    """float64[D], sums to 1; None: domains fall where the clusters put them."""
    because: dict[str, Any] = field(default_factory=dict)
    """What the strategy used, JSON-able."""


@dataclass(frozen=True)
class Spent:
    """What earlier phases drew."""

    room: NDArray[np.int64]
    """int64[C, D]: tokens that each cell can still give within the clip."""
    tokens: NDArray[np.int64]
    """int64[D]: tokens drawn from each domain."""


@dataclass(frozen=True)
class Decision:
    """What a phase gives."""

    budget: float
    weighing: Weighing
    allocation: Allocation
    kept: Kept | None = None
    """How it keeps to the caps of tokens, where any is capped."""


@dataclass(frozen=True)
class PlannedPhase:
    """A phase, decided and drawn."""

    request: PhaseRequest
    decision: Decision
    drawn: Schedule
    """`repetition` counts the draws of earlier phases too. Where `weight` is given, only the first draw of each
    document."""
    weight: NDArray[np.int16] | None
    """How often the document of each row is drawn in this phase; None: a row is a draw."""
    realised: NDArray[np.int64]
    """int64[C, D]: tokens drawn from each cell."""
    carried: Carried | None = None
    """What it draws of the carriers of each token, where any is capped."""

    @property
    def draws(self) -> int:
        """Draws, whether or not each has a row."""
        return len(self.drawn.document) if self.weight is None else int(self.weight.sum(dtype=np.int64))


def phases_of(job: Job) -> list[PhaseRequest]:
    """The phases of a job; one where it names none."""
    sampling, blending = job.sampling, job.blending
    whole = Phase(budget=sampling.budget)  # what leaves everything as in sampling and blending
    found = []
    for number, phase in enumerate(job.phases or [whole]):
        clip = sampling.clip if phase.clip is None else phase.clip
        weights = blending.weights if phase.weights is None else phase.weights
        prefer = sampling.prefer_quality
        found.append(
            PhaseRequest(
                number=number,
                folder=(f"phase-{number:02}" + (f"-{phase.name}" if phase.name else "")) if job.phases else "",
                budget=phase.budget,
                # A phase's own clip is for all; `sampling.clip` is for the domains that have none of their own.
                clips=np.minimum(job.clips(clip), phase.clip or NO_CLIP),
                exponent=sampling.cluster_exponent if phase.cluster_exponent is None else phase.cluster_exponent,
                order=phase.order or sampling.order,
                weights=weights,
                when_short=phase.when_short or blending.when_short,
                by_quality=weights == "quality" if prefer is None else prefer,
                budget_key=f"phases.{number}.budget" if job.phases else "sampling.budget",
                clip_keys=_clip_keys(job, "sampling" if phase.clip is None else f"phases.{number}"),
            )
        )
    return found


def _clip_keys(job: Job, section: str) -> list[str]:
    """The key that each domain's clip comes from."""
    own = {source.domain: f"sources.{index}.clip" for index, source in enumerate(job.sources) if source.clip}
    if section != "sampling":  # the lower of the two holds
        limit = job.phases[int(section.partition(".")[2])].clip or 0
        own = {source.domain: own[source.domain] for source in job.sources if (source.clip or limit) < limit}
    return [own.get(domain, f"{section}.clip") for domain in job.domains]


def budget_tokens(request: PhaseRequest, cells: Cells) -> float:
    """A phase's budget in tokens.

    Raises:
        JobError: it is less than one token, or everything is left out.
    """
    available = float(cells.open_tokens.sum())
    if not available:
        raise JobError("sampling.exclude leaves nothing to draw from")
    budget = request.budget
    tokens = float(budget.tokens) if budget.tokens else float(budget.epochs or 0) * available
    if tokens < 1:
        raise JobError(f"{request.budget_key}: {tokens:g} tokens is less than one token; raise it")
    return tokens


def decide(
    job: Job,
    request: PhaseRequest,
    cells: Cells,
    drawable: NDArray[np.int64] | None,
    spent: Spent | None,
    quality_means: NDArray[np.float64] | None,
    profiles: Profiles | None,
) -> Decision:
    """What each cell gives in a phase.

    Args:
        job: the job.
        request: the phase.
        cells: what there is.
        drawable: int64[C, D], tokens that may be drawn in this phase; None: all that are not left out.
        spent: what earlier phases drew; None in the first.
        quality_means: float64[D], token-weighted mean of f(quality), where weights go by it.
        profiles: features of the domains, where weights are computed from them.

    Raises:
        JobError: what the job asks for can't be drawn.
    """
    tokens = budget_tokens(request, cells)
    open_tokens = cells.open_tokens if drawable is None else drawable
    left = open_tokens * request.clips if spent is None else spent.room
    learned = cells.learned
    by_group = learned.weights if learned and learned.of == "clusters" else None
    most = left.sum(axis=0) / tokens
    weighing = weigh(job, request, open_tokens.sum(axis=0), most, quality_means, profiles, learned)
    allocation = allocate(
        open_tokens,
        budget=tokens,
        clips=request.clips,
        exponent=request.exponent if by_group is None else 1.0,
        domain_weights=weighing.wanted,
        when_short=request.when_short,
        domain_names=job.domains,
        budget_key=request.budget_key,
        clip_keys=request.clip_keys,
        room=None if spent is None else spent.room,
        used=None if spent is None else spent.tokens,
        min_share=job.sampling.min_cluster_share,
        max_share=job.sampling.max_cluster_share,
        groups=cells.groups,
        group_weights=by_group,
        level_exponent=job.sampling.group_exponent if job.sampling.balance == "levels" and by_group is None else None,
    )
    return Decision(tokens, weighing, allocation)


def weigh(
    job: Job,
    request: PhaseRequest,
    domain_tokens: NDArray[np.int64],
    most: NDArray[np.float64],
    quality_means: NDArray[np.float64] | None,
    profiles: Profiles | None,
    learned: Learned | None,
) -> Weighing:
    """The domain weights of a phase; `most` float64[D] is the share of the budget that each domain can give."""
    strategy, importance = request.weights, np.array(job.importance)
    if strategy == "none":
        return Weighing("none", None, learned.because if learned and learned.of == "clusters" else {})
    if strategy == "learned":
        assert learned is not None, "the fitted weights are loaded when a phase needs them"
        return Weighing("learned", learned.weights, learned.because)
    if isinstance(strategy, dict):
        own = np.array([strategy.get(domain, 0.0) for domain in job.domains])
        wanted = np.where(domain_tokens > 0, own, 0.0)
        if not wanted.any():
            raise JobError(f"phases.{request.number}.weights: every domain with a weight above 0 is empty")
        if wanted[wanted > 0].min() < 1e-12 * wanted.max():
            raise JobError(f"phases.{request.number}.weights: one is less than a 10^-12 of another; give 0 instead")
        return Weighing("given", wanted / wanted.sum(), {"importance": own.tolist()})
    if strategy == "auto":
        assert profiles is not None, "the profiles are loaded when a phase needs them"
        return _auto(job, domain_tokens, most, profiles)
    because: dict[str, Any] = {"importance": importance.tolist()} if strategy in ("proportional", "quality") else {}
    if strategy == "temperature":
        because["temperature"] = job.blending.temperature
    if strategy == "quality" and quality_means is not None:
        because["mean_quality"] = quality_means.tolist()
    wanted = formula_weights(strategy, domain_tokens, importance, job.blending.temperature, quality_means)
    return Weighing(strategy, wanted, because)


def _auto(job: Job, domain_tokens: NDArray[np.int64], most: NDArray[np.float64], profiles: Profiles) -> Weighing:
    """Weights from the texts, within the job's bounds and what the clip lets each domain give."""
    present = np.flatnonzero(domain_tokens > 0)
    sizes = domain_tokens[present] / domain_tokens.sum()
    upper = np.minimum(job.blending.bounds.cap * sizes, np.minimum(most[present], 1.0))
    if most[present].sum() < 1:  # the budget is more than the clip allows, which `allocate` will say
        return Weighing("auto", domain_tokens / domain_tokens.sum())
    if upper.sum() < 1:
        raise JobError(
            f"blending.bounds.cap {job.blending.bounds.cap:g} lets the domains have {upper.sum():.1%} of the budget "
            "within the clip: raise it, or raise the clip"
        )
    lower = np.minimum(job.blending.bounds.floor * sizes, upper)
    whole = profiles.table
    table = FeatureTable(whole.names, whole.groups, whole.means[present], whole.errors[present])
    if profiles.reference is None:
        found = cover(table, lower, upper, sizes)
    else:
        found = match(table, *profiles.reference, lower, upper, sizes)
    wanted = np.zeros(len(domain_tokens))
    wanted[present] = np.round(found.weights, 9)  # the last bits of a solver differ from processor to processor
    names = [job.domains[d] for d in present]
    because = {
        "objective": found.objective,
        "before": found.before,
        "after": found.after,
        "domains": {
            name: {
                "lower": float(lower[k]),
                "upper": float(upper[k]),
                "at_bound": found.at_bound[k],
                "reasons": [_plain(reason) for reason in found.reasons[k]],
            }
            for k, name in enumerate(names)
        },
        "alike": [[names[a], names[b], similarity] for a, b, similarity in found.redundant],
    }
    return Weighing("auto", wanted, because)


def _plain(reason: Reason) -> dict[str, Any]:
    """A reason as JSON: no NaN."""
    found = {key: float(value) if isinstance(value, float) else value for key, value in vars(reason).items()}
    return {key: None if value != value else value for key, value in found.items()}
