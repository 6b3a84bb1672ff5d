"""What differs between two trees of plain values, key by key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

#: Stands for a key that one side doesn't have.
MISSING = "(not there)"


def flat(value: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every value below dotted keys. A list of plain values is a value; entries of other lists are numbered."""
    if isinstance(value, Mapping) and value:
        for key, below in value.items():
            yield from flat(below, f"{prefix}.{key}" if prefix else str(key))
    elif isinstance(value, Sequence) and any(isinstance(entry, Mapping) for entry in value):
        for number, entry in enumerate(value):
            yield from flat(entry, f"{prefix}.{number}")
    else:
        yield prefix, value


def differing(a: Any, b: Any) -> list[dict[str, Any]]:
    """The keys whose values differ, in the order of a, then those that only b has: `key`, `a`, `b`."""
    left, right = dict(flat(a)), dict(flat(b))
    return [
        {"key": key, "a": left.get(key, MISSING), "b": right.get(key, MISSING)}
        for key in {**left, **right}
        if left.get(key, MISSING) != right.get(key, MISSING)
    ]
