"""Two finished runs side by side: what went into them, what they made of it, and which texts they share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curation.config import Job
from curation.diff.clusters import matched_clusters
from curation.diff.content import Overlap, Texts, overlap
from curation.diff.figures import figure_rows
from curation.diff.keys import differing
from curation.errors import JobError
from curation.job_file import parse_job, parse_yaml
from curation.sources.rows import Split
from curation.stages.centroid_file import load_centroids
from curation.stages.clusters import CLUSTERS
from curation.stages.context import JOB
from curation.stages.duplicates import bucket_count, hashes_in_bucket
from curation.stages.encoder import SPEC
from curation.stages.plan_tables import SHARDS
from curation.stages.record import RECORD
from curation.stages.report import SUMMARY
from curation.stages.splits import load_files, load_splits, part_name, total_documents
from curation.storage.store import Marker, Store
from curation.tables import VALIDATION

#: Files, and clusters that changed most, that are listed.
LISTED = 20
#: Cosine of two centroids from which on two clusters are called the same.
SAME = 0.95


@dataclass(frozen=True)
class Side:
    """One of the runs."""

    store: Store
    job: Job
    markers: dict[str, Marker]
    splits: list[Split]
    summary: dict[str, Any]

    @classmethod
    def load(cls, store: Store, markers: Mapping[str, Marker | None]) -> Side:
        """A finished run; `markers` as `pipeline.current_markers` gives them. Raises JobError if it is none."""
        if markers.get("report") is None:
            raise JobError(
                f"{store.shown()}: diff needs finished runs, and this is none, or of other code: `curation run` first"
            )
        job = parse_job(parse_yaml(store.read_bytes(JOB).decode(), JOB), JOB)
        done = {name: marker for name, marker in markers.items() if marker}
        return cls(store, job, done, load_splits(store), store.read_json(SUMMARY))


def diff(a: Side, b: Side) -> dict[str, Any]:
    """What differs between two runs, JSON-able.

    Returns:
        `a`, `b`: where the runs are. `identical`: every stage made the same files. `job`, `encoder`, `code`: keys
        that differ. `stages`: those whose files differ. `sources`: files `added`, `removed` and `changed`. `figures`:
        rows of figures that differ, see `figures`. Where the runs are not identical, `documents`: different texts in
        either run and in both, by domain, and how their draws changed; `clusters`: see `cluster_changes`.
    """
    stages = [name for name in {**a.markers, **b.markers} if _digest(a, name) != _digest(b, name)]
    sides = [side.job.model_dump(mode="json", exclude={"run_dir"}) for side in (a, b)]
    found: dict[str, Any] = {
        "a": a.store.shown(),
        "b": b.store.shown(),
        "identical": not stages,
        "job": differing(*sides),
        "encoder": differing(a.store.read_json(SPEC), b.store.read_json(SPEC)),
        "code": differing(_code(a), _code(b)),
        "stages": stages,
        "sources": source_changes(a, b),
        "figures": figure_rows(a.summary, b.summary),
    }
    if stages:
        shared = shared_texts(a, b)
        found |= {"documents": document_changes(a, b, shared), "clusters": cluster_changes(a, b, shared.clusters)}
    return found


def _digest(side: Side, stage: str) -> str | None:
    marker = side.markers.get(stage)
    if marker and stage == "record":  # its files have the time in them, and a hash of what has not
        content: str = _made(side)["content_sha256"]
        return content
    return marker.digest if marker else None


def _made(side: Side) -> dict[str, Any]:
    """What the record says of when and with what the run was made."""
    found: dict[str, Any] = side.store.read_json(RECORD)["made"]
    return found


def _code(side: Side) -> dict[str, Any]:
    return {name: _made(side)[name] for name in ("code_sha256", "commit", "python", "packages")}


def source_changes(a: Side, b: Side) -> dict[str, Any]:
    """Input files by path: how many were `added`, `removed` and `changed` (size or time), and the first of them."""
    before, after = ({file.path: file for file in load_files(side.store).values()} for side in (a, b))
    kept = before.keys() & after.keys()
    changed = [
        path for path in kept if (before[path].etag, before[path].domain) != (after[path].etag, after[path].domain)
    ]
    names = {"added": after.keys() - before.keys(), "removed": before.keys() - after.keys(), "changed": changed}
    return {key: {"count": len(paths), "first": sorted(paths)[:LISTED]} for key, paths in names.items()}


def shared_texts(a: Side, b: Side) -> Overlap:
    """What the texts of the two runs have in common, summed over the buckets of the hash space."""
    clusters = tuple(len(load_centroids(side.store)) for side in (a, b))
    buckets = max(bucket_count(side.splits) for side in (a, b))
    known = [(side, draws_of(side), clusters_of(side)) for side in (a, b)]
    parts = []
    for bucket in range(buckets):
        left, right = (texts_in_bucket(*one, bucket, buckets) for one in known)
        parts.append(overlap(left, right, (len(a.job.domains), len(b.job.domains)), (clusters[0], clusters[1])))
    return sum(parts[1:], parts[0])


def texts_in_bucket(
    side: Side, draws: NDArray[np.int32], cluster: NDArray[np.int32], bucket: int, buckets: int
) -> Texts:
    """A run's documents in a bucket; `draws` and `cluster` are of all its documents."""
    names = [part_name("documents", split.split_id) for split in side.splits]
    doc_id, hashes = hashes_in_bucket(side.store, names, "content_hash", bucket, buckets)
    files = load_files(side.store)
    domains = np.array([side.job.domains.index(files[split.file_id].domain) for split in side.splits], np.int32)
    first = np.array([split.first_doc_id for split in side.splits], np.int64)
    split = np.searchsorted(first, doc_id, side="right") - 1
    return Texts(hashes, draws[doc_id], domains[split], cluster[doc_id])


