"""The blocks of the record that say what is recorded: identity, values of the job, sources, steps, output.

What only people can say comes from the classes of `answers`, which some blocks extend. `measured` has the others.
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
    what: str
    reads: list[str]
    """The stages, or counts of theirs, that it depends on."""
    parameters: Any
    """The part of the job that its result depends on."""
    seed: int | None
    deterministic: bool
    """Whether the same input and packages give the same bytes on any machine. Else the result was committed once."""
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
