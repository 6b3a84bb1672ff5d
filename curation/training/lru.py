"""Things that are dear to make, kept as long as there is room: row groups, open files.

A trainer reads one row here and one there, and mostly near those it read before. What was used longest ago goes first.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Lru(Generic[Value]):
    """Values by key, of at most `room` in all; at least the newest is kept, however large."""

    def __init__(self, room: int, drop: Callable[[Value], None] | None = None) -> None:
        """`drop` is called with each value that goes."""
        self._room, self._drop = room, drop
        self._values: OrderedDict[Hashable, tuple[Value, int]] = OrderedDict()
        self._used = 0

    def get(self, key: Hashable, make: Callable[[], tuple[Value, int]]) -> Value:
        """The value of a key; `make` gives it, and what it takes of the room, where it is not there."""
        if key in self._values:
            self._values.move_to_end(key)
            return self._values[key][0]
        value, size = make()
        self._values[key] = value, size
        self._used += size
        while self._used > self._room and len(self._values) > 1:
            self._let_go()
        return value

    def clear(self) -> None:
        """Lets all values go."""
        while self._values:
            self._let_go()

    def _let_go(self) -> None:
        _, (value, size) = self._values.popitem(last=False)
        self._used -= size
        if self._drop is not None:
            self._drop(value)
