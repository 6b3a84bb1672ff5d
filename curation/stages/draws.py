"""Draws: the documents of each phase, in order.

What a phase gives is decided on the table of cells (`phases`); here it becomes documents. The phases follow one
another, since what one draws counts towards the clip of the next. Where draws or weights go by quality, the documents
are judged first, once a phase: the `dolma3` curve hangs on the phase's budget.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from curation.config import Job
from curation.counter_rng import nth_seed
from curation.errors import JobError
from curation.sampling.arrivals import draw_by_chance
from curation.sampling.cells import cell_totals
from curation.sampling.copies import copies
from curation.sampling.quality import Curve, curve_values, domain_means
from curation.sampling.schedule import Schedule, schedule
from curation.sampling.trimming import Carried
from curation.stages.eligible import Cells, Eligible, most_draws
from curation.stages.phases import (
    Decision,
    PhaseRequest,
    PlannedPhase,
    Profiles,
    Spent,
    budget_tokens,
    decide,
    phases_of,
)
from curation.stages.token_caps import Carriers, by_class, classes_of, table_of, trim_draws, within_caps


def draw_phases(
    job: Job, documents: Eligible, cells: Cells, profiles: Profiles | None
) -> tuple[list[PlannedPhase], NDArray[np.int16]]:
    """All phases, one after the other, and how often each document is drawn in all of them: int16[n]."""
    used = np.zeros(len(documents.doc_id), np.int16)
    phases: list[PlannedPhase] = []
    carriers = by_class(job, documents, cells)
    for request in phases_of(job):
        before = used if request.number else None
        judged = judge(job, documents, cells, request)
        spent = spent_before(documents, cells, request, used, judged) if request.number else None
        drawable, means = (judged.drawable, judged.means) if judged else (None, None)
        decision = decide(job, request, cells, drawable, spent, means, profiles)
        weights = judged.values if judged and request.by_quality else None
        del judged
        if carriers is not None:
            classes = classes_of(documents, cells, carriers, request, before, weights)
            decision = within_caps(job, request, decision, classes)
            del classes
        drawn, counts, carried = draw(job, documents, cells, request, decision, weights, before, carriers)
        if not len(drawn.document):
            raise JobError(
                f"{request.budget_key}: {decision.allocation.total:.0f} tokens are less than half of the shortest "
                f"document that could be drawn; the corpus has {cells.tokens.sum()} tokens"
            )
        weight = None
        if job.output.repetition == "weight":
            drawn, weight = once(drawn, counts)
        if before is not None:
            np.add(drawn.repetition, used[drawn.document], out=drawn.repetition)
        realised = cell_totals(documents.cell, documents.tokens, cells.tokens.size, counts)[1]
        phases.append(PlannedPhase(request, decision, drawn, weight, realised.reshape(cells.tokens.shape), carried))
        used += counts
    return phases, used


def once(drawn: Schedule, counts: NDArray[np.int16]) -> tuple[Schedule, NDArray[np.int16]]:
    """Each drawn document at the place of its first draw, and how often it is drawn: int16[rows]."""
    first = np.flatnonzero(drawn.repetition == 0)
    document = drawn.document[first]
    return Schedule(document, drawn.repetition[first]), counts[document]


@dataclass(frozen=True)
class Judgement:
    """What the documents' qualities are worth in a phase."""

    values: NDArray[np.float32]
    """float32[n]: f(quality)."""
    means: NDArray[np.float64]
    """float64[D]: its token-weighted mean over the documents that are not left out."""
    drawable: NDArray[np.int64] | None
    """int64[C, D]: tokens of documents that are not left out and worth more than nothing, where draws go by quality."""


def judge(job: Job, documents: Eligible, cells: Cells, request: PhaseRequest) -> Judgement | None:
    """What the qualities are worth, where a phase's weights or draws go by it. Documents left out don't count.

    Raises:
        JobError: no document has a quality.
    """
    if documents.quality is None or not (request.by_quality or request.weights == "quality"):
        return None
    epochs = budget_tokens(request, cells) / float(cells.open_tokens.sum())
    domains, domain = len(job.domains), documents.cell % len(job.domains)
    tokens, quality = documents.tokens, documents.quality
    is_out = cells.left_out.ravel() >= 0
    if is_out.any():
        tokens = np.where(is_out[documents.cell], 0, tokens)
        quality = np.where(is_out[documents.cell], np.float32(np.nan), quality)
    if np.isnan(quality).all():
        origin = job.quality.column or job.quality.expression or job.quality.scorer
        raise JobError(f"quality: no document has a finite one ({origin}); is the column a number, and spelt right?")
    values = curve_values(quality, tokens, Curve(**job.quality.curve.model_dump()), epochs, domain, domains)
    drawable = None
    if request.by_quality:
        worthy = cell_totals(documents.cell, tokens, cells.tokens.size, (values > 0).astype(np.int16))[1]
        drawable = worthy.reshape(cells.tokens.shape)
        if not drawable.any():
            raise JobError("quality.curve gives 0 to every document; there is nothing to draw")
    return Judgement(values, domain_means(values, tokens, domain, domains), drawable)


def spent_before(
    documents: Eligible, cells: Cells, request: PhaseRequest, used: NDArray[np.int16], judged: Judgement | None
) -> Spent:
    """What earlier phases drew, and what they left within this one's clip."""
    left = most_draws(documents, cells, request.clips, used, judged.values if judged and request.by_quality else None)
    size = cells.tokens.size
    room = cell_totals(documents.cell, documents.tokens, size, left)[1].reshape(cells.tokens.shape)
    tokens = cell_totals(documents.cell, documents.tokens, size, used)[1].reshape(cells.tokens.shape)
    return Spent(room, tokens.sum(axis=0))


def draw(
    job: Job,
    documents: Eligible,
    cells: Cells,
    request: PhaseRequest,
    decision: Decision,
    weights: NDArray[np.float32] | None,
    used: NDArray[np.int16] | None,
    carriers: Carriers | None,
) -> tuple[Schedule, NDArray[np.int16], Carried | None]:
    """The draws of a phase in order, how often each document is drawn in it, and what carriers of tokens give."""
    allocation, seed = decision.allocation, nth_seed(job.seed, request.number)
    if job.sampling.interleave == "random":
        free = decision.weighing.wanted is None
        budgets = np.array([allocation.total]) if free else allocation.target.sum(axis=0)
        drawn = draw_by_chance(
            documents.doc_id,
            documents.cell,
            documents.tokens,
            allocation.pace,
            budgets,
            request.clips,
            seed,
            backwards=request.order == "specific_to_general",
            used=used,
        )
        counts = np.bincount(drawn.document, minlength=len(documents.doc_id)).astype(np.int16)
        return drawn, counts, None
    cell, target, pace, clips = table_of(documents, request, decision, carriers)
    counts = copies(documents.doc_id, cell, documents.tokens, target, clips, seed, quality=weights, used=used)
    carried = None
    if carriers is not None:
        carried = trim_draws(
            job, documents, cells, request, counts, most_draws(documents, cells, request.clips, used, weights)
        )
    drawn = schedule(
        documents.doc_id,
        cell,
        documents.tokens,
        counts,
        pace,
        request.order,
        seed,
        quality=documents.quality,
        curriculum=job.sampling.curriculum,
    )
    return drawn, counts, carried
