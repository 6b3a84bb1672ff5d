"""A run directory that is read and not written: what a stage would commit is hashed and forgotten.

So a stage's own function says what it would write, and verify compares that with what was written.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from curation.storage.sink import Sink
from curation.storage.store import Store


@dataclass(frozen=True)
class Unwritten(Store):
    """Reads from the run directory; `create` keeps nothing but size and hash."""

    @contextlib.contextmanager
    def create(self, name: str) -> Iterator[Sink]:
        """A file that goes nowhere."""
        with Path(os.devnull).open("wb") as nowhere:
            yield Sink(nowhere)
