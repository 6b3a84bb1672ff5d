"""Waiting for Ray, and not for ever.

A task or an actor for which the cluster has no place waits without a word. So whoever waits for results looks, while
nothing comes, whether anybody has work in hand (`board`). If nobody has, it says so every half minute, and gives
up after `resources.wait_seconds`, with what was asked for and what the cluster has.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from curation.errors import RunError
from curation.stages.board import board, record

#: Seconds between two looks while nothing comes, and between two events that say so.
LOOK, TELL = 5.0, 30.0


@dataclass
class Patience:
    """How long to wait for machines, and who hears of it."""

    seconds: float = 600.0
    tell: Callable[..., None] | None = None
    told: float = field(default=0.0, repr=False)


#: Of this process, which is the driver of one job at a time.
PATIENCE = Patience()


def ready(references: Sequence[Any], what: str, wanted: dict[str, float], timeout: float | None = None) -> list[Any]:
    """One of the references when it has come; none when `timeout` seconds are over.

    Args:
        references: of tasks or calls of actors.
        what: they are, for the message.
        wanted: what one of them needs, by Ray's name of the resource.
        timeout: seconds; None: no limit but that nobody works.

    Raises:
        RunError: nobody has had anything in hand for `resources.wait_seconds`.
    """
    import ray

    until = None if timeout is None else time.monotonic() + timeout
    while True:
        left = LOOK if until is None else max(0.0, min(LOOK, until - time.monotonic()))
        found, _ = ray.wait(list(references), num_returns=1, timeout=left)
        if found or (until is not None and time.monotonic() >= until):
            return list(found)
        check_idle(ray.get(board().idle_seconds.remote()), what, wanted)


def note_lost(what: str, why: BaseException, item: Any = None) -> None:
    """Says that a worker was lost and its work is tried again; `item`: the work item, of which splits are told."""
    record({"curation_retries_total": 1})
    if PATIENCE.tell:
        splits = [split.split_id for split in getattr(item, "splits", ())]
        where = {"split": splits[0], "splits": len(splits)} if splits else {}
        PATIENCE.tell("lost", text=f"{what}: its worker was lost ({why}); it is tried again", **where)


def check_idle(idle: float, what: str, wanted: dict[str, float]) -> None:
    """Says now and then that nobody works, and gives up after long.

    Raises:
        RunError: nobody has worked for `resources.wait_seconds`.
    """
    if idle >= PATIENCE.seconds:
        raise RunError(
            f"{what}: nothing could start for {idle:.0f} s. {asked(wanted)}; {cluster_in_words()}. Is another job "
            "holding them, or is a machine gone? Ask for less under `resources`, or raise resources.wait_seconds"
        )
    now = time.monotonic()
    if idle >= min(TELL, PATIENCE.seconds / 2) and now - PATIENCE.told >= TELL:
        PATIENCE.told = now
        if PATIENCE.tell:
            text = f"{what}: waiting for {idle:.0f} s. {asked(wanted)}; {cluster_in_words()}"
            PATIENCE.tell("waiting", text=text)


def asked(wanted: dict[str, float]) -> str:
    """What is asked for, in words."""
    return "Asked for: " + (" and ".join(f"{count:g} {name}" for name, count in wanted.items() if count) or "a process")


def cluster_in_words() -> str:
    """What the cluster has, and how much of it is free."""
    import ray

    there, free = ray.cluster_resources(), ray.available_resources()
    nodes = sum(node["Alive"] for node in ray.nodes())
    slots = [f"{there.get(name, 0):g} {name} ({free.get(name, 0):g} free)" for name in ("CPU", "GPU")]
    return f"the cluster has {nodes} nodes with {' and '.join(slots)}"
