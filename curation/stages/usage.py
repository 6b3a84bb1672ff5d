"""Usage: what became of the documents of each source and cluster, from the tables a row a document.

For the record. Tasks sum up batches of splits (`report.record.use`); the driver gets sums alone.
"""

from __future__ import annotations

from collections import Counter
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from curation.config import Job
from curation.report.record.use import SplitRows, Use, use_of
from curation.sources.rows import Split
from curation.stages.centroid_file import load_centroids
from curation.stages.duplicates import dropped_documents, kept_documents
from curation.stages.plan_tables import SHARDS
from curation.stages.ray_cluster import share
from curation.stages.splits import load_files, load_splits, part_name
from curation.stages.workers import map_items
from curation.storage.store import Store
from curation.tables import VALIDATION

#: Splits that a task sums up.
TASK_SPLITS = 64
#: Documents that are named as examples of a reason.
EXAMPLES = 5


def load_use(store: Store, job: Job) -> Use:
    """The sums over all splits."""
    files = load_files(store)
    phases = store.read_table(SHARDS, ["phase"])["phase"].to_numpy()
    training, clusters = int(np.count_nonzero(phases != VALIDATION)), len(load_centroids(store))
    total = Use.none(len(job.sources), clusters)
    left = iter([(split, files[split.file_id].source) for split in load_splits(store)])
    batches = iter(lambda: list(islice(left, TASK_SPLITS)), [])
    shared = (store, share(dropped_documents(store)), training, len(job.sources), clusters)
    for _, use in map_items(batches, sum_use, *shared, tasks=job.resources.tasks):
        total = total + use
    return total


def sum_use(
    batch: list[tuple[Split, int]],
    store: Store,
    dropped: NDArray[np.int64],
    training: int,
    sources: int,
    clusters: int,
) -> Use:
    """The sums over some splits, each with the number of its source; the first `training` shards are for training."""
    total = Use.none(sources, clusters)
    for split, source in batch:
        total = total + use_of(split_rows(store, split, source, dropped, training), sources, clusters)
    return total


def split_rows(store: Store, split: Split, source: int, dropped: NDArray[np.int64], training: int) -> SplitRows:
    """The documents of a split and what became of each."""
    documents = store.read_table(part_name("documents", split.split_id), ["doc_id", "tokens", "keep", "quality"])
    schedule = store.read_table(part_name("schedule", split.split_id))
    assigned = store.read_table(part_name("assignments", split.split_id), ["doc_id", "cluster"])
    place = schedule["doc_id"].to_numpy().astype(np.int64) - split.first_doc_id
    for_training = schedule["shard"].to_numpy() < training
    weighted = "sample_weight" in schedule.column_names
    weight = schedule["sample_weight"].to_numpy() if weighted else np.ones(len(place), np.int16)
    draws, held = np.zeros(documents.num_rows, np.int64), np.zeros(documents.num_rows, np.bool_)
    np.add.at(draws, place[for_training], weight[for_training].astype(np.int64))
    held[place[~for_training]] = True
    cluster = np.full(documents.num_rows, -1, np.int64)
    cluster[assigned["doc_id"].to_numpy() - split.first_doc_id] = assigned["cluster"].to_numpy()
    quality = documents["quality"].to_numpy().astype(np.float32)  # null arrives as NaN
    readable = documents["keep"].to_numpy()
    kept = kept_documents(documents, dropped)
    return SplitRows(
        source, documents["tokens"].to_numpy().astype(np.int64), readable, kept, held, draws, cluster, quality
    )


def rejected_reasons(store: Store) -> list[tuple[str, int, list[int]]]:
    """Each reason why rows could not be used: it, how many, and the doc_ids of some; the most frequent first."""
    counts: Counter[str] = Counter()
    examples: dict[str, list[int]] = {}
    for name in store.list("rejected"):
        rows = store.read_table(name, ["doc_id", "reason"])
        grouped = rows.group_by("reason", use_threads=False).aggregate([("doc_id", "count"), ("doc_id", "min")])
        for row in grouped.to_pylist():
            counts[row["reason"]] += row["doc_id_count"]
            examples.setdefault(row["reason"], []).append(row["doc_id_min"])
    order = sorted(counts, key=lambda reason: (-counts[reason], reason))
    return [(reason, counts[reason], sorted(examples[reason])[:EXAMPLES]) for reason in order]


def copies(store: Store) -> list[int]:
    """The doc_ids of some dropped copies, the lowest ones."""
    found: list[int] = []
    for name in store.list("duplicates"):
        if name.endswith(".parquet"):
            found += store.read_table(name, ["doc_id"])["doc_id"].slice(0, EXAMPLES).to_pylist()  # ascending there
    return sorted(found)[:EXAMPLES]
