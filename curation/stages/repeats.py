"""Repeats: documents whose vector an earlier document has too.

Different texts can have the same vector to the last bit of float16: a page template with another number in it, or
texts that differ only after what the encoder reads. All of them are documents like any other, but a million copies
of one point would draw K-Means' centroids to it. So the fit counts them once, and leaves out those that are listed
here. Reads the hashes of `embeddings`, in buckets as `duplicates` does.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curation import tables
from curation.config import Job
from curation.stages.context import Result, Run, Stage
from curation.stages.duplicates import copies_of, hashes_in_bucket, list_in_buckets
from curation.stages.splits import part_name
from curation.storage.store import Part, Store


def settings(job: Job) -> dict[str, Any]:
    """Nothing but the embeddings."""
    return {}


def work(run: Run) -> Result:
    """The stage."""
    parts = list_in_buckets(run, "repeats", "embeddings", list_repeats)
    return Result(parts, {"repeats": sum(part.rows for part in parts)})


STAGE = Stage("repeats", ("repeats",), ("embeddings",), settings, work)


def list_repeats(bucket: int, store: Store, names: list[str], buckets: int) -> Part:
    """Commits the repeats among the documents whose vector's hash falls into a bucket."""
    repeats, first = copies_of(*hashes_in_bucket(store, names, "vector_hash", bucket, buckets))
    return store.write_table(part_name("repeats", bucket), pa.table([repeats, first], schema=tables.REPEATS))


def load_repeats(store: Store) -> pa.Table:
    """The whole table, by ascending doc_id."""
    names = [name for name in store.list("repeats") if name.endswith(".parquet")]
    return pa.concat_tables([tables.REPEATS.empty_table(), *map(store.read_table, names)]).sort_by("doc_id")


def repeated_documents(store: Store) -> NDArray[np.int64]:
    """The doc_ids of all repeats, int64[n], ascending."""
    return np.asarray(load_repeats(store)["doc_id"].to_numpy(), np.int64)
