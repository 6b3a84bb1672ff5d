"""Encoding: what an encoder actor does with a work item.

It reads the splits, encodes them and commits their parts itself. Before it touches a split it notes that on the board,
and it gives a split up that was begun again and again and never ended: the actor and its task are started again
without a limit, since machines may be taken away any number of times in a long run, and a split that kills its worker
is known by its own count. An actor with two items in hand dies with both, so items that were begun before are
taken one at a time: the second time around each stands for itself.
"""

from __future__ import annotations

import pickle
import threading
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curation import tables
from curation.clustering.hashes import vector_hashes
from curation.config import Job
from curation.embedding.encoder import NonFiniteVector
from curation.errors import CurationError, RunError
from curation.sources.rows import Columns, Split
from curation.stages.board import in_hand
from curation.stages.duplicates import dropped_documents, kept_documents
from curation.stages.encoder import open_encoder
from curation.stages.splits import CountedFile, Receipt, WorkItem, part_name
from curation.stages.workers import RETRIES, lost_too_often
from curation.storage.store import Part, Store


@dataclass(frozen=True)
class Outcome:
    """What came of an item: its receipts, what the encoder chose, and the splits that a lost actor had begun before."""

    receipts: list[Receipt]
    taken: dict[str, Any]
    again: list[int]


class EncoderActor:
    """Holds the model, and turns work items into committed parts."""

    def __init__(self, store: Store, job: Job, device: str, threads: int, board: Any) -> None:
        import ray

        self._store, self._job, self._board = store, job, board
        self._suspects = threading.Lock()
        self._failure: CurationError | None = None
        with in_hand(board, f"actor {ray.get_runtime_context().get_actor_id()}") as tries:
            try:
                if tries > RETRIES + 1:
                    raise lost_too_often("an encoder actor", "while it loaded the model")
                self._encoder = open_encoder(store, job.embedding, device, threads)
            except CurationError as error:
                self._failure = error  # a constructor that raises ends the stage without a word of ours
            self._dropped = dropped_documents(store)

    def __call__(self, batch: pa.Table) -> pa.Table:
        """The outcome of each item: an `Outcome`, or the error that a person must mend."""
        outcomes = [pickle.dumps(self._outcome(item)) for item in batch["item"].to_pylist()]
        return pa.table({"number": batch["number"], "outcome": outcomes})

    def _outcome(self, pickled: bytes) -> Outcome | CurationError:
        if self._failure:
            return self._failure
        item: WorkItem = pickle.loads(pickled)
        try:
            with self._suspects if self._was_begun(item) else nullcontext():
                return self._encode(item)
        except CurationError as error:
            return error
        except Exception as error:  # noqa: BLE001 (Ray Data would hide it behind words of its own)
            return RunError(f"{item.label}: {type(error).__name__}: {error}")

    def _was_begun(self, item: WorkItem) -> bool:
        import ray

        return bool(ray.get(self._board.tries.remote([_key(split) for split in item.splits])))

    def _encode(self, item: WorkItem) -> Outcome:
        receipts, again = [], []
        for group in item.groups:
            file = item.files[group[0].file_id]
            columns = Columns(self._job.sources[file.source].text_column, most_bytes=self._job.rows.max_document_bytes)
            reading = item.read(group, columns, self._store)
            for split in group:
                with in_hand(self._board, _key(split)) as tries:
                    if tries > RETRIES + 1:
                        raise lost_too_often(WorkItem(((split,),), item.files).label, "while it was encoded")
                    again += [split.split_id] if tries > 1 else []
                    _, rows = next(reading)
                    receipts.append(self._commit(file, split, rows.table["text"]))
        return Outcome(receipts, self._encoder.taken, again)

    def _commit(self, file: CountedFile, split: Split, text: pa.ChunkedArray) -> Receipt:
        documents = self._store.read_table(part_name("documents", split.split_id), ["doc_id", "keep"])
        keep = kept_documents(documents, self._dropped)
        texts = text.filter(keep).to_pylist()
        try:
            encoded = self._encoder.encode(texts)
        except NonFiniteVector as error:
            raise RunError(
                f"{file.path}: document {error.row} of split {split.split_id}: its vector is not a finite, non-zero "
                "one; try embedding.precision: float32"
            ) from error
        if room := encoded.capacity:
            fill = {"curation_batch_tokens_total": encoded.tokens, "curation_batch_capacity_tokens_total": room}
            self._board.record.remote(fill)
        stats = {"documents": len(texts), "tokens": encoded.tokens}
        stats |= {"truncated": encoded.truncated, **characters(texts, encoded.read_share)}
        table = embeddings_table(documents["doc_id"].to_numpy()[keep], encoded.vectors, encoded.read_share)
        part = write_embeddings(self._store, split.split_id, table, stats)
        return Receipt([part], split.rows, stats)


def _key(split: Split) -> str:
    return f"embed {split.split_id}"


def characters(texts: list[str], read_share: NDArray[np.float32]) -> dict[str, int]:
    """How many characters the texts have, and how many of them were left out; whole numbers, to be added up."""
    lengths = np.array([len(text) for text in texts], np.float64)
    return {"characters": int(lengths.sum()), "left_out": int(np.rint(lengths * (1 - read_share)).sum())}


def embeddings_table(
    doc_id: NDArray[np.int64], vectors: NDArray[np.float16], read_share: NDArray[np.float32] | None
) -> pa.Table:
    """The rows of the `embeddings` table."""
    dimensions = vectors.shape[1]
    column = pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), dimensions)
    shares = pa.nulls(len(doc_id), pa.float32()) if read_share is None else pa.array(read_share)
    hashes = pa.array(vector_hashes(vectors).tolist(), pa.binary(16))
    return pa.table([pa.array(doc_id), column, shares, hashes], schema=tables.embeddings(dimensions))


def write_embeddings(store: Store, split_id: int, table: pa.Table, stats: dict[str, int]) -> Part:
    """Commits the part of a split."""
    return store.write_table(part_name("embeddings", split_id), table, stats, noise=("embedding", "vector_hash"))
