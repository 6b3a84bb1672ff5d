"""Shards: writes what the plan says, reading the text once.

Reads the text, `schedule`, `assignments` and the list of shards. First pass, a task a few splits: what a split gives
to the shards is cut out of its text and spilled as one Arrow file, a record batch a group of shards, sorted by
position. Second pass, a task a group: the group's batch of every spilled file is read, merged by position and
written as shards. Memory is bounded by a split in the first pass and by a group in the second, whatever the corpus
holds. `index.json` is written when all shards are there, and the spilled files go when the stage is done.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curation.config import Job
from curation.output import parquet
from curation.sources.columns import carried_schema, conform
from curation.sources.find import InputFile
from curation.sources.parquet_footer import open_parquet
from curation.sources.rows import Columns, Rows, Split
from curation.stages import ray_cluster, workers
from curation.stages.board import record_progress
from curation.stages.context import Result, Run, Stage
from curation.stages.phases import phases_of
from curation.stages.plan_tables import SHARDS
from curation.stages.splits import WorkItem, documents_an_item, load_files, load_splits, part_name, work_items
from curation.storage.store import Part, Store

INDEX, SPILL = "shards/index.json", "spill"

#: The column of a spilled file that no shard has.
POSITION = "position"

#: Columns of a shard that the run makes; the others come from the sources.
OWN_COLUMNS = ("text", "doc_id", "domain", "cluster", "repetition")

#: UTF-8 bytes of text that a group of shards holds, about: what a task of the second pass has in memory.
GROUP_BYTES = 1 << 28


@dataclass(frozen=True)
class Group:
    """Shards that one task writes: files, first positions, and the position after the last row."""

    number: int
    files: list[str]
    first: list[int]
    stop: int

    @property
    def rows(self) -> int:
        """Rows of all its shards."""
        return self.stop - self.first[0]

    @property
    def label(self) -> str:
        """Which shards, for messages."""
        return f"{self.files[0]} to {self.files[-1]}"


def settings(job: Job) -> dict[str, Any]:
    """What the shards depend on besides the plan."""
    columns = [[source.text_column, source.id_column, source.keep_columns] for source in job.sources]
    orders = [request.order for request in phases_of(job)]
    return {"format": job.output.format, "columns": columns, "orders": orders}


def work(run: Run) -> Result:
    """The stage."""
    groups = group_shards(listed := run.store.read_table(SHARDS))
    columns = shard_columns(run, load_files(run.store))
    pending = [group for group in groups if not _complete(run.store, group)]
    if pending:
        spill(run, columns, groups)
    parts = write_groups(run, columns, groups, pending)
    index = index_of(run.job, columns, listed, parts)
    parts.append(run.store.write_json(INDEX, index))
    stats = {key: index[key] for key in ("rows", "tokens", "text_bytes", "bytes")} | {"shards": len(index["shards"])}
    return Result(parts, stats)


STAGE = Stage("shards", ("shards", SPILL), ("sources.files", "plan", "assignments"), settings, work)


def _complete(store: Store, group: Group) -> bool:
    """Whether an interrupted run wrote all shards of a group, and they are what it wrote."""
    known: dict[str, str] = store.started("shards").get("known", {})
    if not all(store.exists(name) for name in group.files):
        return False
    return all(store.hash(name)[1] == known[name] for name in group.files if name in known)


def spill_name(split_id: int) -> str:
    """The spilled file of a split."""
    return f"{SPILL}/part-{split_id:08}.arrow"


def group_shards(listed: pa.Table) -> list[Group]:
    """Consecutive shards that together hold about GROUP_BYTES of text."""
    size = listed["text_bytes"].to_numpy()
    number = (np.cumsum(size) - size) // GROUP_BYTES
    first = listed["first_position"].to_numpy()
    stop = np.append(first[1:], first[-1] + listed["rows"].to_numpy()[-1])
    files = [f"shards/{name}{parquet.SUFFIX}" for name in listed["file"].to_pylist()]
    starts = np.flatnonzero(np.diff(number, prepend=-1))
    bounds = zip(starts, [*starts[1:], len(number)], strict=True)
    return [
        Group(index, files[low:high], first[low:high].tolist(), int(stop[high - 1]))
        for index, (low, high) in enumerate(bounds)
    ]


def shard_columns(run: Run, files: Mapping[int, InputFile]) -> pa.Schema:
    """The columns of the shards, from the job and the types that the Parquet sources give the kept columns."""
    keeping = {index for index, source in enumerate(run.job.sources) if source.keep_columns}
    inputs = [file for file in files.values() if file.format == "parquet" and file.source in keeping]
    schemas = {file.path: schema for file, schema in workers.map_items(inputs, parquet_schema)}
    found = [(file.source, schemas.get(file.path)) for file in files.values()]
    return parquet.schema(carried_schema(run.job.sources, found))


def parquet_schema(file: InputFile) -> pa.Schema:
    """The Arrow schema of a Parquet file."""
    with open_parquet(file.path) as opened:
        return opened.schema_arrow.remove_metadata()


# ---- first pass: split by split -------------------------------------------------------------------------------


def spill(run: Run, columns: pa.Schema, groups: list[Group]) -> None:
    """Spills every split that is not spilled yet."""
    there = run.store.list(SPILL)
    splits = load_splits(run.store)
    left = [split for split in splits if spill_name(split.split_id) not in there]
    bounds = ray_cluster.share(np.array([group.first[0] for group in groups[1:]], np.int64))
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
        for split, rows in item.read(group, wanted, store):
            plan = store.read_table(part_name("schedule", split.split_id), ["doc_id", "repetition", "position"])
            assigned = store.read_table(part_name("assignments", split.split_id), ["doc_id", "cluster"])
            texts = split_rows(file, split, rows, assigned, columns)
            with store.create(spill_name(split.split_id)) as sink:
                write_spill(sink, texts, plan, split.first_doc_id, columns, bounds)


def split_rows(file: InputFile, split: Split, rows: Rows, assigned: pa.Table, columns: pa.Schema) -> pa.Table:
    """A row a document of the split: the shard's columns but `repetition`; cluster is null where it is not kept."""
    cluster = np.full(split.rows, -1, np.int32)
    cluster[assigned["doc_id"].to_numpy() - split.first_doc_id] = assigned["cluster"].to_numpy()
    carried = {field.name: field.type for field in columns if field.name not in OWN_COLUMNS}
    texts = conform(rows.table, carried)
    own = {
        "doc_id": pa.array(np.arange(split.first_doc_id, split.first_doc_id + split.rows)),
        "domain": pa.repeat(pa.scalar(file.domain), split.rows),
        "cluster": pa.array(cluster, mask=cluster < 0),
    }
    names = [name for name in columns.names if name != "repetition"]
    return pa.table([own[name] if name in own else texts[name] for name in names], names=names)


