"""Shards: writes what the plan says, reading the text once.

Reads the text, `schedule`, `assignments` and the list of shards. First pass (`spill`), a task a few splits: what a
split gives to the shards is cut out of its text and spilled as one Arrow file, a record batch a group of shards.
Second pass (`shard_files`), a task a group: the group's batch of every spilled file is read, merged by position and
written as shards in the format that the job asks for. Memory is bounded by a split in the first pass and by a group
in the second, whatever the corpus holds. The index is written when all shards are there, and the spilled files go
when the stage is done.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from curation.config import Job
from curation.output.columns import shard_columns
from curation.output.formats import Format, shard_format
from curation.output.index import FILES, files_table
from curation.output.index import schema as place_columns
from curation.sources.columns import carried_schema
from curation.sources.find import InputFile
from curation.sources.parquet_footer import open_parquet
from curation.stages import workers
from curation.stages.context import Result, Run, Stage
from curation.stages.held_out import FOLDER as VALIDATION_FOLDER
from curation.stages.phases import phases_of
from curation.stages.plan_tables import SHARDS
from curation.stages.shard_files import Group, is_complete, write_groups
from curation.stages.spill import SPILL, spill, tokenizer_of
from curation.stages.splits import load_files
from curation.stages.token_files import COLUMNS, prefixes, write_blends, write_prefixes
from curation.stages.tokenizer import load_tokenizer
from curation.storage.store import Part, Store
from curation.tables import VALIDATION

INDEX = "shards/curation_index.json"

#: What the index and the stage count.
TOTALS = ("rows", "tokens", "text_bytes", "bytes")

#: UTF-8 bytes of text that a group of shards holds, about: what a task of the second pass has in memory.
GROUP_BYTES = 1 << 28


def settings(job: Job) -> dict[str, Any]:
    """What the shards depend on besides the plan."""
    columns = [[source.text_column, source.id_column, source.keep_columns] for source in job.sources]
    orders = [request.order for request in phases_of(job)]
    end = job.tokens.end_of_document if job.output.format == "megatron" else None
    output: dict[str, Any] = {
        "format": job.output.format,
        "compression": job.output.compression,
        "end_of_document": end,
    }
    # An index of the sources names their files, so it hangs on where they lie.
    output["paths"] = [source.paths for source in job.sources] if job.output.format == "index" else None
    return output | {"columns": columns, "orders": orders}


def work(run: Run) -> Result:
    """The stage."""
    listed = run.store.read_table(SHARDS)
    groups = group_shards(listed, shard_names(listed, run.job))
    make = make_token_files if run.job.output.format == "megatron" else make_shards
    index, made = make(run, listed, groups)
    stats = _counts(index)
    validation = {"validation": _counts(index["validation"])} if "validation" in index else {}
    return Result([*made, run.store.write_json(INDEX, index)], stats | validation)


STAGE = Stage("shards", ("shards", SPILL), ("sources.files", "tokenizer.sha256", "plan", "assignments"), settings, work)


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


def make_shards(run: Run, listed: pa.Table, groups: list[Group]) -> tuple[dict[str, Any], list[Part]]:
    """Writes what is not there of shards with a row a draw; returns their index and the files."""
    format_, files = shard_format(run.job.output), load_files(run.store)
    weighted, carried = run.job.output.repetition == "weight", carried_columns(run, files)
    columns = shard_columns(carried, weighted)
    beside: list[Part] = []
    if run.job.output.format == "index":
        columns = place_columns(weighted)
        sources = run.store.read_table("sources/sources.parquet")
        beside.append(run.store.write_table(f"shards/{FILES}", files_table(sources, run.job.sources, carried)))
    pending = [group for group in groups if not is_complete(run.store, group)]
    if pending:
        spill(run, columns, [group.first[0] for group in groups])
    parts = write_groups(run, columns, groups, pending)
    beside += folder_indexes(run.store, format_, columns, parts)
    entries = [
        _entry(part, part.rows, row["tokens"], row["text_bytes"])
        for part, row in zip(parts, listed.to_pylist(), strict=True)
    ]
    counts = Counter(listed["phase"].to_pylist())
    return index_of(run.job, columns, entries, counts), [*parts, *beside]


def make_token_files(run: Run, _: pa.Table, groups: list[Group]) -> tuple[dict[str, Any], list[Part]]:
    """Writes what is not there of the token files; returns their index and the files."""
    wanted = prefixes(run.job, groups)
    if not all(run.store.exists(prefix.receipt) for prefix in wanted):
        spill(run, COLUMNS, [group.first[0] for group in groups])
    sha256 = tokenizer_of(run.store)
    assert sha256 is not None, "the job file is checked for it"
    tokenizer = load_tokenizer(run.store, sha256, run.job.tokens.end_of_document)
    found = dict(write_prefixes(run, wanted, tokenizer.dtype))
    written = [(prefix, found[prefix]) for prefix in wanted if found[prefix].files]
    entries = []
    for prefix, one in written:
        tokens, places = one.files
        entry = _entry(tokens, one.rows, one.tokens, one.text_bytes) | {"domain": prefix.domain}
        entries.append(entry | {"index": {"file": _relative(places), "bytes": places.bytes, "sha256": places.sha256}})
    phase_of = {request.folder: request.number for request in phases_of(run.job)} | {VALIDATION_FOLDER: VALIDATION}
    counts = Counter(phase_of[prefix.folder] for prefix, _ in written)
    parts = [part for _, one in written for part in one.files]
    return index_of(run.job, COLUMNS, entries, counts), [*parts, *write_blends(run.store, written)]


def carried_columns(run: Run, files: Mapping[int, InputFile]) -> dict[str, pa.DataType]:
    """The columns that the sources give beside the text, from the job and the types in the Parquet files."""
    keeping = {index for index, source in enumerate(run.job.sources) if source.keep_columns}
    inputs = [file for file in files.values() if file.format == "parquet" and file.source in keeping]
    schemas = {file.path: schema for file, schema in workers.map_items(inputs, parquet_schema)}
    found = [(file.source, schemas.get(file.path)) for file in files.values()]
    return carried_schema(run.job.sources, found)


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
        written.append(store.write_bytes(f"{folder}/index.json", format_.folder_index(shards, columns).encode()))
    return written


def index_of(job: Job, columns: pa.Schema, entries: list[dict[str, Any]], counts: Mapping[int, int]) -> dict[str, Any]:
    """The index of the shards: what a loader needs to know, and what proves them.

    Args:
        job: the job.
        columns: of a shard.
        entries: a shard each, in order, those of validation last.
        counts: how many of them each phase has.
    """
    requests = phases_of(job)
    phases = [
        {"folder": request.folder, "order": request.order, "shards": counts[request.number]} for request in requests
    ]
    kept = {"order_holds": "within each file"} if job.output.format == "megatron" else {}
    stop = len(entries) - counts[VALIDATION]
    return {
        "version": 3,
        "format": job.output.format,
        **({"phases": phases} if job.phases else {"order": requests[0].order}),
        **kept,
        "columns": {field.name: str(field.type) for field in columns},
        **_with_totals(entries[:stop]),
        **({"validation": _with_totals(entries[stop:])} if job.output.validation else {}),
    }


def _entry(part: Part, rows: int, tokens: int, text_bytes: int) -> dict[str, Any]:
    return {
        "file": _relative(part),
        "rows": rows,
        "tokens": tokens,
        "text_bytes": text_bytes,
        "bytes": part.bytes,
        "sha256": part.sha256,
    }


def _relative(part: Part) -> str:
    return part.name.removeprefix("shards/")


def _with_totals(shards: list[dict[str, Any]]) -> dict[str, Any]:
    return {key: sum(shard[key] for shard in shards) for key in TOTALS} | {"shards": shards}


def _counts(index: dict[str, Any]) -> dict[str, Any]:
    return {key: index[key] for key in TOTALS} | {"shards": len(index["shards"])}
