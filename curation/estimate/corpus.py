"""The corpus: what the sources hold, from the beginning of a few files of each domain; the rest is proportion."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

import numpy as np

from curation.config import Job
from curation.config.tokens import BYTES_PER_TOKEN
from curation.sources.apart import read_apart
from curation.sources.find import InputFile, find_all
from curation.sources.sample import Sample, read_sample, some_files
from curation.stages.tokenizer import bytes_and_tokens, named_tokenizer, ratio

#: Files whose beginning is read, and texts that are tokenised, of each domain.
FILES, COUNTED = 4, 256


@dataclass(frozen=True)
class Domain:
    """What a domain holds, scaled up from its samples.

    Attributes:
        name, files, bytes: as they lie there.
        line_bytes: of those that are plain JSONL.
        documents, text_bytes, tokens: estimated; documents counted where `exact`.
        texts: of the samples.
    """

    name: str
    files: int
    bytes: int
    line_bytes: int
    documents: float
    text_bytes: float
    tokens: float
    exact: bool
    texts: list[str]


@dataclass(frozen=True)
class Corpus:
    """What all sources hold.

    Attributes:
        domains: in the order of the job file.
        dimensions: length of the sources' first vector, 0 where they have none.
        read_bytes: of text that was read in a second.
    """

    domains: list[Domain]
    dimensions: int
    read_bytes: float

    @property
    def files(self) -> int:
        """Input files."""
        return sum(domain.files for domain in self.domains)

    @property
    def bytes(self) -> int:
        """Of the input files."""
        return sum(domain.bytes for domain in self.domains)

    @property
    def line_bytes(self) -> int:
        """Of those that are plain JSONL."""
        return sum(domain.line_bytes for domain in self.domains)

    @property
    def documents(self) -> float:
        """Rows of the input files."""
        return sum(domain.documents for domain in self.domains)

    @property
    def text_bytes(self) -> float:
        """UTF-8 bytes of all texts."""
        return sum(domain.text_bytes for domain in self.domains)

    @property
    def tokens(self) -> float:
        """Of all texts, as the job counts them."""
        return sum(domain.tokens for domain in self.domains)

    def splits(self, split_bytes: int) -> float:
        """Pieces of so many bytes that the files are cut into; files of a domain are taken to be of one size."""
        each = [domain.text_bytes / max(1, domain.files) / split_bytes for domain in self.domains]
        return sum(domain.files * max(1.0, math.ceil(size)) for domain, size in zip(self.domains, each, strict=True))

    def texts(self, count: int) -> list[str]:
        """About so many of the texts that were read, or all: each domain gives in proportion to its documents."""
        share = min(1.0, count / max(1.0, self.documents))
        found: list[str] = []
        for domain in self.domains:
            wanted = min(len(domain.texts), max(1, round(domain.documents * share)))
            found += [domain.texts[index] for index in np.arange(wanted) * len(domain.texts) // max(1, wanted)]
        return found


def corpus_of(job: Job) -> Corpus:
    """What the sources of a job hold.

    Raises:
        CurationError: the job could not be started either: no such files, a missing column, ...
    """
    files = find_all(job.sources)
    samples = _samples(job, files)
    domains = [_domain(job, name, [f for f in files if f.domain == name], samples[name]) for name in job.domains]
    every = [sample for found in samples.values() for _, sample in found]
    read = sum(len(text.encode()) for sample in every for text in sample.texts)
    seconds = sum(sample.seconds for sample in every)
    return Corpus(domains, max((sample.dimensions for sample in every), default=0), max(1.0, read) / max(1e-6, seconds))


def _samples(job: Job, files: list[InputFile]) -> dict[str, list[tuple[InputFile, Sample]]]:
    """By domain, some of its files and their beginnings."""
    chosen: list[InputFile] = []
    for domain in job.domains:
        own = [file for file in files if file.domain == domain]
        chosen += some_files(own, FILES)
    found: dict[str, list[tuple[InputFile, Sample]]] = {domain: [] for domain in job.domains}
    for file, sample in zip(chosen, read_apart(partial(_sample, job), chosen), strict=True):
        found[file.domain].append((file, sample))
    return found


def _sample(job: Job, file: InputFile) -> Sample:
    return read_sample(job.sources[file.source], file, job.number_columns, job.tokens.column or "")


def _domain(job: Job, name: str, files: list[InputFile], samples: list[tuple[InputFile, Sample]]) -> Domain:
    size = sum(file.bytes for file in files)
    seen = sum(file.bytes * sample.share for file, sample in samples) or 1.0
    rows = sum(sample.rows for _, sample in samples)
    texts = [text for _, sample in samples for text in sample.texts]
    text = sum(len(text.encode()) for text in texts)
    every = all(sample.exact_rows is not None for _, sample in samples) and len(samples) == len(files)
    documents = sum(sample.exact_rows or 0 for _, sample in samples) if every else rows * size / seen
    text_bytes = text / max(1, rows) * documents
    if job.tokens.count == "column":
        tokens = sum(sample.tokens for _, sample in samples) / max(1, rows) * documents
    else:
        tokens = text_bytes / _bytes_per_token(job, texts)
    lines = sum(file.bytes for file in files if file.format == "jsonl")
    return Domain(name, len(files), size, lines, documents, text_bytes, tokens, every, texts)


def _bytes_per_token(job: Job, texts: list[str]) -> float:
    """Bytes a token of a domain with such texts."""
    tokens = job.tokens
    if tokens.tokenizer is None or not tokens.by_tokenizer:
        return tokens.bytes_per_token or BYTES_PER_TOKEN
    found = bytes_and_tokens(texts, COUNTED, named_tokenizer(tokens.tokenizer, tokens.end_of_document))
    return ratio(found, found)
