"""The index of passages: which grams each document keeps, so that a query reads no text to find its candidates.

A part a split, `trace/part-*.arrow`: two columns of uint32, sorted: the low half of a gram's hash, and the row of the
document in the split. Arrow files without compression, so that a local one is mapped into memory and a gram is found
by halving, whatever the size of the corpus; in an object store a query reads whole parts. Some 60 grams a document of
180 words: about 0.4 of the text's bytes.

It is made like a stage: in Ray tasks, part by part, with a marker that is written last. Its fingerprint covers which
texts the run has and keeps, so a run that reads other texts makes it void, and one that only samples anew does not.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curation.config import Job
from curation.progress import Reporter
from curation.sources.rows import Columns
from curation.stages import ray_cluster
from curation.stages.duplicates import dropped_documents, kept_documents
from curation.stages.splits import WorkItem, documents_an_item, load_files, load_splits, part_name, work_items
from curation.stages.splits import total_documents as count_documents
from curation.stages.workers import map_items
from curation.storage.store import Marker, Part, Store, fingerprint
from curation.trace.passages import GRAM, WINDOW, distinct, kept_grams
from curation.trace.words import blocks, composed, cut

FOLDER = "trace"
#: Raise it when words, grams or the files change.
INDEX_VERSION = 1
#: Characters that the pieces of a long text have in common: a passage of GUARANTEED words that is no longer is found.
OVERLAP = 1 << 12

SCHEMA = pa.schema([("hash", pa.uint32()), ("row", pa.uint32())])


def index_name(split_id: int) -> str:
    """The part of a split."""
    return f"{FOLDER}/part-{split_id:08}.arrow"


def index_fingerprint(documents: Marker, duplicates: Marker) -> str:
    """Hash of what the index depends on."""
    return fingerprint([INDEX_VERSION, GRAM, WINDOW, OVERLAP, documents.stats["texts"], duplicates.digest])


def build_index(store: Store, job: Job, wanted: str, reporter: Reporter) -> Marker:
    """Makes what is missing of the index.

    Args:
        store: the run directory, locked.
        job: its job.
        wanted: see `index_fingerprint`.
        reporter: shows how far it is.

    Raises:
        InputError: a source file changed, is gone, or can't be read.
    """
    begun = time.monotonic()
    ray_cluster.start(job.resources, reporter.event)
    store.begin(FOLDER, (FOLDER,), wanted)
    splits, there = load_splits(store), frozenset(store.list(FOLDER))
    items = work_items(splits, load_files(store), documents_an_item(splits))
    parts: list[Part] = []
    with reporter.stage(FOLDER, count_documents(splits)) as progress:
        shared = (store, job, there)
        for item, found in map_items(items, index_item, *shared, tasks=job.resources.tasks, parts=WorkItem.alone):
            parts += found
            progress.advance(item.documents)
    stats = {"grams": sum(part.rows for part in parts), "bytes": sum(part.bytes for part in parts)}
    parts.sort(key=lambda part: part.name)
    marker = Marker(FOLDER, wanted, parts, stats, round(time.monotonic() - begun, 3))
    store.finish(marker)
    return marker


def index_item(item: WorkItem, store: Store, job: Job, there: frozenset[str]) -> list[Part]:
    """Commits the parts of an item's splits, but for those that are there."""
    dropped = dropped_documents(store)
    parts = []
    for group in item.groups:
        missing = tuple(split for split in group if index_name(split.split_id) not in there)
        parts += [_read_part(store, index_name(split.split_id)) for split in group if split not in missing]
        if not missing:
            continue
        source = job.sources[item.files[group[0].file_id].source]
        columns = Columns(source.text_column, most_bytes=job.rows.max_document_bytes)
        for split, rows in item.read(missing, columns, store):
            documents = store.read_table(part_name("documents", split.split_id), ["doc_id", "keep"])
            keep = kept_documents(documents, dropped)
            texts = rows.table["text"].to_pylist()
            index = index_texts([composed(text) if kept else "" for text, kept in zip(texts, keep, strict=True)])
            parts.append(_write_part(store, index_name(split.split_id), *index))
    return parts


def index_texts(texts: list[str]) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """The index of some texts in NFC: halves of hashes, ascending, and the number of the text, uint32[g] each."""
    found = [np.empty(0, np.uint64)]
    for numbers, pieces in blocks(texts, OVERLAP):
        words = cut(pieces)
        grams, piece = kept_grams(words.hashes, words.text)
        found.append((grams << np.uint64(32)) | numbers[piece].astype(np.uint64))
    entries = distinct(np.concatenate(found))
    return (entries >> np.uint64(32)).astype(np.uint32), entries.astype(np.uint32)


def _write_part(store: Store, name: str, hashes: NDArray[np.uint32], rows: NDArray[np.uint32]) -> Part:
    with store.create(name) as sink, pa.ipc.new_file(sink, SCHEMA) as writer:
        writer.write_batch(pa.record_batch([pa.array(hashes), pa.array(rows)], schema=SCHEMA))
    return Part(name, len(hashes), sink.bytes, sink.sha256)


def _read_part(store: Store, name: str) -> Part:
    size, sha256 = store.hash(name)
    return Part(name, len(read_index(store, name)[0]), size, sha256)


def read_index(store: Store, name: str) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """The columns of a part, mapped into memory where it is local."""
    local = Path(store.root, name)
    source = pa.memory_map(str(local)) if store.is_local else pa.py_buffer(store.read_bytes(name))
    batch = pa.ipc.open_file(source).get_batch(0)
    return batch["hash"].to_numpy(), batch["row"].to_numpy()


def found_grams(
    hashes: NDArray[np.uint32], rows: NDArray[np.uint32], grams: NDArray[np.uint64], most: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], bool]:
    """Where the grams of a query stand in a part.

    Args:
        hashes: uint32[g], ascending, and
        rows: uint32[g]: the part.
        grams: uint64[q], of the query in order.
        most: most pairs; beyond it the grams that are in most documents are passed over.

    Returns:
        Row and place in the query of each pair, int64 each; and whether all grams were looked at.
    """
    keys = grams.astype(np.uint32)
    low, high = np.searchsorted(hashes, keys, "left"), np.searchsorted(hashes, keys, "right")
    count = high - low
    rarest = np.argsort(count, kind="stable")
    taken = rarest[np.cumsum(count[rarest]) <= most]
    low, count = low[taken], count[taken]
    first = np.cumsum(count) - count
    at = np.repeat(low - first, count) + np.arange(count.sum())
    return rows[at].astype(np.int64), np.repeat(taken, count), len(taken) == len(keys)


def parts_of(store: Store, marker: Marker) -> Iterator[tuple[int, NDArray[np.uint32], NDArray[np.uint32]]]:
    """First doc_id and columns of each part that is not empty, in order."""
    first = {index_name(split.split_id): split.first_doc_id for split in load_splits(store)}
    for part in marker.parts:
        if part.rows:
            yield first[part.name], *read_index(store, part.name)
