"""The blocks of the record: their fields, as the published schema has them.

What only people can say comes from the classes of `answers`, which some blocks extend. Shares are of tokens, of all
domains together. "Before" is the corpus after bad rows and copies were dropped and what is for validation was held out;
"after" is what was drawn, repetitions counted.
"""

from __future__ import annotations

from typing import Any

from curation.report.record.answers import Block, IdentityAnswers, SourceAnswers


class Amount(Block):
    """Documents and their tokens."""

    documents: int
    tokens: int


class Identity(IdentityAnswers):
    """What this is the record of."""

    name: str
    """Made from the domains."""
    tool: str
    tool_version: str
    table_version: int
    """Of the meaning of the tables of the run directory."""
    job_sha256: str
    """Of the job as `config` has it, JSON in canonical form."""
    recipe_sha256: str
    """Of the keys that decide the shards, paths by their last part, as on the dataset card."""
    texts: str
    """Digest of all texts that were read, in their order."""


class ConfigRow(Block):
    """A value of the job."""

    key: str
    value: Any
    default: Any
    """null where a key has none."""
    changed: bool
    """Whether the value is another than the default."""
    reason: str
    """As the job file gives it; else what set the value, or what the key means."""
    reason_given: bool
    meaning: str


class Source(SourceAnswers):
    """A source of the job file."""

    number: int
    """Its place in the job file, from 0."""
    domain: str
    paths: list[str]
    licence: str
    """As the job file declares it."""
    facts: dict[str, str]
    """Other facts that the job file declares."""
    files: int
    bytes: int
    rows: int
    first_doc_id: int
    files_sha256: str
    """Of names, sizes and row counts of its files, in order; `sources/sources.parquet` lists them."""
    rejected: int
    """Rows that could not be used."""
    available: Amount
    """What could be read."""
    kept: Amount
    """Of it, what is no copy."""
    validation: Amount
    """Of that, what is held out for validation."""
    unique_used: Amount
    """Of the rest, what is drawn at least once."""
    used_with_repeats: Amount
    """Draws, and their tokens."""
    share_available: float
    """Of the tokens available in all sources."""
    share_used: float
    """Of the tokens used, with repeats."""
    large: bool
    """Whether `share_used` is above 3 %."""


class WebDomains(Block):
    """Host names."""

    listed: bool
    why: str


class Step(Block):
    """A stage of the run."""

    name: str
    reads: list[str]
    """The stages, or counts of theirs, that it depends on."""
    parameters: Any
    """The part of the job that its result depends on."""
    seed: int | None
    deterministic: bool
    """Whether the same input gives the same bytes on any machine. Where it does not, the result was committed once."""
    counts: dict[str, Any]
    """What it counted."""
    files: int
    rows: int
    bytes: int
    result: str
    """Hash of what it made: of the names, sizes and hashes of its files, and of its counts."""


class Removal(Block):
    """Documents that were taken out, by reason."""

    step: str
    reason: str
    documents: int
    tokens: int | None
    """null where they have none: rows that can't be read."""
    examples: list[int]
    """Some of their doc_ids."""
    evidence: str
    """The table that lists them."""


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
    """Iterations, inertia of each, convergence, re-seeded clusters, restarts, engine and why, stability."""
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


class File(Block):
    """A file of the output."""

    file: str
    part: str
    """train, validation, or about (what tells of the others)."""
    rows: int
    tokens: int | None
    text_bytes: int | None
    bytes: int
    sha256: str


class Outputs(Block):
    """What was written."""

    folder: str
    format: str
    columns: dict[str, str]
    rows: int
    tokens: int
    text_bytes: int
    bytes: int
    validation_rows: int
    files: list[File]


class Reproduction(Block):
    """How to make the same shards again."""

    commands: list[str]
    tool_version: str
    seed: int
    recipe_sha256: str
    notes: list[str]


class Decisions(Block):
    """The chain of decisions as it was when the record was made."""

    file: str
    lines: int
    head_sha256: str


class Made(Block):
    """When, where and with what: the only part that differs between two runs of one job over the same files."""

    at: str
    """UTC."""
    content_sha256: str
    """Of the record without this block, JSON in canonical form."""
    replaces: str | None
    """sha256 of the record that was there before."""
    answers_sha256: str | None
    """Of the file of answers."""
    decisions: Decisions
    seconds: dict[str, float]
    """That each stage took."""
    code_sha256: str
    """Of Curation's source files."""
    commit: str | None
    """That it was installed from, where that is known."""
    packages: dict[str, str]
    python: str
    machine: dict[str, Any]
    config: list[ConfigRow]
    """Values of the job that change nothing in the result."""
