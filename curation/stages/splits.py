"""Splits as work: load them, pack them into work items, read them. `mapping` maps over them.

A split's receipt is what the driver keeps of it: the committed files and some counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import TypeVar

from curation.sources.find import InputFile
from curation.sources.read import read_splits
from curation.sources.rows import Columns, Rows, Split
from curation.stages.ray_cluster import cpus
from curation.storage.store import Part, Store

Item = TypeVar("Item")

#: Most splits in one work item, however small they are.
MOST_SPLITS = 256
#: Documents below which a work item is mostly scheduling, and items that a CPU should get all the same.
FEW_DOCUMENTS, ITEMS_A_CPU = 4096, 8


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


def one_by_one(batch: list[Item]) -> list[list[Item]]:
    """The parts of an item that is a list."""
    return [[one] for one in batch]
