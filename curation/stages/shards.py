"""Shards: writes what the plan says, reading the text once.

Reads the text, `schedule`, `assignments` and the list of shards. First pass (`spill`), a task a few splits: what a
split gives to the shards is cut out of its text and spilled as one Arrow file, a record batch a group of shards.
Second pass (`shard_files`), a task a group: the group's batch of every spilled file is read, merged by position and
written as shards in the format that the job asks for. Memory is bounded by a split in the first pass and by a group
in the second, whatever the corpus holds. The index is written when all shards are there, and the spilled files go
when the stage is done.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from curation import tables
from curation.config import Job
from curation.output.columns import shard_columns
from curation.output.formats import Format, shard_format
from curation.sources.columns import carried_schema
from curation.sources.find import InputFile
from curation.sources.parquet_footer import open_parquet
from curation.stages import workers
from curation.stages.context import Result, Run, Stage
from curation.stages.phases import phases_of
from curation.stages.plan_tables import SHARDS
from curation.stages.shard_files import Group, is_complete, write_groups
from curation.stages.spill import SPILL, spill
from curation.stages.splits import load_files
from curation.storage.store import Part, Store

INDEX = "shards/curation_index.json"

#: What the index and the stage count.
TOTALS = ("rows", "tokens", "text_bytes", "bytes")

#: UTF-8 bytes of text that a group of shards holds, about: what a task of the second pass has in memory.
GROUP_BYTES = 1 << 28


def settings(job: Job) -> dict[str, Any]:
    """What the shards depend on besides the plan."""
    columns = [[source.text_column, source.id_column, source.keep_columns] for source in job.sources]
    orders = [request.order for request in phases_of(job)]
    return {"format": job.output.format, "columns": columns, "orders": orders}


def work(run: Run) -> Result:
    """The stage."""
    listed, format_ = run.store.read_table(SHARDS), shard_format(run.job.output)
    groups = group_shards(listed, shard_names(listed, run.job))
    columns = columns_of(run, load_files(run.store))
    pending = [group for group in groups if not is_complete(run.store, group)]
    if pending:
        spill(run, columns, [group.first[0] for group in groups])
    parts = write_groups(run, columns, groups, pending)
    index = index_of(run.job, columns, listed, parts)
    made = [*parts, *folder_indexes(run.store, format_, columns, parts), run.store.write_json(INDEX, index)]
    stats = _counts(index)
    return Result(made, stats | ({"validation": _counts(index["validation"])} if "validation" in index else {}))


STAGE = Stage("shards", ("shards", SPILL), ("sources.files", "plan", "assignments"), settings, work)


def shard_names(listed: pa.Table, job: Job) -> list[str]:
    """The file of each shard of the plan, in the run directory."""
    suffix = shard_format(job.output).suffix
    return [f"shards/{name}{suffix}" for name in listed["file"].to_pylist()]


def group_shards(listed: pa.Table, files: list[str]) -> list[Group]:
    """Consecutive shards of one phase that together hold about GROUP_BYTES of text."""
    size = listed["text_bytes"].to_numpy()
    number = (np.cumsum(size) - size) // GROUP_BYTES
    first = listed["first_position"].to_numpy()
    stop = np.append(first[1:], first[-1] + listed["rows"].to_numpy()[-1])
    phase = listed["phase"].to_numpy()
    starts = np.flatnonzero((np.diff(number, prepend=-1) != 0) | (np.diff(phase, prepend=phase[0]) != 0))
    bounds = zip(starts, [*starts[1:], len(number)], strict=True)
    return [
        Group(index, files[low:high], first[low:high].tolist(), int(stop[high - 1]))
        for index, (low, high) in enumerate(bounds)
    ]


def columns_of(run: Run, files: Mapping[int, InputFile]) -> pa.Schema:
    """The columns of the shards, from the job and the types that the Parquet sources give the kept columns."""
    keeping = {index for index, source in enumerate(run.job.sources) if source.keep_columns}
    inputs = [file for file in files.values() if file.format == "parquet" and file.source in keeping]
    schemas = {file.path: schema for file, schema in workers.map_items(inputs, parquet_schema)}
    found = [(file.source, schemas.get(file.path)) for file in files.values()]
    return shard_columns(carried_schema(run.job.sources, found), weighted=run.job.output.repetition == "weight")


def parquet_schema(file: InputFile) -> pa.Schema:
    """The Arrow schema of a Parquet file."""
    with open_parquet(file.path) as opened:
        return opened.schema_arrow.remove_metadata()


def folder_indexes(store: Store, format_: Format, columns: pa.Schema, parts: list[Part]) -> list[Part]:
    """Writes the format's own index of each folder of shards, where its readers need one."""
    if format_.folder_index is None:
        return []
    folders: dict[str, list[tuple[str, int, int]]] = {}
    for part in parts:
        folder, _, name = part.name.rpartition("/")
        folders.setdefault(folder, []).append((name, part.rows, part.bytes))
    written = []
    for folder, shards in folders.items():
        name, content = format_.folder_index(shards, columns)
        written.append(store.write_bytes(f"{folder}/{name}", content))
    return written


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
    requests = phases_of(job)
    phases = [
        {
            "folder": request.folder,
            "order": request.order,
            "shards": listed["phase"].to_pylist().count(request.number),
        }
        for request in requests
    ]
    stop = len(shards) - listed["phase"].to_pylist().count(tables.VALIDATION)
    return {
        "version": 3,
        "format": job.output.format,
        **({"phases": phases} if job.phases else {"order": requests[0].order}),
        "columns": {field.name: str(field.type) for field in columns},
        **_with_totals(shards[:stop]),
        **({"validation": _with_totals(shards[stop:])} if job.output.validation else {}),
    }


def _with_totals(shards: list[dict[str, Any]]) -> dict[str, Any]:
    return {key: sum(shard[key] for shard in shards) for key in TOTALS} | {"shards": shards}


def _counts(index: dict[str, Any]) -> dict[str, Any]:
    return {key: index[key] for key in TOTALS} | {"shards": len(index["shards"])}
