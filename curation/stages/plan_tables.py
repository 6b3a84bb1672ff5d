"""What a plan writes: allocation, list of shards, schedule by split, and the record of the weights."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curation import tables
from curation.config import Job
from curation.sampling.shard_cuts import shard_cuts
from curation.sources.rows import Split
from curation.stages.eligible import Cells, Eligible
from curation.stages.held_out import FOLDER, HeldOut
from curation.stages.phases import PlannedPhase
from curation.stages.splits import part_name
from curation.storage.store import Part, Store

ALLOCATION, SHARDS, WEIGHTS = "allocation/allocation.parquet", "plan/shards.parquet", "plan/weights.json"


@dataclass(frozen=True)
class Stretch:
    """Consecutive rows of the output, with shards of their own: a phase, or what is held out for validation."""

    phase: int
    """Its number, or `tables.VALIDATION`."""
    folder: str
    """Folder in `shards`; empty: none."""
    documents: Eligible
    document: NDArray[Any]
    """int32[rows] (int64 beyond 2^31): index into `documents`, in the order of the output."""
    repetition: NDArray[np.int16]
    """int16[rows]."""
    weight: NDArray[np.int16] | None
    """int16[rows], `sample_weight`; None: a row is a draw."""


def stretches_of(job: Job, documents: Eligible, phases: list[PlannedPhase], held: HeldOut | None) -> list[Stretch]:
    """The whole output in order: the phases, then what is held out."""
    found = [
        Stretch(
            phase.request.number,
            phase.request.folder,
            documents,
            phase.drawn.document,
            phase.drawn.repetition,
            phase.weight,
        )
        for phase in phases
    ]
    if held is not None:
        once = np.ones(len(held.order), np.int16)
        weight = once if job.output.repetition == "weight" else None
        found.append(Stretch(tables.VALIDATION, FOLDER, held.documents, held.order, np.zeros_like(once), weight))
    return found


def allocation_table(job: Job, cells: Cells, phases: list[PlannedPhase], held: HeldOut | None) -> pa.Table:
    """The `allocation` table: for each phase the cells that hold documents."""
    found = np.flatnonzero(cells.documents)
    domains = len(job.domains)
    reasons = pa.array([exclusion.reason for exclusion in job.sampling.exclude], pa.string())
    number = cells.left_out.ravel()[found]
    available = cells.tokens.ravel()[found]
    held_out = np.zeros(len(found), np.int64) if held is None else held.cells.ravel()[found]
    parts = []
    for phase in phases:
        allocation, realised = phase.decision.allocation, phase.realised.ravel()[found]
        arrays = [
            np.full(len(found), phase.request.number, np.int16),
            (found // domains).astype(np.int32),
            pa.array(job.domains).take(pa.array(found % domains)),
            cells.documents.ravel()[found],
            available,
            held_out,
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


def list_shards(stretches: list[Stretch], shard_bytes: int) -> pa.Table:
    """The `plan/shards.parquet` table: a row a shard, cut stretch by stretch. `file` is its name without the suffix."""
    columns: dict[str, list[Any]] = {name: [] for name in tables.SHARDS.names}
    position = 0
    for stretch in stretches:
        sizes = stretch.documents.bytes[stretch.document]
        first = shard_cuts(sizes, shard_bytes)
        if not len(first):
            continue
        folder = f"{stretch.folder}/" if stretch.folder else ""
        number = len(columns["shard"])
        columns["shard"] += range(number, number + len(first))
        columns["file"] += [f"{folder}shard-{index:05}" for index in range(len(first))]
        columns["phase"] += [stretch.phase] * len(first)
        columns["first_position"] += (position + first).tolist()
        columns["rows"] += (np.append(first[1:], len(sizes)) - first).tolist()
        columns["tokens"] += _sums(stretch.documents.tokens[stretch.document], first)
        columns["text_bytes"] += _sums(sizes, first)
        position += len(sizes)
    return pa.table(columns, schema=tables.SHARDS)


def _sums(values: NDArray[Any], first: NDArray[np.int64]) -> list[int]:
    sums: list[int] = np.add.reduceat(values.astype(np.int64), first).tolist()
    return sums


def write_schedule(store: Store, stretches: list[Stretch], shards: pa.Table, splits: list[Split]) -> list[Part]:
    """Commits the schedule's parts, a split each, the rows by ascending position.

    The rows are grouped by split with one radix sort: memory beside the plan is some 10 bytes a row.
    """
    begins = np.cumsum([0, *(len(stretch.document) for stretch in stretches)])
    split = _split_of_rows(stretches, len(splits))
    bounds = np.concatenate([np.zeros(1, np.int64), np.cumsum(np.bincount(split, minlength=len(splits)))])
    order = np.argsort(split, kind="stable")
    del split
    shard_starts = shards["first_position"].to_numpy()[1:]
    last_doc_id = max(int(stretch.documents.doc_id.max(initial=0)) for stretch in stretches)
    weighted = stretches[0].weight is not None
    schema = tables.schedule(last_doc_id, int(begins[-1]), shards.num_rows, weighted=weighted)

    def write(index: int) -> Part:
        positions = order[bounds[index] : bounds[index + 1]]
        shard = np.searchsorted(shard_starts, positions, side="right")
        cuts = np.searchsorted(positions, begins)
        pieces = []
        for stretch, begin, low, high in zip(stretches, begins, cuts, cuts[1:], strict=False):
            rows = positions[low:high] - begin
            arrays = [stretch.documents.doc_id[stretch.document[rows]], stretch.repetition[rows]]
            arrays += [positions[low:high], shard[low:high]]
            arrays += [] if stretch.weight is None else [stretch.weight[rows]]
            pieces.append(pa.table([pa.array(a, f.type) for a, f in zip(arrays, schema, strict=True)], schema=schema))
        return store.write_table(part_name("schedule", splits[index].split_id), pa.concat_tables(pieces))

    with ThreadPoolExecutor(8) as threads:
        return list(threads.map(write, range(len(splits))))


def _split_of_rows(stretches: list[Stretch], splits: int) -> NDArray[Any]:
    """The split of each row's document: uint16[rows], or uint32."""
    narrow = np.uint16 if splits <= 1 << 16 else np.uint32
    found = []
    for stretch in stretches:
        sizes = np.diff(stretch.documents.ends, prepend=0)
        found.append(np.repeat(np.arange(splits, dtype=narrow), sizes)[stretch.document])
    return found[0] if len(found) == 1 else np.concatenate(found)
