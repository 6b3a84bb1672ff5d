"""Embeddings: one unit vector a kept document.

Reads the text, `documents` and `duplicates`. A Ray Data pipeline: work items of splits that have no part yet go to a
fixed pool of encoder actors, and receipts come back. An actor reads its splits, encodes them and commits their parts
itself, so neither text nor vectors pass through the object store. Vectors that the sources bring along are copied by
plain tasks.

The pool is fixed because Ray Data's autoscaling of GPU actors waits for the first one's backlog; restarts are
bounded because the default is to restart for ever. Actors take all their CPUs as Ray sees them: nothing else of this
stage needs a slot, as the items are in the object store before it begins.

An actor with a GPU works on two items at a time, in two threads: while one's texts are on the GPU, the other's are
read and tokenised, or its vectors are written. The encoder lets one compute at a time. On a CPU there would be nothing
to gain: all cores compute anyway.
"""

from __future__ import annotations

import logging
import pickle
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curation import tables
from curation.clustering.vectors import vector_hashes
from curation.config import Job
from curation.embedding.encoder import NonFiniteVector
from curation.errors import CurationError, RunError
from curation.sources.rows import Columns, Split
from curation.stages import workers
from curation.stages.context import Result, Run, Stage
from curation.stages.duplicates import dropped_documents, kept_documents
from curation.stages.encoder import load_spec, open_encoder
from curation.stages.given import kept_vectors, read_vectors
from curation.stages.splits import Receipt, WorkItem, in_tasks, map_splits, part_name
from curation.store import Store


def settings(job: Job) -> dict[str, Any]:
    """What the vectors depend on besides the encoder and the documents."""
    return {"columns": [[source.domain, source.text_column, source.vector_column] for source in job.sources]}


def work(run: Run) -> Result:
    """The stage."""
    if run.job.given_vectors:
        return map_splits(run, "embeddings", in_tasks(run, take_given, load_spec(run.store).dimensions))
    return map_splits(run, "embeddings", lambda items: _encode_items(run, items))


AFTER = ("sources.vectors", "documents.texts", "duplicates", "encoder")
STAGE = Stage("embeddings", ("embeddings",), AFTER, settings, work)


def take_given(store: Store, job: Job, item: WorkItem, dimensions: int) -> list[Receipt]:
    """Commits the parts of an item's splits from the vectors that the sources hold."""
    dropped = dropped_documents(store)
    receipts = []
    for group in item.groups:
        for split, column in read_vectors(job, item, group):
            documents = store.read_table(part_name("documents", split.split_id), ["doc_id", "keep"])
            keep = kept_documents(documents, dropped)
            vectors = kept_vectors(job, item.files[split.file_id], split, column, keep, dimensions)
            table = embeddings_table(documents["doc_id"].to_numpy()[keep], vectors, None)
            stats = {"documents": len(vectors)}
            part = store.write_table(part_name("embeddings", split.split_id), table, stats)
            receipts.append(Receipt([part], split.rows, stats))
    return receipts


def _encode_items(run: Run, items: list[WorkItem]) -> Iterator[list[Receipt]]:
    """The receipts of each item, as the pool finishes them."""
    import ray.data

    logging.getLogger("ray.data").setLevel(logging.ERROR)  # once it has set its own level, at its import
    pool = pool_layout(run.job, load_spec(run.store).kind, len(items))
    run.reporter.event("pool", stage="embeddings", actors=pool.actors, threads=pool.threads, gpus=pool.gpus)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.execution_options.preserve_order = False
    rows = [{"item": pickle.dumps(item)} for item in items]
    with warnings.catch_warnings():  # of the two limits on restarts, for which Ray Data has no other door yet
        warnings.simplefilter("ignore", ray.util.annotations.RayDeprecationWarning)
        results = _map_batches(run, pool, rows)
    told: list[dict[str, Any]] = []
    try:
        for row in results.iter_rows():
            outcome = pickle.loads(row["outcome"])
            if isinstance(outcome, CurationError):
                raise outcome
            receipts, taken = outcome
            if taken and taken not in told:
                told.append(taken)
                run.reporter.event("batches", stage="embeddings", **taken)
            yield receipts
    except (ray.exceptions.RayError, ray.exceptions.UserCodeException) as error:
        raise RunError(f"embedding failed: {workers.cause_of(error)}") from error


