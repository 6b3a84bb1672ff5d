"""The second pass of writing shards: what the splits gave to a group is merged by position and written."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curation.output.formats import Format, shard_format
from curation.stages import ray_cluster, workers
from curation.stages.board import record_progress
from curation.stages.context import Run
from curation.stages.spill import POSITION, spill_name
from curation.stages.splits import load_splits
from curation.storage.store import Part, Store


@dataclass(frozen=True)
class Group:
    """Shards that one task writes: files, first positions, and the position after the last row."""

    number: int
    files: list[str]
    first: list[int]
    stop: int

    @property
    def rows(self) -> int:
        """Rows of all its shards."""
        return self.stop - self.first[0]

    @property
    def label(self) -> str:
        """Which shards, for messages."""
        return f"{self.files[0]} to {self.files[-1]}"


def is_complete(store: Store, group: Group) -> bool:
    """Whether an interrupted run wrote all shards of a group, and they are what it wrote."""
    known: dict[str, str] = store.started("shards").get("known", {})
    if not all(store.exists(name) for name in group.files):
        return False
    return all(store.hash(name)[1] == known[name] for name in group.files if name in known)


def write_groups(run: Run, columns: pa.Schema, groups: list[Group], pending: list[Group]) -> list[Part]:
    """Writes the shards of the groups that are not complete, and returns all shards in order."""
    spilled = [spill_name(split.split_id) for split in load_splits(run.store)]
    names = ray_cluster.share(spilled)
    complete = [group for group in groups if group not in pending]
    parts: list[Part] = []
    tasks = run.job.resources.tasks
    with run.reporter.stage("shards", groups[-1].stop) as progress:
        for group, found in workers.map_items(complete, read_group, run.store, tasks=tasks):
            parts += found
            progress.found(group.rows)
        writing = workers.map_items(
            pending, write_group, run.store, shard_format(run.job.output), columns, names, tasks=tasks
        )
        for done, (group, written) in enumerate(writing, len(complete) + 1):
            parts += written
            progress.advance(group.rows)
            record_progress(done, len(groups), group.rows, sum(part.bytes for part in written))
    place = {name: index for index, name in enumerate(itertools.chain.from_iterable(group.files for group in groups))}
    return sorted(parts, key=lambda part: place[part.name])


def read_group(group: Group, store: Store) -> list[Part]:
    """The shards of a group that are there already."""
    stops = [*group.first[1:], group.stop]
    found = []
    for name, first, stop in zip(group.files, group.first, stops, strict=True):
        size, sha256 = store.hash(name)
        found.append(Part(name, stop - first, size, sha256))
    return found


def write_group(group: Group, store: Store, format_: Format, columns: pa.Schema, spilled: list[str]) -> list[Part]:
    """Merges what the splits gave to a group and writes its shards."""
    rows, order = gathered(store, spilled, group.number)
    cuts = np.searchsorted(rows[POSITION].to_numpy()[order], [*group.first, group.stop])
    parts = []
    for name, low, high in zip(group.files, cuts, cuts[1:], strict=False):
        with store.create(name) as sink:
            format_.write(sink, rows, order[low:high], columns)
        parts.append(Part(name, int(high - low), sink.bytes, sink.sha256))
    return parts


def gathered(store: Store, spilled: list[str], number: int) -> tuple[pa.Table, NDArray[np.int64]]:
    """What spilled files hold for a group, one chunk a column, and its row numbers by position: int64[rows]."""
    rows = pa.concat_tables([_read_batch(store, name, number) for name in spilled]).combine_chunks()
    return rows, np.argsort(rows[POSITION].to_numpy(), kind="stable")


def _read_batch(store: Store, name: str, number: int) -> pa.Table:
    with store.open_input(name) as file:
        return pa.Table.from_batches([pa.ipc.open_file(file).get_batch(number)])
