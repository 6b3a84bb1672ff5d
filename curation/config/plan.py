"""The keys that decide what is drawn: sampling, blending, quality and phases."""

from __future__ import annotations

from math import inf
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from curation.config.section import Count, Positive, Section
from curation.config.token_caps import TokenCaps
from curation.expression import parse

Order = Literal["general_to_specific", "specific_to_general", "stationary", "curriculum", "shuffled"]
Weights = Literal["none", "even", "proportional", "temperature", "quality", "auto", "learned"]
WhenShort = Literal["hold_budget", "hold_ratio", "strict"]
Method = Literal[
    "cluster_clip", "random", "uniform", "general_to_specific", "specific_to_general", "unimax", "temperature"
]
Clip = Annotated[int, Field(ge=1, le=10_000)]
Share = Annotated[float, Field(ge=0, le=1)]

NO_CLIP = 10_000

_FREE = {"weights": "none"}

#: What `sampling.method` stands for: values of keys of `sampling` and `blending`.
#: random: the corpus as it is. uniform: even clusters, repeated without limit. unimax: even domains, each repeated
#: no more than the clip (Chung et al. 2023, arXiv 2304.09151). temperature: domains by a root of their size
#: (Conneau et al. 2020, arXiv 1911.02116).
METHODS: dict[str, dict[str, dict[str, Any]]] = {
    "cluster_clip": {
        "sampling": {"cluster_exponent": 0.0, "clip": 5, "order": "general_to_specific"},
        "blending": _FREE,
    },
    "random": {"sampling": {"cluster_exponent": 1.0, "clip": NO_CLIP, "order": "shuffled"}, "blending": _FREE},
    "uniform": {"sampling": {"cluster_exponent": 0.0, "clip": NO_CLIP, "order": "stationary"}, "blending": _FREE},
    "general_to_specific": {
        "sampling": {"cluster_exponent": 0.0, "clip": 1, "order": "general_to_specific"},
        "blending": _FREE,
    },
    "specific_to_general": {
        "sampling": {"cluster_exponent": 0.0, "clip": 1, "order": "specific_to_general"},
        "blending": _FREE,
    },
    "unimax": {
        "sampling": {"cluster_exponent": 1.0, "clip": 5, "order": "shuffled"},
        "blending": {"weights": "even", "when_short": "hold_budget"},
    },
    "temperature": {
        "sampling": {"cluster_exponent": 1.0, "clip": NO_CLIP, "order": "shuffled"},
        "blending": {"weights": "temperature", "when_short": "hold_budget"},
    },
}


class Budget(Section):
    """How much is drawn: one of the two."""

    epochs: Annotated[float, Field(gt=0, le=NO_CLIP)] | None = None
    """Tokens to draw, as a multiple of those that may be drawn: without copies, what is excluded and what is held out
    for validation."""
    tokens: Count | None = None
    """Tokens to draw."""

    @model_validator(mode="after")
    def _one_of_two(self) -> Budget:
        if (self.epochs is None) == (self.tokens is None):
            raise ValueError("give either epochs or tokens, and not both")
        return self


class Exclusion(Section):
    """Documents that are not drawn: of a domain, of a cluster, or of a cluster in a domain."""

    domain: str | None = None
    """Name of the domain."""
    cluster: Annotated[int, Field(ge=0)] | None = None
    """Number of the cluster, as `curation show` and the `clusters` table have it."""
    reason: Annotated[str, Field(min_length=1)]
    """Why, for the record."""

    @model_validator(mode="after")
    def _names_something(self) -> Exclusion:
        if self.domain is None and self.cluster is None:
            raise ValueError("name a domain, a cluster or both")
        return self


