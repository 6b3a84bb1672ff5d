"""Token caps: the carriers that are listed, whether the texts say so, and their share of each phase's draws."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curation.config import Job
from curation.sources.rows import Split
from curation.stages.carriers import carriers_of, find_carriers
from curation.stages.phases import phases_of
from curation.stages.splits import WorkItem, documents_an_item, load_files, load_splits, part_name, work_items
from curation.stages.token_caps import caps_of
from curation.stages.workers import map_items
from curation.storage.store import Part, Store
from curation.verify.files import Faults, sampled
from curation.verify.findings import Findings, Layout, add_to, fault_unless, weights_of
from curation.verify.unwritten import Unwritten


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


def check_carriers(store: Store, job: Job, sample: float) -> Faults:
    """The texts of some splits, read once more, carry the tokens that are listed."""
    if not job.capped_tokens:
        return
    splits = load_splits(store)
    groups = list(dict.fromkeys(split.read_group for split in splits))  # read from their beginning, so whole
    looked_at = {
        group for group, mine in zip(groups, sampled(job, "carriers", len(groups), sample), strict=True) if mine
    }
    some = [split for split in splits if split.read_group in looked_at]
    items = work_items(some, load_files(store), documents_an_item(splits))
    marker = store.marker("carriers")
    written = {part.name: part for part in marker.parts} if marker else {}
    for _, parts in map_items(items, carriers_again, Unwritten(store.root), job, tasks=job.resources.tasks):
        for part in parts:
            same = written.get(part.name) == part
            yield fault_unless(same, f"{part.name}: does not list the documents that carry the capped tokens")


def carriers_again(item: WorkItem, store: Unwritten, job: Job) -> list[Part]:
    """The parts of an item's splits, made once more."""
    return [part for receipt in find_carriers(store, job, item) for part in receipt.parts]
