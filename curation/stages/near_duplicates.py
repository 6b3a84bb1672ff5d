"""Near-duplicates: which documents say nearly the same. It is measured for the report; nothing is dropped.

Reads the whole text of every kept document, split by split, and writes the document's signature: the hashes of its
MinHash's bands, and a byte of each function (`audit.near_duplicates`). Then the documents that share the hash of a band
are compared, a band and a bucket of its hashes a task, as `duplicates` does it; and one task joins the pairs that were
found to groups. So a task holds the signatures of a bucket's candidates at most, however large the corpus is. Does
nothing unless `audit.near_duplicates` is true.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curation import tables
from curation.audit.near_duplicates import (
    BANDS,
    ROWS,
    band_hashes,
    candidates,
    first_shingles,
    groups,
    links,
    signatures,
)
from curation.audit.shingles import SIZE, shingle_blocks
from curation.config import Job
from curation.sources.rows import Columns, Split
from curation.stages.context import Result, Run, Stage
from curation.stages.duplicates import bucket_count, dropped_documents, kept_documents
from curation.stages.mapping import in_tasks, map_splits
from curation.stages.ray_cluster import share
from curation.stages.splits import Receipt, WorkItem, load_splits, part_name
from curation.stages.workers import map_items
from curation.storage.store import Part, Store

NEAR_DUPLICATES = "near_duplicates/groups.parquet"

#: Groups whose size the stage counts.
LARGEST = 10


def settings(job: Job) -> dict[str, Any] | None:
    """What the groups depend on besides the texts; None where they are not asked for."""
    if not job.audit.near_duplicates:
        return None
    columns = [[source.domain, source.text_column] for source in job.sources]
    return {"columns": columns, "most_bytes": job.rows.max_document_bytes, "words": SIZE, "bands": [BANDS, ROWS]}


def work(run: Run) -> Result:
    """The stage."""
    if settings(run.job) is None:
        return Result([])
    dropped = share(dropped_documents(run.store))
    signed = map_splits(run, "near_duplicates", in_tasks(run, sign, dropped))
    splits = load_splits(run.store)
    names, buckets = [part_name("near_duplicates", split.split_id) for split in splits], bucket_count(splits)
    tasks = run.job.resources.tasks
    with run.reporter.at("near_duplicates"):
        linked = [part for _, part in map_items(pieces_of(buckets), link, run.store, names, buckets, tasks=tasks)]
        linked.sort(key=lambda part: part.name)
        [(_, (part, stats))] = map_items([[part.name for part in linked]], join, run.store)
    return Result([*signed.parts, *linked, part], signed.stats | stats)


STAGE = Stage("near_duplicates", ("near_duplicates",), ("documents.texts", "duplicates"), settings, work)


def sign(store: Store, job: Job, item: WorkItem, dropped: NDArray[np.int64]) -> list[Receipt]:
    """Commits the signatures of an item's kept documents; those of fewer than SIZE words have none."""
    receipts = []
    for group in item.groups:
        source = job.sources[item.files[group[0].file_id].source]
        columns = Columns(source.text_column, most_bytes=job.rows.max_document_bytes)
        for split, rows in item.read(group, columns, store):
            receipts.append(_sign_split(store, split, rows.table["text"], dropped))
    return receipts


def _sign_split(store: Store, split: Split, text: pa.ChunkedArray, dropped: NDArray[np.int64]) -> Receipt:
    documents = store.read_table(part_name("documents", split.split_id), ["doc_id", "keep"])
    keep = kept_documents(documents, dropped)
    table = signature_table(documents["doc_id"].to_numpy()[keep], text.filter(pa.array(keep)))
    stats = {"documents": int(keep.sum()), "signed": table.num_rows}
    part = store.write_table(part_name("near_duplicates", split.split_id), table, stats)
    return Receipt([part], split.rows, stats)


