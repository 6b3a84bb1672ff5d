"""Where documents came from and where they went: file and row, cluster, copies, and each draw in the shards.

Everything is looked up split by split, and only in the splits that the documents are in. A text is read where it lies:
of Parquet its row group, of plain JSONL its line, of compressed JSONL its split.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation.config import Job
from curation.sources.offsets import read_places
from curation.sources.pick import group_rows, open_source, pick_lines, pick_rows
from curation.sources.read import read_splits
from curation.sources.rows import Columns, Split
from curation.stages.plan_tables import SHARDS
from curation.stages.shards import INDEX, shard_names
from curation.stages.splits import CountedFile, load_files, load_splits, part_name
from curation.storage.store import Store
from curation.tables import VALIDATION

NEAR_DUPLICATES = "near_duplicates/groups.parquet"
#: Copies and draws of a document that are listed.
LISTED = 20


def by_split(store: Store, doc_ids: Iterable[int]) -> Iterator[tuple[Split, list[int]]]:
    """The splits of some documents, in order, and which of them each holds, ascending."""
    splits = load_splits(store)
    first = np.array([split.first_doc_id for split in splits], np.int64)
    wanted = sorted(set(doc_ids))
    number = (np.searchsorted(first, wanted, side="right") - 1).tolist()
    for index, members in groupby(zip(number, wanted, strict=True), key=lambda pair: pair[0]):
        yield splits[index], [doc_id for _, doc_id in members]


def texts_of(store: Store, job: Job, doc_ids: Sequence[int]) -> dict[int, str]:
    """The texts of some documents, out of the sources.

    Raises:
        InputError: a source file changed since the run, is gone, or can't be read.
    """
    files = load_files(store)
    found: dict[int, str] = {}
    for split, members in by_split(store, doc_ids):
        file = files[split.file_id]
        columns = Columns(job.sources[file.source].text_column, most_bytes=job.rows.max_document_bytes)
        found |= zip(members, _read(file, split, members, columns), strict=True)
    return found


def _read(file: CountedFile, split: Split, members: list[int], columns: Columns) -> list[str]:
    offsets = np.array(members, np.int64) - split.first_doc_id
    if file.format not in ("parquet", "jsonl"):
        reading = read_splits(file.path, file.format, [split], columns, etag=file.etag, truncated=file.truncated)
        [(_, rows)] = reading
        return [text or "" for text in rows.table["text"].take(pa.array(offsets)).to_pylist()]
    opened = open_source(file.path, file.format, file.etag)
    with closing(opened):
        if opened.first_rows is None:
            [(_, places)] = read_places(file, [split])
            starts, sizes = (places[name].take(pa.array(offsets)).to_pylist() for name in ("start", "bytes"))
            return [text or "" for text in pick_lines(opened, starts, sizes, columns).table["text"].to_pylist()]
        texts = []
        rows_in_file = offsets + split.first_row
        group = np.searchsorted(opened.first_rows, rows_in_file, "right") - 1
        for number in np.unique(group).tolist():
            inside = rows_in_file[group == number] - opened.first_rows[number]
            texts += pick_rows(group_rows(opened, number, columns), inside).table["text"].to_pylist()
    return [text or "" for text in texts]


def describe(store: Store, job: Job, doc_ids: Iterable[int]) -> dict[int, dict[str, Any]]:
    """What is known of some documents, JSON-able.

    Returns:
        For each: `path` and `row` (from 0 in its file, blank lines left out), `domain`, `tokens`, `cluster`, `draws`
        in training, `held_out` for validation, and `places`: shard and row in it of up to LISTED draws (no row in
        token files, which don't keep one place for each draw); `copies` that were dropped for it, and how many
        documents are `near_duplicates` of it, where the run has looked for them.
    """
    files = load_files(store)
    shards = load_shards(store, job)
    found: dict[int, dict[str, Any]] = {}
    for split, members in by_split(store, doc_ids):
        file, offsets = files[split.file_id], np.array(members, np.int64) - split.first_doc_id
        assigned = store.read_table(part_name("assignments", split.split_id), ["doc_id", "cluster"])
        assigned = _only(assigned, members)
        cluster_of = dict(zip(assigned["doc_id"].to_pylist(), assigned["cluster"].to_pylist(), strict=True))
        tokens = store.read_table(part_name("documents", split.split_id), ["tokens"])["tokens"].take(pa.array(offsets))
        draws = _only(store.read_table(part_name("schedule", split.split_id)), members).to_pylist()
        for doc_id, count in zip(members, tokens.to_pylist(), strict=True):
            own = {"path": file.path, "row": split.first_row + doc_id - split.first_doc_id, "domain": file.domain}
            own |= {"tokens": count, "cluster": cluster_of.get(doc_id)}
            found[doc_id] = own | drawn_in(shards, [draw for draw in draws if draw["doc_id"] == doc_id], file.domain)
    copies, near = copies_of(store, found), near_duplicates_of(store, found)
    return {doc_id: own | {"copies": copies[doc_id], **near.get(doc_id, {})} for doc_id, own in found.items()}


def _only(table: pa.Table, doc_ids: Iterable[int]) -> pa.Table:
    wanted = pa.array(doc_ids, table.schema.field("doc_id").type)
    return table.filter(pc.is_in(table["doc_id"], value_set=wanted))


@dataclass(frozen=True)
class Shards:
    """The shards of a run, by number: name in the run directory, first position, phase.

    `prefixes` are the token files by folder in `shards` and domain, where the run writes such.
    """

    names: list[str]
    first: list[int]
    phase: list[int]
    prefixes: dict[tuple[str, str], str]


def load_shards(store: Store, job: Job) -> Shards:
    """The shards of a run."""
    listed = store.read_table(SHARDS)
    prefixes: dict[tuple[str, str], str] = {}
    if job.output.format == "megatron":
        index = store.read_json(INDEX)
        entries = [*index["shards"], *index.get("validation", {}).get("shards", [])]
        prefixes = {(entry["file"].rpartition("/")[0], entry["domain"]): entry["file"] for entry in entries}
    first, phase = (listed[name].to_pylist() for name in ("first_position", "phase"))
    return Shards(shard_names(listed, job), first, phase, prefixes)


def drawn_in(shards: Shards, draws: list[dict[str, Any]], domain: str) -> dict[str, Any]:
    """What the schedule's rows of a document say of it: `draws`, `held_out` and `places`."""
    training = [draw for draw in draws if shards.phase[draw["shard"]] != VALIDATION]
    return {
        "draws": sum(draw.get("sample_weight", 1) for draw in training),
        "held_out": len(training) < len(draws),
        "places": [_place(shards, draw, domain) for draw in draws[:LISTED]],
    }


def _place(shards: Shards, draw: dict[str, Any], domain: str) -> dict[str, Any]:
    name, row = shards.names[draw["shard"]], draw["position"] - shards.first[draw["shard"]]
    if shards.prefixes:
        folder = name.removeprefix("shards/").rpartition("/")[0]
        name, row = f"shards/{shards.prefixes[folder, domain]}", None
    return {"shard": name, "row": row, "repetition": draw["repetition"]}


def copies_of(store: Store, doc_ids: Iterable[int]) -> dict[int, dict[str, Any]]:
    """The copies that were dropped for each document: how many in all, and where the first LISTED are."""
    kept: dict[int, dict[str, Any]] = {doc_id: {"count": 0, "first": []} for doc_id in doc_ids}
    wanted = pa.array(kept, pa.int64())
    copies: dict[int, dict[str, Any]] = {}
    for name in store.list("duplicates"):
        if not name.endswith(".parquet"):
            continue
        table = store.read_table(name, ["doc_id", "kept_doc_id", "method"])
        for row in table.filter(pc.is_in(table["kept_doc_id"], value_set=wanted)).sort_by("doc_id").to_pylist():
            own = kept[row.pop("kept_doc_id")]
            own["count"] += 1
            if len(own["first"]) < LISTED:
                own["first"].append(row)
                copies[row["doc_id"]] = row
    files = load_files(store) if copies else {}
    for split, members in by_split(store, copies):
        for doc_id in members:
            row = split.first_row + doc_id - split.first_doc_id
            copies[doc_id] |= {"path": files[split.file_id].path, "row": row}
    return kept


def near_duplicates_of(store: Store, doc_ids: Iterable[int]) -> dict[int, dict[str, int]]:
    """How many other documents are near duplicates of each, under `near_duplicates`; nothing where none was found."""
    if not store.exists(NEAR_DUPLICATES):
        return {}
    table = store.read_table(NEAR_DUPLICATES)
    own = _only(table, list(doc_ids))
    sizes = (
        table.filter(pc.is_in(table["group"], value_set=own["group"])).group_by("group").aggregate([([], "count_all")])
    )
    size_of = dict(zip(sizes["group"].to_pylist(), sizes["count_all"].to_pylist(), strict=True))
    return {row["doc_id"]: {"near_duplicates": size_of[row["group"]] - 1} for row in own.to_pylist()}
