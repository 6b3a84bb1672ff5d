"""Plan: which document, how often, in which order, in which shard.

Reads `documents` and `assignments`. One actor loads what it needs as narrow arrays indexed by document, runs
`curation.sampling` on them and writes `allocation` (a row a cell), `schedule` (a row a draw, in parts by split) and
`plan/shards.parquet` (a row a shard). All of it is a pure function of the committed tables, so a planner that dies
is started again from the beginning and writes the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curation import tables
from curation.config import Job
from curation.errors import CurationError, JobError, RunError
from curation.sampling.allocation import Allocation, allocate
from curation.sampling.balance import coverage
from curation.sampling.cells import cell_of, cell_totals
from curation.sampling.copies import copies
from curation.sampling.schedule import Schedule, schedule, shard_cuts
from curation.stages import workers
from curation.stages.centroids import load_centroids
from curation.stages.context import Result, Run, Stage
from curation.stages.splits import load_splits, part_name
from curation.store import Part, Store

ALLOCATION, SHARDS = "allocation/allocation.parquet", "plan/shards.parquet"


def settings(job: Job) -> dict[str, Any]:
    """What the plan depends on besides documents and clusters."""
    return {
        "sampling": job.sampling.model_dump(),
        "blending": job.blending.model_dump(),
        "weights": domain_importance(job) if job.blending.weights != "none" else None,
        "domains": job.domains,
        "shard_bytes": job.output.shard_bytes,
        "seed": job.seed,
    }


def domain_importance(job: Job) -> list[float]:
    """The declared importance of each domain, in the order of `job.domains`."""
    weights = {source.domain: source.weight for source in job.sources}
    return [weights[domain] for domain in job.domains]


def work(run: Run) -> Result:
    """The stage."""
    import ray

    with run.reporter.stage("plan", 0) as progress:
        planner = ray.remote(num_cpus=1, max_restarts=workers.RETRIES, max_task_retries=workers.RETRIES)(Planner)
        result: Result = workers.outcome(planner.remote().plan.remote(run.store, run.job), "the planner")
        progress.advance(text=f"{result.stats['draws']} draws in {result.stats['shards']} shards")
    for text in shortfalls(run.job, result.stats):
        run.reporter.event("note", stage="plan", text=text)
    return result


def shortfalls(job: Job, stats: dict[str, Any]) -> list[str]:
    """What the plan could not give as the job asked for it, in words."""
    found = []
    if stats["tokens"] < 0.99 * stats["budget"]:
        found.append(
            f"{stats['tokens']} tokens are drawn instead of {stats['budget']}: the ratios are held within the clip"
        )
    for domain, wanted, got in zip(job.domains, stats["wanted_weights"] or [], stats["domain_weights"], strict=False):
        if abs(got - wanted) > 0.01:
            found.append(
                f"domain {domain} gets {got:.1%} instead of {wanted:.1%}: the clip leaves no more of it, or of others"
            )
    return found


STAGE = Stage("plan", ("plan", "allocation", "schedule"), ("documents", "assignments"), settings, work)


@dataclass(frozen=True)
class Eligible:
    """The documents that may be drawn, ascending by doc_id; all arrays have their length n.

    doc_id int64, cell int32, tokens int32, bytes int32, quality float32 (NaN: none), split int32 (index into the
    list of splits).
    """

    doc_id: NDArray[np.int64]
    cell: NDArray[np.int32]
    tokens: NDArray[np.int32]
    bytes: NDArray[np.int32]
    quality: NDArray[np.float32]
    split: NDArray[np.int32]


class Planner:
    """The driver actor that decides."""

    def plan(self, store: Store, job: Job) -> Result | CurationError:
        """Writes the plan; an error that a person must mend comes back as a value."""
        try:
            return make_plan(store, job)
        except CurationError as error:
            return error


def make_plan(store: Store, job: Job) -> Result:
    """Decides, and commits `allocation`, `schedule` and the list of shards."""
    splits = [split.split_id for split in load_splits(store)]
    clusters = len(load_centroids(store))
    assigned = store.marker("assignments")
    documents = load_eligible(store, splits, job.domains, assigned.stats["documents"] if assigned else 0)
    cells = clusters * len(job.domains)
    count, available = cell_totals(documents.cell, documents.tokens, cells)
    allocation = allocate_budget(job, available.reshape(clusters, -1))
    quality = None if job.quality.column is None else documents.quality
    counts = copies(
        documents.doc_id,
        documents.cell,
        documents.tokens,
        allocation.target,
        clip=job.sampling.clip,
        seed=job.seed,
    )
    if not counts.any():
        raise JobError(
            f"sampling.budget: {allocation.total:.0f} tokens are less than half of the shortest document that could "
            f"be drawn; the corpus has {available.sum()} tokens"
        )
    drawn = schedule(
        documents.doc_id,
        documents.cell,
        documents.tokens,
        counts,
        allocation.pace,
        order=job.sampling.order,
        seed=job.seed,
        quality=quality,
        curriculum=job.sampling.curriculum,
    )
    realised = np.bincount(documents.cell, documents.tokens * counts.astype(np.float64), cells).astype(np.int64)
    parts = [
        store.write_table(ALLOCATION, allocation_table(job, allocation, count, available, realised)),
        *_write_schedule(store, job, documents, drawn, splits),
    ]
    used = coverage(documents.tokens, counts)
    importance = np.array(domain_importance(job)) * (available.reshape(clusters, -1).sum(axis=0) > 0)
    stats = {
        "budget": round(budget_tokens(job, available)),
        "wanted_weights": None if job.blending.weights == "none" else (importance / importance.sum()).tolist(),
        "draws": len(drawn.document),
        "tokens": used.drawn_tokens,
        "unique_tokens": used.unique_tokens,
        "effective_tokens": round(used.effective_tokens),
        "documents": used.documents,
        "used_documents": used.used_documents,
        "repetitions": used.repetitions.tolist(),
        "shards": parts[1].rows,
        "domain_weights": [float(weight) for weight in allocation.domain_weights],
    }
    return Result(parts, stats)


def load_eligible(store: Store, splits: list[int], domains: list[str], total: int) -> Eligible:
    """Reads the arrays that the plan is made from, split by split; `total` documents have an assignment."""
    number = {domain: index for index, domain in enumerate(domains)}
    narrow: dict[str, Any] = {"doc_id": np.int64, "cell": np.int32, "tokens": np.int32, "bytes": np.int32}
    narrow |= {"quality": np.float32, "split": np.int32}
    arrays: dict[str, NDArray[Any]] = {name: np.empty(total, kind) for name, kind in narrow.items()}
    start = 0
    for index, split in enumerate(splits):
        assigned = store.read_table(part_name("assignments", split), ["doc_id", "cluster"])
        doc_id = assigned["doc_id"].to_numpy()
        if not len(doc_id):
            continue
        documents = store.read_table(part_name("documents", split), ["doc_id", "domain", "tokens", "bytes", "quality"])
        rows = doc_id - documents["doc_id"][0].as_py()
        domain = np.full(len(rows), number[documents["domain"][0].as_py()], np.int32)
        place = slice(start, start + len(rows))
        arrays["doc_id"][place] = doc_id
        arrays["cell"][place] = cell_of(assigned["cluster"].to_numpy(), domain, len(domains))
        arrays["split"][place] = index
        for name in ("tokens", "bytes", "quality"):
            arrays[name][place] = documents[name].to_numpy()[rows]
        start += len(rows)
    if start != total:
        raise RunError(f"assignments: {start} documents, and the stage counted {total}; see `curation verify`")
    return Eligible(**arrays)


def allocate_budget(job: Job, available: NDArray[np.int64]) -> Allocation:
    """The tokens of each cell, from the job's budget, clip and weights."""
    tokens = budget_tokens(job, available)
    if tokens < 1:
        raise JobError(f"sampling.budget: {tokens:g} tokens is less than one token; raise it")
    return allocate(
        available,
        budget=tokens,
        clip=job.sampling.clip,
        exponent=job.sampling.cluster_exponent,
        domain_weights=None if job.blending.weights == "none" else np.array(domain_importance(job)),
        when_short=job.blending.when_short,
        domain_names=job.domains,
    )


