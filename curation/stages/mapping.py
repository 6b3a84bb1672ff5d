"""Mapping over splits: what a stage has to do for every split that has no part yet, in Ray tasks or a pool.

Every per-document table has one part file a split, so a stage that maps over splits is resumed by listing its
folder. The counts of a split travel in the metadata of its main part, which is committed last, so that a part found on
storage after a crash gives back the very receipt that its dead writer would have sent.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import pyarrow as pa

from curation.config import Job
from curation.errors import RunError
from curation.sources.rows import Split
from curation.stages.board import record, record_progress
from curation.stages.context import Result, Run
from curation.stages.metrics import MOST_DOMAINS, split_counts
from curation.stages.splits import (
    Receipt,
    WorkItem,
    documents_an_item,
    load_files,
    load_splits,
    one_by_one,
    part_name,
    total_documents,
    work_items,
)
from curation.stages.workers import map_items
from curation.storage.store import Part, Store

Mapping = Callable[[list[WorkItem]], Iterator[list[Receipt]]]


def in_tasks(
    run: Run,
    work: Callable[..., list[Receipt]],
    *shared: Any,
    lost: Callable[[WorkItem, RunError], list[Receipt]] | None = None,
) -> Mapping:
    """Maps `work(store, job, item, *shared)`, which commits an item's parts, over items in Ray tasks.

    `lost` gives the receipts of a split that lost its worker too often; without it the run ends.
    """

    def mapping(items: list[WorkItem]) -> Iterator[list[Receipt]]:
        arguments = (work, run.store, run.job, *shared)
        tasks = run.job.resources.tasks
        for _, receipts in map_items(items, _work, *arguments, tasks=tasks, parts=WorkItem.alone, lost=lost):
            yield receipts

    return mapping


def _work(item: WorkItem, work: Callable[..., list[Receipt]], store: Store, job: Job, *shared: Any) -> list[Receipt]:
    return work(store, job, item, *shared)


def map_splits(
    run: Run,
    name: str,
    mapping: Mapping,
    *,
    sides: tuple[str, ...] = (),
    seen: Callable[[dict[str, int]], None] | None = None,
) -> Result:
    """Does what a stage has to do for every split that has no part yet.

    Args:
        run: the run.
        name: the stage, and the folder of the table whose part is committed last.
        mapping: takes work items and yields the receipts of each as they are done, in any order.
        sides: folders of tables that have a part only where the receipt's count of that name is above 0.
        seen: called with the running sums of the counts, to stop early by raising.

    Returns:
        The files of all splits in order, and the sums of their counts.
    """
    there = run.store.list(name)
    splits = load_splits(run.store)
    found = [split for split in splits if part_name(name, split.split_id) in there]
    pending = [split for split in splits if part_name(name, split.split_id) not in there]
    parts: list[Part] = []
    stats: dict[str, int] = {}
    with run.reporter.stage(name, total_documents(splits)) as progress:
        for split, receipt in collect_found(run, found, name, sides):
            if receipt is None:
                pending.append(split)
                continue
            parts += receipt.parts
            stats = add_counts(stats, receipt.stats)
            progress.found(split.rows)
        pending.sort(key=lambda split: split.split_id)
        files, done = load_files(run.store), len(splits) - len(pending)
        items = list(work_items(pending, files, documents_an_item(splits)))
        record_progress(done, len(splits))
        for receipts in mapping(items) if items else ():
            done += len(receipts)
            record_done(receipts, lambda split_id: files[splits[split_id].file_id].domain, run.job)
            record_progress(done, len(splits))
            for receipt in receipts:
                parts += receipt.parts
                stats = add_counts(stats, receipt.stats)
                progress.advance(receipt.rows, receipt.stats.get("tokens", 0))
            if seen:
                seen(stats)
    return Result(sorted(parts, key=lambda part: part.name), dict(sorted(stats.items())))


def record_done(receipts: list[Receipt], domain_of: Callable[[int], str], job: Job) -> None:
    """Adds receipts to the run's metrics; `domain_of` gives the domain of a split."""
    counts: dict[str, Counter[str]] = {}
    for receipt in receipts:
        main = receipt.parts[-1].name
        domain = domain_of(int(main[-16:-8])) if len(job.domains) <= MOST_DOMAINS else ""
        size = sum(part.bytes for part in receipt.parts)
        counts.setdefault(domain, Counter()).update(split_counts(receipt.rows, receipt.stats, size))
    for domain, values in counts.items():
        record(dict(values), domain=domain)


def collect_found(
    run: Run, found: list[Split], folder: str, sides: tuple[str, ...] = ()
) -> Iterator[tuple[Split, Receipt | None]]:
    """The receipts of splits that an interrupted run had finished, read back from their parts by Ray tasks.

    None where a part is missing, can't be read or is not what was committed once: the split has to be done again.
    """
    known: dict[str, str] = run.store.started(folder).get("known", {})
    left = iter(found)
    batches = iter(lambda: list(islice(left, 64)), [])
    tasks = run.job.resources.tasks
    arguments = (run.store, folder, sides, known)
    for batch, receipts in map_items(batches, _read_receipts, *arguments, tasks=tasks, parts=one_by_one):
        yield from zip(batch, receipts, strict=True)


def _read_receipts(
    splits: list[Split], store: Store, folder: str, sides: tuple[str, ...], known: dict[str, str]
) -> list[Receipt | None]:
    return [_read_receipt(store, folder, sides, known, split) for split in splits]


def _read_receipt(
    store: Store, folder: str, sides: tuple[str, ...], known: dict[str, str], split: Split
) -> Receipt | None:
    main = part_name(folder, split.split_id)
    try:
        _, stats = store.read_stats(main)
        names = [part_name(side, split.split_id) for side in sides if stats.get(side, 0)]
        parts = [_read_part(store, name) for name in [*names, main]]
    except (OSError, pa.ArrowInvalid):
        return None
    whole = all(known.get(part.name, part.sha256) == part.sha256 for part in parts)
    return Receipt(parts, split.rows, stats) if whole else None


def _read_part(store: Store, name: str) -> Part:
    size, sha256 = store.hash(name)
    return Part(name, store.read_stats(name)[0], size, sha256)


def add_counts(left: dict[str, int], right: dict[str, int]) -> dict[str, int]:
    """The sum of two dictionaries of counts."""
    return {key: left.get(key, 0) + right.get(key, 0) for key in {**left, **right}}
