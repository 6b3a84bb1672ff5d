"""A run directory with the tables that a plan reads, and nothing else: for plans without Ray and without texts."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pyarrow as pa

from curation import tables
from curation.config import Job
from curation.stages.centroid_file import CENTROIDS
from curation.stages.sources import SPLITS
from curation.stages.splits import part_name
from curation.storage.store import Marker, Store

DOMAINS = ("web", "news", "books")


def plan_store(
    folder: Path, sizes: tuple[int, ...] = (400, 150, 50), clusters: int = 5, texts: int = 10**9, split: int = 60
) -> Store:
    """Domains of these sizes, in splits of so many documents; the fewer `texts`, the more copies there are of each."""
    store = Store.open(str(folder))
    rng = np.random.default_rng(0)
    total = sum(sizes)
    length = rng.integers(40, 400, total).astype(np.int32)
    cluster = np.minimum(rng.geometric(0.5, total) - 1, clusters - 1).astype(np.int32)
    quality = rng.random(total).astype(np.float32)
    hashes = [hashlib.blake2b(str(n).encode(), digest_size=16).digest() for n in rng.integers(0, texts, total)]
    splits, start = [], 0
    for domain, size in zip(DOMAINS, sizes, strict=True):
        for first in range(start, start + size, split):
            here = slice(first, min(first + split, start + size))
            rows = here.stop - first
            documents = {
                "doc_id": np.arange(first, here.stop),
                "domain": pa.array([domain] * rows).cast(tables.DOCUMENTS.field("domain").type),
                "tokens": length[here] // 4,
                "bytes": length[here],
                "content_hash": pa.array(hashes[here], pa.binary(16)),
                "quality": quality[here],
            }
            assigned = {"doc_id": documents["doc_id"], "cluster": cluster[here]}
            store.write_table(part_name("documents", len(splits)), pa.table(documents))
            store.write_table(part_name("assignments", len(splits)), pa.table(assigned))
            splits.append((len(splits), 0, len(splits), 0, rows, first, 0, 0))
        start += size
    columns = dict(zip(tables.SPLITS.names, map(list, zip(*splits, strict=True)), strict=True))
    store.write_table(SPLITS, pa.table(columns, schema=tables.SPLITS))
    store.write_arrays(CENTROIDS, {"centroids": np.zeros((clusters, 2), np.float32)})
    store.finish(Marker("assignments", "", [], {"documents": total}, 0.0))
    return store


def plan_job(store: Store, **sections: object) -> Job:
    """A job for it."""
    sources = [{"domain": domain, "path": "unread"} for domain in DOMAINS]
    return Job.model_validate({"run_dir": store.root, "sources": sources, **sections})


def whole_table(store: Store, folder: str) -> pa.Table:
    """All parts of a table, in the order of their names."""
    names = [name for name in store.list(folder) if name.endswith(".parquet")]
    return pa.concat_tables([store.read_table(name) for name in sorted(names)])
