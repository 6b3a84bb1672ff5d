"""What a plan writes: allocation, list of shards, schedule by split, and the record of the weights."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curation import tables
from curation.config import Job
from curation.sampling.schedule import Schedule
from curation.sampling.shard_cuts import shard_cuts
from curation.sources.rows import Split
from curation.stages.eligible import Cells, Eligible
from curation.stages.phases import PlannedPhase
from curation.stages.splits import part_name
from curation.storage.store import Part, Store

ALLOCATION, SHARDS, WEIGHTS = "allocation/allocation.parquet", "plan/shards.parquet", "plan/weights.json"


def allocation_table(job: Job, cells: Cells, phases: list[PlannedPhase]) -> pa.Table:
    """The `allocation` table: for each phase the cells that hold documents."""
    found = np.flatnonzero(cells.documents)
    domains = len(job.domains)
    reasons = pa.array([exclusion.reason for exclusion in job.sampling.exclude], pa.string())
    number = cells.left_out.ravel()[found]
    available = cells.tokens.ravel()[found]
    parts = []
    for phase in phases:
        allocation, realised = phase.decision.allocation, phase.realised.ravel()[found]
        arrays = [
            np.full(len(found), phase.request.number, np.int16),
            (found // domains).astype(np.int32),
            pa.array(job.domains).take(pa.array(found % domains)),
            cells.documents.ravel()[found],
            available,
            allocation.target.ravel()[found],
            realised,
            realised / available,
            allocation.clipped.ravel()[found],
            reasons.take(pa.array(number, mask=number < 0)),
        ]
        parts.append(pa.table(arrays, schema=tables.ALLOCATION))
    return pa.concat_tables(parts)


def weights_record(job: Job, phases: list[PlannedPhase]) -> list[dict[str, Any]]:
    """For each phase the weight of each domain, asked for and realised, and how it came about."""
    record = []
    for phase in phases:
        weighing, by_domain = phase.decision.weighing, phase.realised.sum(axis=0)
        wanted = [None] * len(job.domains) if weighing.wanted is None else weighing.wanted.tolist()
        record.append(
            {
                "phase": phase.request.folder or None,
                "strategy": weighing.strategy,
                "weights": {
                    domain: {"wanted": wanted[d], "realised": float(by_domain[d] / by_domain.sum())}
                    for d, domain in enumerate(job.domains)
                },
                "because": weighing.because,
            }
        )
    return record


def list_shards(documents: Eligible, phases: list[PlannedPhase], shard_bytes: int) -> pa.Table:
    """The `plan/shards.parquet` table: a row a shard, cut phase by phase. `file` is its name without the suffix."""
    columns: dict[str, list[Any]] = {name: [] for name in tables.SHARDS.names}
    position = 0
    for phase in phases:
        sizes = documents.bytes[phase.drawn.document]
        first = shard_cuts(sizes, shard_bytes)
        folder = f"{phase.request.folder}/" if phase.request.folder else ""
        number = len(columns["shard"])
        columns["shard"] += range(number, number + len(first))
        columns["file"] += [f"{folder}shard-{index:05}" for index in range(len(first))]
        columns["phase"] += [phase.request.number] * len(first)
        columns["first_position"] += (position + first).tolist()
        columns["rows"] += (np.append(first[1:], len(sizes)) - first).tolist()
        columns["tokens"] += _sums(documents.tokens[phase.drawn.document], first)
        columns["text_bytes"] += _sums(sizes, first)
        position += len(sizes)
    return pa.table(columns, schema=tables.SHARDS)


def _sums(values: NDArray[Any], first: NDArray[np.int64]) -> list[int]:
    sums: list[int] = np.add.reduceat(values.astype(np.int64), first).tolist()
    return sums


def write_schedule(
    store: Store, documents: Eligible, drawn: list[Schedule], shards: pa.Table, splits: list[Split]
) -> list[Part]:
    """Commits the schedule's parts, a split each, the draws by ascending position.

    The draws are grouped by split with one radix sort: memory beside the plan is some 16 bytes a draw.
    """
    document = drawn[0].document if len(drawn) == 1 else np.concatenate([one.document for one in drawn])
    repetition = drawn[0].repetition if len(drawn) == 1 else np.concatenate([one.repetition for one in drawn])
    narrow = np.uint16 if len(splits) <= 1 << 16 else np.uint32
    sizes = np.diff(documents.ends, prepend=0)
    split = np.repeat(np.arange(len(splits), dtype=narrow), sizes)[document]
    bounds = np.concatenate([np.zeros(1, np.int64), np.cumsum(np.bincount(split, minlength=len(splits)))])
    order = np.argsort(split, kind="stable")
    del split
    shard_starts = shards["first_position"].to_numpy()[1:]
    schema = tables.schedule(int(documents.doc_id.max(initial=0)), len(document), shards.num_rows)

    def write(index: int) -> Part:
        positions = order[bounds[index] : bounds[index + 1]]
        arrays = [
            documents.doc_id[document[positions]],
            repetition[positions],
            positions,
            np.searchsorted(shard_starts, positions, side="right"),
        ]
        table = pa.table(
            [pa.array(array, field.type) for array, field in zip(arrays, schema, strict=True)], schema=schema
        )
        return store.write_table(part_name("schedule", splits[index].split_id), table)

    with ThreadPoolExecutor(8) as threads:
        return list(threads.map(write, range(len(splits))))
