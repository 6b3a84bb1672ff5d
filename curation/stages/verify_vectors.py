"""Verify, the vectors: what `embeddings` and `repeats` promise."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from curation.clustering.vectors import vector_hashes
from curation.sources.rows import Split
from curation.stages.duplicates import copies_of, hashes_in_bucket
from curation.stages.embeddings import load_vectors
from curation.stages.repeats import load_repeats
from curation.stages.splits import part_name
from curation.store import Store


def check_vectors(store: Store, split: Split) -> Iterator[str | None]:
    """Each check of a split's part of `embeddings`: None where it holds, otherwise what is wrong."""
    name = part_name("embeddings", split.split_id)
    _, vectors = load_vectors(store, name)
    lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64))
    unit = bool((np.abs(lengths - 1) < 0.01).all())  # NaN fails too
    yield None if unit else f"{name}: a vector is not of unit length"
    table = store.read_table(name, ["read_share", "vector_hash"])
    share = table["read_share"].drop_null().to_numpy()
    within = bool(((share > 0) & (share <= 1)).all())
    yield None if within else f"{name}: a read_share is not in (0, 1]"
    hashed = pa.array(vector_hashes(vectors).tolist(), pa.binary(16))
    yield None if table["vector_hash"].combine_chunks().equals(hashed) else f"{name}: a vector_hash is not its vector's"


def check_repeats(store: Store, splits: list[Split]) -> str | None:
    """Every document whose vector an earlier one has is listed, with the first one that has it, and no other."""
    names = [part_name("embeddings", split.split_id) for split in splits]
    repeats, first = copies_of(*hashes_in_bucket(store, names, "vector_hash", 0, 1))
    listed = load_repeats(store)
    agrees = np.array_equal(listed["doc_id"], repeats) and np.array_equal(listed["first_doc_id"], first)
    return None if agrees else "repeats: does not list the documents whose vector an earlier one has"
