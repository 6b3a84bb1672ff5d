"""A run directory with what learned weights are fitted on, and nothing else: for fits without Ray."""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from curation import tables
from curation.config import Job
from curation.progress import Reporter
from curation.stages import learned, learning_outcome
from curation.stages.centroid_file import CENTROIDS
from curation.stages.clusters import CLUSTERS
from curation.stages.context import Run
from curation.stages.learned_weights import WEIGHTS
from curation.stages.sources import SPLITS
from curation.stages.splits import part_name
from curation.storage.store import Marker, Store

#: Learning that takes a second.
QUICK = {"trials": 16, "rounds": 2, "vocabulary": 512, "pool_tokens": 60_000, "trial_tokens": 12_000}
DOMAINS = {"common": 300, "rare": 60, "odd": 40}
#: Words of a document, which are some 60 tokens.
WORDS = 40


def learning_store(folder: Path, sizes: dict[str, int], clusters: int = 4, alike: bool = False) -> Store:
    """A split a domain; each domain has words of its own, or all have the same ones (`alike`).

    Each domain but the first has a cluster of its own. The first has fewer words, so it is easier to foretell.
    """
    store, splits, first = Store.open(str(folder)), [], 0
    for number, (domain, size) in enumerate(sizes.items()):
        rng = np.random.default_rng(100 + number)
        words = np.random.default_rng(0 if alike else number)
        letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))[words.permutation(26)[:12]]
        known = ["".join(words.choice(letters, words.integers(3, 9))) for _ in range(300 if number or alike else 12)]
        shares = 1 / np.arange(1, len(known) + 1)
        texts = [" ".join(rng.choice(known, WORDS, p=shares / shares.sum())) for _ in range(size)]
        doc_id = np.arange(first, first + size)
        length = np.array([len(text) for text in texts], np.int32)
        name = pa.array([domain] * size).cast(tables.DOCUMENTS.field("domain").type)
        documents = {"doc_id": doc_id, "domain": name, "tokens": length // 4, "bytes": length}
        own = clusters - len(sizes) + number
        cluster = (np.full(size, own) if number else rng.integers(0, own + 1, size)).astype(np.int32)
        for stage, columns in (
            ("documents", documents),
            ("assignments", {"doc_id": doc_id, "cluster": cluster}),
            ("excerpts", {"doc_id": doc_id, "text": pa.array(texts, pa.large_string())}),
        ):
            store.write_table(part_name(stage, number), pa.table(columns))
        splits.append((number, 0, number, 0, size, first, 0, 0))
        first += size
    columns = dict(zip(tables.SPLITS.names, map(list, zip(*splits, strict=True)), strict=True))
    store.write_table(SPLITS, pa.table(columns, schema=tables.SPLITS))
    store.write_arrays(CENTROIDS, {"centroids": np.eye(clusters, 8, dtype=np.float32)})
    halves = [[number * 2 // clusters, number] for number in range(clusters)]
    store.write_table(CLUSTERS, pa.table({"group": [half for half, _ in halves], "path": halves}))
    store.finish(Marker("assignments", "", [], {"documents": first}, 0.0))
    return store


def learning_job(store: Store, sizes: Iterable[str], **sections: Any) -> Job:
    """A job for it; `learning` is on top of QUICK."""
    sections["learning"] = QUICK | sections.get("learning", {})
    sections["sampling"] = {"budget": {"tokens": 12_000}, "cluster_exponent": 1} | sections.get("sampling", {})
    sources = [{"domain": domain, "path": "unread"} for domain in sizes]
    return Job.model_validate({"run_dir": store.root, "sources": sources, **sections})


def fit(monkeypatch: Any, store: Store, job: Job) -> tuple[dict[str, Any], list[str]]:
    """What the stage says of the weights, and its notes. Tasks run in this process, one after the other."""

    def in_turn(items, work, *shared, tasks="auto"):
        for item in items:
            yield item, work(item, *shared)

    monkeypatch.setattr(learned, "map_items", in_turn)
    monkeypatch.setattr(learning_outcome, "map_items", in_turn)
    notes: list[str] = []
    reporter = Reporter(io.StringIO())
    reporter.on_event = lambda kind, fields: notes.append(fields["text"]) if kind == "note" else None
    store.begin("learned", ("learned",), "a fingerprint")
    learned.work(Run(job, store, reporter))
    return store.read_json(WEIGHTS), notes
