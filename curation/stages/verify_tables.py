"""Verify, the tables: what the tables and shards of a run promise to each other.

Read only when every file is there and unchanged (`verify`). Split by split where that is possible; what is held for
the whole run is the hash of every document and the plan by position, some 30 bytes a document and draw.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from curation.config import Job
from curation.sources.rows import Split
from curation.stages.clusters import CLUSTERS, GROUPS
from curation.stages.documents import text_hash
from curation.stages.duplicates import dropped_documents, kept_documents
from curation.stages.phases import phases_of
from curation.stages.plan_tables import ALLOCATION, SHARDS, WEIGHTS
from curation.stages.shards import INDEX
from curation.stages.splits import load_splits, part_name
from curation.stages.verify_vectors import check_repeats, check_vectors
from curation.store import Store

Faults = Iterator[str | None]


def _check(holds: bool, fault: str) -> str | None:
    return None if holds else fault


def check_tables(store: Store, job: Job) -> Faults:
    """Every check of the tables: None where it holds, otherwise what is wrong and in which file."""
    splits = load_splits(store)
    clusters = store.read_table(CLUSTERS, ["cluster", "documents"])
    allocation = store.read_table(ALLOCATION)
    shards = store.read_table(SHARDS)
    dropped = dropped_documents(store)
    sizes = np.zeros(clusters.num_rows, np.int64)
    positions: list[NDArray[np.int64]] = []
    drawn_tokens: dict[tuple[int, int, str], int] = {}
    stops = phase_stops(shards)
    first = 0
    for split in splits:
        yield _check(split.first_doc_id == first, f"sources/splits.parquet: split {split.split_id} leaves a gap")
        first += split.rows
        documents = store.read_table(part_name("documents", split.split_id))
        yield from _documents(store, split, documents)
        yield from check_vectors(store, split)
        kept = documents["doc_id"].to_numpy()[kept_documents(documents, dropped)]
        assigned = store.read_table(part_name("assignments", split.split_id))
        for table in ("embeddings", "assignments"):
            found = store.read_table(part_name(table, split.split_id), ["doc_id"])["doc_id"].to_numpy()
            fault = f"{part_name(table, split.split_id)}: its documents are not the kept ones, each once, in order"
            yield _check(np.array_equal(found, kept), fault)
        cluster = assigned["cluster"].to_numpy()
        known = not len(cluster) or (cluster.min() >= 0 and cluster.max() < len(sizes))
        yield _check(known, f"{part_name('assignments', split.split_id)}: names a cluster that there is not")
        if known:
            sizes += np.bincount(cluster, minlength=len(sizes))
        schedule = store.read_table(part_name("schedule", split.split_id))
        domain = documents["domain"][0].as_py()
        yield from _schedule(job, split, schedule, kept, stops, domain)
        positions.append(schedule["position"].to_numpy())
        _count_draws(drawn_tokens, documents, assigned, schedule, stops)
    agrees = np.array_equal(sizes, clusters["documents"].to_numpy())
    yield _check(agrees, f"{CLUSTERS}: sizes are not those of the assignments")
    if job.clustering.groups:
        yield _groups(store)
    everywhere = np.sort(np.concatenate([np.empty(0, np.int64), *positions]))
    yield _check(
        np.array_equal(everywhere, np.arange(len(everywhere))), "schedule: positions are not 0 to the last, each once"
    )
    yield from _allocation(job, allocation, drawn_tokens)
    yield from _weights(store, allocation)
    hashes = _content_hashes(store, splits)
    yield from _duplicates(store, hashes, dropped)
    yield check_repeats(store, splits)
    yield from _shards(store, splits, shards, len(everywhere), hashes)


def _groups(store: Store) -> str | None:
    """Every cluster is in a group, and the groups count what is in their clusters."""
    clusters, groups = store.read_table(CLUSTERS), store.read_table(GROUPS)
    held = clusters.group_by("group").aggregate([("cluster", "count"), ("documents", "sum"), ("tokens", "sum")])
    told = groups.select(["group", "clusters", "documents", "tokens"]).to_pydict()
    agrees = list(held.sort_by("group").to_pydict().values()) == list(told.values())
    return _check(agrees, f"{GROUPS}: its counts are not those of the clusters in each group")


def _documents(store: Store, split: Split, documents: pa.Table) -> Faults:
    name = part_name("documents", split.split_id)
    expected = np.arange(split.first_doc_id, split.first_doc_id + split.rows)
    yield _check(np.array_equal(documents["doc_id"].to_numpy(), expected), f"{name}: doc_ids are not dense")
    reasons = pc.is_valid(documents["drop_reason"])
    explained = pc.all(pc.equal(reasons, pc.invert(documents["keep"]))).as_py()
    yield _check(explained is not False, f"{name}: a row is dropped without a reason, or kept with one")
    heuristics = part_name("heuristics", split.split_id)
    if store.exists(heuristics):
        judged = store.read_table(heuristics, ["doc_id"])["doc_id"].to_numpy()
        yield _check(np.array_equal(judged, expected), f"{heuristics}: its rows are not the split's documents")
    rejected = part_name("rejected", split.split_id)
    listed = store.read_table(rejected, ["doc_id"])["doc_id"].to_pylist() if store.exists(rejected) else []
    bad = documents.filter(pc.invert(documents["keep"]))["doc_id"].to_pylist()
    yield _check(listed == bad, f"{rejected}: does not list the rows that are not kept")


def _duplicates(store: Store, hashes: NDArray[np.bytes_], dropped: NDArray[np.int64]) -> Faults:
    for name in store.list("duplicates"):
        if not name.endswith(".parquet"):
            continue
        table = store.read_table(name)
        copy, kept = table["doc_id"].to_numpy(), table["kept_doc_id"].to_numpy()
        yield _check(bool((kept < copy).all()), f"{name}: a document is kept in place of an earlier one")
        yield _check(
            bool((hashes[kept] == hashes[copy]).all()), f"{name}: two documents differ that are listed as copies"
        )
        yield _check(not np.isin(kept, dropped).any(), f"{name}: a document is kept and dropped")


def phase_stops(shards: pa.Table) -> NDArray[np.int64]:
    """The position after the last draw of each phase: int64[phases]."""
    stops = shards["first_position"].to_numpy() + shards["rows"].to_numpy()
    last = np.append(np.flatnonzero(np.diff(shards["phase"].to_numpy())), len(stops) - 1)
    found: NDArray[np.int64] = stops[last]
    return found


def _schedule(
    job: Job, split: Split, schedule: pa.Table, kept: NDArray[np.int64], stops: NDArray[np.int64], domain: str
) -> Faults:
    name = part_name("schedule", split.split_id)
    doc_id, repetition = schedule["doc_id"].to_numpy(), schedule["repetition"].to_numpy()
    yield _check(bool(np.isin(doc_id, kept).all()), f"{name}: draws a document that was not kept")
    order = np.lexsort((schedule["position"].to_numpy(), doc_id))
    _, starts, counts = np.unique(doc_id[order], return_index=True, return_counts=True)
    running = np.arange(len(doc_id)) - np.repeat(starts, counts)
    counted = np.array_equal(repetition[order], running)
    yield _check(counted, f"{name}: repetitions do not count a document's draws in order of position")
    clips = np.array([request.clips[job.domains.index(domain)] for request in phases_of(job)])
    phase = np.searchsorted(stops, schedule["position"].to_numpy(), side="right")
    yield _check(bool((repetition < clips[phase]).all()), f"{name}: a document is drawn above the clip")


def _count_draws(
    drawn: dict[tuple[int, int, str], int],
    documents: pa.Table,
    assigned: pa.Table,
    schedule: pa.Table,
    stops: NDArray[np.int64],
) -> None:
    """Adds the tokens that a split's draws take from each cell, by phase, cluster and domain."""
    if not schedule.num_rows:
        return
    doc_id = schedule["doc_id"].to_numpy()
    domain = documents["domain"][0].as_py()
    tokens = documents["tokens"].to_numpy()[doc_id - documents["doc_id"][0].as_py()].astype(np.int64)
    cluster = assigned["cluster"].to_numpy()[np.searchsorted(assigned["doc_id"].to_numpy(), doc_id)]
    phase = np.searchsorted(stops, schedule["position"].to_numpy(), side="right")
    for number in np.unique(phase).tolist():
        here = phase == number
        sums = np.bincount(cluster[here], tokens[here])
        for place in np.flatnonzero(sums).tolist():
            key = (number, place, domain)
            drawn[key] = drawn.get(key, 0) + int(sums[place])