def draws_of(side: Side) -> NDArray[np.int32]:
    """How often each document is drawn in training: int32[N]."""
    listed = side.store.read_table(SHARDS, ["phase"])["phase"].to_numpy()
    trains = listed != VALIDATION
    draws = np.zeros(total_documents(side.splits), np.int32)
    for split in side.splits:
        table = side.store.read_table(part_name("schedule", split.split_id))
        rows = table["doc_id"].to_numpy() - split.first_doc_id
        weight = table["sample_weight"].to_numpy() if "sample_weight" in table.column_names else np.ones(len(rows))
        counts = np.bincount(rows, weight * trains[table["shard"].to_numpy()], split.rows)
        draws[split.first_doc_id : split.first_doc_id + split.rows] = counts
    return draws


def clusters_of(side: Side) -> NDArray[np.int32]:
    """The cluster of each document, -1 where it has none: int32[N]."""
    cluster = np.full(total_documents(side.splits), -1, np.int32)
    for split in side.splits:
        table = side.store.read_table(part_name("assignments", split.split_id), ["doc_id", "cluster"])
        cluster[table["doc_id"].to_numpy()] = table["cluster"].to_numpy()
    return cluster


def document_changes(a: Side, b: Side, shared: Overlap) -> dict[str, Any]:
    """Different texts: how many only one run has, by domain, and how the draws of those in both changed."""
    removed, both, added = shared.texts.tolist()
    by_domain = [
        {
            "domain": domain,
            "removed": _of(a.job.domains, shared.removed, domain),
            "added": _of(b.job.domains, shared.added, domain),
        }
        for domain in dict.fromkeys([*a.job.domains, *b.job.domains])
    ]
    names = ("undrawn", "same", "more", "fewer", "begun", "ended")
    return {
        "removed": removed,
        "both": both,
        "added": added,
        "by_domain": [row for row in by_domain if row["removed"] or row["added"]],
        "draws": dict(zip(names, shared.draws.tolist(), strict=True)),
    }


def _of(domains: list[str], counts: NDArray[np.int64], domain: str) -> int:
    return int(counts[domains.index(domain)]) if domain in domains else 0


def cluster_changes(a: Side, b: Side, shared: NDArray[np.int64]) -> dict[str, Any]:
    """The clusters of two runs, matched by their centroids where both have the same encoder.

    Returns:
        `compared`: whether they could be; how many clusters each run has and how many pairs are the `same` (cosine of
        SAME or more); `stayed`: the share of the texts in both that are in a cluster and the one it is matched with;
        `pairs`: the least alike first, with cosine, documents and terms; `lost` and `new`: clusters without a partner.
    """
    if a.store.read_bytes(SPEC) != b.store.read_bytes(SPEC):
        return {"compared": False}
    first, second, cosine = matched_clusters(load_centroids(a.store), load_centroids(b.store))
    rows = [_cluster_rows(side) for side in (a, b)]
    order = np.lexsort((first, cosine))
    pairs = [
        {"cosine": round(float(cosine[at]), 4), "a": rows[0][first[at]], "b": rows[1][second[at]]}
        for at in order[:LISTED].tolist()
        if cosine[at] < SAME
    ]
    return {
        "compared": True,
        "count": [len(rows[0]), len(rows[1])],
        "same": int((cosine >= SAME).sum()),
        "stayed": float(shared[first, second].sum() / max(1, shared.sum())),
        "pairs": pairs,
        "lost": _others(rows[0], first),
        "new": _others(rows[1], second),
    }


def _cluster_rows(side: Side) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = side.store.read_table(
        CLUSTERS, ["cluster", "documents", "tokens", "terms"]
    ).to_pylist()
    return rows


def _others(rows: list[dict[str, Any]], matched: Iterable[int]) -> list[dict[str, Any]]:
    """The clusters that are not matched, the largest first."""
    left = sorted({*range(len(rows))} - set(matched), key=lambda number: (-rows[number]["documents"], number))
    return [rows[number] for number in left[:LISTED]]
