"""Token caps in the plan: classes of documents that carry the same tokens, the caps of a phase, what came of them.

Nothing of this runs where no token is capped. Where the caps of a phase hold by themselves its draws are counted cell
by cell as without them, else class by class; either way `trim` makes the shares exact.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curation.config import Job
from curation.counter_rng import nth_seed
from curation.sampling.cells import cell_totals
from curation.sampling.token_caps import Caps, Classes, keep_caps
from curation.sampling.trimming import Carried, trim
from curation.stages.carriers import carriers_of
from curation.stages.eligible import Cells, Eligible, most_draws
from curation.stages.phases import Decision, PhaseRequest, PlannedPhase

#: Most classes, and most cells of all classes; where documents carry more combinations of tokens, the rare ones are
#: one class.
MOST_CLASSES, MOST_CELLS = 64, 1 << 24


@dataclass(frozen=True)
class Carriers:
    """The documents that may be drawn, by what they carry."""

    of_class: NDArray[np.uint8]
    """uint8[n]: the class of each document; those of class 0 carry nothing."""
    carried: NDArray[np.float64]
    """float64[K, M]: the share of the documents of a class that carry each token."""

    @property
    def classes(self) -> int:
        """How many classes there are."""
        return int(self.carried.shape[1])


def by_class(job: Job, documents: Eligible, cells: Cells) -> Carriers | None:
    """Puts documents that carry the same tokens into one class, the commonest first; None where no token is capped."""
    carries, tokens = documents.carries, len(job.capped_tokens)
    if carries is None:
        return None
    most = min(MOST_CLASSES, max(2, MOST_CELLS // cells.tokens.size))
    of_class = np.zeros(len(carries), np.uint8)
    some = np.flatnonzero(carries)
    masks, which, counts = np.unique(carries[some], return_inverse=True, return_counts=True)
    place = np.empty(len(masks), np.int64)
    place[np.argsort(-counts, kind="stable")] = np.arange(1, len(masks) + 1)
    place = np.minimum(place, most - 1)
    of_class[some] = place[which]
    size = int(place.max(initial=0)) + 1
    documents_of = np.maximum(np.bincount(place, counts, size), 1)
    bits = (masks[:, None] >> np.arange(tokens, dtype=np.uint32)) & 1
    carried = np.array([np.bincount(place, counts * bits[:, k], size) for k in range(tokens)]) / documents_of
    return Carriers(of_class, carried)


def _class_cell(documents: Eligible, carriers: Carriers) -> NDArray[np.int32]:
    """The cell of each document in a table [clusters, domains x classes], flattened: int32[n]."""
    found: NDArray[np.int32] = documents.cell * np.int32(carriers.classes) + carriers.of_class
    return found


def classes_of(
    documents: Eligible,
    cells: Cells,
    carriers: Carriers,
    request: PhaseRequest,
    used: NDArray[np.int16] | None,
    weights: NDArray[np.float32] | None,
) -> Classes:
    """What a phase may draw of each class in each cell.

    Args:
        documents: all that are to be planned.
        cells: what they come to.
        carriers: the documents by class.
        request: the phase.
        used: int16[n], draws in earlier phases; None: none.
        weights: float32[n], f(quality), where documents are drawn in proportion to it.
    """
    cell, whole = _class_cell(documents, carriers), (*cells.tokens.shape, carriers.classes)
    size = cells.tokens.size * carriers.classes
    room = cell_totals(cell, documents.tokens, size, most_draws(documents, cells, request.clips, used, weights))[1]
    may = (most_draws(documents, cells, request.clips, None, weights) > 0).astype(np.int16)
    count, tokens = cell_totals(cell, documents.tokens, size, may)
    draws, of = count.astype(np.float64), tokens.astype(np.float64)
    if weights is not None:
        value = weights.astype(np.float64) * may
        draws, of = (np.bincount(cell, worth, size).astype(np.float64) for worth in (value, value * documents.tokens))
    per_token = np.divide(draws, of, out=np.zeros(size), where=of > 0)
    tables = [table.astype(np.float64).reshape(whole) for table in (tokens, room, per_token)]
    return Classes(tables[0], tables[1], tables[2], carriers.carried)


def table_of(
    documents: Eligible, request: PhaseRequest, decision: Decision, carriers: Carriers | None
) -> tuple[NDArray[np.int32], NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """The table that draws are counted on: each document's cell, targets and paces [rows, columns], the columns' clips.

    Cluster x domain; where caps change the allocation cluster x (domain, class), so that copies and order are each
    class's own.
    """
    kept, allocation = decision.kept, decision.allocation
    if kept is None or kept.target is None or kept.pace is None or carriers is None:
        return documents.cell, allocation.target, allocation.pace, request.clips
    rows = len(allocation.target)
    clips = np.repeat(request.clips, carriers.classes)
    return _class_cell(documents, carriers), kept.target.reshape(rows, -1), kept.pace.reshape(rows, -1), clips


def trim_draws(
    job: Job,
    documents: Eligible,
    cells: Cells,
    request: PhaseRequest,
    counts: NDArray[np.int16],
    most: NDArray[np.int16],
) -> Carried:
    """Makes the caps of a phase hold to the draw, in place: see `trim`."""
    assert documents.carries is not None, "they are loaded where tokens are capped"
    return trim(
        counts,
        documents.carries,
        caps_of(job, request).limits,
        doc_id=documents.doc_id,
        cell=documents.cell,
        tokens=documents.tokens,
        most=most,
        n_cells=cells.tokens.size,
        n_domains=cells.tokens.shape[1],
        seed=nth_seed(job.seed, request.number),
    )


def caps_of(job: Job, request: PhaseRequest) -> Caps:
    """The caps of a phase, in the order of the tokens' bits."""
    phase = job.phases[request.number] if job.phases else None
    own = phase is not None and phase.token_caps is not None
    caps = phase.token_caps if phase is not None and phase.token_caps is not None else job.sampling.token_caps
    shares = {cap.key: cap.max_share for cap in caps}
    limits = np.array([shares.get(cap.key, 1.0) for cap in job.capped_tokens])
    key = f"phases.{request.number}.token_caps" if own else "sampling.token_caps"
    return Caps(limits, [cap.token for cap in job.capped_tokens], key, request.budget_key)


