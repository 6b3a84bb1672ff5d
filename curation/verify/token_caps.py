"""Token caps: the carriers that are listed, and what share of the draws of each phase carries each token."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curation.config import Job
from curation.sources.rows import Split
from curation.stages.carriers import carriers_of
from curation.stages.phases import phases_of
from curation.stages.splits import part_name
from curation.stages.token_caps import caps_of
from curation.storage.store import Store
from curation.verify.files import Faults
from curation.verify.findings import Findings, Layout, add_to, fault_unless, weights_of


def count_carriers(
    store: Store,
    job: Job,
    split: Split,
    schedule: pa.Table,
    kept: NDArray[np.int64],
    layout: Layout,
    findings: Findings,
) -> Faults:
    """What a split's part of `carriers` promises; adds its draws of carriers to the sums. Nothing without caps."""
    tokens = len(job.capped_tokens)
    if not tokens:
        return
    name = part_name("carriers", split.split_id)
    listed = store.read_table(name)
    doc_id, carries = listed["doc_id"].to_numpy(), listed["tokens"].to_numpy()
    once = bool((np.diff(doc_id) > 0).all()) and bool(np.isin(doc_id, kept).all())
    yield fault_unless(once, f"{name}: its documents are not kept ones, each once, in order")
    known = bool((carries > 0).all()) and not (carries >> np.uint32(tokens - 1) > 1).any()
    yield fault_unless(known, f"{name}: a document carries no token, or one that the job does not cap")
    add_to(findings.carriers, dict(enumerate(carriers_of(carries, tokens).tolist())))
    drawn, weight = schedule["doc_id"].to_numpy(), weights_of(schedule).astype(np.int64)
    phase = np.searchsorted(layout.phase_stops, schedule["position"].to_numpy(), side="right")
    place = np.minimum(np.searchsorted(doc_id, drawn), max(len(doc_id) - 1, 0))
    of_row = np.where(doc_id[place] == drawn, carries[place], 0) if len(doc_id) else np.zeros(len(drawn), np.uint32)
    for number in np.unique(phase[phase < len(layout.phase_stops)]).tolist():
        here = phase == number
        add_to(findings.phase_draws, {number: int(weight[here].sum())})
        draws = {(number, k): int(weight[here & (of_row >> np.uint32(k) & 1 > 0)].sum()) for k in range(tokens)}
        add_to(findings.carried, draws)


def check_caps(store: Store, job: Job, total: Findings) -> Faults:
    """Every cap holds in every phase, and the stage has counted what it listed."""
    if not job.capped_tokens:
        return
    marker = store.marker("carriers")
    told = marker.stats.get("carriers_of") if marker else None
    found = [total.carriers.get(bit, 0) for bit in range(len(job.capped_tokens))]
    yield fault_unless(told == found, f"carriers/_done.json: counts {told} carriers, and the tables have {found}")
    for request in phases_of(job):
        draws, where = total.phase_draws.get(request.number, 0), f" of {request.folder}" if request.folder else ""
        for bit, limit in enumerate(caps_of(job, request).limits.tolist()):
            carriers = total.carried.get((request.number, bit), 0)
            token = job.capped_tokens[bit].token
            yield fault_unless(
                not draws or carriers / draws <= limit,
                f"schedule: {carriers} of {draws} draws{where} carry {token!r}, more than its max_share {limit:g}",
            )
