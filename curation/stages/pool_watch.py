"""The watch over a Ray Data pipeline: looks now and then whether anybody works.

Ray Data waits without end for actors that find no machine. Its own limit counts the time without a result, and an item
may take hours; the board knows whether somebody has one in hand. Imported by those who have Ray Data loaded.
"""

from __future__ import annotations

import time

import ray
from ray.data._internal.execution.execution_callback import ExecutionCallback
from ray.data._internal.execution.streaming_executor import StreamingExecutor

from curation.stages.board import board
from curation.stages.waiting import LOOK, check_idle

#: Seconds without work, after some was done, until a pool counts as stuck.
STUCK = 15.0


class StuckPoolError(Exception):
    """The actors that are left have nothing to do; what is left waits for actors that can't start again."""


class PoolWatch(ExecutionCallback):  # type: ignore[misc]
    """Raises in the pipeline's loop, and so ends the pipeline, when nobody works any more."""

    def __init__(self, wanted: dict[str, float]) -> None:
        self._wanted = wanted
        self._began = self._looked = time.monotonic()

    def on_execution_step(self, executor: StreamingExecutor) -> None:
        """Called by Ray Data some ten times a second."""
        now = time.monotonic()
        if now - self._looked < LOOK:
            return
        self._looked = now
        idle: float = ray.get(board().idle_seconds.remote())
        check_idle(idle, "embeddings", self._wanted)
        if STUCK < idle < now - self._began:
            raise StuckPoolError