def _allocation(job: Job, allocation: pa.Table, drawn: dict[tuple[int, int, str], int]) -> Faults:
    rows = allocation.to_pylist()
    realised = {
        (row["phase"], row["cluster"], row["domain"]): row["realised_tokens"] for row in rows if row["realised_tokens"]
    }
    yield _check(realised == drawn, f"{ALLOCATION}: realised tokens are not those of the schedule")
    clips = [dict(zip(job.domains, request.clips.tolist(), strict=True)) for request in phases_of(job)]
    within = all(row["realised_tokens"] <= clips[row["phase"]][row["domain"]] * row["available_tokens"] for row in rows)
    yield _check(within, f"{ALLOCATION}: a cell gives more than the clip allows")
    kept_out = all(row["realised_tokens"] == 0 for row in rows if row["left_out"] is not None)
    yield _check(kept_out, f"{ALLOCATION}: a cell is drawn from that sampling.exclude names")
    named = {(exclusion.cluster, exclusion.domain) for exclusion in job.sampling.exclude}
    listed = all(
        row["left_out"] is not None
        for row in rows
        if named & {(row["cluster"], row["domain"]), (row["cluster"], None), (None, row["domain"])}
    )
    yield _check(listed, f"{ALLOCATION}: a cell that sampling.exclude names is not listed as left out")


