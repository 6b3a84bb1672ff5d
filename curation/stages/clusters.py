"""Clusters: what each cluster is, for people.

Reads `assignments`, `documents` (tokens) and `excerpts`. Writes one row a cluster: sizes, coherence, the documents
nearest to its centroid, and the terms that set it apart. Tasks sum up batches of splits; the sums are integers and
the medoids merge in any order, so the splits can't matter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curation import tables
from curation.clustering.describe import ClusterSums, Medoids, merge_medoids, silhouette_sums, top_by_cluster
from curation.clustering.terms import salient_terms
from curation.config import Job
from curation.stages.centroids import load_centroids
from curation.stages.context import Result, Run, Stage
from curation.stages.splits import load_splits, part_name
from curation.stages.workers import map_items
from curation.store import Store

CLUSTERS = "clusters/clusters.parquet"

#: Documents listed as medoids, terms listed, and splits that a task sums up.
MEDOIDS, TERMS, TASK_SPLITS = 3, 10, 64


@dataclass(frozen=True, eq=False)
class Summary:
    """Of some splits: sums, tokens int64[K] and medoids of each cluster."""

    sums: ClusterSums
    tokens: NDArray[np.int64]
    medoids: Medoids


def settings(job: Job) -> dict[str, Any]:
    """Nothing but the tables."""
    return {}


def work(run: Run) -> Result:
    """The stage."""
    clusters = len(load_centroids(run.store))
    splits = [split.split_id for split in load_splits(run.store)]
    batches = [splits[start : start + TASK_SPLITS] for start in range(0, len(splits), TASK_SPLITS)]
    tasks = run.job.resources.tasks
    with run.reporter.stage("clusters", 0) as progress:
        total: Summary | None = None
        for _, summary in map_items(batches, summarise, run.store, clusters, tasks=tasks):
            total = summary if total is None else _add(total, summary)
        assert total is not None, "a run has at least one split"
        progress.advance(text="terms")
        [(_, terms)] = map_items([clusters], find_terms, run.store, splits)
        table = clusters_table(total, terms)
    similarity = total.sums.similarity.sum() / 2.0**30 / total.sums.documents.sum()
    coherence = total.sums.silhouette.sum() / 2.0**30 / total.sums.documents.sum()
    stats = {
        "clusters": clusters,
        "empty": int((total.sums.documents == 0).sum()),
        "mean_similarity": float(similarity),
        "coherence": float(coherence),
    }
    return Result([run.store.write_table(CLUSTERS, table)], stats)


STAGE = Stage("clusters", ("clusters",), ("documents", "duplicates", "centroids", "assignments"), settings, work)


def summarise(splits: list[int], store: Store, clusters: int) -> Summary:
    """The summary of a batch of splits."""
    summaries = [_summarise_split(store, split, clusters) for split in splits]
    total = summaries[0]
    for summary in summaries[1:]:
        total = _add(total, summary)
    return total


def _summarise_split(store: Store, split: int, clusters: int) -> Summary:
    assigned = store.read_table(part_name("assignments", split))
    documents = store.read_table(part_name("documents", split), ["doc_id", "tokens"])
    cluster, doc_id = assigned["cluster"].to_numpy(), assigned["doc_id"].to_numpy()
    similarity = assigned["similarity"].to_numpy()
    second = assigned["second_similarity"].to_numpy()  # null arrives as NaN
    tokens = np.zeros(clusters, np.int64)
    if len(doc_id):
        own = documents["tokens"].to_numpy()[doc_id - documents["doc_id"][0].as_py()]
        np.add.at(tokens, cluster, own.astype(np.int64))
    medoids = top_by_cluster(cluster, similarity, doc_id, MEDOIDS)
    return Summary(silhouette_sums(cluster, similarity, second, clusters), tokens, medoids)


def _add(left: Summary, right: Summary) -> Summary:
    medoids = merge_medoids([left.medoids, right.medoids], MEDOIDS)
    return Summary(left.sums + right.sums, left.tokens + right.tokens, medoids)


def find_terms(clusters: int, store: Store, splits: list[int]) -> list[list[str]]:
    """The terms of each cluster, from the excerpts of its documents."""
    texts: list[str] = []
    labels = []
    there = store.list("excerpts")
    for split in splits:
        name = part_name("excerpts", split)
        if name not in there:
            continue
        excerpts = store.read_table(name)
        assigned = store.read_table(part_name("assignments", split), ["doc_id", "cluster"])
        doc_id, known = excerpts["doc_id"].to_numpy(), assigned["doc_id"].to_numpy()
        kept = np.isin(doc_id, known, assume_unique=True)
        texts += excerpts["text"].filter(pa.array(kept)).to_pylist()
        labels.append(assigned["cluster"].to_numpy()[np.searchsorted(known, doc_id[kept])])
    return salient_terms(texts, np.concatenate([np.empty(0, np.int32), *labels]), clusters, TERMS)


def clusters_table(summary: Summary, terms: list[list[str]]) -> pa.Table:
    """The `clusters` table."""
    count = len(terms)
    arrays = [
        np.arange(count, dtype=np.int32),
        summary.sums.documents,
        summary.tokens,
        pa.array(summary.sums.mean_similarity, from_pandas=True),
        pa.array(summary.sums.coherence, from_pandas=True),
        pa.array(summary.medoids.by_cluster(count), pa.list_(pa.int64())),
        pa.array(terms, pa.list_(pa.string())),
    ]
    return pa.table(arrays, schema=tables.CLUSTERS)
