"""The figures of a swept job: what it would draw, decided by the planner's own functions on the table of cells.

See `sweep` for what is exact and what is not. Where tokens are capped, the cells are cut into classes as in the plan.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from curation.config import Job
from curation.counter_rng import nth_seed
from curation.report.sweep_text import Figures
from curation.sampling.balance import effective_number, effective_tokens, gini
from curation.sampling.cells import cell_totals
from curation.sampling.copies import copies
from curation.sampling.validation import quotas
from curation.stages.centroid_file import Fitted
from curation.stages.clusters import paths_of, paths_to_even
from curation.stages.draws import judge, spent_before
from curation.stages.eligible import Cells, Eligible, left_out, most_draws
from curation.stages.held_out import hold_out
from curation.stages.learned_weights import Learned
from curation.stages.phases import Decision, Profiles, Spent, decide, phases_of
from curation.stages.token_caps import by_class, classes_of, table_of, trim_draws, within_caps


@dataclass(frozen=True)
class Clustered:
    """Documents under one clustering, and what the cells hold."""

    documents: Eligible
    count: NDArray[np.int64]
    """int64[C, D]: documents in `documents`."""
    tokens: NDArray[np.int64]
    """int64[C, D]: tokens in the corpus."""
    scale: NDArray[np.float64]
    """float64[D]: tokens in the corpus for one in `documents`."""
    sampled: bool
    fitted: Fitted
    """The clusters."""


def figures(job: Job, seen: Clustered, measured: Profiles | None, learned: Learned | None = None) -> Figures:
    """What a job would draw. Raises JobError where the allocation refuses it."""
    even = job.sampling.balance == "clusters"
    groups = None if even else paths_to_even(job, paths_of(job, seen.fitted))
    if learned and learned.of == "clusters":
        groups = learned.groups
    cells = Cells(seen.count, seen.tokens, left_out(job, len(seen.tokens)), groups, learned)
    seen, cells = without_validation(job, seen, cells)
    by_quality = any(request.by_quality for request in phases_of(job))
    decisions, unique = (_by_documents if by_quality else _by_cells)(job, seen, cells, measured)
    drawn = np.sum([decision.allocation.target for decision in decisions], axis=0)
    before, after = cells.tokens.sum(axis=1), drawn.sum(axis=1)
    total = float(after.sum())
    asked = [(decision.weighing.wanted, decision.allocation.domain_weights) for decision in decisions]
    is_open = cells.open_tokens > 0
    clipped = [(decision.allocation.clipped | ~is_open).all(axis=1) for decision in decisions]
    return Figures(
        clusters=len(before),
        sampled=seen.sampled,
        gini=(gini(before), gini(after)),
        effective_clusters=(effective_number(before), effective_number(after)),
        unique_share=unique / float(before.sum()),
        worth=effective_tokens(unique, total) / total,
        clipped=int((np.any(clipped, axis=0) & is_open.any(axis=1)).sum()),
        off=max((float(np.abs(wanted - got).max()) for wanted, got in asked if wanted is not None), default=None),
        tokens=total,
    )


def without_validation(job: Job, seen: Clustered, cells: Cells) -> tuple[Clustered, Cells]:
    """What is left to draw from. A sample gives of each cell's tokens the share of documents that the corpus would."""
    wanted = job.output.validation
    if wanted is None:
        return seen, cells
    if not seen.sampled:
        documents, _ = hold_out(job, seen.documents, cells)
        count, tokens = (
            t.reshape(cells.tokens.shape) for t in cell_totals(documents.cell, documents.tokens, cells.tokens.size)
        )
        return replace(seen, documents=documents), replace(cells, documents=count, tokens=tokens)
    whole = np.rint(np.where(cells.left_out < 0, cells.documents, 0) * seen.scale).astype(np.int64)
    given = quotas(whole.ravel(), wanted.fraction, wanted.min_documents).reshape(whole.shape)
    left = 1.0 - given / np.maximum(whole, 1)
    return seen, replace(cells, tokens=np.rint(cells.tokens * left).astype(np.int64))


def _by_cells(job: Job, seen: Clustered, cells: Cells, measured: Profiles | None) -> tuple[list[Decision], float]:
    """What is decided for each phase, and how many different tokens are drawn."""
    decisions: list[Decision] = []
    drawn = np.zeros(cells.tokens.shape)
    carriers = by_class(job, seen.documents, cells)
    there, of_class = cells.tokens[:, :, None].astype(np.float64), np.zeros((1, 1, 1))
    for request in phases_of(job):
        room = np.rint(np.maximum(cells.open_tokens * request.clips - drawn, 0)).astype(np.int64)
        spent = Spent(room, np.rint(drawn.sum(axis=0)).astype(np.int64)) if request.number else None
        judged = judge(job, seen.documents, cells, request)
        means = judged.means if judged else None
        decision = decide(job, request, cells, None, spent, means, measured)
        part = np.ones((1, 1, 1))
        if carriers is not None:
            classes = classes_of(seen.documents, cells, carriers, request, None, None)
            part = classes.tokens / np.maximum(classes.tokens.sum(axis=2, keepdims=True), 1.0)
            there = cells.open_tokens[:, :, None] * part
            room = np.maximum(there * request.clips[:, None] - of_class, 0.0)
            decision = within_caps(job, request, decision, replace(classes, tokens=there, room=room))
        decisions.append(decision)
        drawn += decision.allocation.target
        kept = decision.kept
        given = decision.allocation.target[:, :, None] * part if kept is None or kept.target is None else kept.target
        of_class = of_class + given
    return decisions, float(np.minimum(there, of_class).sum())


def _by_documents(job: Job, seen: Clustered, cells: Cells, measured: Profiles | None) -> tuple[list[Decision], float]:
    """The same where documents are drawn by quality: from their copies, counted as the plan counts them."""
    documents, decisions = seen.documents, []
    used = np.zeros(len(documents.doc_id), np.int16)
    carriers = by_class(job, documents, cells)
    for request in phases_of(job):
        judged = judge(job, documents, cells, request)
        left = spent_before(documents, cells, request, used, judged)
        scaled = Spent(
            np.rint(left.room * seen.scale).astype(np.int64), np.rint(left.tokens * seen.scale).astype(np.int64)
        )
        drawable, means = (judged.drawable, judged.means) if judged else (None, None)
        if drawable is not None:
            drawable = np.rint(drawable * seen.scale).astype(np.int64)
        decision = decide(job, request, cells, drawable, scaled if request.number else None, means, measured)
        values, before = judged.values if judged and request.by_quality else None, used if request.number else None
        if carriers is not None:
            own = classes_of(documents, cells, carriers, request, before, values)
            scale = seen.scale[:, None]
            decision = within_caps(
                job, request, decision, replace(own, tokens=own.tokens * scale, room=own.room * scale)
            )
        decisions.append(decision)
        cell, target, _, clips = table_of(documents, request, decision, carriers)
        most = most_draws(documents, cells, request.clips, before, values)
        room = cell_totals(cell, documents.tokens, target.size, most)[1].reshape(target.shape)
        own_target = np.minimum(target / np.repeat(seen.scale, target.shape[1] // len(seen.scale)), room)
        seed = nth_seed(job.seed, request.number)
        counts = copies(documents.doc_id, cell, documents.tokens, own_target, clips, seed, quality=values, used=before)
        if carriers is not None:
            trim_draws(job, documents, cells, request, counts, most)
        used += counts
    unique = cell_totals(documents.cell, documents.tokens, cells.tokens.size, np.minimum(used, 1))[1]
    return decisions, float(unique.reshape(cells.tokens.shape).sum(axis=0) @ seen.scale)
