"""Split by split: what the tables of a split's documents promise, and what the split gives to the sums.

Every table of documents has each of them once, in order. Vectors are unit vectors with the hash that stands beside
them; assignments made once more are the same bytes. Draws are of kept documents, count up by position and stay within
the clip. A split also says which rows each shard must hold because of it, as one number (`row_keys`): so a shard can
be checked alone, without the draws of the whole run in one place.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from curation.clustering.hashes import vector_hashes
from curation.config import Job
from curation.counter_rng import keys
from curation.sources.rows import Split
from curation.stages.assignments import assign_split
from curation.stages.duplicates import kept_documents
from curation.stages.embeddings import load_vectors
from curation.stages.phases import phases_of
from curation.stages.splits import part_name
from curation.storage.store import Store
from curation.verify.files import Faults
from curation.verify.unwritten import Unwritten

#: Splits that a task looks at.
TASK_SPLITS = 16


@dataclass(frozen=True)
class Layout:
    """What a task must know of the whole run: int64 arrays but for the centroids.

    Attributes:
        dropped: doc_ids of dropped copies, ascending.
        shard_starts: first position of each shard.
        phase_stops: position after the last draw of each phase.
        centroids: float32[K, d].
    """

    dropped: NDArray[np.int64]
    shard_starts: NDArray[np.int64]
    phase_stops: NDArray[np.int64]
    centroids: NDArray[np.float32]


@dataclass
class Findings:
    """What splits came to; sums over splits, in any order.

    Attributes:
        faults: a line a check, None where it holds.
        documents, rejected, kept, draws: rows in `documents`; bad ones; those with a vector; rows in `schedule`.
        sizes, tokens: int64[K], documents and tokens of each cluster.
        drawn: tokens drawn from each (phase, cluster, domain).
        shard_rows, shard_keys: int64[S] and uint64[S], rows that each shard must hold, and the sum of their keys.
        position_keys: the sum of the keys of all positions, modulo 2^64.
    """

    sizes: NDArray[np.int64]
    tokens: NDArray[np.int64]
    shard_rows: NDArray[np.int64]
    shard_keys: NDArray[np.uint64]
    faults: list[str | None] = field(default_factory=list)
    documents: int = 0
    rejected: int = 0
    kept: int = 0
    draws: int = 0
    position_keys: int = 0
    drawn: dict[tuple[int, int, str], int] = field(default_factory=dict)

    @classmethod
    def none(cls, clusters: int, shards: int) -> Findings:
        """Of no split."""
        counts = (np.zeros(clusters, np.int64), np.zeros(clusters, np.int64), np.zeros(shards, np.int64))
        return cls(*counts, np.zeros(shards, np.uint64))

    def add(self, other: Findings) -> None:
        """Takes the sums of other splits in; not their faults."""
        self.sizes += other.sizes
        self.tokens += other.tokens
        self.shard_rows += other.shard_rows
        self.shard_keys += other.shard_keys
        self.documents += other.documents
        self.rejected += other.rejected
        self.kept += other.kept
        self.draws += other.draws
        self.position_keys = (self.position_keys + other.position_keys) % 2**64
        for cell, tokens in other.drawn.items():
            self.drawn[cell] = self.drawn.get(cell, 0) + tokens


def check_splits(batch: list[tuple[Split, bool]], store: Store, job: Job, layout: Layout) -> Findings:
    """What some splits come to; of those with True the vectors are read too."""
    findings = Findings.none(len(layout.centroids), len(layout.shard_starts))
    for split, deep in batch:
        try:
            for fault in _split(store, job, split, layout, findings):
                findings.faults.append(fault)
            for fault in _vectors(store, split, layout.centroids) if deep else ():
                findings.faults.append(fault)
        except (pa.ArrowException, OSError, LookupError, ValueError, TypeError) as error:
            text = f"split {split.split_id}: its tables do not fit together: {type(error).__name__}: {error}"
            findings.faults.append(text)
    return findings


def fault_unless(holds: bool, fault: str) -> str | None:
    """None where a check holds."""
    return None if holds else fault


def row_keys(columns: dict[str, NDArray[Any]]) -> NDArray[np.uint64]:
    """A 64-bit key of each row, uint64[n], from whole numbers.

    The sum of the keys of rows is the same in any order, and for other rows the same by a chance of 2^-64.
    """
    key = np.zeros(len(next(iter(columns.values()))), np.uint64)
    for name, column in columns.items():
        key = keys(0, f"verify.{name}", key ^ column.astype(np.uint64))
    return key


def domain_key(domain: str) -> np.uint64:
    """A domain as a number."""
    return np.uint64(int.from_bytes(hashlib.blake2b(domain.encode(), digest_size=8).digest(), "little"))


def drawn_keys(
    position: NDArray[Any],
    doc_id: NDArray[Any],
    cluster: NDArray[Any],
    repetition: NDArray[Any],
    domain: NDArray[np.uint64],
    content: NDArray[np.uint64],
) -> NDArray[np.uint64]:
    """The keys of draws; `content` is uint64[n, 2], the hashes of their texts."""
    columns = {"position": position, "doc_id": doc_id, "cluster": cluster, "repetition": repetition, "domain": domain}
    return row_keys({**columns, "low": content[:, 0], "high": content[:, 1]})


def _split(store: Store, job: Job, split: Split, layout: Layout, findings: Findings) -> Faults:
    documents = store.read_table(part_name("documents", split.split_id))
    yield from _documents(store, split, documents)
    kept = documents["doc_id"].to_numpy()[kept_documents(documents, layout.dropped)]
    findings.documents += documents.num_rows
    findings.rejected += pc.sum(pc.invert(documents["keep"])).as_py() or 0
    findings.kept += len(kept)
    for table in ("embeddings", "assignments"):
        name = part_name(table, split.split_id)
        found = store.read_table(name, ["doc_id"])["doc_id"].to_numpy()
        yield fault_unless(
            np.array_equal(found, kept), f"{name}: its documents are not the kept ones, each once, in order"
        )
    assigned = store.read_table(part_name("assignments", split.split_id))
    cluster = assigned["cluster"].to_numpy()
    known = not len(cluster) or (cluster.min() >= 0 and cluster.max() < len(findings.sizes))
    yield fault_unless(known, f"{part_name('assignments', split.split_id)}: names a cluster that there is not")
    if known:
        tokens = documents["tokens"].to_numpy()[assigned["doc_id"].to_numpy() - split.first_doc_id]
        findings.sizes += np.bincount(cluster, minlength=len(findings.sizes))
        findings.tokens += np.bincount(cluster, tokens, minlength=len(findings.sizes)).astype(np.int64)
    schedule = store.read_table(part_name("schedule", split.split_id))
    yield from _schedule(job, split, schedule, kept, layout, documents)
    if schedule.num_rows:
        _count_draws(findings, split, documents, assigned, schedule, layout)


def _documents(store: Store, split: Split, documents: pa.Table) -> Faults:
    name = part_name("documents", split.split_id)
    expected = np.arange(split.first_doc_id, split.first_doc_id + split.rows)
    yield fault_unless(np.array_equal(documents["doc_id"].to_numpy(), expected), f"{name}: doc_ids are not dense")
    reasons = pc.is_valid(documents["drop_reason"])
    explained = pc.all(pc.equal(reasons, pc.invert(documents["keep"]))).as_py()
    yield fault_unless(explained is not False, f"{name}: a row is dropped without a reason, or kept with one")
    heuristics = part_name("heuristics", split.split_id)
    if store.exists(heuristics):
        judged = store.read_table(heuristics, ["doc_id"])["doc_id"].to_numpy()
        yield fault_unless(np.array_equal(judged, expected), f"{heuristics}: its rows are not the split's documents")
    rejected = part_name("rejected", split.split_id)
    listed = store.read_table(rejected, ["doc_id"])["doc_id"].to_pylist() if store.exists(rejected) else []
    bad = documents.filter(pc.invert(documents["keep"]))["doc_id"].to_pylist()
    yield fault_unless(listed == bad, f"{rejected}: does not list the rows that are not kept")


def _vectors(store: Store, split: Split, centroids: NDArray[np.float32]) -> Iterator[str | None]:
    name = part_name("embeddings", split.split_id)
    _, vectors = load_vectors(store, name)
    lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64))
    unit = bool((np.abs(lengths - 1) < 0.01).all())  # NaN fails too
    yield fault_unless(unit, f"{name}: a vector is not of unit length")
    table = store.read_table(name, ["read_share", "vector_hash"])
    share = table["read_share"].drop_null().to_numpy()
    yield fault_unless(bool(((share > 0) & (share <= 1)).all()), f"{name}: a read_share is not in (0, 1]")
    hashed = pa.array(vector_hashes(vectors).tolist(), pa.binary(16))
    same = table["vector_hash"].combine_chunks().equals(hashed)
    yield fault_unless(same, f"{name}: a vector_hash is not its vector's")
    [again] = assign_split(Unwritten(store.root), split, centroids).parts
    same = again.sha256 == store.hash(again.name)[1]
    yield fault_unless(same, f"{again.name}: a document is not in the cluster of its nearest centroid")


def _schedule(
    job: Job, split: Split, schedule: pa.Table, kept: NDArray[np.int64], layout: Layout, documents: pa.Table
) -> Faults:
    name = part_name("schedule", split.split_id)
    doc_id, repetition = schedule["doc_id"].to_numpy(), schedule["repetition"].to_numpy()
    position = schedule["position"].to_numpy()
    yield fault_unless(bool(np.isin(doc_id, kept).all()), f"{name}: draws a document that was not kept")
    order = np.lexsort((position, doc_id))
    _, starts, counts = np.unique(doc_id[order], return_index=True, return_counts=True)
    running = np.arange(len(doc_id)) - np.repeat(starts, counts)
    counted = np.array_equal(repetition[order], running)
    yield fault_unless(counted, f"{name}: repetitions do not count a document's draws in order of position")
    domain = job.domains.index(documents["domain"][0].as_py())
    clips = np.array([request.clips[domain] for request in phases_of(job)])
    phase = np.searchsorted(layout.phase_stops, position, side="right")
    within = bool((phase < len(clips)).all()) and bool((repetition < clips[phase]).all())
    yield fault_unless(within, f"{name}: a document is drawn above the clip")
    shard = np.searchsorted(layout.shard_starts, position, side="right") - 1
    agrees = np.array_equal(schedule["shard"].to_numpy(), shard)
    yield fault_unless(agrees, f"{name}: names another shard than the one that holds the position")


def _count_draws(
    findings: Findings, split: Split, documents: pa.Table, assigned: pa.Table, schedule: pa.Table, layout: Layout
) -> None:
    """Adds a split's draws to the sums."""
    doc_id, position = schedule["doc_id"].to_numpy(), schedule["position"].to_numpy()
    row = doc_id - split.first_doc_id
    domain = documents["domain"][0].as_py()
    tokens = documents["tokens"].to_numpy()[row].astype(np.int64)
    cluster = assigned["cluster"].to_numpy()[np.searchsorted(assigned["doc_id"].to_numpy(), doc_id)]
    phase = np.searchsorted(layout.phase_stops, position, side="right")
    for number in np.unique(phase).tolist():
        here = phase == number
        sums = np.bincount(cluster[here], tokens[here])
        for place in np.flatnonzero(sums).tolist():
            key = (number, place, domain)
            findings.drawn[key] = findings.drawn.get(key, 0) + int(sums[place])
    domains = np.full(len(row), domain_key(domain))
    drawn = drawn_keys(
        position, doc_id, cluster, schedule["repetition"].to_numpy(), domains, content_hashes(documents)[row]
    )
    shard = np.searchsorted(layout.shard_starts, position, side="right") - 1
    np.add.at(findings.shard_keys, shard, drawn)
    findings.shard_rows += np.bincount(shard, minlength=len(findings.shard_rows))
    findings.draws += len(row)
    findings.position_keys = (findings.position_keys + int(row_keys({"position": position}).sum())) % 2**64


def content_hashes(documents: pa.Table) -> NDArray[np.uint64]:
    """The hash of each document's text, uint64[n, 2]; zeros where the row was rejected."""
    filled = pc.fill_null(documents["content_hash"], pa.scalar(bytes(16), pa.binary(16))).combine_chunks()
    return np.frombuffer(b"".join(filled.to_pylist()), np.uint64).reshape(-1, 2)
