"""Rates of this machine: the run's own functions on a few hundred documents of the user's corpus, with a stopwatch.

The encoder is the job's own, K-Means has the job's number of clusters and dimensions, on vectors that lie about their
centroids as closely as those of text do. Three rates are not measured but taken from `profiles`, since they need
tables of a whole run: the sorting of hashes, the sums of clusters, and the planner.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curation.config import Job, Quality, Tokens
from curation.estimate.profiles import Reading, profile_rates
from curation.estimate.rates import Rates
from curation.estimate.seeding import candidates
from curation.estimate.starts import measured_starts
from curation.estimate.stopwatch import seconds
from curation.estimate.writing import Written
from curation.sources.find import InputFile
from curation.sources.rows import Rows, Split
from curation.stages.documents import EXCERPT_CHARACTERS, documents_table, excerpts_table, texts_digest
from curation.stages.encoder import FIT_DOCUMENTS
from curation.stages.encoding import embeddings_table
from curation.stages.tokenizer import named_tokenizer, token_counts

#: Documents that are described, and encoded; vectors that K-Means is tried on, on a CPU and on a GPU.
DESCRIBED, ENCODED, ROWS, GPU_ROWS = 2000, 256, 8192, 1 << 18
#: Documents of the encoder's first batch, which is slower than the others.
FIRST = 16
#: Most clusters that K-Means is tried with; more take longer in proportion.
CLUSTERS = 4096
#: Cosine of a tried vector to its centroid.
COSINE = 0.6
#: What the true work may be, as multiples of the measured.
SPREAD = (0.7, 1.5)


def measured_rates(
    job: Job, texts: Callable[[int], list[str]], read_bytes: float, documents: float, written: Written
) -> tuple[Rates, int]:
    """The rates of this machine for a job, but for those of K-Means, and the length of a vector (0: given ones).

    Args:
        job: names the encoder.
        texts: gives about so many texts of the corpus.
        read_bytes: of text that one process reads in a second.
        documents: in the corpus.
        written: how some texts were written here.

    Raises:
        CurationError: there is no such model, or it can't be loaded.
    """
    some = texts(DESCRIBED)
    size = max(1, sum(len(text.encode()) for text in some))
    described = size / (seconds(lambda: _described(job, some)) + size / read_bytes)
    kind = "given" if job.given_vectors else "lexical" if job.embedding.model == "lexical" else "neural"
    encoded, dimensions, load, fit = math.inf, 0, 0.0, 0.0
    if kind == "lexical":
        encoded, dimensions, fit = _lexical(job, texts, documents)
    elif kind == "neural":
        encoded, dimensions, load = _neural(job, texts(ENCODED))
    excerpts = [text[:EXCERPT_CHARACTERS] for text in some]
    profiled = len(some) / seconds(lambda: _profiled(excerpts[:ENCODED])) if "auto" in job.strategies else 1.0
    known = profile_rates("cpu", Reading(None, 1, 1, size / max(1, len(some))), 1, 1)
    rates = replace(
        known,
        name="here",
        gpu=_gpus() > 0,
        spread=SPREAD,
        gpu_spread=SPREAD,
        starts=measured_starts(load, kind == "neural"),
        described_bytes=described,
        encoded_documents=encoded,
        tokenised_documents=math.inf,  # the encoder tokenises
        read_bytes=read_bytes,
        worded_texts=max(1, len(some)) / seconds(lambda: _worded(excerpts)),
        profiled_texts=profiled,
        spilled_bytes=written.spilled_bytes,
        written_bytes=written.written_bytes,
        tokenised_bytes=written.tokenised_bytes,
        fit=fit,
    )
    return rates, dimensions


def rates_with_clusters(rates: Rates, clusters: int, dimensions: int) -> Rates:
    """The rates with those of K-Means as this machine does it, for so many clusters and dimensions."""
    tried = min(clusters, CLUSTERS)
    seeded, stepped, assigned = _clustered(tried, dimensions, "cuda" if rates.gpu else "cpu")
    share = tried / clusters
    return replace(rates, seeded=seeded, stepped_rows=stepped * share, assigned_documents=assigned * share)


def _gpus() -> int:
    import torch

    return int(torch.cuda.device_count()) if torch.cuda.is_available() else 0


def _described(job: Job, texts: list[str]) -> pa.Table:
    """What `documents` does with texts that it has read, but for the files and for languages, which have a rate."""
    from curation.text.heuristics import heuristic_quality

    column = pa.array(texts, pa.large_string())
    score = heuristic_quality(column)[0] if job.quality.scorer == "heuristics" else None
    counting = Tokens() if job.tokens.count == "column" else job.tokens
    changed = {"quality": Quality(), "tokens": counting}  # columns of numbers were not read
    plain = job.model_copy(update=changed | {"clustering": job.clustering.model_copy(update={"within": "none"})})
    by_model = counting.count == "model"
    tokenizer = named_tokenizer(str(counting.tokenizer), counting.end_of_document) if by_model else None
    file, split = InputFile("", "", 0, "jsonl", 0, ""), Split(0, 0, 0, 0, len(texts), 0, 0, 0)
    rows = Rows(pa.table({"text": column}), {})
    tokens = token_counts(plain, "", rows, {}, tokenizer)
    documents = documents_table(plain, file, split, rows, tokens, score)
    if len(texts):
        texts_digest(documents)
    return excerpts_table(job.seed, documents, rows, 1.0)


def _worded(excerpts: list[str]) -> None:
    """Most of what finding the terms of clusters takes."""
    from curation.clustering.terms import occurrences, salient_terms, shared_words

    found, cluster = occurrences(excerpts), (np.arange(len(excerpts)) % 64).astype(np.int32)
    salient_terms(found, cluster, 64)
    shared_words(found, cluster, 64)


def _profiled(excerpts: list[str]) -> None:
    from curation.text.features import profile

    profile(excerpts)


def _lexical(job: Job, texts: Callable[[int], list[str]], documents: float) -> tuple[float, int, float]:
    """Documents a second of a slot, dimensions, and seconds to fit the encoder."""
    from curation.embedding.lexical import fit_lexical
    from curation.embedding.style import fit_style

    fit = fit_style if job.embedding.features == "style" else fit_lexical
    fitted = [text[:EXCERPT_CHARACTERS] for text in texts(FIT_DOCUMENTS)]
    begun = time.perf_counter()
    model = fit(fitted, job.embedding, job.seed)
    fitting = (time.perf_counter() - begun) * max(1.0, min(documents, FIT_DOCUMENTS) / max(1, len(fitted)))
    some = texts(DESCRIBED)
    return len(some) / seconds(lambda: _encoded(model, some)), model.dimensions, fitting


def _neural(job: Job, texts: list[str]) -> tuple[float, int, float]:
    """Documents a second of a CPU slot or a GPU, dimensions, and seconds to load the encoder."""
    import sentence_transformers  # noqa: F401  (so that loading the encoder does not count its import)

    from curation.embedding.create import create_encoder
    from curation.embedding.precision import available_device
    from curation.embedding.resolve import resolve

    device, threads = available_device(), min(8, os.cpu_count() or 1)
    begun = time.perf_counter()
    encoder = create_encoder(resolve(job.embedding), job.embedding, device=device, threads=threads)
    encoder.encode(texts[:FIRST])
    load = time.perf_counter() - begun
    slots = threads if device == "cpu" else 1
    return len(texts) / seconds(lambda: _encoded(encoder, texts)) / slots, encoder.dimensions, load


def _encoded(encoder: Any, texts: list[str]) -> pa.Table:
    """What an encoder actor does with texts that it has read, but for the file it writes."""
    encoded = encoder.encode(texts)
    return embeddings_table(np.arange(len(texts)), encoded.vectors, encoded.read_share)


def _clustered(clusters: int, dimensions: int, device: str) -> tuple[float, float, float]:
    """Of one slot: rows x candidates of k-means++, rows of an iteration, and documents assigned, in a second.

    k-means++ runs in the driver with all the threads it has; an assignment always on a CPU.
    """
    import torch

    from curation.clustering.assign import nearest_two
    from curation.clustering.init import kmeans_plus_plus
    from curation.clustering.torch_engine import RowBlock

    rng = np.random.default_rng(0)
    centroids = _unit(rng.standard_normal((clusters, dimensions), np.float32))
    rows = _rows_about(centroids, ROWS if device == "cpu" else GPU_ROWS, rng)
    some, drawn = rows[:ROWS], min(clusters, 64)
    seeded = len(some) * candidates(drawn) / seconds(lambda: kmeans_plus_plus(some, drawn, 0), rounds=3)
    threads = torch.get_num_threads()
    torch.set_num_threads(1 if device == "cpu" else 4)
    try:
        block = RowBlock(rows, np.arange(len(rows)), device)
        block.step(centroids)  # the first looks at the rows once more
        stepped = len(rows) / seconds(lambda: block.step(centroids), rounds=3)
        torch.set_num_threads(1)
        assigned = len(some) / seconds(lambda: nearest_two(some, centroids), rounds=3)
    finally:
        torch.set_num_threads(threads)
    return seeded, stepped, assigned


def _rows_about(centroids: NDArray[np.float32], count: int, rng: np.random.Generator) -> NDArray[np.float16]:
    """Unit vectors, float16[count, d], each about COSINE from a centroid."""
    noise = _unit(rng.standard_normal((count, centroids.shape[1]), np.float32))
    own = centroids[np.arange(count) % len(centroids)]
    return _unit(COSINE * own + np.float32(np.sqrt(1 - COSINE**2)) * noise).astype(np.float16)


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    unit: NDArray[np.float32] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit
