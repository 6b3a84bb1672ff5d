"""Clusters: what each cluster is, for people.

Reads `assignments`, `documents` (tokens), `excerpts` and the centroids. Writes one row a cluster: sizes, coherence, the
documents nearest to its centroid, the terms that set it apart, its group at each level and, where it looks like junk,
why; and one row a topmost group, where the job asks for groups. Tasks sum up batches of splits; the sums are integers
and the medoids merge in any order, so the splits can't matter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curation import tables
from curation.clustering.describe import ClusterSums, Medoids, merge_medoids, silhouette_sums, top_by_cluster
from curation.clustering.groups import group_clusters
from curation.clustering.junk import junk_warnings
from curation.clustering.terms import occurrences, salient_terms, shared_words
from curation.config import Job
from curation.stages.centroid_file import Fitted, load_fitted, load_neighbours
from curation.stages.context import Result, Run, Stage
from curation.stages.splits import load_splits, part_name
from curation.stages.workers import map_items
from curation.storage.store import Store, fingerprint
from curation.text.feature_languages import STOP_WORDS

CLUSTERS, GROUPS = "clusters/clusters.parquet", "clusters/groups.parquet"

#: Documents listed as medoids, terms listed, and splits that a task sums up.
MEDOIDS, TERMS, TASK_SPLITS = 3, 10, 64

#: Function words of each language.
LANGUAGES = {language: frozenset(words.split()) for language, words in STOP_WORDS.items()}

#: Warnings that are told one by one while the run goes on; all are in the table.
TOLD = 5


@dataclass(frozen=True, eq=False)
class Summary:
    """Of some splits: sums, tokens int64[K] and medoids of each cluster."""

    sums: ClusterSums
    tokens: NDArray[np.int64]
    medoids: Medoids


@dataclass(frozen=True, eq=False)
class Wording:
    """What the excerpts say."""

    terms: list[list[str]]
    """Of each cluster."""
    shared_words: NDArray[np.float64]
    """float64[K], see `terms.shared_words`."""
    group_terms: list[list[str]]
    """Of each group; none where there are no groups."""


def settings(job: Job) -> dict[str, Any]:
    """The levels of groups; all else is in the tables."""
    clustering = job.clustering
    if not clustering.levels:
        return {"levels": []}
    by_chance = {"grouping": clustering.grouping, "seed": job.seed} if clustering.grouping != "ward" else {}
    return {"levels": clustering.levels} | by_chance


def work(run: Run) -> Result:
    """The stage."""
    fitted, paths = load_fitted(run.store), None
    clusters = len(fitted.centroids)
    splits = [split.split_id for split in load_splits(run.store)]
    batches = [splits[start : start + TASK_SPLITS] for start in range(0, len(splits), TASK_SPLITS)]
    tasks = run.job.resources.tasks
    with run.reporter.stage("clusters", 0) as progress:
        total: Summary | None = None
        for _, summary in map_items(batches, summarise, run.store, clusters, tasks=tasks):
            total = summary if total is None else _add(total, summary)
        assert total is not None, "a run has at least one split"
        if run.job.clustering.levels:
            progress.advance(text="groups")
            if run.job.clustering.grouping == "spectral":
                fitted = replace(fitted, neighbours=load_neighbours(run.store, clusters))
            paths = paths_of(run.job, fitted)
        groups = None if paths is None else paths[:, 0]
        progress.advance(text="terms")
        [(_, wording)] = map_items([clusters], find_terms, run.store, splits, groups)
    warnings = junk_warnings(total.sums, wording.shared_words, wording.terms, LANGUAGES)
    parts = [run.store.write_table(CLUSTERS, clusters_table(total, wording.terms, paths, warnings))]
    if groups is not None:
        parts.append(run.store.write_table(GROUPS, groups_table(total, groups, wording.group_terms)))
    _tell(run, warnings)
    return Result(parts, figures(total.sums, paths, warnings))


STAGE = Stage("clusters", ("clusters",), ("documents", "duplicates", "centroids", "assignments"), settings, work)


def paths_of(job: Job, fitted: Fitted) -> NDArray[np.int32]:
    """The group of each cluster at each level that the job asks for, int32[K, L], the topmost first."""
    levels = job.clustering.levels
    if job.clustering.grouping == "ward":
        return group_clusters(fitted.centroids, levels)
    if job.clustering.grouping == "spectral":
        from curation.clustering.spectral import spectral_groups  # as below

        assert fitted.neighbours is not None, "the fit looks for neighbours where groups are made of them"
        return spectral_groups(fitted.neighbours, levels, job.seed)
    from curation.clustering.hierarchical import kmeans_groups  # torch: a second that readers of this module save

    return kmeans_groups(fitted.centroids, levels, job.seed)


def figures(sums: ClusterSums, paths: NDArray[np.int32] | None, warnings: Sequence[str | None]) -> dict[str, Any]:
    """What the stage counts. `grouping` is a hash of the groups: what a plan that evens them out depends on."""
    sizes = np.sort(sums.documents[sums.documents > 0])
    levels = [] if paths is None else (paths.max(axis=0) + 1).tolist()
    return {
        "clusters": len(sums.documents),
        "empty": int((sums.documents == 0).sum()),
        "mean_similarity": float(sums.similarity.sum() / 2.0**30 / sums.documents.sum()),
        "coherence": float(sums.silhouette.sum() / 2.0**30 / sums.documents.sum()),
        "smallest": int(sizes[0]),
        "median": int(sizes[len(sizes) // 2]),
        "largest": int(sizes[-1]),
        "warnings": sum(warning is not None for warning in warnings),
        "groups": levels[0] if levels else 0,
        "levels": levels,
        "grouping": None if paths is None else fingerprint((paths[:, 0] if len(levels) == 1 else paths).tolist()),
    }


def _tell(run: Run, warnings: Sequence[str | None]) -> None:
    """Notes the first warnings."""
    found = [f"cluster {number}: {warning}" for number, warning in enumerate(warnings) if warning]
    for text in found[:TOLD]:
        run.reporter.event("note", stage="clusters", text=text)
    if len(found) > TOLD:
        text = f"{len(found) - TOLD} more clusters have a warning: see {CLUSTERS}"
        run.reporter.event("note", stage="clusters", text=text)


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


def find_terms(clusters: int, store: Store, splits: list[int], groups: NDArray[np.int32] | None) -> Wording:
    """What the excerpts of the clusters' documents say."""
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
    found, cluster = occurrences(texts), np.concatenate([np.empty(0, np.int32), *labels])
    group_terms = [] if groups is None else salient_terms(found, groups[cluster], int(groups.max()) + 1, TERMS)
    return Wording(salient_terms(found, cluster, clusters, TERMS), shared_words(found, cluster, clusters), group_terms)


def clusters_table(
    summary: Summary, terms: list[list[str]], paths: NDArray[np.int32] | None, warnings: Sequence[str | None]
) -> pa.Table:
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
        pa.nulls(count, pa.int32()) if paths is None else paths[:, 0],
        pa.array(warnings, pa.string()),
        pa.nulls(count, pa.list_(pa.int32())) if paths is None else pa.array(list(paths), pa.list_(pa.int32())),
    ]
    return pa.table(arrays, schema=tables.CLUSTERS)


def groups_table(summary: Summary, groups: NDArray[np.int32], terms: list[list[str]]) -> pa.Table:
    """The `groups` table."""
    documents, tokens = np.zeros((2, len(terms)), np.int64)
    np.add.at(documents, groups, summary.sums.documents)
    np.add.at(tokens, groups, summary.tokens)
    numbers, sizes = np.arange(len(terms), dtype=np.int32), np.bincount(groups).astype(np.int32)
    arrays = [numbers, sizes, documents, tokens, pa.array(terms, pa.list_(pa.string()))]
    return pa.table(arrays, schema=tables.GROUPS)


def load_top_groups(store: Store) -> NDArray[np.int32]:
    """The topmost group of each cluster, int32[K], where the job asks for groups."""
    groups: NDArray[np.int32] = store.read_table(CLUSTERS, ["group"])["group"].to_numpy()
    return groups


def load_groups(store: Store, job: Job) -> NDArray[np.int32] | None:
    """The group of each cluster at each level that the job evens out, int32[K, L]; None where it evens out clusters."""
    if job.sampling.balance == "clusters":
        return None
    paths = np.array(store.read_table(CLUSTERS, ["path"])["path"].to_pylist(), np.int32)
    return paths_to_even(job, paths)


def paths_to_even(job: Job, paths: NDArray[np.int32]) -> NDArray[np.int32]:
    """Of the groups at all levels, int32[K, L], those that the job evens out."""
    return paths if job.sampling.balance in ("tree", "levels") else paths[:, :1]
