"""Work in Ray tasks: a function mapped over work items.

Ray is a scheduler here and holds no state: a task gets a small work item, reads and writes the run directory, and
returns a small receipt. A task that loses its process or node is tried again a bounded number of times, and the bound
is the item's own: on machines that are taken away, losses of other items say nothing about it. An item of many
parts that was lost too often is tried part by part, so that the one that kills its worker is named. An error that a
person must mend travels as a value, so that it arrives with its own words and without a traceback.
"""

from __future__ import annotations

import time
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from curation.errors import CurationError, RunError
from curation.stages.board import board, in_hand
from curation.stages.ray_cluster import cpus
from curation.stages.waiting import LOOK, note_lost, ready

Item = TypeVar("Item")
Receipt = TypeVar("Receipt")

#: Times that an item is tried again after its process or node was lost.
RETRIES = 3
#: Seconds before the first time; each further time three times as many, so that a dead node is known as one by then.
RETRY_SECONDS = 1.0
#: The labels of the nodes that tasks without a GPU keep to; empty: any (`demand`).
PLACE: dict[str, str] = {}


@dataclass
class _Try(Generic[Item]):
    """An item on its way, and how often it was lost; not before `after`, on the monotonic clock."""

    item: Item
    lost: int = 0
    after: float = 0.0


def map_items(
    items: Iterable[Item],
    work: Callable[..., Receipt],
    *shared: Any,
    tasks: int | str = "auto",
    gpus: float = 0.0,
    parts: Callable[[Item], list[Item]] | None = None,
    lost: Callable[[Item, RunError], Receipt] | None = None,
) -> Iterator[tuple[Item, Receipt]]:
    """Calls `work(item, *shared)` in Ray tasks of one CPU slot and yields (item, receipt) as they finish.

    Args:
        items: picklable work items; taken lazily, a few ahead of the workers.
        work: a module-level function.
        shared: further arguments; object references (`share`) arrive as the values they stand for.
        tasks: at most so many at a time; `auto` keeps every CPU busy.
        gpus: GPUs of a task, in place of the CPU slot: nodes with GPUs have none, so no other work keeps them up.
        parts: smaller items for one that lost its worker RETRIES + 1 times; each is tried as often.
        lost: the receipt of an item without parts that lost its worker so often; None: the error is raised.

    Raises:
        CurationError: raised by `work`, as it was.
        RunError: an item lost its worker again and again, or nothing could start for long.
    """
    import ray

    wanted = {"GPU": gpus} if gpus else {"CPU": 1.0}
    place = {} if gpus else dict(PLACE)
    call = ray.remote(num_cpus=wanted.get("CPU", 0), num_gpus=gpus, max_retries=0, label_selector=place)(_call)
    window, look = 0, 0.0
    name, notes = str(work.__name__).strip("_").replace("_", " "), board()
    waiting: dict[Any, _Try[Item]] = {}
    again: deque[_Try[Item]] = deque()
    left = iter(items)
    try:
        while True:
            notes.ask.remote()
            if time.monotonic() >= look:  # a cluster grows while tasks wait, and the window with it
                window, look = 2 * cpus() if tasks == "auto" else int(tasks), time.monotonic() + LOOK
            while len(waiting) < window and (one := _next(again, left)) is not None:
                waiting[call.remote(notes, uuid.uuid4().hex, work, one.item, *shared)] = one
            if not waiting and not again:
                return
            if not waiting:
                time.sleep(max(0.0, again[0].after - time.monotonic()))
                continue
            pause = max(0.0, again[0].after - time.monotonic()) if again and len(waiting) < window else None
            for reference in ready(list(waiting), name, wanted, pause):
                one = waiting.pop(reference)
                what = name_of(work, one.item)
                try:
                    receipt: Receipt = outcome(reference, what)
                except LostError as error:
                    further = _further(one, parts)
                    again.extend(further)
                    if further:
                        note_lost(what, error, one.item)
                        continue
                    failure = lost_too_often(what, error)
                    if lost is None:
                        raise failure from error
                    receipt = lost(one.item, failure)
                yield one.item, receipt
    finally:
        for reference in waiting:
            ray.cancel(reference, force=True)


def _next(again: deque[_Try[Item]], left: Iterator[Item]) -> _Try[Item] | None:
    """What is to be tried again, when its time has come; else a new item."""
    for _ in range(len(again)):
        if again[0].after <= time.monotonic():
            return again.popleft()
        again.rotate(-1)
    return None if (item := next(left, None)) is None else _Try(item)


def _further(one: _Try[Item], parts: Callable[[Item], list[Item]] | None) -> list[_Try[Item]]:
    """What is left to try of an item whose worker was lost."""
    one.lost += 1
    if one.lost <= RETRIES:
        return [_Try(one.item, one.lost, time.monotonic() + RETRY_SECONDS * 3.0 ** (one.lost - 1))]
    smaller = parts(one.item) if parts else []
    return [_Try(part) for part in smaller] if len(smaller) > 1 else []


def _call(board: Any, key: str, work: Callable[..., Any], item: Any, *shared: Any) -> Any:
    with in_hand(board, key):
        try:
            return work(item, *shared)
        except CurationError as error:
            return error


class LostError(RunError):
    """A worker was lost. The work may be tried again."""


def lost_too_often(what: str, cause: BaseException | str) -> RunError:
    """The error for work that lost its worker RETRIES + 1 times."""
    return RunError(
        f"{what}: its worker was lost {RETRIES + 1} times ({cause}). Does this input crash its reader or the model, or "
        "need more memory than there is? Mend it or take it out of the sources, or give the workers more memory"
    )


def name_of(work: Callable[..., Any], item: Any) -> str:
    """What a task was about, for a message: the item's own label, that of a list's first, or the name of the work."""
    first = item[0] if isinstance(item, list) and item else item
    return str(getattr(first, "label", work.__name__.strip("_").replace("_", " ")))


def outcome(reference: Any, what: str) -> Any:
    """The value of a task or of a call of an actor.

    Raises:
        CurationError: what it returned as its value; or in the words of RunError, what it raised.
        LostError: its worker was lost.
    """
    import ray

    try:
        value = ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        raise RunError(f"{what}: {cause_of(error)}") from error
    except ray.exceptions.RayError as error:
        if died_starting(error):
            raise RunError(f"{what}: {cause_of(error)}") from error
        raise LostError(cause_of(error)) from error
    if isinstance(value, CurationError):
        raise value
    return value


def cause_of(error: BaseException) -> str:
    """What lies under Ray's own errors, in one line."""
    while (cause := getattr(error, "cause", None) or error.__cause__) is not None:
        error = cause
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [""]
    if died_starting(error):  # Ray puts the traceback of the constructor into the message, the error itself last
        return lines[-1]
    return f"{type(error).__name__}: {lines[0]}"


def died_starting(error: BaseException) -> bool:
    """True for an actor whose constructor failed, which no restart would mend."""
    return "creation task" in str(error).partition("\n")[0]
