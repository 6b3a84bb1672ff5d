"""Board: where workers write down what they have in hand, so that a lost one is known by what it did last.

Ray says that a process died, and not on which split; it says nothing of an actor that it restarts, and nothing of a
task that waits for a CPU. So whoever works on something notes its beginning and its end on an actor beside the
driver. What was begun again and again and never ended has killed those who tried; and when nobody has had anything
in hand for long, the work is waiting for machines. A worker that is lost can't say so: while it has something in
hand it gives a sign of life every few seconds, and what it held counts as in hand no longer when that stops.

What is told to the board, it also records as the run's metrics (`metrics`), where somebody can read them.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

from curation.stages.metrics import Meters, exported, gpu_memory

#: Seconds between two signs of life, and after how many without one a worker counts as lost.
BEAT, LOST = 2.0, 10.0


class Board:
    """What is in hand, and how often it was begun since it last ended."""

    def __init__(self) -> None:
        self._tries: Counter[str] = Counter()
        self._heard: dict[str, float] = {}
        self._last = time.monotonic()
        self._meters: Meters | None = None

    def measure(self, run: str, stage: str) -> None:
        """Records metrics from now on, of this run and stage."""
        self._meters = self._meters or Meters()
        self._meters.at(run, stage)

    def record(self, values: dict[str, float], **labels: str) -> None:
        """Adds to counters and sets gauges, by the names in `metrics.METRICS`; nothing while nobody measures."""
        if self._meters:
            self._meters.record(values, labels)

    def ask(self) -> None:
        """Notes that the driver asks for work: nobody was to have anything in hand before."""
        self._last = time.monotonic()

    def begin(self, key: str) -> int:
        """Notes that someone begins; returns how often that has happened without an end, this time included."""
        self._tries[key] += 1
        self._heard.pop(key, None)
        self.beat(key)
        self.record({"curation_retries_total": self._tries[key] > 1})
        return self._tries[key]

    def beat(self, key: str, node: str = "", gpus: dict[str, int] | None = None) -> None:
        """A sign of life of who has it in hand, with the memory in use on the GPUs of their node, if they have any."""
        self._last = time.monotonic()
        self.record({"curation_work_seconds_total": self._last - self._heard.get(key, self._last)})
        self._heard[key] = self._last
        if self._meters and gpus:
            self._meters.gpus(node, gpus)

    def end(self, key: str, node: str = "", gpus: dict[str, int] | None = None) -> None:
        """Notes that it was done, or given up with an error that is told."""
        self.beat(key, node, gpus)
        self._tries.pop(key, None)
        self._heard.pop(key, None)

    def tries(self, keys: list[str]) -> int:
        """The most times that one of these was begun since its last end."""
        return max((self._tries[key] for key in keys), default=0)

    def idle_seconds(self) -> float:
        """How long nobody has had anything in hand, though it was asked for; 0 while somebody has."""
        now = time.monotonic()
        return 0.0 if any(now - heard < LOST for heard in self._heard.values()) else now - self._last


#: The board of the job that this process is the driver of, by that job's and this node's ids in Ray; and whether
#: anybody can read metrics.
_boards: dict[str, tuple[Any, bool]] = {}


def board() -> Any:
    """The handle of this job's board, which is made beside the driver when it is first asked for."""
    return _board()[0]


def _board() -> tuple[Any, bool]:
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = ray.get_runtime_context()
    job = f"{here.get_job_id()} {here.get_node_id()}"
    if job not in _boards:
        beside = NodeAffinitySchedulingStrategy(here.get_node_id(), soft=False)
        made = ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1)(Board)
        _boards.clear()
        _boards[job] = made.options(scheduling_strategy=beside).remote(), exported()
    return _boards[job]


def measure(run: str, stage: str) -> None:
    """Lets the board record the metrics of a stage; nothing where nobody can read them."""
    notes, read = _board()
    if read and stage:
        notes.measure.remote(run, stage)


def record(values: dict[str, float], **labels: str) -> None:
    """Adds to counters and sets gauges of the run, by the names in `metrics.METRICS`; nothing where nobody reads."""
    notes, read = _board()
    if read:
        notes.record.remote(values, **labels)


def record_progress(done: int, total: int, documents: int = 0, written_bytes: int = 0) -> None:
    """Records how many splits are done and there in all, and what was added by the last of them."""
    counts = {"curation_documents_total": documents, "curation_written_bytes_total": written_bytes}
    record({"curation_splits": total, "curation_splits_done": done, **counts})


@contextlib.contextmanager
def in_hand(board: Any, key: str) -> Iterator[int]:
    """Notes the beginning, signs of life and the end of a piece of work; yields how often it was begun so far."""
    import ray

    tries: int = ray.get(board.begin.remote(key))
    done = threading.Event()

    def beat() -> None:
        while not done.wait(BEAT):
            board.beat.remote(key, *_on_gpus())

    threading.Thread(target=beat, daemon=True).start()
    try:
        yield tries
    finally:
        done.set()
        board.end.remote(key, *_on_gpus())


def _on_gpus() -> tuple[str, dict[str, int]] | tuple[()]:
    """This node, and the memory in use on the GPU that this process computes on; nothing without one."""
    import ray

    used = gpu_memory()
    return (ray.util.get_node_ip_address(), used) if used else ()
