"""What the audit's tables promise: languages of sampled documents, groups of near-duplicates, salient tokens.

Languages are looked at, not told again. Pairs and groups of near-duplicates are made once more from the signatures,
and salient tokens from the excerpts, and must be the same bytes. Where nothing was asked for, nothing is checked.
"""

from __future__ import annotations

import numpy as np

from curation.config import Job
from curation.stages.duplicates import bucket_count, dropped_documents
from curation.stages.languages import LANGUAGES
from curation.stages.near_duplicates import NEAR_DUPLICATES, join, link, pieces_of
from curation.stages.salience import weights_of_domains, write_tokens
from curation.stages.splits import load_splits, part_name, total_documents
from curation.stages.workers import map_items
from curation.storage.store import Marker, Part, Store
from curation.verify.files import Faults
from curation.verify.findings import fault_unless
from curation.verify.unwritten import Unwritten


def check_audit(store: Store, job: Job) -> Faults:
    """Every check of the tables that the audit made."""
    if job.audit.languages or job.audit.salience:
        yield from _languages(store)
    if job.audit.near_duplicates:
        yield from _near_duplicates(store, job)
    if job.audit.salience:
        shadow = Unwritten(store.root)
        [(_, (part, stats))] = map_items([job.domains], write_tokens, shadow, weights_of_domains(store, job))
        yield _same(store, "salience", part, "is not what stands out of the excerpts")
        told = _marker(store, "salience").stats
        yield fault_unless(told == stats, "salience/_done.json: its counts are not those of the excerpts")


def _languages(store: Store) -> Faults:
    table, stats = store.read_table(LANGUAGES), _marker(store, "languages").stats
    doc_id = table["doc_id"].to_numpy()
    ascending = bool((np.diff(doc_id) > 0).all())
    known = not len(doc_id) or (doc_id[0] >= 0 and doc_id[-1] < total_documents(load_splits(store)))
    yield fault_unless(ascending and known, f"{LANGUAGES}: its documents are not the run's, each once, in order")
    kept = not np.isin(doc_id, dropped_documents(store)).any()
    yield fault_unless(kept, f"{LANGUAGES}: lists a document that was dropped as a copy")
    confidence = table["confidence"].to_numpy()
    sure = bool(((confidence >= 0) & (confidence <= 1)).all())
    yield fault_unless(sure, f"{LANGUAGES}: a confidence is not in [0, 1]")
    sampled = sum(counts["sampled"] for counts in stats["domains"].values())
    counts = (stats["documents"], stats["languages"], sampled)
    found = (len(doc_id), len(table["language"].unique()), len(doc_id))
    yield fault_unless(counts == found, "languages/_done.json: its counts are not those of the table")


def _near_duplicates(store: Store, job: Job) -> Faults:
    splits, shadow = load_splits(store), Unwritten(store.root)
    names, buckets = [part_name("near_duplicates", split.split_id) for split in splits], bucket_count(splits)
    linked = []
    for _, part in map_items(pieces_of(buckets), link, shadow, names, buckets, tasks=job.resources.tasks):
        linked.append(part.name)
        yield _same(store, "near_duplicates", part, "is not what the signatures have in common")
    [(_, (part, stats))] = map_items([sorted(linked)], join, shadow)
    yield _same(store, "near_duplicates", part, "is not the groups of the pairs")
    told = _marker(store, "near_duplicates").stats
    counted = all(told[name] == value for name, value in stats.items())
    yield fault_unless(counted, f"near_duplicates/_done.json: its counts are not those of {NEAR_DUPLICATES}")


def _same(store: Store, stage: str, part: Part, fault: str) -> str | None:
    written = {each.name: each for each in _marker(store, stage).parts}
    return fault_unless(written.get(part.name) == part, f"{part.name}: {fault}")


def _marker(store: Store, stage: str) -> Marker:
    marker = store.marker(stage)
    if marker is None:
        raise LookupError(f"{stage} has no marker")
    return marker
