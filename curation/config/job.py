"""The job file's keys: type, unit, default and meaning of each, and what they must be to each other.

One YAML file says everything that a run does (`job_file.py` reads it). What needs the data itself (a column that
is not in the files, a budget that the clip forbids) is checked by the stage that first sees the data.

The docstring under a key is its description in `curation schema`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from curation.config.audit import Audit
from curation.config.clustering import Clustering
from curation.config.cost import Cost
from curation.config.embedding import Embedding
from curation.config.learning import Learning, learning_fault
from curation.config.output import Output
from curation.config.plan import METHODS, Blending, Clip, Phase, Quality, Sampling
from curation.config.record import Record
from curation.config.resources import Resources
from curation.config.section import PRINTABLE, Positive, Section
from curation.config.token_caps import TokenCap, caps_fault, distinct
from curation.config.tokens import Tokens
from curation.storage.uris import NO_CREDENTIALS, has_credentials, texts_in


class Source(Section):
    """Files of one domain."""

    domain: Annotated[str, Field(min_length=1, max_length=200, pattern=PRINTABLE)]
    """Name of the domain that these documents belong to. Several sources may share one."""
    path: str | Annotated[list[str], Field(min_length=1)]
    """A file, a folder, a glob, or a list of these; local or s3://, gs://. Parquet, JSONL, JSONL.gz, JSONL.zst."""
    text_column: str = "text"
    """Column (Parquet) or key (JSONL) that holds the text."""
    id_column: str | None = None
    """Column that holds the documents' own ids; carried into the shards as `id`."""
    keep_columns: list[str] = []
    """Columns carried into the shards as they are. From JSONL they are carried as strings."""
    vector_column: str | None = None
    """Column of vectors made elsewhere, lists of numbers; `embedding` is not read then. All sources have it or none."""
    weight: Positive = 1.0
    """Importance of the domain, relative to the others, for proportional and quality-weighted blending."""
    clip: Clip | None = None
    """Most times that any document of the domain is used; else `sampling.clip`."""
    licence: str | None = None
    """Declared licence, for the record."""
    facts: dict[str, str] = {}
    """Other declared facts (origin, period, contact, language as codes, ...), for the record and the cards."""

    @property
    def paths(self) -> list[str]:
        """The path patterns as a list."""
        return [self.path] if isinstance(self.path, str) else list(self.path)


class Rows(Section):
    """What happens to rows that can't be used."""

    max_document_bytes: Annotated[int, Field(ge=1, le=2**29)] = 134_217_728
    """Largest document, in bytes: the line of a JSONL file as it stands there, the text of a Parquet row. A larger one
    is a bad row. Reading takes several times as much memory."""

    on_bad: Literal["reject", "fail"] = "reject"
    """`reject`: a bad row is recorded in the `rejected` table and left out. `fail`: the first one ends the run."""
    max_rejected: Annotated[float, Field(ge=0, le=1)] = 0.001
    """Share of all rows that may be rejected before the run fails and names the worst file."""
    allow_truncated: bool = False
    """Use what can be read of a truncated or corrupt compressed file, instead of failing."""


class Dedup(Section):
    """Which copies are dropped before embedding."""

    exact: bool = True
    """Drop documents whose text, NFC-normalised and with white space folded, was seen at a lower doc_id."""


