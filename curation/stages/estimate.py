"""Estimate: what a job would do, without doing it. Writes nothing, starts no Ray.

The beginning of a few files of each domain is read and put through the run's own functions with a stopwatch; the
rest is proportion. So the figures are for the machine that `curation plan` runs on, with all of its CPUs.
"""

from __future__ import annotations

import gzip
import os
import tempfile
import time
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation.config import Job, Source
from curation.embedding.create import create_encoder
from curation.embedding.encoder import Encoder
from curation.embedding.lexical import fit_lexical
from curation.embedding.precision import available_device
from curation.embedding.resolve import resolve
from curation.progress import short
from curation.sources.apart import read_apart
from curation.sources.blocks import DamagedStream, stream_blocks
from curation.sources.count import count_file, count_range
from curation.sources.find import InputFile, find_all
from curation.sources.read import read_splits
from curation.sources.rows import VECTOR, Columns, Split
from curation.stages.documents import EXCERPT_CHARACTERS, EXCERPTS, text_hash
from curation.stages.encoder import FIT_DOCUMENTS
from curation.stages.phases import phases_of
from curation.stages.sources import number_key
from curation.text.features import profile
from curation.text.heuristics import heuristic_quality

#: Bytes read of a file, files read of a domain, and documents encoded.
SAMPLE_BYTES, SAMPLE_FILES, ENCODED = 1 << 20, 4, 256

#: Bytes a second of one CPU: scanning for line ends; zstd-3 Parquet with the gathering before it.
SCAN_RATE, WRITE_RATE = 1e9, 8e7

#: zstd-3 and lz4 sizes of text, as a share of its bytes.
ZSTD_SHARE, LZ4_SHARE = 0.4, 0.6


@dataclass(frozen=True)
class Sample:
    """The beginning of a file: which share of it, and what it holds; `exact_rows` is its count if a footer tells.

    `dimensions` is the length of its first vector, 0 where the source has none.
    """

    share: float
    texts: list[str]
    rows: int
    exact_rows: int | None
    dimensions: int = 0


@dataclass(frozen=True)
class Domain:
    """What a domain holds, scaled up from its samples."""

    name: str
    files: int
    bytes: int
    documents: float
    text_bytes: float
    exact: bool


def estimate(job: Job) -> dict[str, Any]:
    """Documents, tokens, time and disk of a job.

    Returns:
        `domains` and `stages`, a row each, and a `note`; see `report.text.print_estimate`.

    Raises:
        CurationError: the job could not be started either: no such files, a missing column, an unknown model, ...
    """
    files = find_all(job.sources)
    samples = _samples(job, files)
    domains = [_domain(name, [file for file in files if file.domain == name], samples[name]) for name in job.domains]
    texts = [text for found in samples.values() for _, sample in found for text in sample.texts]
    given = max((sample.dimensions for found in samples.values() for _, sample in found), default=0)
    cpus = os.cpu_count() or 1
    return {
        "domains": [
            {
                "domain": domain.name,
                "files": domain.files,
                "bytes": domain.bytes,
                "documents": domain.documents,
                "tokens": domain.text_bytes / job.tokens.bytes_per_token,
                "exact": domain.exact,
            }
            for domain in domains
        ],
        "stages": _stages(job, domains, texts, cpus, given),
        "note": f"Times are for this machine ({cpus} CPUs), from {len(texts)} documents that were read.",
    }


def _samples(job: Job, files: list[InputFile]) -> dict[str, list[tuple[InputFile, Sample]]]:
    """By domain, some of its files and their beginnings."""
    chosen: list[InputFile] = []
    for domain in job.domains:
        own = [file for file in files if file.domain == domain]
        chosen += [own[index] for index in sorted({round(at) for at in np.linspace(0, len(own) - 1, SAMPLE_FILES)})]
    found: dict[str, list[tuple[InputFile, Sample]]] = {domain: [] for domain in job.domains}
    for file, sample in zip(chosen, read_apart(partial(_sample, job), chosen), strict=True):
        found[file.domain].append((file, sample))
    return found


def _sample(job: Job, file: InputFile) -> Sample:
    return read_sample(job.sources[file.source], file, job.quality.columns, number_key(job))


def read_sample(source: Source, file: InputFile, numbers: tuple[str, ...] = (), number_key: str = "") -> Sample:
    """Reads the beginning of a file of a source. A Parquet file must have the columns `numbers`, which a key names."""
    if file.format == "parquet":
        count = count_file(file, SAMPLE_BYTES, source, numbers, False, number_key)
        if not count.cuts:
            return Sample(1.0, [], 0, 0)
        cut = count.cuts[0]
        texts, length = _read(source, file, Split(0, 0, 0, cut.first_row, cut.rows, 0, cut.start, cut.stop))
        return Sample(cut.rows / count.rows, texts, cut.rows, count.rows, length)
    if file.format == "jsonl":
        return _read_lines(source, file, min(1.0, SAMPLE_BYTES / max(1, file.bytes)))
    try:
        block = next(stream_blocks(file.path, file.format), b"")
    except DamagedStream:
        block = b""
    packed = len(gzip.compress(block)) if file.format.endswith("gz") else pa.Codec("zstd").compress(block).size
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder, "sample.jsonl")
        plain.write_bytes(block[: block.rfind(b"\n") + 1] or block)
        info = plain.stat()
        etag = f"{info.st_size}-{info.st_mtime_ns}"
        sample = _read_lines(source, replace(file, path=str(plain), format="jsonl", bytes=info.st_size, etag=etag), 1.0)
    return replace(sample, share=min(1.0, packed / max(1, file.bytes)))


