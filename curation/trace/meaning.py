"""The documents that are nearest to a text in meaning, by the run's own encoder and its stored vectors.

Every vector is looked at, split by split in a few threads, and only the best are kept, so the answer is exact and
memory is that of the splits in hand.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curation.config import Job
from curation.embedding.encoder import Encoder
from curation.errors import JobError
from curation.stages.embeddings import load_vectors
from curation.stages.encoder import load_spec, open_encoder
from curation.stages.splits import load_splits, part_name
from curation.storage.store import Store
from curation.trace.nearest import nearest_rows

#: Splits read and multiplied at once, at most.
THREADS = 4


def encoder_of(store: Store, job: Job) -> Encoder:
    """The run's encoder, on a GPU if this machine has one.

    Raises:
        JobError: the vectors were given, so that no encoder is known for a new text.
        RunError: the model found here is not the one of the run.
    """
    if job.given_vectors:
        raise JobError(
            "--meaning: this run's vectors were given in the sources, so no encoder is known that could give one to "
            "a new text; --exact looks for shared passages"
        )
    device = "cpu"
    if load_spec(store).kind != "lexical":
        import torch

        device = "cuda" if torch.cuda.is_available() else "cpu"
    return open_encoder(store, job.embedding, device, os.cpu_count() or 1)


def find_nearest(store: Store, encoder: Encoder, text: str, top: int) -> dict[str, Any]:
    """The documents nearest to a text, JSON-able.

    Returns:
        `read_share` of the text, which is below 1 where the encoder reads no further, and `hits`: `doc_id` and
        `cosine`, highest first, equal ones by doc_id.
    """
    encoded = encoder.encode([text])
    wide = encoded.vectors[0].astype(np.float64)
    query = (wide / np.sqrt((wide * wide).sum())).astype(np.float32)
    names = [part_name("embeddings", split.split_id) for split in load_splits(store)]

    def best_of(name: str) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        doc_id, rows = load_vectors(store, name)
        found, cosine = nearest_rows(rows, query, top)
        return doc_id[found], cosine

    ids, cosines = np.empty(0, np.int64), np.empty(0, np.float64)
    with ThreadPoolExecutor(min(THREADS, os.cpu_count() or 1)) as threads:
        for doc_id, cosine in threads.map(best_of, names):
            ids, cosines = np.concatenate([ids, doc_id]), np.concatenate([cosines, cosine])
            best = np.lexsort((ids, -cosines))[:top]
            ids, cosines = ids[best], cosines[best]
    hits = [
        {"doc_id": doc_id, "cosine": round(cosine, 6)}
        for doc_id, cosine in zip(ids.tolist(), cosines.tolist(), strict=True)
    ]
    return {"read_share": round(float(encoded.read_share[0]), 4), "hits": hits}
