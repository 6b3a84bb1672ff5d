"""Reads what a probe looks at out of a run, in Ray tasks: texts and vectors split by split, then token ids.

1. The chosen documents' texts are read where they lie, and their vectors out of `embeddings`: one part a split.
2. One task trains a BPE on some of them, none of them for validation: rare domains have more than their share of those.
3. Tasks turn the texts into token ids and tell the language of the validation text; the texts are removed then.

Each part is committed, so a probe that was killed goes on from those that are there. A source that changed since the
run is refused by the reader.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from curation.config import Job
from curation.counter_rng import uniform
from curation.language_model.encoding import Encoded
from curation.sources.rows import Columns, Split
from curation.stages.embeddings import load_vectors
from curation.stages.ray_cluster import share
from curation.stages.splits import WorkItem, documents_an_item, load_files, load_splits, part_name, work_items
from curation.stages.workers import map_items
from curation.storage.store import Store

#: Characters of a document that are read, and tokens of a validation document that are asked about.
MOST_CHARACTERS, VALIDATION_TOKENS = 50_000, 512
#: Bytes of text that the BPE is trained on, about, and of texts (compressed) that a task encodes.
BPE_BYTES, TASK_BYTES = 10_000_000, 2_000_000


@dataclass(frozen=True)
class Folder:
    """Where the files of a pool are."""

    name: str

    @property
    def texts(self) -> str:
        """Texts and vectors of the chosen documents, a part a split; removed when they are encoded."""
        return f"{self.name}/texts"

    @property
    def encoded(self) -> str:
        """Token ids, vectors and languages, in parts of several splits."""
        return f"{self.name}/encoded"

    @property
    def bpe(self) -> str:
        """The tokenizer."""
        return f"{self.name}/bpe.json"


def read_texts(store: Store, job: Job, folder: Folder, doc_ids: NDArray[np.int64], done: Callable[[int], None]) -> None:
    """Commits texts and vectors of some documents, split by split; `done` hears how many were read.

    Raises:
        InputError: a source file changed since the run, is gone, or can't be read.
    """
    splits, there = load_splits(store), store.list(folder.texts)
    bounds = np.searchsorted(doc_ids, [split.first_doc_id for split in splits])
    counts = np.diff(np.append(bounds, len(doc_ids)))
    wanted = [split for split, count in zip(splits, counts, strict=True) if count]
    missing = [split for split in wanted if part_name(folder.texts, split.split_id) not in there]
    items = work_items(missing, load_files(store), documents_an_item(splits))
    shared = (store, job, folder, share(doc_ids))
    for _, read in map_items(items, read_item, *shared, tasks=job.resources.tasks, parts=WorkItem.alone):
        done(read)


def read_item(item: WorkItem, store: Store, job: Job, folder: Folder, doc_ids: NDArray[np.int64]) -> int:
    """Commits the parts of an item's splits; how many documents they have."""
    read = 0
    for group in item.groups:
        source = job.sources[item.files[group[0].file_id].source]
        columns = Columns(source.text_column, most_bytes=job.rows.max_document_bytes)
        for split, rows in item.read(group, columns, store):
            low, high = np.searchsorted(doc_ids, [split.first_doc_id, split.first_doc_id + split.rows])
            table = _chosen_rows(store, split, rows.table["text"], doc_ids[low:high])
            store.write_table(part_name(folder.texts, split.split_id), table, noise=("embedding",))
            read += table.num_rows
    return read


def _chosen_rows(store: Store, split: Split, texts: pa.ChunkedArray, doc_ids: NDArray[np.int64]) -> pa.Table:
    own = texts.take(pa.array(doc_ids - split.first_doc_id))
    known, vectors = load_vectors(store, part_name("embeddings", split.split_id))
    flat = pa.array(vectors[np.searchsorted(known, doc_ids)].ravel())
    embedding = pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1])
    return pa.table(
        {"doc_id": doc_ids, "text": pc.utf8_slice_codeunits(own, 0, MOST_CHARACTERS), "embedding": embedding}
    )


