"""The schedule of a split: whom it draws and holds out, how often, and what it gives to the sums.

Draws are of kept documents, count up by position and stay within the clip. What is held out for validation is there
once, and its text nowhere in training.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curation.config import Job
from curation.sources.rows import Split
from curation.stages.phases import phases_of
from curation.stages.splits import part_name
from curation.verify.files import Faults
from curation.verify.findings import (
    Findings,
    Layout,
    add_to,
    content_hashes,
    domain_key,
    drawn_keys,
    fault_unless,
    row_keys,
    texts_of,
    weights_of,
)


def check_schedule(
    job: Job, split: Split, schedule: pa.Table, kept: NDArray[np.int64], layout: Layout, documents: pa.Table
) -> Faults:
    """What the rows of a split's schedule promise; `kept` are the doc_ids that have a vector."""
    name = part_name("schedule", split.split_id)
    doc_id, repetition = schedule["doc_id"].to_numpy(), schedule["repetition"].to_numpy()
    position, weight = schedule["position"].to_numpy(), weights_of(schedule)
    yield fault_unless(bool(np.isin(doc_id, kept).all()), f"{name}: draws a document that was not kept")
    counted = np.array_equal(repetition, _drawn_before(doc_id, position, weight)) and bool((weight > 0).all())
    yield fault_unless(counted, f"{name}: repetitions do not count a document's draws in order of position")
    phase = np.searchsorted(layout.phase_stops, position, side="right")
    domain = job.domains.index(documents["domain"][0].as_py())
    clips = np.array([request.clips[domain] for request in phases_of(job)])
    drawn = phase < len(clips)
    within = bool((repetition[drawn] + weight[drawn].astype(np.int64) <= clips[phase[drawn]]).all())
    yield fault_unless(within, f"{name}: a document is drawn above the clip")
    once = ~drawn if job.output.repetition == "copies" else np.ones_like(drawn)
    place = doc_id[once].astype(np.int64) * (len(clips) + 1) + phase[once]
    yield fault_unless(len(np.unique(place)) == len(place), f"{name}: a document has two rows where one is enough")
    rows = doc_id - split.first_doc_id
    if (~drawn).any():
        whole = bool((weight[~drawn] == 1).all())
        yield fault_unless(whole, f"{name}: a document that is held out for validation has a weight")
    if len(layout.held_texts) and drawn.any():
        leaked = np.isin(texts_of(content_hashes(documents)[rows[drawn]]), layout.held_texts).any()
        yield fault_unless(not leaked, f"{name}: a text that is held out for validation is in training too")
    shard = np.searchsorted(layout.shard_starts, position, side="right") - 1
    agrees = np.array_equal(schedule["shard"].to_numpy(), shard)
    yield fault_unless(agrees, f"{name}: names another shard than the one that holds the position")


def _drawn_before(
    doc_id: NDArray[np.int64], position: NDArray[np.int64], weight: NDArray[np.int16]
) -> NDArray[np.int64]:
    """How often the document of each row was drawn by the rows before: int64[n]."""
    order = np.lexsort((position, doc_id))
    _, starts, counts = np.unique(doc_id[order], return_index=True, return_counts=True)
    sums = np.cumsum(weight[order], dtype=np.int64) - weight[order]
    before = np.empty_like(sums)
    before[order] = sums - np.repeat(sums[starts], counts)
    return before


def count_rows(
    findings: Findings, split: Split, documents: pa.Table, assigned: pa.Table, schedule: pa.Table, layout: Layout
) -> None:
    """Adds a split's rows to the sums."""
    doc_id, position = schedule["doc_id"].to_numpy(), schedule["position"].to_numpy()
    row, weight = doc_id - split.first_doc_id, weights_of(schedule)
    domain = documents["domain"][0].as_py()
    tokens = documents["tokens"].to_numpy()[row].astype(np.int64) * weight
    cluster = assigned["cluster"].to_numpy()[np.searchsorted(assigned["doc_id"].to_numpy(), doc_id)]
    phase = np.searchsorted(layout.phase_stops, position, side="right")
    for number in np.unique(phase).tolist():
        here = phase == number
        if number == len(layout.phase_stops):
            add_to(findings.held, by_cell(cluster[here], domain))
        else:
            sums = np.bincount(cluster[here], tokens[here])
            add_to(findings.drawn, {(number, k, domain): int(sums[k]) for k in np.flatnonzero(sums).tolist()})
    domains = np.full(len(row), domain_key(domain))
    repetition, content = schedule["repetition"].to_numpy(), content_hashes(documents)[row]
    drawn = drawn_keys(position, doc_id, cluster, repetition, weight, domains, content)
    shard = np.searchsorted(layout.shard_starts, position, side="right") - 1
    np.add.at(findings.shard_keys, shard, drawn)
    findings.shard_rows += np.bincount(shard, minlength=len(findings.shard_rows))
    findings.rows += len(row)
    findings.draws += int(weight[phase < len(layout.phase_stops)].sum(dtype=np.int64))
    findings.position_keys = (findings.position_keys + int(row_keys({"position": position}).sum())) % 2**64


def by_cell(cluster: NDArray[np.int32], domain: str) -> dict[tuple[int, str], int]:
    """How many documents of a domain are in each cluster."""
    counts = np.bincount(cluster)
    return {(number, domain): int(counts[number]) for number in np.flatnonzero(counts).tolist()}
