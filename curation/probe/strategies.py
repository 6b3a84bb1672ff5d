"""Strategies: the ways of drawing that a probe compares. Each is a set of keys of the job file, and nothing else.

So there is no second law beside the planner's: a strategy's job is the run's with these keys, the pool is clustered
and drawn from as a run of that job would do it (`drawing`), and who likes an outcome takes its keys over with `--set`.
A new strategy is a row of `STRATEGIES`.

Of the run's job the encoder, the sources and the other keys of `clustering` stay. What else decides about drawing
(sampling, blending, quality, phases, clips of sources) is the strategy's own, or the default.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from curation.config import Job
from curation.config.plan import METHODS
from curation.counter_rng import nth_seed
from curation.errors import JobError
from curation.job_file import parse_job

#: The strategy that all others are compared with.
BASELINE = "random"
#: Documents of the pool that a cluster needs, on average; fewer clusters are made where there are not as many.
ROWS_A_CLUSTER = 20
#: K-Means iterations, at most: the pool is small, and what comes later moves few documents.
ITERATIONS = 25

_CLUSTERS, _GROUPING, _METHOD, _CLIP = "clustering.clusters", "clustering.grouping", "sampling.method", "sampling.clip"
_BALANCED: dict[str, Any] = {_METHOD: "cluster_clip"}
#: The bounds of a cluster's share that bound nothing.
_SHARES = {"min": 0.0, "max": 1.0}


@dataclass(frozen=True)
class Strategy:
    """A way of drawing: its name, what it does in words, and the job keys that it stands for, as `--set` has them."""

    name: str
    words: str
    parameters: dict[str, Any] = field(default_factory=dict)

    @property
    def clustered(self) -> bool:
        """Whether the draws hang on clusters."""
        by_groups = self.parameters.get("sampling.balance", "clusters") != "clusters"
        method = METHODS[self.parameters.get(_METHOD, "cluster_clip")]
        exponent = self.parameters.get("sampling.cluster_exponent", method["sampling"]["cluster_exponent"])
        least, most = (self.parameters.get(f"sampling.{name}_cluster_share", to) for name, to in _SHARES.items())
        return by_groups or float(exponent) < 1 or least > 0 or most < 1


def _clip(clip: int) -> Strategy:
    times = "once" if clip == 1 else f"{clip} times"
    words = f"even clusters, no document more than {times}"
    return Strategy(f"cluster_clip_{clip}", words, {**_BALANCED, _CLIP: clip})


def _clusters(clusters: int) -> Strategy:
    words = f"even clusters, up to {clusters:,} of them, no document more than 5 times"
    keys = {_CLUSTERS: clusters, _GROUPING: "ward"}
    return Strategy(f"clusters_{clusters}", words, {**_BALANCED, _CLIP: 5, **keys})


def _groups(fine: int, groups: int) -> Strategy:
    words = f"up to {fine:,} clusters in {groups} even groups, no document more than 5 times"
    keys = {
        _CLUSTERS: [fine, groups],
        _GROUPING: "ward",
        "sampling.balance": "groups",
        "sampling.cluster_exponent": 1.0,
    }
    return Strategy(f"groups_{groups}", words, {**_BALANCED, _CLIP: 5, **keys})


#: Groups of each level: which number is right is not known, so several count, each by itself.
_LEVELS = [1000, 45, 30, 20, 15]

_LISTED = (
    Strategy(BASELINE, "the corpus as it is", {_METHOD: "random"}),
    Strategy("uniform", "even clusters, repeated without limit", {_METHOD: "uniform"}),
    *map(_clip, (1, 3, 5, 10, 20)),
    *map(_clusters, (30, 100, 300, 1000)),
    _groups(1000, 30),
    Strategy(
        "groups_kmeans",
        "up to 1,000 clusters by hierarchical K-Means in 30 even groups, no document more than 5 times",
        {**_groups(1000, 30).parameters, _GROUPING: "kmeans"},
    ),
    Strategy(
        "levels",
        "groups of clusters that border on one another, nearly even, in the mean over few and many groups, no document "
        "more than 5 times",
        {
            **_BALANCED,
            _CLIP: 5,
            _CLUSTERS: _LEVELS,
            _GROUPING: "spectral",
            "sampling.balance": "levels",
            "sampling.group_exponent": 0.25,
            "sampling.cluster_exponent": 0.7,
        },
    ),
    Strategy(
        "tempered",
        "clusters by the root of their size, no document more than 5 times",
        {**_BALANCED, _CLIP: 5, "sampling.cluster_exponent": 0.5},
    ),
    Strategy("unimax", "even domains, no document more than 5 times", {_METHOD: "unimax", _CLIP: 5}),
    Strategy(
        "even_domains",
        "even domains, and even clusters in each, no document more than 5 times",
        {**_BALANCED, _CLIP: 5, "blending.weights": "even"},
    ),
    Strategy(
        "natural_domains",
        "domains as they are, even clusters in each, no document more than 5 times",
        {**_BALANCED, _CLIP: 5, "blending.weights": "temperature", "blending.temperature": 1.0},
    ),
)
STRATEGIES: dict[str, Strategy] = {strategy.name: strategy for strategy in _LISTED}
#: Those that are compared where nobody asks for others.
DEFAULT = (
    BASELINE,
    "uniform",
    *(f"cluster_clip_{clip}" for clip in (1, 3, 5, 10, 20)),
    "clusters_30",
    "groups_30",
    "levels",
    "tempered",
    "unimax",
    "even_domains",
)
#: The name of the run's own setting, and what it is.
OWN, OWN_WORDS = "job", "the job file's own setting"
#: Keys of `sampling` that are no part of it: the probe has a budget of its own, what is excluded is not in the pool,
#: and where tokens are capped it is not tried.
_NOT_TRIED = ("budget", "exclude", "token_caps")


def check_names(names: Sequence[str]) -> None:
    """Raises JobError where there is no such strategy: told before a pool is made."""
    known = [*STRATEGIES, OWN]
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.0)
            raise JobError(
                f"--strategies: there is no {name!r}; did you mean {near[0]!r}? There are: {', '.join(known)}"
            )


def chosen_strategies(job: Job, names: Sequence[str] | None, documents: int, epochs: float) -> list[Strategy]:
    """The strategies that are compared, the baseline first.

    Args:
        job: the run's job.
        names: those asked for, of `check_names`; None: the default ones, and the job's own where it is another one.
        documents: in the pool, which limit the number of clusters.
        epochs: tokens to draw, as a multiple of the pool's; where nobody asks, a strategy whose clip is below that is
            left out.

    Raises:
        JobError: a strategy's clip is too low, or the job's own can't be tried on a pool.
    """
    if names is None:
        wanted = [STRATEGIES[name] for name in DEFAULT if len(job.domains) > 1 or not _blends(STRATEGIES[name])]
        if own_fault(job, documents) is None:
            wanted.append(own_strategy(job))
    else:
        wanted = [STRATEGIES[BASELINE], *(_named(job, name, documents) for name in names if name != BASELINE)]
    fitted = []
    for strategy in (fit_to_pool(job, one, documents) for one in wanted):
        clip = strategy_job(job, strategy, 1, 0).sampling.clip
        if clip >= epochs:
            fitted.append(strategy)
        elif names is not None:
            raise JobError(f"--strategies {strategy.name}: at clip {clip} {epochs:g} epochs can't be drawn: lower it")
    laws: dict[str, Strategy] = {}
    for strategy in fitted:  # a smaller pool can make two of them one; the first keeps its name
        laws.setdefault(strategy_job(job, strategy, 1, 0).model_dump_json(), strategy)
    found = list(laws.values()) if names is None else fitted
    return list({strategy.name: strategy for strategy in found}.values())


def _blends(strategy: Strategy) -> bool:
    return strategy.name == "unimax" or "blending.weights" in strategy.parameters


def _named(job: Job, name: str, documents: int) -> Strategy:
    if name == OWN:
        if fault := own_fault(job, documents):
            raise JobError(f"--strategies {OWN}: {fault}, which a probe can't try on a part of the corpus")
        return own_strategy(job)
    return STRATEGIES[name]


def own_fault(job: Job, documents: int) -> str | None:
    """Why the run's own setting can't be tried on a pool of so many documents; None where it can."""
    if job.phases:
        return "the job has phases"
    if job.capped_tokens:
        return "sampling.token_caps is set"
    if job.draws_by_quality or "quality" in job.strategies:
        return "the job draws or weights by quality"
    if job.sampling.cluster_weights == "learned":
        return "sampling.cluster_weights is learned"
    if weights := job.strategies & {"auto", "learned"}:
        return f"blending.weights is {weights.pop()}"
    if any(source.clip is not None for source in job.sources):
        return "a source has a clip of its own"
    if job.sampling.order == "curriculum":
        return "sampling.order is curriculum"
    if job.blending.weights != "none" and job.blending.when_short != "hold_budget":
        return f"blending.when_short is {job.blending.when_short}"
    most, fitted = job.sampling.max_cluster_share, fit_to_pool(job, own_strategy(job), documents).parameters[_CLUSTERS]
    fine = fitted[0] if isinstance(fitted, list) else fitted
    if isinstance(fine, int) and most * fine < 1:
        return f"sampling.max_cluster_share is {most:g}, and the pool has documents for {fine} clusters"
    return None


def own_strategy(job: Job) -> Strategy:
    """The run's own setting: its method, and what it sets otherwise than the method does."""
    keys: dict[str, Any] = {_METHOD: job.sampling.method, _CLUSTERS: job.clustering.clusters}
    sections = ("sampling", job.sampling, _NOT_TRIED), ("blending", job.blending, ("reference", "bounds"))
    for section, own, others in sections:
        usual = type(own).model_validate(METHODS[job.sampling.method][section]).model_dump()
        found = own.model_dump(exclude={"method", *others})
        keys |= {f"{section}.{name}": value for name, value in found.items() if value != usual[name]}
    return Strategy(OWN, OWN_WORDS, keys)


