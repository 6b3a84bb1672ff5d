"""What a page is made of: plain JSON, whose shape stands here and nowhere else.

`stages.page` fills it from a run, `render` puts it into the HTML, the scripts in `assets` draw it. Clusters come as
columns, since 2,000 rows of named values would be half of the page. Counts are whole numbers, as the tables have them:
the scripts divide, so a share on the page can't differ from its parts. Every text may come from the corpus.
"""

from __future__ import annotations

from typing import Any, TypedDict

from curation.report.page.probe import Probe


class Flow(TypedDict):
    """A line of what went in and what came out."""

    step: str
    documents: int
    tokens: int | None
    note: str


class Clusters(TypedDict):
    """Clusters that hold documents, a value each in every column; most tokens first."""

    cluster: list[int]
    documents: list[int]
    before: list[int]
    """Tokens to draw from."""
    after: list[int]
    """Tokens drawn, repetitions counted."""
    coherence: list[float | None]
    clipped: list[bool]
    """Whether every document was used as often as the clip allows."""
    terms: list[list[str]]
    group: list[int | None]
    warning: list[str | None]
    domain: list[int]
    """Index into `domains`: the one with most of the cluster's tokens."""
    x: list[float]
    y: list[float]
    """Place on the map, from -1 to 1."""
    examples: list[list[str]]
    """Up to three texts near the centroid, cut."""


class Lorenz(TypedDict):
    """For clusters from the smallest on, the share of the tokens that they hold together."""

    clusters: list[float]
    before: list[float]
    after: list[float]


class Stretch(TypedDict):
    """A piece of the output, in the order of training."""

    phase: int
    first: int
    """Its first row, in the whole output."""
    rows: int


class Series(TypedDict):
    """What a mixture is made of: names, and for each name tokens in every stretch."""

    names: list[str]
    tokens: list[list[int]]


class Mixture(TypedDict):
    """The mixture along the output."""

    stretches: list[Stretch]
    domains: Series
    clusters: Series
    """Groups, or clusters, or bands of clusters by size."""
    order_note: str


class StageTime(TypedDict):
    """How long a stage worked, and on what; `count` is None where nothing is counted."""

    stage: str
    seconds: float
    count: int | None
    unit: str


class PageData(TypedDict):
    """Everything on a page. What has the shape of `report/summary.json` is taken from there as it is."""

    title: str
    version: str
    sentences: list[str]
    """How tokens are counted, what the encoder is and how much it read."""
    flow: list[Flow]
    balance: dict[str, dict[str, float]]
    plan: dict[str, Any]
    """Counts of the plan."""
    clip: str
    """The limit on uses of a document, in words."""
    phases: list[dict[str, Any]]
    validation: dict[str, Any] | None
    domains: list[dict[str, Any]]
    groups: list[dict[str, Any]]
    clusters: Clusters
    empty_clusters: int
    map_share: float
    """The share of the centroids' variance that the two directions of the map hold, in [0, 1]."""
    lorenz: Lorenz
    mixture: Mixture
    findings: list[dict[str, Any]]
    findings_clear: int
    languages: list[dict[str, Any]]
    near_duplicates: dict[str, Any] | None
    salience: list[dict[str, Any]]
    token_caps: list[dict[str, Any]]
    audited: list[str]
    """Which of languages, near_duplicates, salience and token_caps the job asked for."""
    times: list[StageTime]
    probe: Probe | None
    """What the last `curation probe` of the run found."""
    debt: dict[str, Any] | None
    """What the last `curation probe --pattern` found: its `debt.json`, with None where a number is not finite."""
