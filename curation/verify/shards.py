"""Shard by shard: the rows of each are the schedule's, in order, with the texts that were read."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curation.config import Job
from curation.sources.rows import Split
from curation.stages.documents import text_hash
from curation.stages.shards import INDEX, TOTALS
from curation.stages.splits import load_splits, part_name
from curation.stages.workers import map_items
from curation.storage.store import Store
from curation.verify.files import Faults, sampled
from curation.verify.findings import Findings, content_hashes, domain_key, drawn_keys, fault_unless, weights_of
from curation.verify.shard_rows import shard_blocks
from curation.verify.token_files import check_token_files


@dataclass(frozen=True)
class Wanted:
    """A shard as the plan and the splits have it: number, file, first position, rows, the sum of its keys, and whether
    a row has a weight.
    """

    number: int
    name: str
    first: int
    rows: int
    key: int
    weighted: bool

    @property
    def label(self) -> str:
        """The file."""
        return self.name

    @property
    def planned(self) -> list[str]:
        """The columns of a row that the plan gives."""
        return ["doc_id", "repetition", *(["sample_weight"] if self.weighted else [])]


def check_shards(
    store: Store, job: Job, listed: pa.Table, findings: Findings, sample: float, inputs: bool = True
) -> Faults:
    """The index against the plan and the files, and the rows of a sample of the shards.

    An index of the sources has its texts in the input files: without `inputs` its rows are not looked at. Token files
    have no row a draw and no text: see `token_files`.
    """
    index = json.loads(store.read_bytes(INDEX))
    held_out = index.get("validation", dict.fromkeys(TOTALS, 0) | {"shards": []})
    for section, wanted_rows in ((index, findings.rows - findings.held_rows), (held_out, findings.held_rows)):
        sums = {key: sum(shard[key] for shard in section["shards"]) for key in TOTALS}
        fault = f"{INDEX}: has {sums['rows']} rows, and the schedule {wanted_rows}"
        yield fault_unless(sums["rows"] == wanted_rows, fault)
        summed = all(section[key] == sums[key] for key in TOTALS)
        yield fault_unless(summed, f"{INDEX}: a total is not the sum over its shards")
    shards = [*index["shards"], *held_out["shards"]]
    marker = store.marker("shards")
    written = {part.name: part for part in marker.parts} if marker else {}
    if job.output.format == "megatron":
        yield from check_token_files(store, job, listed, shards, written, sample, inputs)
        return
    wanted = []
    plan = listed.to_pylist()
    yield fault_unless(len(plan) == len(shards), f"{INDEX}: does not list the shards of the plan")
    weighted = job.output.repetition == "weight"
    for number, (shard, row) in enumerate(zip(shards, plan, strict=False)):
        name = f"shards/{shard['file']}"
        part = written.get(name)
        agrees = part and (part.rows, part.bytes, part.sha256) == (shard["rows"], shard["bytes"], shard["sha256"])
        planned = all(shard[key] == row[key] for key in ("rows", "tokens", "text_bytes"))
        planned = planned and shard["file"].startswith(f"{row['file']}.")
        yield fault_unless(bool(agrees and planned), f"{INDEX}: does not agree with the plan on {shard['file']}")
        key = int(findings.shard_keys[number])
        wanted.append(Wanted(number, name, row["first_position"], row["rows"], key, weighted))
        held = int(findings.shard_rows[number])
        yield fault_unless(held == row["rows"], f"schedule: gives {held} rows to {name}, and the plan {row['rows']}")
    chosen = sampled(job, "shards", len(wanted), sample)
    looked_at = [shard for shard, mine in zip(wanted, chosen, strict=True) if mine]
    if job.output.format == "index" and not inputs:
        return
    for _, fault_of in map_items(looked_at, check_shard, store, job.output.format, tasks=job.resources.tasks):
        yield fault_of


def check_shard(shard: Wanted, store: Store, format: str) -> str | None:
    """One shard; where its rows are not those of the splits, looks for the first that differs."""
    blocks, hashes = [], [np.empty((0, 2), np.uint64)]
    for block in shard_blocks(store, shard.name, format, ["text", "domain", "cluster", *shard.planned]):
        digests = [text_hash(text) for text in block["text"].to_pylist()]
        hashes.append(np.frombuffer(b"".join(digests), np.uint64).reshape(-1, 2))
        blocks.append(block.drop_columns(["text"]))
    rows = sum(block.num_rows for block in blocks)
    if rows != shard.rows:
        return f"{shard.name}: has {rows} rows, and the plan says {shard.rows}"
    table, content = pa.concat_tables(blocks), np.concatenate(hashes)
    keyed = {name: domain_key(name) for name in table["domain"].unique().to_pylist()}
    domain = np.array([keyed[name] for name in table["domain"].to_pylist()], np.uint64)
    doc_id, cluster, repetition = (table[name].to_numpy() for name in ("doc_id", "cluster", "repetition"))
    position = shard.first + np.arange(shard.rows)
    key = drawn_keys(position, doc_id, cluster, repetition, weights_of(table), domain, content)
    return None if int(key.sum()) == shard.key else _difference(store, shard, table, content)


def _difference(store: Store, shard: Wanted, table: pa.Table, hashes: NDArray[np.uint64]) -> str:
    """What differs between a shard and the schedule, in words."""
    splits = load_splits(store)
    plan = _planned(store, splits, shard)
    found = table.select(["cluster", *shard.planned])
    if plan is None or not found.equals(plan.select(found.column_names)):
        return f"{shard.name}: its rows are not the schedule's, in order"
    read = np.stack([plan["low"].to_numpy(), plan["high"].to_numpy()], axis=1)
    other = np.flatnonzero((read != hashes).any(axis=1))
    if len(other):
        document = table["doc_id"][int(other[0])].as_py()
        return f"{shard.name}: the text of document {document} is not the one that was read"
    return f"{shard.name}: a row has another domain than its document"


def _planned(store: Store, splits: list[Split], shard: Wanted) -> pa.Table | None:
    """The rows that the splits give to a shard, by position; None where positions are missing or there twice."""
    tables = []
    for split in splits:
        name = part_name("schedule", split.split_id)
        schedule = store.read_table(name, ["position", "shard", *shard.planned])
        mine = schedule.filter(pa.array(schedule["shard"].to_numpy() == shard.number))
        if not mine.num_rows:
            continue
        doc_id = mine["doc_id"].to_numpy()
        assigned = store.read_table(part_name("assignments", split.split_id), ["doc_id", "cluster"])
        own = np.searchsorted(assigned["doc_id"].to_numpy(), doc_id)
        documents = store.read_table(part_name("documents", split.split_id), ["content_hash"])
        content = content_hashes(documents)[doc_id - split.first_doc_id]
        columns: dict[str, Any] = {
            "doc_id": doc_id.astype(np.int64),
            "cluster": assigned["cluster"].to_numpy()[own],
            "repetition": mine["repetition"].to_numpy(),
            **({"sample_weight": mine["sample_weight"].to_numpy().astype(np.int32)} if shard.weighted else {}),
            "position": mine["position"].to_numpy().astype(np.int64),
            "low": content[:, 0],
            "high": content[:, 1],
        }
        tables.append(pa.table(columns))
    if not tables:
        return None
    rows = pa.concat_tables(tables).sort_by("position")
    expected = shard.first + np.arange(shard.rows)
    return rows if np.array_equal(rows["position"].to_numpy(), expected) else None
