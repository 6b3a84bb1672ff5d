"""Plan: which document, how often, in which order, in which shard.

Reads `documents`, `assignments`, where weights are computed from the texts `profiles`, where they are fitted `learned`,
where groups of clusters are evened out `clusters`, and where tokens are capped `carriers`. One actor loads what it
needs as narrow arrays indexed by document (`eligible`), takes away what is for validation (`held_out`), decides phase
by phase (`phases`), draws the documents (`draws`) and writes `allocation` (a row a cell and phase), `schedule` (a row
for each of the shards, in parts by split), `plan/shards.parquet` (a row a shard) and `plan/weights.json` (the domain
weights and how they came about). All of it is a pure function of the committed tables, so a planner that dies is
started again from the beginning and writes the same bytes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from curation import tables
from curation.config import Job
from curation.errors import CurationError
from curation.sampling.balance import coverage
from curation.sampling.cells import cell_totals
from curation.stages import held_out, plan_tables, workers
from curation.stages.board import board, in_hand
from curation.stages.centroid_file import load_centroids
from curation.stages.clusters import load_groups
from curation.stages.context import Result, Run, Stage
from curation.stages.draws import draw_phases
from curation.stages.eligible import Cells, Eligible, cells_of, load_eligible
from curation.stages.learned_weights import load_learned
from curation.stages.phases import (
    PlannedPhase,
    phases_of,
)
from curation.stages.profiles import load_profiles
from curation.stages.splits import load_splits
from curation.stages.token_caps import cap_rows
from curation.stages.waiting import ready
from curation.storage.store import Store


def settings(job: Job) -> dict[str, Any]:
    """What the plan depends on besides documents and clusters."""
    strategies = job.strategies
    by_quality = job.draws_by_quality or "quality" in strategies
    return {
        "sampling": job.sampling.model_dump(exclude={"method"}),
        "blending": job.blending.model_dump(exclude=None if "auto" in strategies else {"reference", "bounds"}),
        "phases": [phase.model_dump() for phase in job.phases],
        "importance": job.importance if strategies & {"proportional", "quality"} else None,
        "clips": [source.clip for source in job.sources],
        "curve": job.quality.curve.model_dump() if by_quality else None,
        "domains": job.domains,
        "shard_bytes": job.output.shard_bytes,
        "validation": held_out.settings(job),
        "repetition": job.output.repetition,
        "seed": job.seed,
    }


def work(run: Run) -> Result:
    """The stage."""
    import ray

    with run.reporter.stage("plan", 0) as progress:
        options = {"max_restarts": workers.RETRIES, "max_task_retries": workers.RETRIES}
        planner = ray.remote(num_cpus=1, label_selector=dict(workers.PLACE), **options)(Planner)
        board().ask.remote()
        planned = planner.remote().plan.remote(run.store, run.job, board())
        ready([planned], "plan", {"CPU": 1})
        try:
            result: Result = workers.outcome(planned, "the planner")
        except workers.LostError as error:
            raise workers.lost_too_often("the planner", error) from error
        progress.advance(text=f"{result.stats['draws']} draws in {result.stats['shards']} shards")
    for text in shortfalls(run.job, result.stats):
        run.reporter.event("note", stage="plan", text=text)
    return result


def shortfalls(job: Job, stats: dict[str, Any]) -> list[str]:
    """What the plan could not give as the job asked for it, in words."""
    found = []
    if stats["without_quality"]:
        found.append(
            f"{stats['without_quality']} of {stats['documents']} documents have no quality; each counts as the mean of "
            "its domain"
        )
    if stats["validation"] and not stats["validation"]["documents"]:
        found.append(
            "nothing is held out for validation: the cells (a cluster in a domain) are too small for "
            "output.validation.fraction, or each holds copies of one text"
        )
    for phase in stats["phases"]:
        where = f"{phase['folder']}: " if phase["folder"] else ""
        if phase["target"] < 0.99 * phase["budget"]:
            found.append(
                f"{where}{phase['target']} tokens are to be drawn instead of {phase['budget']}: the ratios are held "
                f"within the clip{' and the token caps' if job.capped_tokens else ''}"
            )
        if abs(phase["tokens"] - phase["target"]) > 0.01 * phase["target"]:
            found.append(f"{where}{phase['tokens']} tokens are drawn for {phase['target']}: documents are drawn whole")
        shares = zip(job.domains, phase["wanted_weights"] or [], phase["target_weights"], strict=False)
        for domain, wanted, target in shares:
            if abs(target - wanted) > 0.01:
                found.append(
                    f"{where}domain {domain} gets {target:.1%} instead of {wanted:.1%}: the clip leaves no more of it, "
                    f"or of others{', within the token caps' if job.capped_tokens else ''}"
                )
        for domain, target, got in zip(job.domains, phase["target_weights"], phase["domain_weights"], strict=True):
            if abs(got - target) > 0.01:
                found.append(
                    f"{where}domain {domain} gets {got:.1%} instead of {target:.1%}: documents are drawn whole, and "
                    "some are long beside the budget"
                )
    return found


STAGE = Stage(
    "plan",
    ("plan", "allocation", "schedule"),
    ("documents", "assignments", "profiles", "clusters.grouping", "carriers", "learned"),
    settings,
    work,
)


class Planner:
    """The driver actor that decides."""

    def plan(self, store: Store, job: Job, board: Any) -> Result | CurationError:
        """Writes the plan; an error that a person must mend comes back as a value."""
        with in_hand(board, "plan"):
            try:
                return make_plan(store, job)
            except CurationError as error:
                return error


def make_plan(store: Store, job: Job) -> Result:
    """Decides, and commits `allocation`, `schedule`, the list of shards and the weights."""
    splits = load_splits(store)
    assigned = store.marker("assignments")
    total = assigned.stats["documents"] if assigned else 0
    content = held_out.reads_content(job)
    capped = bool(job.capped_tokens)
    documents = load_eligible(store, splits, job.domains, total, _reads_quality(job), content, with_carriers=capped)
    learned = load_learned(store, job)
    groups = learned.groups if learned and learned.of == "clusters" else load_groups(store, job)
    clusters = len(load_centroids(store))
    documents, held = held_out.hold_out(job, documents, cells_of(job, documents, clusters))
    cells = cells_of(job, documents, clusters, groups, learned)
    profiles = load_profiles(store) if "auto" in job.strategies else None
    phases, used = draw_phases(job, documents, cells, profiles)
    seen = coverage(documents.tokens, used)
    use = domain_use(job, documents, cells, used)
    del used
    stretches = plan_tables.stretches_of(job, documents, phases, held)
    shards = plan_tables.list_shards(stretches, job.output.shard_bytes)
    parts = [
        store.write_table(plan_tables.ALLOCATION, plan_tables.allocation_table(job, cells, phases, held)),
        store.write_table(plan_tables.SHARDS, shards),
        store.write_json(plan_tables.WEIGHTS, plan_tables.weights_record(job, phases)),
        *plan_tables.write_schedule(store, stretches, shards, splits),
    ]
    training = shards.filter(pc.not_equal(shards["phase"], tables.VALIDATION))
    stats = {
        "draws": sum(phase.draws for phase in phases),
        "tokens": seen.drawn_tokens,
        "rows": sum(len(phase.drawn.document) for phase in phases),
        "row_tokens": pc.sum(training["tokens"]).as_py(),
        "unique_tokens": seen.unique_tokens,
        "effective_tokens": round(seen.effective_tokens),
        "documents": seen.documents,
        "used_documents": seen.used_documents,
        "without_quality": int(np.isnan(documents.quality).sum()) if documents.quality is not None else 0,
        "left_out_documents": int(cells.documents[cells.left_out >= 0].sum()),
        "repetitions": seen.repetitions.tolist(),
        "shards": training.num_rows,
        "validation": None if held is None else held.stats | {"shards": shards.num_rows - training.num_rows},
        "phases": [_phase_stats(phase) for phase in phases],
        "domains": use,
    }
    if capped:
        stats["token_caps"] = cap_rows(job, documents, phases)
    return Result(parts, stats)


def domain_use(job: Job, documents: Eligible, cells: Cells, used: NDArray[np.int16]) -> list[dict[str, Any]]:
    """What of each domain is used: draws, and documents and their tokens that are drawn at least once."""
    draws, _ = cell_totals(documents.cell, documents.tokens, cells.tokens.size, used)
    different = cell_totals(documents.cell, documents.tokens, cells.tokens.size, np.minimum(used, 1))
    by_domain = [totals.reshape(cells.tokens.shape).sum(axis=0).tolist() for totals in (draws, *different)]
    names = ("domain", "draws", "used_documents", "unique_tokens")
    return [dict(zip(names, row, strict=True)) for row in zip(job.domains, *by_domain, strict=True)]


def _reads_quality(job: Job) -> bool:
    """Whether the plan needs the documents' quality."""
    requests = phases_of(job)
    by_quality = any(request.by_quality or request.weights == "quality" for request in requests)
    return by_quality or any(request.order == "curriculum" for request in requests)


def _phase_stats(phase: PlannedPhase) -> dict[str, Any]:
    decision = phase.decision
    wanted = decision.weighing.wanted
    by_domain = phase.realised.sum(axis=0)
    return {
        "folder": phase.request.folder,
        "order": phase.request.order,
        "budget": round(decision.budget),
        "target": round(decision.allocation.total),
        "tokens": int(phase.realised.sum()),
        "draws": phase.draws,
        "strategy": decision.weighing.strategy,
        "wanted_weights": None if wanted is None else wanted.tolist(),
        "target_weights": decision.allocation.domain_weights.tolist(),
        "domain_weights": (by_domain / by_domain.sum()).tolist(),
    }
