"""The file that everything in a run directory is written through: it knows its size and hash when it is closed."""

from __future__ import annotations

import hashlib
import io
from typing import IO, Any


class Sink(io.RawIOBase):
    """A writable binary file that counts and hashes what passes through it."""

    def __init__(self, raw: IO[bytes]) -> None:
        self._raw, self._hash, self.bytes = raw, hashlib.sha256(), 0

    def writable(self) -> bool:
        """Always true."""
        return True

    def write(self, data: Any) -> int:
        """Writes all of `data`."""
        view = memoryview(data).cast("B")
        self._hash.update(view)
        self._raw.write(view)
        self.bytes += len(view)
        return len(view)

    def tell(self) -> int:
        """Bytes written so far."""
        return self.bytes

    @property
    def sha256(self) -> str:
        """Hash of the bytes written so far, in hex."""
        return self._hash.hexdigest()