def make_bpe(store: Store, folder: Folder, bytes_of_text: float, validation: NDArray[np.int64], seed: int) -> None:
    """Commits a BPE, made in one task.

    Args:
        store: the run directory.
        folder: of the pool, whose texts are read.
        bytes_of_text: of the documents to train on, about.
        validation: doc_ids of the documents that it must not know.
        seed: of the random sample of the others that it is trained on.
    """
    some = BPE_BYTES / max(bytes_of_text, 1.0)
    arguments = (store, some, share(validation), seed)
    [(_, bpe)] = map_items([sorted(store.list(folder.texts))], train_on_some, *arguments)
    store.write_bytes(folder.bpe, bpe.encode())


def train_on_some(names: list[str], store: Store, some: float, validation: NDArray[np.int64], seed: int) -> str:
    """A BPE of this share of the texts that are not for validation."""
    from curation.bpe import train_bpe

    def texts() -> Iterator[str]:
        for name in names:
            table = store.read_table(name, ["doc_id", "text"])
            doc_id = table["doc_id"].to_numpy()
            mine = (uniform(seed, "probe.bpe", doc_id) < some) & ~np.isin(doc_id, validation)
            yield from table["text"].filter(pa.array(mine)).to_pylist()

    return train_bpe(texts())


def encode_texts(
    store: Store, job: Job, folder: Folder, validation: NDArray[np.int64], done: Callable[[int], None]
) -> None:
    """Commits the token ids of all texts, and the languages of the documents for validation (doc_ids, ascending)."""
    there = store.list(folder.encoded)
    batches = [(_encoded_name(folder, names), names) for names in _batches(store.list(folder.texts))]
    missing = [batch for batch in batches if batch[0] not in there]
    arguments = (store, folder, share(validation))
    for _, encoded in map_items(missing, encode_batch, *arguments, tasks=job.resources.tasks):
        done(encoded)


def _encoded_name(folder: Folder, names: Sequence[str]) -> str:
    return f"{folder.encoded}/{names[0].rpartition('/')[2].removesuffix('.parquet')}.npz"


def _batches(sizes: dict[str, int]) -> list[list[str]]:
    """Neighbouring parts of about TASK_BYTES together; the same for the same parts."""
    names = sorted(sizes)
    number = [before // TASK_BYTES for before in accumulate((sizes[name] for name in names), initial=0)]
    pairs = zip(number, names, strict=False)
    return [[name for _, name in members] for _, members in groupby(pairs, key=lambda pair: pair[0])]


def encode_batch(batch: tuple[str, list[str]], store: Store, folder: Folder, validation: NDArray[np.int64]) -> int:
    """Commits the token ids of some parts; how many documents they have."""
    from curation.audit.languages import detect
    from curation.language_model.encoding import encode

    name, parts = batch
    table = pa.concat_tables([store.read_table(part) for part in parts])
    doc_id, texts = table["doc_id"].to_numpy(), table["text"].to_pylist()
    asked = np.isin(doc_id, validation, assume_unique=True)
    encoded = cut(encode(store.read_bytes(folder.bpe).decode(), texts), asked)
    languages, _ = detect([texts[row] for row in np.flatnonzero(asked).tolist()])
    arrays: dict[str, NDArray[Any]] = {
        "doc_id": doc_id,
        "tokens": encoded.tokens,
        "starts": encoded.starts,
        "vectors": table["embedding"].combine_chunks().flatten().to_numpy().reshape(len(doc_id), -1),
        "languages": np.array(languages, "U16"),
    }
    store.write_arrays(name, arrays)
    return len(doc_id)


def cut(encoded: Encoded, which: NDArray[np.bool_]) -> Encoded:
    """Documents as they are, but of those named only the first VALIDATION_TOKENS tokens."""
    lengths = np.where(which, np.minimum(encoded.lengths, VALIDATION_TOKENS), encoded.lengths)
    inside = np.arange(len(encoded.tokens)) - np.repeat(encoded.starts[:-1], encoded.lengths)
    kept = inside < np.repeat(lengths, encoded.lengths)
    return Encoded(encoded.tokens[kept], np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)]))
