"""Embeddings: one unit vector a kept document.

Reads the text, `documents` and `duplicates`. Work items of splits that have no part yet go to a pool of encoder actors
(`pool`), and receipts come back. Vectors that the sources bring along are copied by plain tasks.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from curation.config import Job
from curation.stages.context import Result, Run, Stage
from curation.stages.duplicates import dropped_documents, kept_documents
from curation.stages.encoder import load_spec
from curation.stages.encoding import embeddings_table, write_embeddings
from curation.stages.given import kept_vectors, read_vectors
from curation.stages.mapping import in_tasks, map_splits
from curation.stages.pool import encode_items
from curation.stages.splits import Receipt, WorkItem, part_name
from curation.storage.store import Store


def settings(job: Job) -> dict[str, Any]:
    """What the vectors depend on besides the encoder and the documents."""
    return {"columns": [[source.domain, source.text_column, source.vector_column] for source in job.sources]}


def work(run: Run) -> Result:
    """The stage."""
    if run.job.given_vectors:
        return map_splits(run, "embeddings", in_tasks(run, take_given, load_spec(run.store).dimensions))
    return map_splits(run, "embeddings", lambda items: encode_items(run, items))


AFTER = ("sources.vectors", "documents.texts", "duplicates", "encoder")
STAGE = Stage("embeddings", ("embeddings",), AFTER, settings, work)


def take_given(store: Store, job: Job, item: WorkItem, dimensions: int) -> list[Receipt]:
    """Commits the parts of an item's splits from the vectors that the sources hold."""
    dropped = dropped_documents(store)
    receipts = []
    for group in item.groups:
        for split, column in read_vectors(store, job, item, group):
            documents = store.read_table(part_name("documents", split.split_id), ["doc_id", "keep"])
            keep = kept_documents(documents, dropped)
            vectors = kept_vectors(job, item.files[split.file_id], split, column, keep, dimensions)
            table = embeddings_table(documents["doc_id"].to_numpy()[keep], vectors, None)
            stats = {"documents": len(vectors)}
            part = write_embeddings(store, split.split_id, table, stats)
            receipts.append(Receipt([part], split.rows, stats))
    return receipts


def load_vectors(store: Store, name: str) -> tuple[NDArray[np.int64], NDArray[np.float16]]:
    """A part of `embeddings`: doc_id int64[n] and vectors float16[n, d]."""
    table = store.read_table(name, ["doc_id", "embedding"])
    dimensions = table.schema.field("embedding").type.list_size
    flat = table["embedding"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
    return table["doc_id"].to_numpy(), flat.reshape(-1, dimensions)