def within_caps(job: Job, request: PhaseRequest, decision: Decision, classes: Classes) -> Decision:
    """A decision that keeps to the caps of its phase.

    Raises:
        JobError: they leave no way to draw the budget.
    """
    weighted = decision.weighing.wanted is not None
    kept = keep_caps(decision.allocation, classes, caps_of(job, request), weighted, request.when_short)
    return replace(decision, allocation=kept.allocation, kept=kept)


def cap_rows(job: Job, documents: Eligible, phases: list[PlannedPhase]) -> list[dict[str, Any]]:
    """A row a capped token: its documents, their share of all and of the draws, and what the cap cost.

    `max_share` is the largest that any phase allows, 1 where one has no cap of the token. `forgone_tokens` are those
    that carriers would have given without the caps, less those that they give. Where there are phases, `phases` has the
    cap and the share of each.
    """
    carries = documents.carries
    if carries is None:
        return []
    counts = carriers_of(carries, len(job.capped_tokens))
    limits = np.array([caps_of(job, phase.request).limits for phase in phases])
    draws = np.array([phase.draws for phase in phases])
    carriers = np.array([phase.carried.draws for phase in phases if phase.carried])
    forgone = np.sum([_forgone(phase) for phase in phases], axis=0)
    rows = []
    for bit, cap in enumerate(job.capped_tokens):
        row: dict[str, Any] = {
            "token": cap.token,
            "max_share": float(limits[:, bit].max()),
            "share_before": int(counts[bit]) / len(carries),
            "share_after": int(carriers[:, bit].sum()) / int(draws.sum()),
            "documents": int(counts[bit]),
            "forgone_tokens": round(float(forgone[bit])),
        }
        if job.phases:
            shares = zip(limits[:, bit].tolist(), (carriers[:, bit] / draws).tolist(), strict=True)
            row["phases"] = [{"max_share": limit, "share": share} for limit, share in shares]
        rows.append(row)
    return rows


def _forgone(phase: PlannedPhase) -> NDArray[np.float64]:
    """Tokens that a phase's caps took from the carriers of each token; 0 where a cap changed nothing."""
    kept, carried = phase.decision.kept, phase.carried
    if kept is None or carried is None:
        raise ValueError("a phase without caps forgoes nothing")
    changed = (kept.factors < 1) | (carried.taken > 0)
    return np.where(changed, np.maximum(kept.uncapped - carried.tokens, 0.0), 0.0)
