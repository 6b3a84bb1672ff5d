"""Splits as work: load them, pack them into work items, map over them, go on from the parts that are there.

Every per-document table has one part file a split, so a stage that maps over splits is resumed by listing its
folder. A split's receipt is what the driver keeps of it: the committed files and some counts. The counts travel in
the metadata of the split's main part, which is committed last, so that a part found on storage after a crash gives
back the very receipt that its dead writer would have sent.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby, islice
from typing import Any, TypeVar

import pyarrow as pa

from curation.config import Job
from curation.errors import RunError
from curation.sources.find import InputFile
from curation.sources.read import read_splits
from curation.sources.rows import Columns, Rows, Split
from curation.stages.board import record, record_progress
from curation.stages.context import Result, Run
from curation.stages.metrics import MOST_DOMAINS, split_counts
from curation.stages.workers import cpus, map_items
from curation.storage.store import Part, Store

Item = TypeVar("Item")

#: Most splits in one work item, however small they are.
MOST_SPLITS = 256
#: Documents below which a work item is mostly scheduling, and items that a CPU should get all the same.
FEW_DOCUMENTS, ITEMS_A_CPU = 4096, 8


Mapping = Callable[[list["WorkItem"]], Iterator[list["Receipt"]]]


@dataclass(frozen=True, slots=True)
class Receipt:
    """What is left of a split when its work is done: its files, its rows in the source, and its counts."""

    parts: list[Part]
    rows: int
    stats: dict[str, int]


@dataclass(frozen=True)
class CountedFile(InputFile):
    """An input file as it was counted; `truncated`: up to a damage in it."""

    truncated: bool


@dataclass(frozen=True)
class WorkItem:
    """Splits for one task. The splits of a group lie in one file and are read in one go, in order."""

    groups: tuple[tuple[Split, ...], ...]
    files: dict[int, CountedFile]

    def read(
        self, group: tuple[Split, ...], columns: Columns, store: Store | None = None
    ) -> Iterator[tuple[Split, Rows]]:
        """The rows of each split of a group.

        With a store, splits of which no row is kept come blank and are not read: that may have cost workers before.
        """
        file = self.files[group[0].file_id]
        good = tuple(split for split in group if store is None or _has_kept(store, split))
        read = read_splits(file.path, file.format, good, columns, etag=file.etag, truncated=file.truncated)
        if len(good) == len(group):
            yield from read
            return
        for split in group:
            yield next(read) if split in good else (split, columns.blank(split.rows))

    @property
    def splits(self) -> list[Split]:
        """All splits of the item."""
        return [split for group in self.groups for split in group]

    @property
    def documents(self) -> int:
        """Rows in the item, kept or not."""
        return sum(split.rows for split in self.splits)

    @property
    def label(self) -> str:
        """Which rows it is about, for messages."""
        first = self.groups[0][0]
        path, count = self.files[first.file_id].path, len(self.splits)
        if count == 1:
            return f"{path}, rows {first.first_row} to {first.first_row + first.rows - 1} (split {first.split_id})"
        return f"{path}, rows from {first.first_row} on (split {first.split_id} and {count - 1} more)"

    def alone(self) -> list[WorkItem]:
        """An item for each split."""
        return [_item([(split,)], self.files) for split in self.splits]


def _has_kept(store: Store, split: Split) -> bool:
    return store.read_stats(part_name("documents", split.split_id))[1]["kept"] > 0


def part_name(folder: str, split_id: int) -> str:
    """The part file of a split in a table's folder."""
    return f"{folder}/part-{split_id:08}.parquet"


def load_files(store: Store) -> dict[int, CountedFile]:
    """The input files by file_id."""
    table = store.read_table("sources/sources.parquet").drop_columns(["rows", "first_doc_id", "licence", "facts"])
    return {row.pop("file_id"): CountedFile(**row) for row in table.to_pylist()}


def load_splits(store: Store) -> list[Split]:
    """All splits, in the order of their ids, which is the order of their documents."""
    return [Split(**row) for row in store.read_table("sources/splits.parquet").to_pylist()]


def total_documents(splits: list[Split]) -> int:
    """Rows of the whole corpus: one more than the highest doc_id."""
    return splits[-1].first_doc_id + splits[-1].rows if splits else 0


def work_items(splits: Iterable[Split], files: dict[int, CountedFile], documents: int) -> Iterator[WorkItem]:
    """Packs splits into items of about so many documents; the splits of a read group stay together."""
    packed: list[tuple[Split, ...]] = []
    count = 0
    for _, members in groupby(splits, key=lambda split: split.read_group):
        group = tuple(members)
        rows = sum(split.rows for split in group)
        if packed and (count + rows > documents or len(packed) >= MOST_SPLITS):
            yield _item(packed, files)
            packed, count = [], 0
        packed.append(group)
        count += rows
    if packed:
        yield _item(packed, files)


def _item(groups: list[tuple[Split, ...]], files: dict[int, CountedFile]) -> WorkItem:
    return WorkItem(tuple(groups), {group[0].file_id: files[group[0].file_id] for group in groups})


def documents_an_item(splits: list[Split]) -> int:
    """Documents that make a work item worth its scheduling.

    Those of a full split; or FEW_DOCUMENTS where splits are smaller, as long as every CPU gets ITEMS_A_CPU items.
    """
    spread = total_documents(splits) // (ITEMS_A_CPU * cpus())
    return max(min(FEW_DOCUMENTS, spread), max((split.rows for split in splits), default=1))


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


def one_by_one(batch: list[Item]) -> list[list[Item]]:
    """The parts of an item that is a list."""
    return [[one] for one in batch]


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
