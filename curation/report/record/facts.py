"""What the record is made of: plain data of a finished run, gathered by `stages.record`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from curation.config import Job
from curation.report.facts import Facts
from curation.report.record.answers import Answers
from curation.report.record.use import Use


@dataclass(frozen=True)
class StageFacts:
    """A stage that is done: what it does and depends on, what it counted, and the totals of its files."""

    name: str
    what: str
    reads: list[str]
    settings: Any
    stats: dict[str, Any]
    files: int
    rows: int
    bytes: int
    digest: str


@dataclass(frozen=True)
class RecordFacts:
    """A finished run.

    Attributes:
        job: the job.
        card: what the cards say of it: index of the shards, summary, sources, recipe, encoder.
        identity: what decides the encoder's vectors.
        stages: in order.
        files: the table of the input files.
        clusters: the table of clusters.
        allocation: the table of cells.
        use: what became of the documents.
        rejected: each reason why rows could not be used, how many, and some doc_ids.
        copies: doc_ids of some dropped copies.
        beside: what tells of the shards: name, rows, bytes, sha256.
        shortfalls: what the plan could not give, in words.
        answers: what people say.
        job_sha256: hash of the job.
        table_version: of the tables.
    """

    job: Job
    card: Facts
    identity: dict[str, Any]
    stages: list[StageFacts]
    files: pa.Table
    clusters: pa.Table
    allocation: pa.Table
    use: Use
    rejected: list[tuple[str, int, list[int]]]
    copies: list[int]
    beside: list[dict[str, Any]]
    shortfalls: list[str]
    answers: Answers
    job_sha256: str
    table_version: int

    @property
    def summary(self) -> dict[str, Any]:
        """The figures of the run."""
        return self.card.summary

    def stats(self, stage: str) -> dict[str, Any]:
        """What a stage counted; nothing where there is no such stage."""
        return next((one.stats for one in self.stages if one.name == stage), {})