class Sampling(Section):
    """How often each document is drawn, and in which order."""

    method: Method = "cluster_clip"
    """Sets cluster_exponent, clip, order and blending.weights where the job file does not. `--set sampling.method=...`
    sets them in any case."""
    budget: Budget = Budget(epochs=1.0)
    """How many tokens are drawn. Not read when there are phases."""
    cluster_exponent: Share = 0.0
    """0: every cluster the same share; 1: as the corpus is; between: tempered (share ~ size ** exponent)."""
    balance: Literal["clusters", "groups", "tree", "levels"] = "clusters"
    """What is evened out. `groups` (with several numbers in clustering.clusters): every topmost group gets the same
    share, and its clusters share it by their size ** cluster_exponent. `tree`: the groups inside a group share evenly
    too, level by level; the clusters of a lowest group share by their size ** cluster_exponent. `levels`: the mean over
    the levels of what each would give by itself, groups by their size ** group_exponent; no one level decides."""
    group_exponent: Share = 0.0
    """Of `balance: levels`. 0: every group of a level the same share; 1: as the corpus is."""
    cluster_weights: Literal["none", "learned"] = "none"
    """`learned`: the share of each group of clusters is fitted on trials, see `learning`; inside a group clusters keep
    theirs, and cluster_exponent and balance are not read."""
    clip: Clip = 5
    """Most times that any document is used; `sources[].clip` is one for a domain."""
    min_cluster_share: Share = 0.0
    """Least share of the budget that a cluster gets. The clip comes first."""
    max_cluster_share: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Largest share of the budget that a cluster gets."""
    prefer_quality: bool | None = None
    """Draw the documents of a cell in proportion to f(quality). Default: when blending.weights is `quality`."""
    order: Order = "general_to_specific"
    """Order of the draws in the output."""
    interleave: Literal["even", "random"] = "even"
    """`even`: clusters come as regularly as they can. `random`: as if each draw picked its cluster by chance."""
    curriculum: Literal["best_last", "best_first"] = "best_last"
    """Direction of `order: curriculum`."""
    exclude: list[Exclusion] = []
    """What is not drawn, and why."""
    token_caps: TokenCaps = []
    """How many of the documents drawn may carry a word or phrase."""

    @model_validator(mode="after")
    def _floor_below_cap(self) -> Sampling:
        if self.min_cluster_share > self.max_cluster_share:
            raise ValueError("min_cluster_share is above max_cluster_share")
        return self


class Bounds(Section):
    """How far `weights: auto` may go from the corpus as it is. What the clip allows is a bound too."""

    floor: Share = 0.1
    """Least weight of a domain, as a multiple of its share of the tokens."""
    cap: Annotated[float, Field(ge=1, allow_inf_nan=False)] = 10.0
    """Largest weight of a domain, as a multiple of its share of the tokens."""


class Reference(Section):
    """A corpus whose profile the mixture is to match."""

    path: str | Annotated[list[str], Field(min_length=1)]
    """As `sources[].path`."""
    text_column: str = "text"
    """Column (Parquet) or key (JSONL) that holds the text."""

    @property
    def paths(self) -> list[str]:
        """The path patterns as a list."""
        return [self.path] if isinstance(self.path, str) else list(self.path)


class Blending(Section):
    """In which proportions the domains are drawn."""

    weights: Weights = "none"
    """`none`: domains fall where the clusters put them. `even`: all the same. `proportional`: the sources' `weight`.
    `temperature`: tokens ** (1 / temperature). `quality`: the sources' `weight` times the mean quality.
    `auto`: computed from the texts. `learned`: fitted on trials, see `learning`."""
    temperature: Annotated[float, Field(ge=1, allow_inf_nan=False)] = 3.0
    """T of `weights: temperature`; 1 leaves the domains as they are, a large T makes them even."""
    bounds: Bounds = Bounds()
    """Bounds of `weights: auto`."""
    reference: Reference | None = None
    """With `weights: auto`: match this corpus. Without one, the weights cover the variety of the domains best."""
    when_short: WhenShort = "hold_budget"
    """What gives when a domain can't supply its share within the clip."""


class Curve(Section):
    """f, what a quality is worth. Where documents are drawn by quality, those of f = 0 are not drawn, and the others of
    a cell in proportion to f, so that the cell gives its target: C cancels out."""

    kind: Literal["identity", "threshold", "power", "dolma3"] = "identity"
    """identity: q. threshold: 1 from `threshold` on, else 0. power: q ** `power`. dolma3: over the percentile x,
    0 below `cut`, then C (x - cut)^power e^(rate (x - cut)), C so that its mean is the budget in epochs."""
    threshold: Share = 0.5
    """Of `threshold`."""
    power: Annotated[float, Field(ge=0, le=100)] = 1.0
    """Of `power` and `dolma3`."""
    cut: Annotated[float, Field(ge=0, lt=0.95)] = 0.4
    """Of `dolma3`: this share of the tokens, the worst, is not drawn."""
    most: Positive = 7.0
    """Of `dolma3`: the mean of f over the best 5 %, at most."""
    rate: Annotated[float, Field(ge=0, le=100)] | None = None
    """Of `dolma3`. Default: the steepest that `most` allows."""


class Quality(Section):
    """Where a document's quality comes from: one of column, expression and scorer, or none."""

    column: str | None = None
    """Column (Parquet) or key (JSONL) with a number a document."""
    expression: str | None = None
    """Arithmetic over such columns: 0.7*edu + 0.3*min(upvotes, 100)/100."""
    scorer: Literal["heuristics"] | None = None
    """`heuristics`: the rules of Gopher and C4 as one number; its parts are in the table `heuristics`."""
    scale: tuple[float, float] = (0.0, 1.0)
    """The values that mean worst and best; mapped to 0 and 1, values outside are cut off."""
    curve: Curve = Curve()
    """What a quality is worth when domains are weighted and documents drawn by it."""

    @field_validator("expression")
    @classmethod
    def _parses(cls, value: str | None) -> str | None:
        return value if value is None else str(parse(value))

    @model_validator(mode="after")
    def _one_origin_and_a_range(self) -> Quality:
        if not -inf < self.scale[0] < self.scale[1] < inf:
            raise ValueError("scale must be [worst, best] with worst < best, both finite")
        if self.scorer and self.scale != (0.0, 1.0):
            raise ValueError("scale is of column and expression; a scorer gives 0 to 1")
        if sum(origin is not None for origin in (self.column, self.expression, self.scorer)) > 1:
            raise ValueError("give one of column, expression and scorer")
        return self

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the sources that it is computed from."""
        if self.expression is not None:
            return parse(self.expression).names
        return () if self.column is None else (self.column,)

    @property
    def given(self) -> bool:
        """Whether documents have a quality."""
        return (self.column, self.expression, self.scorer) != (None, None, None)


class Phase(Section):
    """A part of the output, drawn after those before it. What it leaves out is as in sampling and blending."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,60}$")] | None = None
    """Part of the name of its folder."""
    budget: Budget
    """How many tokens are drawn."""
    clip: Clip | None = None
    """Most times that any document is used in this phase and those before it together, also where `sources[].clip` is
    higher."""
    order: Order | None = None
    """Order of the draws."""
    cluster_exponent: Share | None = None
    """See `sampling.cluster_exponent`."""
    weights: Weights | dict[str, Annotated[float, Field(ge=0, allow_inf_nan=False)]] | None = None
    """As `blending.weights`, or the domains to draw from with their importance; others are not drawn."""
    when_short: WhenShort | None = None
    """See `blending.when_short`."""
    token_caps: TokenCaps | None = None
    """In place of `sampling.token_caps`; []: no caps in this phase."""
