"""Made once more: what is a pure function of committed tables must come out as the same bytes.

`duplicates`, `repeats` and the plan (allocation, schedule, list of shards, weights) are made again from what they were
made from, and hashed instead of written. That covers what no single promise does: that the budget is met, that the
allocation is the one nearest to the preference, that the order is the one asked for.
"""

from __future__ import annotations

from collections.abc import Callable

from curation.config import Job
from curation.stages.duplicates import bucket_count, drop_copies
from curation.stages.plan import make_plan
from curation.stages.repeats import list_repeats
from curation.stages.splits import load_splits, part_name
from curation.stages.workers import map_items
from curation.storage.store import Marker, Part, Store
from curation.verify.files import Faults
from curation.verify.unwritten import Unwritten


def check_remade(store: Store, job: Job) -> Faults:
    """Every table that is made once more."""
    shadow = Unwritten(store.root)
    splits = load_splits(store)
    buckets = bucket_count(splits)
    listings: list[tuple[str, str, Callable[..., Part], int]] = [
        ("duplicates", "documents", drop_copies, buckets if job.dedup.exact else 0),
        ("repeats", "embeddings", list_repeats, buckets),
    ]
    for stage, table, work, count in listings:
        names = [part_name(table, split.split_id) for split in splits]
        found = map_items(range(count), work, shadow, names, count, tasks=job.resources.tasks)
        yield from _same(store, stage, [part for _, part in found], "does not list what is there twice")
    for _, (parts, stats) in map_items(["the plan"], plan_again, shadow, job):
        yield from _same(store, "plan", parts, "is not what the job makes of the documents and clusters")
        told = _marker(store, "plan").stats
        yield None if told == stats else "plan/_done.json: its counts are not those of the plan"


def plan_again(what: str, store: Unwritten, job: Job) -> tuple[list[Part], dict[str, object]]:
    """The files of the plan, and its counts."""
    result = make_plan(store, job)
    return result.parts, result.stats


def _same(store: Store, stage: str, parts: list[Part], fault: str) -> Faults:
    written = {part.name: part for part in _marker(store, stage).parts}
    for part in parts:
        yield None if written.get(part.name) == part else f"{part.name}: {fault}"
    for name in sorted(written.keys() - {part.name for part in parts}):
        yield f"{name}: {fault}"


def _marker(store: Store, stage: str) -> Marker:
    marker = store.marker(stage)
    if marker is None:
        raise LookupError(f"{stage} has no marker")
    return marker