def budget_tokens(job: Job, available: NDArray[np.int64]) -> float:
    """The budget in tokens; `available` are those of each cell."""
    budget = job.sampling.budget
    return float(budget.tokens) if budget.tokens else float(budget.epochs or 0) * float(available.sum())


def allocation_table(
    job: Job,
    allocation: Allocation,
    documents: NDArray[np.int64],
    available: NDArray[np.int64],
    realised: NDArray[np.int64],
) -> pa.Table:
    """The `allocation` table: the cells that hold documents."""
    cells = np.flatnonzero(available)
    domains = len(job.domains)
    arrays = [
        (cells // domains).astype(np.int32),
        pa.array(job.domains).take(pa.array(cells % domains)),
        documents[cells],
        available[cells],
        allocation.target.reshape(-1)[cells],
        realised[cells],
        realised[cells] / available[cells],
        allocation.clipped.reshape(-1)[cells],
    ]
    return pa.table(arrays, schema=tables.ALLOCATION)


def _write_schedule(store: Store, job: Job, documents: Eligible, drawn: Schedule, splits: list[int]) -> list[Part]:
    """Commits the list of shards and the schedule's parts; returns them in this order."""
    sizes = documents.bytes[drawn.document]
    first = shard_cuts(sizes, job.output.shard_bytes)
    stop = np.append(first[1:], len(sizes))
    shards: dict[str, NDArray[Any]] = {
        "shard": np.arange(len(first), dtype=np.int32),
        "first_position": first,
        "rows": stop - first,
        "tokens": np.add.reduceat(documents.tokens[drawn.document].astype(np.int64), first),
        "text_bytes": np.add.reduceat(sizes.astype(np.int64), first),
    }
    shard = np.repeat(shards["shard"], shards["rows"])
    split = documents.split[drawn.document]
    order = np.argsort(split, kind="stable")
    bounds = np.searchsorted(split[order], np.arange(len(splits) + 1))

    def write(index: int) -> Part:
        positions = order[bounds[index] : bounds[index + 1]]
        arrays = [
            documents.doc_id[drawn.document[positions]],
            drawn.repetition[positions].astype(np.int16),
            positions.astype(np.int64),
            shard[positions],
        ]
        return store.write_table(part_name("schedule", splits[index]), pa.table(arrays, schema=tables.SCHEDULE))

    with ThreadPoolExecutor(8) as threads:
        parts: Iterable[Part] = threads.map(write, range(len(splits)))
        return [store.write_table(SHARDS, pa.table(shards)), *parts]
