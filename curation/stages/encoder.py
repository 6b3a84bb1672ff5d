"""Encoder: settles which model makes the vectors, and fits it where it has to be fitted.

Reads `excerpts` (for the lexical model), or the first vector where the sources bring them along. Writes `spec.json`,
which model it is, with the hash of its weights, and for the lexical model `lexical.npz`. Fitted once and committed, so
that all workers use the very same one.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from curation.config import Embedding, Job
from curation.counter_rng import keys
from curation.embedding.create import create_encoder
from curation.embedding.encoder import Encoder, EncoderSpec
from curation.embedding.given import given_spec
from curation.embedding.lexical import fit_lexical
from curation.embedding.resolve import resolve
from curation.embedding.style import fit_style
from curation.errors import RunError
from curation.stages.context import Result, Run, Stage
from curation.stages.demand import gpus_are_to_come
from curation.stages.duplicates import dropped_documents
from curation.stages.given import given_dimensions
from curation.stages.ray_cluster import gpus_per_actor
from curation.stages.workers import map_items
from curation.storage.store import Part, Store

SPEC, LEXICAL = "encoder/spec.json", "encoder/lexical.npz"

#: Excerpts that the lexical model is fitted on.
FIT_DOCUMENTS = 20_000


def settings(job: Job) -> dict[str, Any]:
    """What the encoder depends on."""
    if job.given_vectors:
        return {"vectors": [[source.domain, source.vector_column] for source in job.sources]}
    unread = {"batch_tokens"} if job.embedding.chunks > 1 else {"batch_tokens", "max_chunks"}
    return {"embedding": job.embedding.model_dump(exclude=unread), "seed": job.seed}


def work(run: Run) -> Result:
    """The stage."""
    with run.reporter.stage("encoder", 0) as progress:
        parts: list[Part] = []
        if run.job.given_vectors:
            [(_, dimensions)] = map_items([run.job], given_dimensions, run.store)
            spec = given_spec(dimensions)
        elif run.job.embedding.model == "lexical":
            [(_, (spec, arrays))] = map_items([run.job], fit, run.store)
            parts.append(arrays)
        else:
            spec = find_model(run.job)
        for note in spec.notes:
            run.reporter.event("note", stage="encoder", text=note)
        run.reporter.event("encoder", libraries=spec.libraries, **spec.identity)
        progress.advance(text=f"{spec.name}, {describe(spec)}")
    return Result([*parts, write_spec(run.store, spec)])


STAGE = Stage("encoder", ("encoder",), ("sources.vectors", "documents.texts", "duplicates"), settings, work)


def find_model(job: Job) -> EncoderSpec:
    """The model that the job names, found where the encoders will run: that hardware decides the precision.

    Raises:
        JobError: there is no such model, or it can't do what the job asks of it.
    """
    gpus = 0.0 if job.embedding.model == "lexical" else gpus_per_actor(job.resources)
    [(_, spec)] = map_items([job.embedding], resolve, gpus=gpus)
    return spec


def check_model(job: Job) -> None:
    """Raises JobError as `find_model` does. Where GPUs are yet to be asked for it looks on a CPU, and starts none."""
    if gpus_are_to_come(job.resources):
        anywhere = job.embedding.model_copy(update={"precision": "auto"})  # a CPU need not know the GPUs' formats
        list(map_items([anywhere], resolve))
    else:
        find_model(job)


def fit(job: Job, store: Store) -> tuple[EncoderSpec, Part]:
    """Fits the lexical model on excerpts and commits its arrays."""
    fitted = fit_style if job.embedding.features == "style" else fit_lexical
    model = fitted(fit_texts(store, job.seed), job.embedding, job.seed)
    return model.spec, store.write_arrays(LEXICAL, model.to_arrays())


def write_spec(store: Store, spec: EncoderSpec) -> Part:
    """Commits which model it is, and not where it was found: the same model elsewhere must not be another run."""
    plain = replace(spec, name=spec.kind, location="", origin="", revision="", libraries={}, notes=())
    return store.write_bytes(SPEC, plain.to_json().encode())


def fit_texts(store: Store, seed: int) -> list[str]:
    """The excerpts with the smallest keys, copies left out, in the order of their documents."""
    dropped = dropped_documents(store)
    names = [name for name in store.list("excerpts") if name.endswith(".parquet")]
    ids = [store.read_table(name, ["doc_id"])["doc_id"].to_numpy() for name in names]
    kept = np.setdiff1d(np.concatenate([np.empty(0, np.int64), *ids]), dropped, assume_unique=True)
    order = np.argsort(keys(seed, "encoder.fit", kept), kind="stable")[:FIT_DOCUMENTS]
    chosen = np.sort(kept[order])
    texts: list[str] = []
    for name, part in zip(names, ids, strict=True):
        mine = np.isin(part, chosen, assume_unique=True)
        if mine.any():
            texts += store.read_table(name, ["text"])["text"].filter(mine).to_pylist()
    return texts


def load_spec(store: Store) -> EncoderSpec:
    """The committed choice of the model."""
    return EncoderSpec.from_json(store.read_bytes(SPEC).decode())


def open_encoder(store: Store, embedding: Embedding, device: str, threads: int) -> Encoder:
    """The run's encoder, in the process that will use it.

    Raises:
        RunError: the model found here is not the one that the run committed itself to.
    """
    spec = load_spec(store)
    if spec.kind == "lexical":
        return create_encoder(spec, embedding, arrays=store.read_arrays(LEXICAL))
    here = resolve(embedding, precision=spec.precision)
    if here.identity != spec.identity:
        changed = ", ".join(key for key, value in here.identity.items() if value != spec.identity[key])
        raise RunError(f"embedding.model: {here.name} is not the model that this run began with: {changed} differ")
    return create_encoder(here, embedding, device=device, threads=threads)


def describe(spec: EncoderSpec) -> str:
    """The vectors in a few words."""
    return f"{spec.dimensions} dimensions, {spec.precision}"
