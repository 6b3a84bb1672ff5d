"""Duplicates: drops documents whose text was seen before, since a page copied a hundred times escapes every clip.

Reads the hashes of `documents`. Writes one row a dropped document with the document that is kept for it, the one
with the lowest doc_id. The hash space is cut into buckets, so that a task holds the hashes of a bucket alone,
however large the corpus is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from curation import tables
from curation.config import Job
from curation.sources.rows import Split
from curation.stages.context import Result, Run, Stage
from curation.stages.splits import load_splits, part_name, total_documents
from curation.stages.workers import map_items
from curation.storage.store import Part, Store

#: Documents whose hashes a task holds at a time (40 bytes each while sorting).
BUCKET_DOCUMENTS = 10_000_000


def settings(job: Job) -> dict[str, Any]:
    """What the table depends on besides the documents."""
    return job.dedup.model_dump()


def work(run: Run) -> Result:
    """The stage."""
    parts = list_in_buckets(run, "duplicates", "documents", drop_copies) if run.job.dedup.exact else []
    return Result(parts, {"dropped": sum(part.rows for part in parts)})


STAGE = Stage("duplicates", ("duplicates",), ("documents.texts",), settings, work)


def list_in_buckets(run: Run, stage: str, table: str, work: Callable[..., Part]) -> list[Part]:
    """Commits what `work(bucket, store, names, buckets)` finds in each bucket of a table's hashes; in order."""
    splits = load_splits(run.store)
    buckets = bucket_count(splits)
    names = [part_name(table, split.split_id) for split in splits]
    parts = []
    with run.reporter.stage(stage, 0) as progress:
        for _, part in map_items(range(buckets), work, run.store, names, buckets, tasks=run.job.resources.tasks):
            parts.append(part)
            progress.advance(text=f"{sum(part.rows for part in parts)} found")
    return sorted(parts, key=lambda part: part.name)


def bucket_count(splits: list[Split]) -> int:
    """How many buckets the hashes are cut into."""
    return 1 + total_documents(splits) // BUCKET_DOCUMENTS


def drop_copies(bucket: int, store: Store, names: list[str], buckets: int) -> Part:
    """Commits the duplicates among the documents whose hash falls into a bucket."""
    copies, kept = copies_of(*hashes_in_bucket(store, names, "content_hash", bucket, buckets))
    arrays = [copies, kept, pa.array(["exact"] * len(copies), pa.string()), np.ones(len(copies), np.float32)]
    return store.write_table(part_name("duplicates", bucket), pa.table(arrays, schema=tables.DUPLICATES))


def hashes_in_bucket(
    store: Store, names: list[str], column: str, bucket: int, buckets: int
) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
    """The doc_ids, int64[n], and hashes, uint64[n, 2], of a column of 16-byte hashes that fall into a bucket."""
    ids, hashes = [np.empty(0, np.int64)], [np.empty((0, 2), np.uint64)]
    for name in names:
        table = store.read_table(name, ["doc_id", column]).drop_null()
        halves = hash_halves(table[column])
        mine = halves[:, 0] % np.uint64(buckets) == bucket
        ids.append(table["doc_id"].to_numpy()[mine])
        hashes.append(halves[mine])
    return np.concatenate(ids), np.concatenate(hashes)


def hash_halves(hashes: pa.ChunkedArray) -> NDArray[np.uint64]:
    """A column of 16-byte hashes without nulls as uint64[n, 2]."""
    found = hashes.combine_chunks()
    return np.frombuffer(found.buffers()[1], np.uint64).reshape(-1, 2)[found.offset :][: len(found)]


def copies_of(doc_id: NDArray[np.int64], hashes: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The documents that share a hash with a lower doc_id, ascending, and that lowest doc_id for each.

    Args:
        doc_id: int64[n], ascending.
        hashes: uint64[n, 2].
    """
    order = np.lexsort((doc_id, hashes[:, 1], hashes[:, 0]))
    ordered = hashes[order]
    first = np.ones(len(order), np.bool_)
    first[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
    kept = doc_id[order][np.maximum.accumulate(np.where(first, np.arange(len(order)), 0))]
    copies = doc_id[order][~first]
    ascending = np.argsort(copies)
    return copies[ascending], kept[~first][ascending]


def dropped_documents(store: Store) -> NDArray[np.int64]:
    """The doc_ids of all dropped documents, ascending."""
    names = [name for name in store.list("duplicates") if name.endswith(".parquet")]
    found = [store.read_table(name, ["doc_id"])["doc_id"].to_numpy() for name in names]
    return np.sort(np.concatenate([np.empty(0, np.int64), *found]))


def kept_documents(documents: pa.Table, dropped: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which rows of a part of `documents` go on: kept and not dropped as a copy. Needs doc_id and keep."""
    doc_id = documents["doc_id"].to_numpy()
    keep: NDArray[np.bool_] = pc.fill_null(documents["keep"], False).to_numpy(zero_copy_only=False).copy()
    low, high = np.searchsorted(dropped, [doc_id[0], doc_id[-1] + 1]) if len(doc_id) else (0, 0)
    keep[np.searchsorted(doc_id, dropped[low:high])] = False
    return keep