def _map_batches(run: Run, pool: Pool, rows: list[dict[str, bytes]]) -> Any:
    import ray

    return ray.data.from_items(rows, override_num_blocks=len(rows)).map_batches(
        EncoderActor,
        batch_size=1,
        batch_format="pyarrow",
        fn_constructor_args=(run.store, run.job, "cuda" if pool.gpus else "cpu", pool.threads),
        compute=ray.data.ActorPoolStrategy(
            size=pool.actors, max_concurrent_calls_per_actor=pool.items, enable_true_multi_threading=True
        ),
        num_gpus=pool.gpus,
        num_cpus=0 if pool.gpus else pool.threads,
        max_restarts=workers.RETRIES,
        max_task_retries=workers.RETRIES,
    )


@dataclass(frozen=True)
class Pool:
    """How many encoder actors there are, and what each takes."""

    actors: int
    threads: int
    gpus: float

    @property
    def items(self) -> int:
        """Work items that an actor has in hand at a time."""
        return 2 if self.gpus else 1


def pool_layout(job: Job, kind: str, items: int) -> Pool:
    """The pool for the cluster at hand; no more actors than there are items.

    The lexical encoder is Python and SciPy on one thread, so it gets an actor a CPU. A transformer on CPU gets up to 8
    threads, which compute a batch each: fewer would load the model more often, and more wait for the last batch of
    a split.
    """
    wanted = job.resources.embedding_actors
    gpus = 0.0 if kind == "lexical" else workers.gpus_per_actor(job.resources)
    if gpus:
        fitting = max(1, int(workers.gpus() / gpus))
        return Pool(min(items, fitting if wanted == "auto" else wanted), 4, gpus)
    most = 1 if kind == "lexical" else min(8, workers.node_cpus())
    if wanted == "auto":
        actors = min(items, max(1, workers.cpus() // most))
        return Pool(actors, most, 0.0)
    actors = min(items, wanted)
    return Pool(actors, max(1, min(most, workers.cpus() // actors)), 0.0)


class EncoderActor:
    """Holds the model, and turns work items into committed parts."""

    def __init__(self, store: Store, job: Job, device: str, threads: int) -> None:
        self._store, self._job = store, job
        self._failure: CurationError | None = None
        try:
            self._encoder = open_encoder(store, job.embedding, device, threads)
        except CurationError as error:
            self._failure = error  # a constructor that raises would be started again and again
        self._dropped = dropped_documents(store)

    def __call__(self, batch: pa.Table) -> pa.Table:
        """The outcome of each item: its receipts and what the encoder chose, or the error that a person must mend."""
        return pa.table({"outcome": [pickle.dumps(self._outcome(item)) for item in batch["item"].to_pylist()]})

    def _outcome(self, pickled: bytes) -> tuple[list[Receipt], dict[str, Any]] | CurationError:
        if self._failure:
            return self._failure
        item: WorkItem = pickle.loads(pickled)
        try:
            return self._encode(item), self._encoder.taken
        except CurationError as error:
            return error
        except Exception as error:  # noqa: BLE001 (Ray Data would hide it behind words of its own)
            return RunError(f"{item.label}: {type(error).__name__}: {error}")

    def _encode(self, item: WorkItem) -> list[Receipt]:
        receipts = []
        for group in item.groups:
            file = item.files[group[0].file_id]
            columns = Columns(self._job.sources[file.source].text_column)
            for split, rows in item.read(group, columns):
                try:
                    receipts.append(self._commit(split, rows.table["text"]))
                except NonFiniteVector as error:
                    raise RunError(
                        f"{file.path}: document {error.row} of split {split.split_id}: its vector is not a finite, "
                        "non-zero one; try embedding.precision: float32"
                    ) from error
        return receipts

    def _commit(self, split: Split, text: pa.ChunkedArray) -> Receipt:
        documents = self._store.read_table(part_name("documents", split.split_id), ["doc_id", "keep"])
        keep = kept_documents(documents, self._dropped)
        texts = text.filter(keep).to_pylist()
        encoded = self._encoder.encode(texts)
        stats = {"documents": len(texts), "tokens": encoded.tokens, "padded": encoded.padded}
        stats |= {"truncated": encoded.truncated, **characters(texts, encoded.read_share)}
        table = embeddings_table(documents["doc_id"].to_numpy()[keep], encoded.vectors, encoded.read_share)
        part = self._store.write_table(part_name("embeddings", split.split_id), table, stats)
        return Receipt([part], split.rows, stats)


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


def load_vectors(store: Store, name: str) -> tuple[NDArray[np.int64], NDArray[np.float16]]:
    """A part of `embeddings`: doc_id int64[n] and vectors float16[n, d]."""
    table = store.read_table(name, ["doc_id", "embedding"])
    dimensions = table.schema.field("embedding").type.list_size
    flat = table["embedding"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
    return table["doc_id"].to_numpy(), flat.reshape(-1, dimensions)
