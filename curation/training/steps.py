"""Steps of a trainer: a *step* takes a global batch of rows, and every data-parallel rank a share of it.

A rank's share is a contiguous part of the global batch, so the rows of a step, rank after rank, are the same whatever
the number of ranks. Of a global batch that is not full every rank gets as equal a part as can be, maybe none.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from curation.errors import JobError
from curation.training.folder import Folder

#: Makes a batch of its rows; runs in the worker that read them.
Collate = Callable[[list[dict[str, Any]]], Any]


@dataclass(frozen=True)
class Rank:
    """One of `world` data-parallel ranks, counted from 0."""

    rank: int
    world: int

    def share(self, rows: int) -> slice:
        """Which rows of a global batch are this rank's."""
        return slice(rows * self.rank // self.world, rows * (self.rank + 1) // self.world)


def this_rank(rank: int | None, world: int | None) -> Rank:
    """The rank as it is given, or as torch.distributed has it; the only one where that is not in use.

    Raises:
        JobError: there is no such rank.
    """
    if rank is None and world is None:
        from torch import distributed

        if distributed.is_available() and distributed.is_initialized():
            return Rank(distributed.get_rank(), distributed.get_world_size())
        return Rank(0, 1)
    if rank is None or world is None or not 0 <= rank < world:
        raise JobError(f"rank {rank} of {world}: give both, 0 <= rank < world, or none for torch.distributed's")
    return Rank(rank, world)


def check_count(key: str, value: int, least: int = 1) -> int:
    """A number that counts something.

    Raises:
        JobError: it is no whole number, or too small.
    """
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise JobError(f"{key} is {value!r}: it must be a whole number from {least} on")
    return value


def check_state(state: dict[str, Any], expected: dict[str, Any]) -> None:
    """Checks that a state dict was saved of what it is to be loaded into.

    Raises:
        JobError: a value is missing or another one; the message names it.
    """
    for key, value in expected.items():
        if key not in state:
            raise JobError(f"the state has no {key!r}: it is not a state dict of this class")
        if state[key] != value:
            raise JobError(
                f"the state was saved with {key} {state[key]!r}, and here it is {value!r}: resume with the shards and "
                "settings it was saved with, or start without a state"
            )


def start_method(folder: Folder) -> str | None:
    """How worker processes are started: None for the platform's way.

    Clients of object stores have threads, which a fork does not copy: a forked worker may hang in its first read.
    """
    return None if folder.store.is_local else "spawn"
