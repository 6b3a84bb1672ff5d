"""The first pass of writing shards: what each split gives to them is cut out of its text and spilled.

One Arrow file a split, a record batch a group of shards, sorted by position, so that the second pass reads just its
batch of every file. Text is read once, split by split, in the order of the files; memory is bounded by a split.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curation.config import Job
from curation.output.columns import OWN_COLUMNS, PLANNED
from curation.sources.columns import conform
from curation.sources.find import InputFile
from curation.sources.rows import Columns, Rows, Split
from curation.stages import ray_cluster, workers
from curation.stages.board import record_progress
from curation.stages.context import Run
from curation.stages.splits import WorkItem, documents_an_item, load_files, load_splits, part_name, work_items
from curation.storage.store import Store

SPILL = "spill"

#: The column of a spilled file that no shard has.
POSITION = "position"


def spill_name(split_id: int) -> str:
    """The spilled file of a split."""
    return f"{SPILL}/part-{split_id:08}.arrow"


def spill(run: Run, columns: pa.Schema, firsts: list[int]) -> None:
    """Spills every split that is not spilled yet; `firsts` are the first positions of the groups of shards."""
    there = run.store.list(SPILL)
    splits = load_splits(run.store)
    left = [split for split in splits if spill_name(split.split_id) not in there]
    bounds = ray_cluster.share(np.array(firsts[1:], np.int64))
    items = work_items(left, load_files(run.store), documents_an_item(splits))
    arguments = (run.store, run.job, columns, bounds)
    with run.reporter.stage("gather", sum(split.rows for split in splits)) as progress:
        progress.found(sum(split.rows for split in splits) - sum(split.rows for split in left))
        tasks, done = run.job.resources.tasks, len(splits) - len(left)
        for item, _ in workers.map_items(items, spill_item, *arguments, tasks=tasks, parts=WorkItem.alone):
            progress.advance(item.documents)
            done += len(item.splits)
            record_progress(done, len(splits), item.documents)


def spill_item(item: WorkItem, store: Store, job: Job, columns: pa.Schema, bounds: NDArray[np.int64]) -> None:
    """Spills the splits of a work item."""
    for group in item.groups:
        file = item.files[group[0].file_id]
        source = job.sources[file.source]
        kept, most_bytes = tuple(source.keep_columns), job.rows.max_document_bytes
        wanted = Columns(source.text_column, source.id_column, kept, most_bytes=most_bytes)
        planned = ["doc_id", POSITION, *(name for name in PLANNED if name in columns.names)]
        for split, rows in item.read(group, wanted, store):
            plan = store.read_table(part_name("schedule", split.split_id), planned)
            assigned = store.read_table(part_name("assignments", split.split_id), ["doc_id", "cluster"])
            texts = split_rows(file, split, rows, assigned, columns)
            with store.create(spill_name(split.split_id)) as sink:
                write_spill(sink, texts, plan, split.first_doc_id, columns, bounds)


def split_rows(file: InputFile, split: Split, rows: Rows, assigned: pa.Table, columns: pa.Schema) -> pa.Table:
    """A row a document of the split: the shard's columns but those of the plan; cluster is null where it isn't kept."""
    cluster = np.full(split.rows, -1, np.int32)
    cluster[assigned["doc_id"].to_numpy() - split.first_doc_id] = assigned["cluster"].to_numpy()
    carried = {field.name: field.type for field in columns if field.name not in OWN_COLUMNS}
    texts = conform(rows.table, carried)
    own = {
        "doc_id": pa.array(np.arange(split.first_doc_id, split.first_doc_id + split.rows)),
        "domain": pa.repeat(pa.scalar(file.domain), split.rows),
        "cluster": pa.array(cluster, mask=cluster < 0),
    }
    names = [name for name in columns.names if name not in PLANNED]
    return pa.table([own[name] if name in own else texts[name] for name in names], names=names)


def write_spill(
    sink: Any, texts: pa.Table, plan: pa.Table, first_doc_id: int, columns: pa.Schema, bounds: NDArray[np.int64]
) -> None:
    """Writes a split's draws as one record batch a group, sorted by position.

    Copies of a document are made group by group, so that a high clip needs no more memory than a low one.

    Args:
        sink: where the Arrow file goes.
        texts: see `split_rows`.
        plan: doc_id, position and `PLANNED` columns of the split's rows, by ascending position.
        first_doc_id: of the split.
        columns: the shard's columns; their order is that of the batches, and `position` comes after them.
        bounds: int64, the first position of every group but the first.
    """
    position = plan["position"].to_numpy()
    row = plan["doc_id"].to_numpy() - first_doc_id
    cuts = [0, *np.searchsorted(position, bounds).tolist(), len(position)]
    names = [*columns.names, POSITION]
    kinds = [
        texts.schema.field(name).type if name in texts.column_names else columns.field(name).type
        for name in columns.names
    ]
    schema = pa.schema(list(zip(names, [*kinds, pa.int64()], strict=True)))
    with pa.ipc.new_file(sink, schema, options=pa.ipc.IpcWriteOptions(compression="lz4")) as writer:
        for low, high in itertools.pairwise(cuts):
            drawn = texts.take(pa.array(row[low:high]))
            given = {name: plan[name][low:high] for name in (*PLANNED, POSITION) if name in plan.column_names}
            given = {name: values.cast(schema.field(name).type) for name, values in given.items()}
            arrays = [given[name] if name in given else drawn[name] for name in names]
            batches = pa.table(arrays, schema=schema).combine_chunks().to_batches()
            writer.write_batch(batches[0] if batches else pa.RecordBatch.from_pylist([], schema))