def fit_to_pool(job: Job, strategy: Strategy, documents: int) -> Strategy:
    """The strategy with no more clusters than the pool can fill, but one a domain where these are clustered apart.

    A level that would not fall then has half as many groups as the one below it, and none below one. The parameters
    name them where the draws hang on any.
    """
    if not strategy.clustered:
        return strategy
    wanted = strategy.parameters.get(_CLUSTERS, job.clustering.clusters)
    if not isinstance(wanted, int | list):
        return strategy
    fine, *coarser = wanted if isinstance(wanted, list) else [wanted]
    apart = len(job.domains) if job.clustering.within == "domain" else 1
    levels = [max(min(fine, max(2, documents // ROWS_A_CLUSTER)), apart)]
    for level in coarser:
        if fewer := level if level < levels[-1] else levels[-1] // 2:
            levels.append(fewer)
    fitted = levels if isinstance(wanted, list) else levels[0]
    return Strategy(strategy.name, strategy.words, {**strategy.parameters, _CLUSTERS: fitted})


def strategy_job(job: Job, strategy: Strategy, budget: int, seed: int) -> Job:
    """The job of a strategy: the run's, with the strategy's keys, a budget in tokens, and a seed of its own."""
    tree = job.model_dump(mode="json")
    clustering = tree["clustering"]
    clustering["max_iterations"] = min(clustering["max_iterations"], ITERATIONS)
    tree |= {"seed": nth_seed(job.seed, seed), "sampling": {"budget": {"tokens": budget}}, "reasons": {}}
    tree |= {"blending": {}, "quality": {}, "phases": [], "output": {}, "tokens": {}}
    for source in tree["sources"]:
        source["clip"] = None
    for key, value in strategy.parameters.items():
        section, _, name = key.rpartition(".")
        tree[section][name] = value
    return parse_job(tree, f"strategy {strategy.name}")
