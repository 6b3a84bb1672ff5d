"""Token ids: those of some draws are what the run's tokenizer makes of their texts, read from the sources once more.

A token file holds no text to hash, so the sources are read again, and reading is what that costs: some draws of some
splits of each prefix are taken, by the job's seed. A run of at most DRAWS rows in at most SPLITS splits is looked at
whole, a larger one by a sample: what is wrong with many documents is found, what is wrong with one may not be.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from curation.config import Job
from curation.counter_rng import keys, uniform
from curation.errors import CurationError
from curation.output.megatron import Index
from curation.stages.ray_cluster import share
from curation.stages.spill import read_group, token_rows, tokenizer_of
from curation.stages.splits import WorkItem, load_files, load_splits, part_name, work_items
from curation.stages.tokenizer import load_tokenizer
from curation.stages.workers import map_items
from curation.storage.errors import told
from curation.storage.store import Store
from curation.verify.files import Faults

#: Draws of a run that are looked at, and splits that are read for it, about; both times the share of `--sample`.
DRAWS, SPLITS = 1000, 64


@dataclass(frozen=True)
class Quota:
    """How many draws of a prefix are looked at, and from how many splits at most."""

    draws: int
    splits: int


@dataclass(frozen=True)
class Draw:
    """A document in a token file: its number there, the bytes that its ids take, and the row that it was read from."""

    file: str
    number: int
    start: int
    size: int
    split_id: int
    doc_id: int


def quotas(rows: list[int], splits: int, sample: float) -> list[Quota]:
    """The quota of each prefix: in proportion to its rows, and at least one draw of one split.

    Args:
        rows: of each prefix.
        splits: of the run.
        sample: the share of the usual number.
    """
    draws, most, total = sample * DRAWS, sample * SPLITS, max(1, sum(rows))
    return [
        Quota(
            min(count, max(1, int(count * draws / total))),
            splits if splits <= most else max(1, int(count * most / total)),
        )
        for count in rows
    ]


def some_splits(seed: int, split_ids: list[int], most: int) -> list[int]:
    """At most so many of some splits, ascending: the same first ones whoever asks, so that prefixes share them."""
    order = np.argsort(keys(seed, "verify.splits_of_ids", np.array(split_ids, np.int64)), kind="stable")
    return sorted(split_ids[index] for index in order[:most].tolist())


def spread(seed: int, file: str, count: int, quota: int) -> NDArray[np.int64]:
    """`quota` of the numbers 0 to `count` - 1, ascending: one of each of as many stretches of equal length."""
    bounds = np.arange(quota + 1) * count // max(1, quota)
    chance = uniform(seed, f"verify.ids.{file}", np.arange(quota))
    found: NDArray[np.int64] = bounds[:-1] + (chance * np.diff(bounds)).astype(np.int64)
    return found


def some_draws(
    store: Store, seed: int, file: str, index: Index, positions: NDArray[np.int64], split_ids: list[int], quota: Quota
) -> list[Draw]:
    """The draws of a prefix that are looked at.

    Args:
        store: the run directory.
        seed: of the job.
        file: the file of ids.
        index: what its `.idx` says.
        positions: int64[n], of its draws in the schedule, ascending.
        split_ids: those that gave it a draw.
        quota: how many.
    """
    found = []
    for split_id in some_splits(seed, split_ids, quota.splits):
        plan = store.read_table(part_name("schedule", split_id), ["position", "doc_id"])
        drawn = np.stack([plan[name].to_numpy().astype(np.int64) for name in ("position", "doc_id")])
        drawn = drawn[:, (drawn[0] >= positions[0]) & (drawn[0] <= positions[-1])]
        found.append(np.vstack([drawn, np.full(drawn.shape[1], split_id)]))
    drawn = np.hstack(found)
    order = np.argsort(drawn[0], kind="stable")
    position, doc_id, split_id = drawn[:, order[spread(seed, file, len(order), min(quota.draws, len(order)))]]
    number = np.searchsorted(positions, position)
    size = index.lengths[number].astype(np.int64) * index.dtype.itemsize
    columns = (number, index.pointers[number], size, split_id, doc_id)
    return [Draw(file, *row) for row in zip(*(column.tolist() for column in columns), strict=True)]


def check_ids(store: Store, job: Job, draws: list[Draw]) -> Faults:
    """The ids of some draws against the texts in the sources: a check a token file, and a fault a source that can't be
    read.

    Args:
        store: the run directory.
        job: the job.
        draws: of all prefixes.
    """
    sha256 = tokenizer_of(store)
    assert sha256 is not None, "the job file is checked for it"
    by_split: dict[int, list[Draw]] = {}
    for draw in draws:
        by_split.setdefault(draw.split_id, []).append(draw)
    wanted = [split for split in load_splits(store) if split.split_id in by_split]
    items = work_items(wanted, load_files(store), documents=1)
    arguments = (store, job, share(by_split), sha256)
    unread, wrong = set(), []
    for _, found in map_items(items, check_item, *arguments, tasks=job.resources.tasks):
        if isinstance(found, str):
            unread.add(found)
        else:
            wrong += found
    yield from sorted(unread)
    for file, count in Counter(draw.file for draw in draws).items():
        yield _verdict(file, count, [draw for draw in wrong if draw.file == file])


def _verdict(file: str, looked_at: int, wrong: list[Draw]) -> str | None:
    if not wrong:
        return None
    first = min(wrong, key=lambda draw: draw.number)
    return (
        f"{file}: {len(wrong)} of {looked_at} documents that were looked at have other token ids than their texts, the "
        f"first of them document {first.number} in it (doc_id {first.doc_id})"
    )


def check_item(item: WorkItem, store: Store, job: Job, draws: dict[int, list[Draw]], sha256: str) -> str | list[Draw]:
    """The draws of some splits that have other ids than their texts; or why these can't be read."""
    try:
        return list(_others(item, store, job, draws, sha256))
    except CurationError as error:
        return f"the token ids of some documents can't be checked: {error}"


def _others(item: WorkItem, store: Store, job: Job, draws: dict[int, list[Draw]], sha256: str) -> Iterator[Draw]:
    """The draws of some splits whose ids are not those of their texts."""
    tokenizer = load_tokenizer(store, sha256, job.tokens.end_of_document)
    for group in item.groups:
        for split, rows in read_group(item, group, store, job):
            mine = draws[split.split_id]
            row = np.array([draw.doc_id - split.first_doc_id for draw in mine])
            ids = token_rows(rows["text"], row, tokenizer)["tokens"]
            for draw, at in zip(mine, row.tolist(), strict=True):
                with told(store.shown(draw.file)), store.open_input(draw.file) as file:
                    found = file.read_at(draw.size, draw.start)
                if found != ids[at].as_py():
                    yield draw
