"""Assignments: the nearest centroid of every document.

Reads `embeddings` and the centroids. Writes one row a kept document: its cluster, its similarity to the centroid and
to the next one. Maps over splits in Ray tasks.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curation import tables
from curation.config import Job
from curation.sources.rows import Split
from curation.stages import workers
from curation.stages.centroid_file import load_centroids
from curation.stages.context import Result, Run, Stage
from curation.stages.embeddings import load_vectors
from curation.stages.splits import Receipt, WorkItem, in_tasks, map_splits, part_name
from curation.storage.store import Store


def settings(job: Job) -> dict[str, Any]:
    """Nothing but the tables."""
    return {}


def work(run: Run) -> Result:
    """The stage."""
    centroids = workers.share(load_centroids(run.store))
    return map_splits(run, "assignments", in_tasks(run, assign, centroids))


STAGE = Stage("assignments", ("assignments",), ("embeddings", "centroids"), settings, work)


def assign(store: Store, job: Job, item: WorkItem, centroids: NDArray[np.float32]) -> list[Receipt]:
    """Commits the assignments of an item's splits."""
    return [assign_split(store, split, centroids) for split in item.splits]


def assign_split(store: Store, split: Split, centroids: NDArray[np.float32]) -> Receipt:
    """Commits the assignments of a split."""
    from curation.clustering.assign import nearest_two  # torch: a second of CPU that readers of this module save

    doc_id, vectors = load_vectors(store, part_name("embeddings", split.split_id))
    cluster, similarity, second = nearest_two(vectors, centroids)
    arrays = [doc_id, cluster, similarity, pa.array(second, from_pandas=True)]
    stats = {"documents": len(doc_id)}
    table = pa.table(arrays, schema=tables.ASSIGNMENTS)
    part = store.write_table(part_name("assignments", split.split_id), table, stats)
    return Receipt([part], split.rows, stats)