class Job(Section):
    """A job file."""

    run_dir: Annotated[str, Field(min_length=1, pattern=PRINTABLE)]
    """Folder of the run: every table, the shards and the report. A local path or s3://, gs://."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """Seed of everything random."""
    split_bytes: Annotated[int, Field(ge=1, le=2**40)] = 67_108_864
    """Bytes of text in a split, the unit of work and of resume. About; a row is never cut."""
    sources: Annotated[list[Source], Field(min_length=1)]
    """Where the documents come from. Their order gives the documents their ids."""
    rows: Rows = Rows()
    """What happens to rows that can't be used."""
    tokens: Tokens = Tokens()
    """How tokens are counted, and the trainer's tokenizer."""
    dedup: Dedup = Dedup()
    """Which copies are dropped before embedding."""
    embedding: Embedding = Embedding()
    """How documents become vectors."""
    clustering: Clustering = Clustering()
    """How vectors are grouped."""
    sampling: Sampling = Sampling()
    """How often each document is drawn, and in which order."""
    blending: Blending = Blending()
    """In which proportions the domains are drawn."""
    learning: Learning = Learning()
    """How learned mixtures are fitted: of domains (`blending.weights`) or clusters (`sampling.cluster_weights`)."""
    quality: Quality = Quality()
    """Where a document's quality comes from, and what it is worth."""
    phases: list[Phase] = []
    """Parts of the output, one drawn after the other, each with shards in a folder of its own. None: one part."""
    output: Output = Output()
    """What the shards look like."""
    audit: Audit = Audit()
    """What else is measured of the corpus, for the report."""
    resources: Resources = Resources()
    """How much of the machine or cluster is used."""
    cost: Cost | None = None
    """What machines cost, for `curation plan`. None: it plans without prices."""
    record: Record = Record()
    """The record of the run: where people's answers are."""
    reasons: dict[Annotated[str, Field(pattern=PRINTABLE)], Annotated[str, Field(min_length=1, max_length=10_000)]] = {}
    """Why a key has its value, for the record: `{sampling.clip: "..."}`. Keys as `--set` has them; one of a section
    is for all in it."""

    @model_validator(mode="before")
    @classmethod
    def _fill_in_the_method(cls, tree: Any) -> Any:
        """Writes what `sampling.method` stands for into the keys that are not given."""
        sampling = tree.get("sampling") if isinstance(tree, dict) else None
        method = sampling.get("method") if isinstance(sampling, dict) else None
        for section, values in METHODS.get(method, {}).items() if isinstance(method, str) else ():
            given = tree.get(section) or {}
            if isinstance(given, dict):
                tree = tree | {section: values | given}
        return tree

    @model_validator(mode="after")
    def _values_agree(self) -> Job:
        self._check_uris()
        self._check_sources()
        self._check_sampling()
        self._check_phases()
        faults = (
            self.tokens.fault(self.output.format),
            caps_fault(self.capped_tokens, self.sampling),
            self.clustering.fault(self.sampling.balance, len(self.domains)),
            learning_fault(self.learning, self.sampling, self.clustering, self.strategies, self.domains),
        )
        for fault in faults:
            if fault:
                raise ValueError(fault)
        return self

    def _check_uris(self) -> None:
        for key, text in texts_in(self.model_dump()):
            if has_credentials(text):
                raise ValueError(f"{key}: {NO_CREDENTIALS}")

    def _check_sources(self) -> None:
        declared: dict[str, Source] = {}
        for source in self.sources:
            first = declared.setdefault(source.domain, source)
            for key in ("weight", "clip"):
                if getattr(first, key) != getattr(source, key):
                    raise ValueError(
                        f"two sources of domain {source.domain!r} have different {key}s: give both the same"
                    )
            if (source.vector_column is None) != (self.sources[0].vector_column is None):
                raise ValueError(
                    f"domain {source.domain!r}: either all sources have a vector_column or none: vectors of two "
                    "makers can't be compared"
                )
            taken = {"text", "doc_id", "domain", "cluster", "repetition", "sample_weight", "id", "position"}
            for column in source.keep_columns:
                if column in taken:
                    raise ValueError(f"keep_columns names {column!r}, a name that the shards need")
            if len(set(source.keep_columns)) != len(source.keep_columns):
                raise ValueError(f"keep_columns of domain {source.domain!r} names a column twice")

    def _check_sampling(self) -> None:
        sampling, clusters = self.sampling, self.clustering.fine
        if not self.quality.given:
            reader = (
                "sampling.order is curriculum"
                if "curriculum" in self.orders
                else "blending.weights is quality"
                if "quality" in self.strategies
                else "sampling.prefer_quality is true"
                if sampling.prefer_quality
                else None
            )
            if reader:
                raise ValueError(f"{reader}, which needs quality.column, quality.expression or quality.scorer")
        if sampling.interleave == "random":
            if self.orders - {"general_to_specific", "specific_to_general"}:
                raise ValueError(
                    "sampling.interleave is random, which is for the orders general_to_specific and specific_to_general"
                )
            if self.draws_by_quality:
                raise ValueError(
                    "sampling.interleave is random, which can't draw by quality: set prefer_quality: false"
                )
            if sampling.min_cluster_share or sampling.max_cluster_share < 1:
                raise ValueError("sampling.interleave is random, which keeps to no cluster share")
        if sampling.max_cluster_share * clusters < 1:
            raise ValueError(f"sampling.max_cluster_share: {clusters} clusters need at least {1 / clusters:.4g} each")
        if self.clustering.clusters != "auto" and sampling.min_cluster_share * clusters > 1:
            raise ValueError(
                f"sampling.min_cluster_share: {clusters} clusters can have at most {1 / clusters:.4g} each"
            )
        out = {exclusion.domain for exclusion in sampling.exclude if exclusion.cluster is None}
        for number, exclusion in enumerate(sampling.exclude):
            if exclusion.domain is not None and exclusion.domain not in self.domains:
                raise ValueError(f"sampling.exclude.{number}.domain: there is no domain {exclusion.domain!r}")
            if exclusion.cluster is not None and exclusion.cluster >= clusters:
                raise ValueError(f"sampling.exclude.{number}.cluster: the last cluster is {clusters - 1}")
        if not set(self.domains) - out:
            raise ValueError("sampling.exclude leaves out every domain")

    def _check_phases(self) -> None:
        if not self.phases:
            self._check_epochs(
                "sampling.budget.epochs", self.sampling.budget.epochs, "sampling.clip", self.sampling.clip
            )
        out = {exclusion.domain for exclusion in self.sampling.exclude if exclusion.cluster is None}
        for number, phase in enumerate(self.phases):
            where = f"phases.{number}"
            key = "sampling.clip" if phase.clip is None else f"{where}.clip"
            self._check_epochs(f"{where}.budget.epochs", phase.budget.epochs, key, phase.clip or self.sampling.clip)
            if not isinstance(phase.weights, dict):
                continue
            for domain in phase.weights:
                if domain not in self.domains:
                    raise ValueError(f"{where}.weights: there is no domain {domain!r}")
            if not any(weight for domain, weight in phase.weights.items() if domain not in out):
                raise ValueError(f"{where}.weights: no domain that may be drawn has a weight above 0")

    def _check_epochs(self, budget_key: str, epochs: float | None, clip_key: str, clip: int) -> None:
        most = max(self.clips(clip))
        if epochs is not None and epochs > most:
            raise ValueError(
                f"{budget_key} is {epochs:g}, but {clip_key} lets no document be used more than {most} times: raise "
                "the clip or lower the budget"
            )

    @property
    def orders(self) -> set[str]:
        """The orders that are asked for, by the phases if there are any."""
        return {phase.order or self.sampling.order for phase in self.phases} or {self.sampling.order}

    @property
    def given_vectors(self) -> bool:
        """Whether the sources bring their vectors along, so that nothing is embedded."""
        return self.sources[0].vector_column is not None

    @property
    def number_columns(self) -> dict[str, str]:
        """The columns of numbers that the sources must have, and the key that names each."""
        key = "quality.column" if self.quality.column is not None else "quality.expression"
        counted = {} if self.tokens.column is None else {self.tokens.column: "tokens.column"}
        return dict.fromkeys(self.quality.columns, key) | counted

    @property
    def domains(self) -> list[str]:
        """The domains in the order of the job file, each once; a domain's index is its number in arrays."""
        return list(dict.fromkeys(source.domain for source in self.sources))

    @property
    def capped_tokens(self) -> list[TokenCap]:
        """The caps of every token that is capped in some phase, each token once; its place is its bit in `carriers`."""
        if not self.phases:
            return self.sampling.token_caps
        own = (phase.token_caps for phase in self.phases)
        return distinct(self.sampling.token_caps if caps is None else caps for caps in own)

    def clips(self, clip: int) -> list[int]:
        """The clip of each domain: its own, else `clip`."""
        own = {source.domain: source.clip for source in self.sources}
        return [own[domain] or clip for domain in self.domains]

    @property
    def importance(self) -> list[float]:
        """The declared weight of each domain."""
        weights = {source.domain: source.weight for source in self.sources}
        return [weights[domain] for domain in self.domains]

    @property
    def draws_by_quality(self) -> bool:
        """Whether the documents of a cell are drawn in proportion to f(quality)."""
        wanted = self.sampling.prefer_quality
        return "quality" in self.strategies if wanted is None else wanted

    @property
    def strategies(self) -> set[str]:
        """The strategies of domain weights that are asked for, by the phases if there are any."""
        own = [self.blending.weights if phase.weights is None else phase.weights for phase in self.phases]
        return {name for name in own or [self.blending.weights] if isinstance(name, str)}
