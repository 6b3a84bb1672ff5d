"""Between the tables: sums over all splits are what the tables of clusters, cells, shards and stages say."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from curation import tables
from curation.config import Job
from curation.stages.centroid_file import load_fitted
from curation.stages.clusters import CLUSTERS, GROUPS
from curation.stages.duplicates import dropped_documents
from curation.stages.phases import phases_of
from curation.stages.plan_tables import ALLOCATION, SHARDS, WEIGHTS
from curation.stages.ray_cluster import share
from curation.stages.splits import load_splits
from curation.stages.workers import map_items
from curation.storage.store import Store
from curation.verify.files import Faults, sampled
from curation.verify.findings import Findings, Layout, fault_unless, row_keys
from curation.verify.held_out import check_held_out, held_out_texts
from curation.verify.shards import check_shards
from curation.verify.splits import TASK_SPLITS, check_splits
from curation.verify.token_caps import check_caps

#: Positions whose keys are summed at a time.
_POSITIONS = 1 << 22


def check_tables(store: Store, job: Job, sample: float, inputs: bool = True) -> Faults:
    """Every check of the tables: None where it holds, otherwise what is wrong and in which file."""
    splits = load_splits(store)
    shards = store.read_table(SHARDS)
    starts, stops = shards["first_position"].to_numpy(), phase_stops(shards)
    held = held_out_texts(store, job, splits, int(stops[-1]))
    layout = Layout(dropped_documents(store), starts, stops, held, load_fitted(store))
    total = Findings.none(len(layout.fitted.centroids), shards.num_rows)
    first = 0
    for split in splits:
        yield fault_unless(split.first_doc_id == first, f"sources/splits.parquet: split {split.split_id} leaves a gap")
        first += split.rows
    left = iter(list(zip(splits, sampled(job, "splits", len(splits), sample), strict=True)))
    batches = iter(lambda: list(islice(left, TASK_SPLITS)), [])
    for _, findings in map_items(batches, check_splits, store, job, share(layout), tasks=job.resources.tasks):
        yield from findings.faults
        total.add(findings)
    yield from _counts(store, total, first, len(layout.dropped))
    yield from _clusters(store, job, total)
    yield from _positions(shards, total)
    yield from _allocation(job, store.read_table(ALLOCATION), total.drawn)
    yield from check_held_out(job, store.read_table(ALLOCATION), total)
    yield from check_caps(store, job, total)
    yield from _weights(store, store.read_table(ALLOCATION))
    yield from check_shards(store, job, shards, total, sample, inputs)


def phase_stops(shards: pa.Table) -> NDArray[np.int64]:
    """The position after the last row of each phase: int64[phases]."""
    training = shards.filter(pc.not_equal(shards["phase"], tables.VALIDATION))
    stops = training["first_position"].to_numpy() + training["rows"].to_numpy()
    last = np.append(np.flatnonzero(np.diff(training["phase"].to_numpy())), len(stops) - 1)
    found: NDArray[np.int64] = stops[last]
    return found


def _counts(store: Store, total: Findings, rows: int, dropped: int) -> Faults:
    """What each stage counted follows from what the stage before it counted, and is what the tables hold."""
    counted = {
        ("sources", "rows"): rows,
        ("documents", "documents"): total.documents,
        ("documents", "rejected"): total.rejected,
        ("duplicates", "dropped"): dropped,
        ("embeddings", "documents"): total.documents - total.rejected - dropped,
        ("assignments", "documents"): total.kept,
        ("plan", "draws"): total.draws,
        ("plan", "rows"): total.rows - total.held_rows,
        ("shards", "rows"): total.rows - total.held_rows,
    }
    for (stage, name), number in counted.items():
        marker = store.marker(stage)
        told = marker.stats.get(name) if marker else None
        yield fault_unless(told == number, f"{stage}/_done.json: counts {told} {name}, and the tables have {number}")


def _clusters(store: Store, job: Job, total: Findings) -> Faults:
    clusters = store.read_table(CLUSTERS)
    same = np.array_equal(total.sizes, clusters["documents"].to_numpy())
    yield fault_unless(same, f"{CLUSTERS}: sizes are not those of the assignments")
    same = np.array_equal(total.tokens, clusters["tokens"].to_numpy())
    yield fault_unless(same, f"{CLUSTERS}: tokens are not those of the documents")
    if job.clustering.groups:
        yield _groups(store, job.clustering.grouping != "spectral")


def _positions(shards: pa.Table, total: Findings) -> Faults:
    """Positions are 0 to the last, each once; shards follow one another."""
    first, rows = shards["first_position"].to_numpy(), shards["rows"].to_numpy()
    gapless = np.array_equal(first, np.cumsum(rows) - rows)
    yield fault_unless(gapless, f"{SHARDS}: a shard does not begin where the one before it ends")
    expected = 0
    for start in range(0, total.rows, _POSITIONS):
        block = np.arange(start, min(start + _POSITIONS, total.rows))
        expected = (expected + int(row_keys({"position": block}).sum())) % 2**64
    yield fault_unless(expected == total.position_keys, "schedule: positions are not 0 to the last, each once")


def _groups(store: Store, nested: bool) -> str | None:
    """Every cluster is in a group, each group of a tree in one of the level above, and the topmost count their own."""
    clusters, groups = store.read_table(CLUSTERS), store.read_table(GROUPS)
    paths = clusters["path"].to_pylist()
    if clusters["group"].to_pylist() != [path[0] for path in paths if path]:
        return f"{CLUSTERS}: a cluster's path does not begin with its group"
    for depth in range(1, len(paths[0])) if nested else ():
        above = {tuple(path[: depth + 1]) for path in paths}
        if len({path[depth] for path in paths}) != len(above):
            return f"{CLUSTERS}: a group of level {depth} lies in two groups of the level above it"
    held = clusters.group_by("group").aggregate([("cluster", "count"), ("documents", "sum"), ("tokens", "sum")])
    told = groups.select(["group", "clusters", "documents", "tokens"]).to_pydict()
    agrees = list(held.sort_by("group").to_pydict().values()) == list(told.values())
    return fault_unless(agrees, f"{GROUPS}: its counts are not those of the clusters in each group")


def _allocation(job: Job, allocation: pa.Table, drawn: dict[tuple[int, int, str], int]) -> Faults:
    rows = allocation.to_pylist()
    realised = {
        (row["phase"], row["cluster"], row["domain"]): row["realised_tokens"] for row in rows if row["realised_tokens"]
    }
    yield fault_unless(realised == drawn, f"{ALLOCATION}: realised tokens are not those of the schedule")
    clips = [dict(zip(job.domains, request.clips.tolist(), strict=True)) for request in phases_of(job)]
    within = all(row["realised_tokens"] <= clips[row["phase"]][row["domain"]] * row["available_tokens"] for row in rows)
    yield fault_unless(within, f"{ALLOCATION}: a cell gives more than the clip allows")
    kept_out = all(row["realised_tokens"] == 0 for row in rows if row["left_out"] is not None)
    yield fault_unless(kept_out, f"{ALLOCATION}: a cell is drawn from that sampling.exclude names")
    named = {(exclusion.cluster, exclusion.domain) for exclusion in job.sampling.exclude}
    listed = all(
        row["left_out"] is not None
        for row in rows
        if named & {(row["cluster"], row["domain"]), (row["cluster"], None), (None, row["domain"])}
    )
    yield fault_unless(listed, f"{ALLOCATION}: a cell that sampling.exclude names is not listed as left out")


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
        yield fault_unless(agrees, f"{WEIGHTS}: the realised weights are not those of the allocation")
