"""The blocks of the record that are measured: copies, quality, languages, clusters, sampling, audit.

Shares are of tokens, of all domains together. "Before" is the corpus after bad rows and copies were dropped and what is
for validation was held out; "after" is what was drawn, repetitions counted.
"""

from __future__ import annotations

from typing import Any

from curation.report.record.answers import Block


class Dedup(Block):
    """Copies."""

    exact: bool
    method: str
    kept_which: str
    documents: int
    """That were looked at."""
    removed: int
    rate: float
    near: dict[str, Any] | None
    """Near duplicates: measured, and never removed. null where they were not looked for."""


class Decile(Block):
    """Documents whose quality is from `low` up to `high`."""

    low: float
    high: float
    documents: int
    """Kept ones."""
    used: int
    """Drawn at least once."""
    draws: int


class Quality(Block):
    """Where qualities come from, and what was drawn by them."""

    origin: str
    scale: list[float]
    curve: dict[str, Any]
    deciles: list[Decile]
    without: int
    """Kept documents that have none."""


class Languages(Block):
    """Languages."""

    declared: list[str]
    """By the job file."""
    measured: bool
    rows: list[dict[str, Any]]
    """By language: documents of the sample, shares before and after with confidence limits."""


class Encoder(Block):
    """What made the vectors."""

    name: str
    kind: str
    dimensions: int
    precision: str
    max_tokens: int
    max_chunks: int
    weights_sha256: str
    files_sha256: str
    documents: int
    truncated: int
    """Documents of which it read only a part."""
    read_share: float | None
    """Of the characters of all texts; null where no text was read."""


class Cluster(Block):
    """A cluster."""

    cluster: int
    group: int | None
    """The topmost one that holds it."""
    path: list[int] | None
    """Its groups from the topmost downwards."""
    documents: int
    tokens: int
    mean_similarity: float | None
    coherence: float | None
    medoids: list[int]
    """doc_ids nearest to the centroid."""
    terms: list[str]
    warning: str | None


class Clustering(Block):
    """How the documents were grouped."""

    encoder: Encoder
    algorithm: str
    initialisation: str
    seed: int
    fit: dict[str, Any]
    """Iterations, inertia of each, convergence, re-seeded clusters, restarts, engine and why, stability; strata,
    clusters after resampling and after merging, how their number was chosen."""
    figures: dict[str, Any]
    """Of all documents: clusters, groups, empty ones, sizes, mean similarity, coherence, warnings."""
    clusters: list[Cluster]


class Quota(Block):
    """What was drawn of a cluster, all phases together."""

    cluster: int
    documents: int
    """That may be drawn; those that the job leaves out are among them."""
    tokens: int
    share_before: float
    target_tokens: float
    target_share: float
    realised_tokens: int
    realised_share: float
    epochs: float
    at_cap: bool
    """Whether all its cells gave what the clip allows, in some phase."""
    used_documents: int
    never_used_documents: int
    most_uses: int


class Sampling(Block):
    """What was drawn, and by which rule."""

    draws: int
    tokens: int
    rows: int
    clip: int
    clips: dict[str, int]
    """By domain."""
    phases: list[dict[str, Any]]
    weights: list[dict[str, Any]]
    """By phase: the weight of each domain, asked for and realised, and how it came about."""
    uses: list[int]
    """Documents that are used 0 times, once, twice, ..."""
    validation: dict[str, Any] | None
    token_caps: list[dict[str, Any]] | None
    """null where none were asked for."""
    shortfalls: list[str]
    """What could not be given as it was asked for."""
    clusters: list[Quota]


class Coverage(Block):
    """How much of what may be drawn is used at all."""

    documents: int
    used_documents: int
    never_used_documents: int
    share_of_documents: float
    tokens: int
    unique_tokens: int
    share_of_tokens: float
    drawn_tokens: int
    effective_tokens: int
    """What the drawn tokens are worth in tokens that are all different (arXiv 2305.16264)."""


class Audit(Block):
    """The corpus before and after."""

    balance: dict[str, dict[str, float]]
    """Of the clusters' tokens: Gini coefficient, effective number of clusters."""
    coverage: Coverage
    domains: list[dict[str, Any]]
    salience: list[dict[str, Any]] | None
    """Tokens that are over-represented; null where they were not looked for."""