def write_spill(
    sink: Any, texts: pa.Table, plan: pa.Table, first_doc_id: int, columns: pa.Schema, bounds: NDArray[np.int64]
) -> None:
    """Writes a split's draws as one record batch a group, sorted by position.

    Copies of a document are made group by group, so that a high clip needs no more memory than a low one.

    Args:
        sink: where the Arrow file goes.
        texts: see `split_rows`.
        plan: doc_id, repetition and position of the split's draws, by ascending position.
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
            given = {"repetition": plan["repetition"][low:high], POSITION: plan["position"][low:high].cast(pa.int64())}
            arrays = [given[name] if name in given else drawn[name] for name in names]
            batches = pa.table(arrays, schema=schema).combine_chunks().to_batches()
            writer.write_batch(batches[0] if batches else pa.RecordBatch.from_pylist([], schema))


# ---- second pass: group by group ------------------------------------------------------------------------------


def write_groups(run: Run, columns: pa.Schema, groups: list[Group], pending: list[Group]) -> list[Part]:
    """Writes the shards of the groups that are not complete, and returns all shards in order."""
    spilled = [spill_name(split.split_id) for split in load_splits(run.store)]
    names = ray_cluster.share(spilled)
    complete = [group for group in groups if group not in pending]
    parts: list[Part] = []
    tasks = run.job.resources.tasks
    with run.reporter.stage("shards", groups[-1].stop) as progress:
        for group, found in workers.map_items(complete, read_group, run.store, tasks=tasks):
            parts += found
            progress.found(group.rows)
        writing = workers.map_items(pending, write_group, run.store, columns, names, tasks=tasks)
        for done, (group, written) in enumerate(writing, len(complete) + 1):
            parts += written
            progress.advance(group.rows)
            record_progress(done, len(groups), group.rows, sum(part.bytes for part in written))
    place = {name: index for index, name in enumerate(itertools.chain.from_iterable(group.files for group in groups))}
    return sorted(parts, key=lambda part: place[part.name])


def read_group(group: Group, store: Store) -> list[Part]:
    """The shards of a group that are there already."""
    stops = [*group.first[1:], group.stop]
    found = []
    for name, first, stop in zip(group.files, group.first, stops, strict=True):
        size, sha256 = store.hash(name)
        found.append(Part(name, stop - first, size, sha256))
    return found


def write_group(group: Group, store: Store, columns: pa.Schema, spilled: list[str]) -> list[Part]:
    """Merges what the splits gave to a group and writes its shards."""
    rows = pa.concat_tables([_read_batch(store, name, group.number) for name in spilled]).combine_chunks()
    position = rows[POSITION].to_numpy()
    order = np.argsort(position, kind="stable")
    cuts = np.searchsorted(position[order], [*group.first, group.stop])
    parts = []
    for name, low, high in zip(group.files, cuts, cuts[1:], strict=False):
        with store.create(name) as sink:
            parquet.write(sink, rows, order[low:high], columns)
        parts.append(Part(name, int(high - low), sink.bytes, sink.sha256))
    return parts


def _read_batch(store: Store, name: str, number: int) -> pa.Table:
    with store.open_input(name) as file:
        return pa.Table.from_batches([pa.ipc.open_file(file).get_batch(number)])


def index_of(job: Job, columns: pa.Schema, listed: pa.Table, parts: list[Part]) -> dict[str, Any]:
    """The index of the shards: what a loader needs to know, and what proves them."""
    shards = [
        {
            "file": part.name.removeprefix("shards/"),
            "rows": part.rows,
            "tokens": row["tokens"],
            "text_bytes": row["text_bytes"],
            "bytes": part.bytes,
            "sha256": part.sha256,
        }
        for part, row in zip(parts, listed.to_pylist(), strict=True)
    ]
    totals = {key: sum(shard[key] for shard in shards) for key in ("rows", "tokens", "text_bytes", "bytes")}
    requests = phases_of(job)
    phases = [
        {
            "folder": request.folder,
            "order": request.order,
            "shards": listed["phase"].to_pylist().count(request.number),
        }
        for request in requests
    ]
    return {
        "version": 2,
        "format": job.output.format,
        **({"phases": phases} if job.phases else {"order": requests[0].order}),
        "columns": {field.name: str(field.type) for field in columns},
        **totals,
        "shards": shards,
    }