def _read_lines(source: Source, file: InputFile, share: float) -> Sample:
    stop = min(file.bytes, SAMPLE_BYTES)
    cuts = count_range(file.path, 0, stop, SAMPLE_BYTES)
    if not cuts:
        return Sample(share, [], 0, None)
    texts, length = _read(source, file, Split(0, 0, 0, 0, cuts[0].rows, 0, cuts[0].start, cuts[0].stop))
    return Sample(share, texts, cuts[0].rows, None, length)


def _read(source: Source, file: InputFile, split: Split) -> tuple[list[str], int]:
    """The texts of a split, and the length of its first vector, if the source has vectors."""
    columns = Columns(source.text_column, vector=source.vector_column)
    [(_, rows)] = read_splits(file.path, file.format, [split], columns, etag=file.etag)
    texts = [text for text in rows.table["text"].to_pylist() if text is not None]
    if source.vector_column is None:
        return texts, 0
    lengths = pc.list_value_length(rows.table[VECTOR]).drop_null()
    return texts, int(lengths[0].as_py()) if len(lengths) else 0


def _domain(name: str, files: list[InputFile], samples: list[tuple[InputFile, Sample]]) -> Domain:
    size = sum(file.bytes for file in files)
    seen = sum(file.bytes * sample.share for file, sample in samples) or 1.0
    rows = sum(sample.rows for _, sample in samples)
    text = sum(len(text.encode()) for _, sample in samples for text in sample.texts)
    every = all(sample.exact_rows is not None for _, sample in samples) and len(samples) == len(files)
    documents = sum(sample.exact_rows or 0 for _, sample in samples) if every else rows * size / seen
    return Domain(name, len(files), size, documents, text / max(1, rows) * documents, every)


def _stages(job: Job, domains: list[Domain], texts: list[str], cpus: int, given: int) -> list[dict[str, Any]]:
    documents = sum(domain.documents for domain in domains)
    size = sum(domain.bytes for domain in domains)
    text = sum(domain.text_bytes for domain in domains)
    scale = documents / max(1, len(texts))
    describing = _seconds(lambda: [text_hash(value) for value in texts]) * 2  # and reading, about as long again
    if job.quality.scorer == "heuristics":
        describing += _seconds(lambda: heuristic_quality(pa.array(texts, pa.large_string())))
    chosen = texts[:: max(1, len(texts) // ENCODED)][:ENCODED]
    threads = 1 if job.embedding.model != "lexical" else cpus
    if job.given_vectors:
        model, dimensions, fitting, embedding = "vectors are given", max(1, given), 0.0, size / SCAN_RATE / cpus
    else:
        encoder, fitting = _encoder(job, texts, documents)
        encoding = _seconds(lambda: encoder.encode(chosen)) / max(1, len(chosen))
        model, dimensions, embedding = job.embedding.model, encoder.dimensions, encoding * documents / threads
    clusters = min(job.clustering.fine, documents)
    product = 2.0 * clusters * dimensions / _multiply_rate()
    token = job.tokens.bytes_per_token
    rows = documents if job.clustering.fit_rows == "all" else min(documents, job.clustering.fit_rows)
    iterations = min(30, job.clustering.max_iterations) * job.clustering.restarts
    drawn = sum(
        text * request.budget.epochs if request.budget.epochs else float(request.budget.tokens or 0) * token
        for request in phases_of(job)
    )
    profiles = []
    if "auto" in job.strategies:
        measured = min(documents, EXCERPTS)
        measuring = _seconds(lambda: profile([value[:EXCERPT_CHARACTERS] for value in chosen])) / max(1, len(chosen))
        profiles = [("profiles", measuring * measured / cpus, 0, f"features of {short(measured)} texts")]
    plain = [
        ("sources", size / SCAN_RATE / cpus, 0, "count rows"),
        ("documents", describing * scale / cpus, 60 * documents, "tokens, hashes"),
        ("duplicates", 1e-6 * documents, 0, "exact copies"),
        ("encoder", fitting, 0, model),
        ("embeddings", embedding, 2 * dimensions * documents, f"{dimensions} dimensions"),
        ("repeats", 1e-6 * documents, 0, "equal vectors"),
        ("centroids", product * rows * iterations / cpus, 0, f"{clusters:.0f} clusters, about {iterations} iterations"),
        ("assignments", 2 * product * documents / cpus, 16 * documents, ""),
        *profiles,
        ("plan", 1e-6 * documents, 12 * documents, "one CPU"),
        ("shards", drawn / WRITE_RATE / cpus, ZSTD_SHARE * drawn, f"and {short(LZ4_SHARE * drawn)}B while it runs"),
    ]
    return [{"stage": name, "seconds": seconds, "bytes": disk, "note": note} for name, seconds, disk, note in plain]


def _encoder(job: Job, texts: list[str], documents: float) -> tuple[Encoder, float]:
    """The job's encoder, and the seconds that fitting it takes."""
    threads = os.cpu_count() or 1
    if job.embedding.model != "lexical":
        spec = resolve(job.embedding)
        return create_encoder(spec, job.embedding, device=available_device(), threads=threads), 0.0
    begun = time.perf_counter()
    model = fit_lexical(texts[:FIT_DOCUMENTS], job.embedding, job.seed)
    seconds = (time.perf_counter() - begun) * max(1.0, min(documents, FIT_DOCUMENTS) / max(1, len(texts)))
    return model, seconds


def _seconds(work: Any) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def _multiply_rate() -> float:
    """Float32 operations a second of one CPU in a matrix product."""
    import torch

    a = torch.ones((512, 512))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return 10 * 2.0 * 512**3 / max(1e-9, _seconds(lambda: [a @ a for _ in range(10)]))
    finally:
        torch.set_num_threads(threads)
