"""Megatron's token files in a deterministic order: the prefixes of a folder interleaved by their sequences.

A prefix is a `.bin` of tokens and an `.idx` of where each sequence lies (`output.megatron`). There is one a domain
and phase, so the order across domains is not in the files. Here sequence i of n of a prefix is due at (i + 1/2) / n of
its phase, which gives every sequence once and, in any stretch, each prefix in proportion to its sequences: what
Megatron's blend comes to with weights by size, but the same everywhere. Memory: 12 bytes a sequence.

A row is {"tokens": integers[length], "domain": str}.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curation.errors import RunError
from curation.output.megatron import read_index
from curation.storage.errors import told
from curation.training.folder import Folder, Shard


class Sequences:
    """The sequences of all prefixes by position, phase after phase."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._prefix, self._sequence = _interleaved(folder)
        self._open: dict[int, _Prefix] = {}

    def __len__(self) -> int:
        """Sequences of all prefixes."""
        return len(self._prefix)

    def __getitem__(self, position: int) -> dict[str, Any]:
        """The sequence at a position."""
        return self.__getitems__([position])[0]

    def __getitems__(self, positions: Sequence[int]) -> list[dict[str, Any]]:
        """The sequences at these positions, in this order.

        Raises:
            RunError: a file is gone, damaged, or not the one of the index.
        """
        found = []
        for position in positions:
            number = int(self._prefix[position])
            if number not in self._open:
                self._open[number] = _Prefix(self._folder, self._folder.shards[number])
            prefix = self._open[number]
            found.append({"tokens": prefix.tokens(int(self._sequence[position])), "domain": prefix.domain})
        return found


def _interleaved(folder: Folder) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """The prefix of each position, and which of its sequences it is; phases (folders) one after the other."""
    prefixes, sequences = [np.zeros(0, np.int32)], [np.zeros(0, np.int64)]
    rows = np.array([shard.rows for shard in folder.shards])
    phase = np.array([shard.file.rpartition("/")[0] for shard in folder.shards])
    tokens = np.array([shard.file.endswith(".bin") for shard in folder.shards])
    for name in dict.fromkeys(phase.tolist()):
        mine = np.flatnonzero((phase == name) & tokens)
        prefix = np.repeat(mine, rows[mine])
        sequence = np.concatenate([np.arange(count) for count in rows[mine]])
        order = np.argsort((sequence + 0.5) / rows[prefix], kind="stable")
        prefixes.append(prefix[order].astype(np.int32))
        sequences.append(sequence[order])
    return np.concatenate(prefixes), np.concatenate(sequences)


class _Prefix:
    """An open `.bin` with its `.idx`."""

    def __init__(self, folder: Folder, shard: Shard) -> None:
        self._shown = folder.shown(shard)
        stem = shard.file.removesuffix(".bin")
        self.domain = shard.domain if shard.domain is not None else stem.rpartition("/")[2]
        try:
            index = folder.store.read_bytes(f"{stem}.idx")
            self._source: pa.NativeFile = folder.store.open_input(f"{stem}.bin")
        except FileNotFoundError as error:
            raise RunError(f"{self._shown}: the .bin or the .idx is not there: copy the folder whole") from error
        try:
            self._index = read_index(index)
        except ValueError as error:
            raise RunError(f"{self._shown}: its .idx is damaged ({error}): copy the folder again") from error
        if len(self._index.lengths) != shard.rows:
            raise RunError(f"{self._shown}: its .idx is not of {shard.rows} sequences: copy the folder again")

    def tokens(self, number: int) -> NDArray[Any]:
        """The tokens of a sequence."""
        dtype = self._index.dtype
        size = int(self._index.lengths[number]) * dtype.itemsize
        with told(self._shown):
            data = self._source.read_at(size, int(self._index.pointers[number]))
        if len(data) != size:
            raise RunError(f"{self._shown}: ends too early: copy the folder again")
        # A copy: what lies on bytes can't be written to, which torch warns of.
        return np.frombuffer(data, dtype).copy()