def _weights(store: Store, allocation: pa.Table) -> Faults:
    """The record of the weights says what was drawn."""
    for number, phase in enumerate(store.read_json(WEIGHTS)):
        rows = allocation.filter(pc.equal(allocation["phase"], number))
        sums = rows.group_by("domain").aggregate([("realised_tokens", "sum")])
        total = pc.sum(rows["realised_tokens"]).as_py()
        got = dict(zip(sums["domain"].to_pylist(), sums["realised_tokens_sum"].to_pylist(), strict=True))
        agrees = all(
            abs(weight["realised"] - got.get(domain, 0) / total) < 1e-9 for domain, weight in phase["weights"].items()
        )
        yield _check(agrees, f"{WEIGHTS}: the realised weights are not those of the allocation")


def _shards(store: Store, splits: list[Split], listed: pa.Table, draws: int, hashes: NDArray[np.bytes_]) -> Faults:
    index = json.loads(store.read_bytes(INDEX))
    rows = sum(shard["rows"] for shard in index["shards"])
    yield _check(rows == draws == index["rows"], f"{INDEX}: has {rows} rows, and the schedule {draws}")
    marker = store.marker("shards")
    written = {part.name: part for part in marker.parts} if marker else {}
    plan = _plan_by_position(store, splits, draws)
    for shard, row in zip(index["shards"], listed.to_pylist(), strict=True):
        part = written.get(f"shards/{shard['file']}")
        agrees = part and (part.rows, part.bytes, part.sha256) == (shard["rows"], shard["bytes"], shard["sha256"])
        planned = all(shard[key] == row[key] for key in ("rows", "tokens", "text_bytes"))
        yield _check(bool(agrees and planned), f"{INDEX}: does not agree with the plan on {shard['file']}")
        yield _shard(store, f"shards/{shard['file']}", shard, row["first_position"], plan, hashes)


def _shard(
    store: Store, name: str, shard: dict[str, Any], first: int, plan: pa.Table, hashes: NDArray[np.bytes_]
) -> str | None:
    table = store.read_table(name, ["text", "doc_id", "cluster", "repetition"])
    planned = plan.slice(first, table.num_rows)
    if table.num_rows != shard["rows"]:
        return f"{name}: has {table.num_rows} rows, and {INDEX} says {shard['rows']}"
    if not table.select(["doc_id", "cluster", "repetition"]).equals(planned):
        return f"{name}: its rows are not the schedule's, in order"
    doc_id = table["doc_id"].to_numpy()
    for chunk in range(0, table.num_rows, 1024):
        texts = table["text"].slice(chunk, 1024).to_pylist()
        for text, document in zip(texts, doc_id[chunk : chunk + 1024], strict=True):
            if text_hash(text) != hashes[document].tobytes():
                return f"{name}: the text of document {document} is not the one that was read"
    return None


def _plan_by_position(store: Store, splits: list[Split], draws: int) -> pa.Table:
    """doc_id, cluster and repetition of every draw, by position."""
    columns: dict[str, NDArray[Any]] = {
        "doc_id": np.empty(draws, np.int64),
        "cluster": np.empty(draws, np.int32),
        "repetition": np.empty(draws, np.int16),
    }
    for split in splits:
        part = store.read_table(part_name("schedule", split.split_id), ["doc_id", "repetition", "position"])
        assigned = store.read_table(part_name("assignments", split.split_id), ["doc_id", "cluster"])
        position, doc_id = part["position"].to_numpy(), part["doc_id"].to_numpy()
        own = np.searchsorted(assigned["doc_id"].to_numpy(), doc_id)
        columns["doc_id"][position] = doc_id
        columns["cluster"][position] = assigned["cluster"].to_numpy()[own]
        columns["repetition"][position] = part["repetition"].to_numpy()
    return pa.table(columns)


def _content_hashes(store: Store, splits: list[Split]) -> NDArray[np.bytes_]:
    """The 16-byte hash of every document, as void16[N]; rejected rows have zeros."""
    hashes = []
    for split in splits:
        column = store.read_table(part_name("documents", split.split_id), ["content_hash"])["content_hash"]
        filled = pc.fill_null(column, pa.scalar(bytes(16), pa.binary(16))).combine_chunks()
        hashes.append(np.frombuffer(b"".join(filled.to_pylist()), "V16"))
    return np.concatenate(hashes)
