"""Board: where workers write down what they have in hand, so that a lost one is known by what it did last.

Ray says that a process died, and not on which split; it says nothing of an actor that it restarts, and nothing of a
task that waits for a CPU. So whoever works on something notes its beginning and its end on an actor beside the
driver. What was begun again and again and never ended has killed those who tried; and when nobody has had anything
in hand for long, the work is waiting for machines. A worker that is lost can't say so: while it has something in
hand it gives a sign of life every few seconds, and what it held counts as in hand no longer when that stops.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

#: Seconds between two signs of life, and after how many without one a worker counts as lost.
BEAT, LOST = 2.0, 10.0


class Board:
    """What is in hand, and how often it was begun since it last ended."""

    def __init__(self) -> None:
        self._tries: Counter[str] = Counter()
        self._heard: dict[str, float] = {}
        self._last = time.monotonic()

    def ask(self) -> None:
        """Notes that the driver asks for work: nobody was to have anything in hand before."""
        self._last = time.monotonic()

    def begin(self, key: str) -> int:
        """Notes that someone begins; returns how often that has happened without an end, this time included."""
        self._tries[key] += 1
        self.beat(key)
        return self._tries[key]

    def beat(self, key: str) -> None:
        """A sign of life of who has it in hand."""
        self._last = self._heard[key] = time.monotonic()

    def end(self, key: str) -> None:
        """Notes that it was done, or given up with an error that is told."""
        self._last = time.monotonic()
        self._tries.pop(key, None)
        self._heard.pop(key, None)

    def tries(self, keys: list[str]) -> int:
        """The most times that one of these was begun since its last end."""
        return max((self._tries[key] for key in keys), default=0)

    def idle_seconds(self) -> float:
        """How long nobody has had anything in hand, though it was asked for; 0 while somebody has."""
        now = time.monotonic()
        return 0.0 if any(now - heard < LOST for heard in self._heard.values()) else now - self._last


#: The board of the job that this process is the driver of, by that job's and this node's ids in Ray.
_boards: dict[str, Any] = {}


def board() -> Any:
    """The handle of this job's board, which is made beside the driver when it is first asked for."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = ray.get_runtime_context()
    job = f"{here.get_job_id()} {here.get_node_id()}"
    if job not in _boards:
        beside = NodeAffinitySchedulingStrategy(here.get_node_id(), soft=False)
        made = ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1)(Board)
        _boards.clear()
        _boards[job] = made.options(scheduling_strategy=beside).remote()
    return _boards[job]


@contextlib.contextmanager
def in_hand(board: Any, key: str) -> Iterator[int]:
    """Notes the beginning, signs of life and the end of a piece of work; yields how often it was begun so far."""
    import ray

    tries: int = ray.get(board.begin.remote(key))
    done = threading.Event()

    def beat() -> None:
        while not done.wait(BEAT):
            board.beat.remote(key)

    threading.Thread(target=beat, daemon=True).start()
    try:
        yield tries
    finally:
        done.set()
        board.end.remote(key)
