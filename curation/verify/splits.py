"""Split by split: what the tables of a split's documents promise, and what the split gives to the sums.

Every table of documents has each of them once, in order. Vectors are unit vectors with the hash that stands beside
them; assignments made once more are the same bytes. `schedule` looks at the draws.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation.clustering.hashes import vector_hashes
from curation.config import Job
from curation.sources.rows import Split
from curation.stages.assignments import assign_split
from curation.stages.centroid_file import Fitted
from curation.stages.duplicates import kept_documents
from curation.stages.embeddings import load_vectors
from curation.stages.splits import part_name
from curation.stages.strata import load_numbers
from curation.storage.store import Store
from curation.verify.files import Faults
from curation.verify.findings import Findings, Layout, add_to, fault_unless
from curation.verify.schedule import by_cell, check_schedule, count_rows
from curation.verify.token_caps import count_carriers
from curation.verify.unwritten import Unwritten

#: Splits that a task looks at.
TASK_SPLITS = 16


def check_splits(batch: list[tuple[Split, bool]], store: Store, job: Job, layout: Layout) -> Findings:
    """What some splits come to; of those with True the vectors are read too."""
    findings = Findings.none(len(layout.fitted.centroids), len(layout.shard_starts))
    for split, deep in batch:
        try:
            for fault in _split(store, job, split, layout, findings):
                findings.faults.append(fault)
            for fault in _vectors(store, split, layout.fitted) if deep else ():
                findings.faults.append(fault)
        except (pa.ArrowException, OSError, LookupError, ValueError, TypeError) as error:
            text = f"split {split.split_id}: its tables do not fit together: {type(error).__name__}: {error}"
            findings.faults.append(text)
    return findings


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
    if known and layout.fitted.stratum is not None:
        own = np.array_equal(layout.fitted.stratum[cluster], load_numbers(store, split.split_id))
        what = f"is in a cluster of another {job.clustering.within}"
        yield fault_unless(own, f"{part_name('assignments', split.split_id)}: a document {what}")
    if known:
        tokens = documents["tokens"].to_numpy()[assigned["doc_id"].to_numpy() - split.first_doc_id]
        findings.sizes += np.bincount(cluster, minlength=len(findings.sizes))
        add_to(findings.cells, by_cell(cluster, documents["domain"][0].as_py()) if len(cluster) else {})
        findings.tokens += np.bincount(cluster, tokens, minlength=len(findings.sizes)).astype(np.int64)
    schedule = store.read_table(part_name("schedule", split.split_id))
    yield from check_schedule(job, split, schedule, kept, layout, documents)
    yield from count_carriers(store, job, split, schedule, kept, layout, findings)
    if schedule.num_rows:
        count_rows(findings, split, documents, assigned, schedule, layout)


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


def _vectors(store: Store, split: Split, fitted: Fitted) -> Iterator[str | None]:
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
    [again] = assign_split(Unwritten(store.root), split, fitted).parts
    same = again.sha256 == store.hash(again.name)[1]
    yield fault_unless(same, f"{again.name}: a document is not in the cluster of its nearest centroid")
