"""The stopwatch: how long a piece of the run's own work takes here."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

Value = TypeVar("Value")


def timed(work: Callable[[], Value], rounds: int = 1) -> tuple[float, Value]:
    """The seconds that a piece of work takes, never 0, and what it gives.

    Args:
        work: the same each time.
        rounds: of which the shortest counts: what takes milliseconds is soon disturbed.
    """
    shortest = float("inf")
    for _ in range(rounds):
        begun = time.perf_counter()
        value = work()
        shortest = min(shortest, time.perf_counter() - begun)
    return max(1e-9, shortest), value


def seconds(work: Callable[[], Any], rounds: int = 1) -> float:
    """The seconds alone."""
    return timed(work, rounds)[0]
