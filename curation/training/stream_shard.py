"""Rows of a compressed JSONL shard: a stream, which can only be read from its beginning.

Rows that come later are reached by passing over those between, rows that came before by starting again. In the global
order that is one pass a process, whatever it takes of the rows. Memory: one read and one line.
"""

from __future__ import annotations

from collections.abc import Generator
from itertools import islice
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curation.errors import RunError
from curation.storage.errors import told
from curation.training.folder import Folder, Shard
from curation.training.span_shard import line_row

CODECS = {".gz": "gzip", ".zst": "zstd"}
#: Bytes a read of the decompressed stream.
PIECE = 1 << 20


class StreamShard:
    """An open shard of compressed JSONL."""

    def __init__(self, folder: Folder, shard: Shard) -> None:
        self._folder, self._shard, self._shown = folder, shard, folder.shown(shard)
        self._next, self._source, self._lines = self._beginning()
        self.rows = shard.rows
        """As the index has it: the file itself does not tell before its end."""

    def take(self, numbers: NDArray[np.int64]) -> list[dict[str, Any]]:
        """The rows of these numbers, which ascend.

        Raises:
            RunError: the file is damaged, or ends before.
        """
        if numbers[0] < self._next:
            self.close()
            self._next, self._source, self._lines = self._beginning()
        found = []
        for number in numbers.tolist():
            line = next(islice(self._lines, number - self._next, None), None)
            if line is None:
                raise RunError(
                    f"{self._shown}: has no row {number}, and the index says {self.rows} rows: "
                    "copy it again from the run directory"
                )
            found.append(line_row(line, self._folder.columns))
            self._next = number + 1
        return found

    def close(self) -> None:
        """Closes the file."""
        self._lines.close()
        self._source.close()

    def _beginning(self) -> tuple[int, pa.NativeFile, Generator[bytes]]:
        """The first row's number, the file, and its lines."""
        source = self._folder.store.open_input(self._shard.file)
        codec = CODECS[self._shard.file[self._shard.file.rindex(".") :]]
        return 0, source, _lines(source, codec, self._shown)


def _lines(source: pa.NativeFile, codec: str, shown: str) -> Generator[bytes]:
    held: list[bytes] = []  # of the line that is not whole yet; joined once, however long it is
    try:
        with told(shown), pa.CompressedInputStream(source, codec) as stream:
            while piece := stream.read(PIECE):
                first, *others = piece.split(b"\n")
                held.append(first)
                if others:
                    yield b"".join(held)
                    yield from others[:-1]
                    held = others[-1:]
    except OSError as error:
        raise RunError(f"{shown}: is damaged ({error}): copy it again from the run directory") from error
    if last := b"".join(held):
        yield last