def signature_table(doc_id: NDArray[np.int64], text: pa.ChunkedArray) -> pa.Table:
    """The rows of the `SIGNATURES` table for texts without nulls."""
    signed, hashes, kept = [np.zeros(0, np.int64)], [np.zeros((0, BANDS), np.uint64)], [b""]
    row = 0
    for shingles, first in shingle_blocks(text):
        there = np.flatnonzero(np.diff(first))
        lowest = first_shingles(shingles, np.append(first[there], first[-1]))
        signed.append(doc_id[row + there])
        hashes.append(band_hashes(lowest))
        kept.append(signatures(lowest).tobytes())
        row += len(first) - 1
    ids, bands = np.concatenate(signed), np.concatenate(hashes)
    size = tables.SIGNATURES.field("signature").type
    column = pa.Array.from_buffers(size, len(ids), [None, pa.py_buffer(b"".join(kept))])
    return pa.table([ids, *(np.ascontiguousarray(bands[:, band]) for band in range(BANDS)), column], tables.SIGNATURES)


def pieces_of(buckets: int) -> list[tuple[int, int]]:
    """The band and bucket of each task."""
    return [(band, bucket) for bucket in range(buckets) for band in range(BANDS)]


def link(piece: tuple[int, int], store: Store, names: list[str], buckets: int) -> Part:
    """Commits the pairs found in a bucket of a band's hashes."""
    band, bucket = piece
    column = f"band_{band:02}"
    ids, hashes, origins = [np.zeros(0, np.int64)], [np.zeros(0, np.uint64)], [np.zeros(0, np.int32)]
    for number, name in enumerate(names):
        table = store.read_table(name, ["doc_id", column])
        own = table[column].to_numpy()
        mine = own % np.uint64(buckets) == bucket
        ids.append(table["doc_id"].to_numpy()[mine])
        hashes.append(own[mine])
        origins.append(np.full(int(mine.sum()), number, np.int32))
    doc_id, hashed, origin = np.concatenate(ids), np.concatenate(hashes), np.concatenate(origins)
    chosen = candidates(hashed)
    signature = _signatures_of(doc_id[chosen], origin[chosen], store, names)
    found = links(doc_id[chosen], hashed[chosen], signature)
    name = f"near_duplicates/links-{band:02}-{bucket:06}.parquet"
    return store.write_table(name, pa.table(list(found), schema=tables.NEAR_LINKS))


def _signatures_of(
    doc_id: NDArray[np.int64], origin: NDArray[np.int32], store: Store, names: list[str]
) -> NDArray[np.uint8]:
    """The signatures of some documents, uint8[m, functions]; `origin` is the part that each is in."""
    size = tables.SIGNATURES.field("signature").type.byte_width
    found = np.empty((len(doc_id), size), np.uint8)
    order = np.argsort(origin, kind="stable")
    bounds = np.searchsorted(origin[order], np.arange(len(names) + 1))
    for number in np.unique(origin).tolist():
        mine = order[bounds[number] : bounds[number + 1]]
        table = store.read_table(names[number], ["doc_id", "signature"])
        column = table["signature"].combine_chunks()
        rows = np.frombuffer(column.buffers()[1], np.uint8).reshape(-1, size)[column.offset :][: len(column)]
        found[mine] = rows[np.searchsorted(table["doc_id"].to_numpy(), doc_id[mine])]
    return found


def join(names: list[str], store: Store) -> tuple[Part, dict[str, Any]]:
    """Commits the groups of the pairs that are in some files; and what is counted of them."""
    read = pa.concat_tables([tables.NEAR_LINKS.empty_table(), *map(store.read_table, names)])
    members, group = groups(read["doc_id"].to_numpy(), read["similar_to"].to_numpy())
    part = store.write_table(NEAR_DUPLICATES, pa.table([members, group], schema=tables.NEAR_DUPLICATES))
    lowest, sizes = np.unique(group, return_counts=True)
    order = np.lexsort((lowest, -sizes))[:LARGEST]
    largest = [{"group": int(lowest[at]), "documents": int(sizes[at])} for at in order]
    return part, {"groups": len(lowest), "grouped": len(members), "largest": largest}
