"""Encoder: settles which model makes the vectors, and fits it where it has to be fitted.

Reads `excerpts` (for the lexical model). Writes `spec.json`, which model it is, with the hash of its weights, and
for the lexical model `lexical.npz`. Fitted once and committed, so that all workers use the very same one.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from curation.config import Job
from curation.counter_rng import keys
from curation.embedding.encoder import EncoderSpec
from curation.embedding.lexical import LexicalModel, fit_lexical
from curation.embedding.resolve import resolve
from curation.stages.context import Result, Run, Stage
from curation.stages.duplicates import dropped_documents
from curation.stages.workers import map_items
from curation.store import Part, Store

SPEC, LEXICAL = "encoder/spec.json", "encoder/lexical.npz"

#: Excerpts that the lexical model is fitted on.
FIT_DOCUMENTS = 20_000


def settings(job: Job) -> dict[str, Any]:
    """What the encoder depends on."""
    return {"embedding": job.embedding.model_dump(exclude={"batch_tokens"}), "seed": job.seed}


def work(run: Run) -> Result:
    """The stage."""
    with run.reporter.stage("encoder", 0) as progress:
        if run.job.embedding.model == "lexical":
            [(_, parts)] = map_items([run.job], fit, run.store)
        else:
            spec = resolve(run.job.embedding)
            for note in spec.notes:
                run.reporter.event("note", stage="encoder", text=note)
            parts = [write_spec(run.store, spec)]
        spec = load_spec(run.store)
        run.reporter.event("encoder", libraries=spec.libraries, **spec.identity)
        progress.advance(text=describe(spec))
    return Result(parts)


STAGE = Stage("encoder", ("encoder",), ("documents", "duplicates"), settings, work)


def fit(job: Job, store: Store) -> Any:
    """Fits the lexical model on excerpts and commits it."""
    model = fit_lexical(fit_texts(store, job.seed), job.embedding, job.seed)
    arrays = store.write_arrays(LEXICAL, model.to_arrays())
    return [arrays, write_spec(store, model.spec)]


def write_spec(store: Store, spec: EncoderSpec) -> Part:
    """Commits which model it is, and not where it was found: the same model elsewhere must not be another run."""
    return store.write_bytes(SPEC, replace(spec, location="", origin="", libraries={}, notes=()).to_json().encode())


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


def load_lexical(store: Store) -> LexicalModel:
    """The committed lexical model."""
    return LexicalModel.from_arrays(store.read_arrays(LEXICAL))


def describe(spec: EncoderSpec) -> str:
    """The model in a few words."""
    return f"{spec.name}, {spec.dimensions} dimensions, {spec.precision}"
