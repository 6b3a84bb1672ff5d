"""The first pass of writing shards: what each split gives to them is cut out of its text and spilled.

One Arrow file a split, a record batch a group of shards, sorted by position, so that the second pass reads just its
batch of every file. Text is read once, split by split, in the order of the files; memory is bounded by a split. For
token files it is tokenised here, once a document and not once a draw; for an index of the sources it is not read at
all.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from curation.config import Job
from curation.output.columns import OWN_COLUMNS, PLANNED
from curation.output.index import PLACE
from curation.sources.columns import conform
from curation.sources.find import InputFile
from curation.sources.offsets import read_places
from curation.sources.rows import Columns, Split
from curation.stages import ray_cluster, workers
from curation.stages.board import record_progress
from curation.stages.context import Run
from curation.stages.splits import WorkItem, documents_an_item, load_files, load_splits, part_name, work_items
from curation.stages.tokenizer import load_tokenizer
from curation.storage.store import Store
from curation.tokenizer import Tokenizer

SPILL = "spill"

#: The column by which spilled rows are merged; only an index of the sources keeps it.
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
    arguments = (run.store, run.job, columns, bounds, tokenizer_of(run.store))
    with run.reporter.stage("gather", sum(split.rows for split in splits)) as progress:
        progress.found(sum(split.rows for split in splits) - sum(split.rows for split in left))
        tasks, done = run.job.resources.tasks, len(splits) - len(left)
        for item, _ in workers.map_items(items, spill_item, *arguments, tasks=tasks, parts=WorkItem.alone):
            progress.advance(item.documents)
            done += len(item.splits)
            record_progress(done, len(splits), item.documents)


def spill_item(
    item: WorkItem, store: Store, job: Job, columns: pa.Schema, bounds: NDArray[np.int64], tokenizer: str | None
) -> None:
    """Spills the splits of a work item; `tokenizer` is the sha256 of the run's, if it has one."""
    planned = ["doc_id", POSITION, *(name for name in PLANNED if name in columns.names)]
    for group in item.groups:
        for split, rows in read_group(item, group, store, job):
            plan = store.read_table(part_name("schedule", split.split_id), planned)
            if job.output.format == "megatron":
                assert tokenizer is not None, "the job file is checked for it"
                loaded = load_tokenizer(store, tokenizer, job.tokens.end_of_document)
                cut = token_rows(rows["text"], plan["doc_id"].to_numpy() - split.first_doc_id, loaded)
            else:
                assigned = store.read_table(part_name("assignments", split.split_id), ["doc_id", "cluster"])
                cut = split_rows(item.files[split.file_id], split, rows, assigned, columns)
            with store.create(spill_name(split.split_id)) as sink:
                write_spill(sink, cut, plan, split.first_doc_id, columns, bounds)


def read_group(item: WorkItem, group: tuple[Split, ...], store: Store, job: Job) -> Iterator[tuple[Split, pa.Table]]:
    """What the sources give of each split of a group: its texts and what is kept beside them, or where they lie."""
    file = item.files[group[0].file_id]
    source = job.sources[file.source]
    if job.output.format == "index":
        yield from read_places(file, group)
        return
    kept = () if job.output.format == "megatron" else tuple(source.keep_columns)
    wanted = Columns(source.text_column, source.id_column, kept, most_bytes=job.rows.max_document_bytes)
    for split, rows in item.read(group, wanted, store):
        yield split, rows.table


def split_rows(file: InputFile, split: Split, rows: pa.Table, assigned: pa.Table, columns: pa.Schema) -> pa.Table:
    """A row a document of the split: the shard's columns but those of the plan; cluster is null where it isn't kept."""
    cluster = np.full(split.rows, -1, np.int32)
    cluster[assigned["doc_id"].to_numpy() - split.first_doc_id] = assigned["cluster"].to_numpy()
    carried = {name: columns.field(name).type for name in columns.names if name not in (*OWN_COLUMNS, *PLACE)}
    rows = conform(rows, carried)
    own = {
        "doc_id": pa.array(np.arange(split.first_doc_id, split.first_doc_id + split.rows)),
        "domain": pa.repeat(pa.scalar(file.domain), split.rows),
        "cluster": pa.array(cluster, mask=cluster < 0),
    }
    names = [name for name in columns.names if name not in (*PLANNED, POSITION)]
    return pa.table([own[name] if name in own else rows[name] for name in names], names=names)


def token_rows(text: pa.ChunkedArray, drawn: NDArray[np.int64], tokenizer: Tokenizer) -> pa.Table:
    """The bytes of text of each row; and the ids of the rows `drawn` (some maybe more than once), null elsewhere."""
    is_drawn = np.zeros(len(text), np.bool_)
    is_drawn[drawn] = True
    column = text.combine_chunks()
    column = pc.if_else(pa.array(is_drawn), column, pa.scalar(None, column.type))
    return pa.table({"tokens": tokenizer.tokenize(column), "text_bytes": pc.binary_length(column).cast(pa.int64())})


def tokenizer_of(store: Store) -> str | None:
    """The sha256 of the run's tokenizer; None where it has none."""
    marker = store.marker("tokenizer")
    return marker.stats.get("sha256") if marker else None


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
        columns: the shard's columns; their order is that of the batches, and `position` comes after them, if it is
            not one of them.
        bounds: int64, the first position of every group but the first.
    """
    position = plan["position"].to_numpy()
    row = plan["doc_id"].to_numpy() - first_doc_id
    cuts = [0, *np.searchsorted(position, bounds).tolist(), len(position)]
    types = {name: columns.field(name).type for name in columns.names} | {POSITION: pa.int64()}
    types |= {name: texts.schema.field(name).type for name in texts.column_names}
    names, schema = list(types), pa.schema(list(types.items()))
    with pa.ipc.new_file(sink, schema, options=pa.ipc.IpcWriteOptions(compression="lz4")) as writer:
        for low, high in itertools.pairwise(cuts):
            drawn = texts.take(pa.array(row[low:high]))
            given = {name: plan[name][low:high] for name in (*PLANNED, POSITION) if name in plan.column_names}
            given = {name: values.cast(schema.field(name).type) for name, values in given.items()}
            arrays = [given[name] if name in given else drawn[name] for name in names]
            batches = pa.table(arrays, schema=schema).combine_chunks().to_batches()
            writer.write_batch(batches[0] if batches else pa.RecordBatch.from_pylist([], schema))
