"""Assignments: the nearest centroid of every document.

Reads `embeddings`, the centroids and, where there are strata, `strata`: a document only goes to a cluster of its own.
Writes one row a kept document: its cluster, its similarity to the centroid and to the next one. Maps over splits in Ray
tasks.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from curation import tables
from curation.config import Job
from curation.sources.rows import Split
from curation.stages import ray_cluster
from curation.stages.centroid_file import Fitted, load_fitted
from curation.stages.context import Result, Run, Stage
from curation.stages.embeddings import load_vectors
from curation.stages.mapping import in_tasks, map_splits
from curation.stages.splits import Receipt, WorkItem, part_name
from curation.stages.strata import load_numbers
from curation.storage.store import Store


def settings(job: Job) -> dict[str, Any]:
    """Nothing but the tables."""
    return {}


def work(run: Run) -> Result:
    """The stage."""
    fitted = ray_cluster.share(load_fitted(run.store))
    return map_splits(run, "assignments", in_tasks(run, assign, fitted))


STAGE = Stage("assignments", ("assignments",), ("embeddings", "centroids", "strata"), settings, work)


def assign(store: Store, job: Job, item: WorkItem, fitted: Fitted) -> list[Receipt]:
    """Commits the assignments of an item's splits."""
    return [assign_split(store, split, fitted) for split in item.splits]


def assign_split(store: Store, split: Split, fitted: Fitted) -> Receipt:
    """Commits the assignments of a split."""
    # torch: a second of CPU that readers of this module save
    from curation.clustering.assign import nearest_two
    from curation.clustering.strata import Centroids, nearest_two_within

    doc_id, vectors = load_vectors(store, part_name("embeddings", split.split_id))
    if fitted.stratum is None:
        cluster, similarity, second = nearest_two(vectors, fitted.centroids)
    else:
        number, within = load_numbers(store, split.split_id), Centroids(fitted.centroids, fitted.stratum)
        cluster, similarity, second = nearest_two_within(vectors, number, within)
    arrays = [doc_id, cluster, similarity, pa.array(second, from_pandas=True)]
    stats = {"documents": len(doc_id)}
    table = pa.table(arrays, schema=tables.ASSIGNMENTS)
    part = store.write_table(part_name("assignments", split.split_id), table, stats)
    return Receipt([part], split.rows, stats)
