"""Rows of a folder of shards by their position in the global order, whatever the format.

A row is a dict of the shard's columns (text, doc_id, domain, cluster, repetition, ...), the same from every format but
for what a format can't say (JSONL has strings for dates); Megatron's files hold tokens, see `megatron`. Files are
opened when a row of theirs is asked for, and a bounded number of files and row groups is kept.

    format       a row costs                            in order         anywhere
    parquet      its row group, once                    yes              yes
    mds, jsonl   its bytes                              yes              yes
    jsonl.gz     all rows before it in the shard        yes              no
    megatron     its tokens                             interleaved      no
    index        its bytes or row group in the source   yes              yes
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curation.errors import JobError, RunError
from curation.training.folder import Folder, Shard
from curation.training.lru import Lru
from curation.training.megatron import Sequences
from curation.training.parquet_shard import ParquetShard
from curation.training.span_shard import open_lines, open_mds
from curation.training.stream_shard import CODECS, StreamShard

#: Bytes of decoded row groups, and open files, that a process keeps.
CACHE_BYTES, OPEN_FILES = 256 << 20, 64

Row = dict[str, Any]


class Rows(Protocol):
    """Rows by position; also what a torch DataLoader takes for a map-style dataset."""

    def __getitems__(self, positions: Sequence[int]) -> list[Row]:
        """The rows at these positions, in this order."""


class OpenShard(Protocol):
    """A shard of any format."""

    rows: int

    def take(self, numbers: NDArray[np.int64]) -> list[Row]:
        """The rows of these numbers in the shard, which ascend."""

    def close(self) -> None:
        """Closes the file."""


def open_rows(folder: Folder, anywhere: bool = False) -> Rows:
    """The rows of a folder; `anywhere`: in any order.

    Raises:
        JobError: the format is not known, or can't be read in any order.
    """
    stream = folder.format == "jsonl" and any(shard.file.endswith(tuple(CODECS)) for shard in folder.shards)
    if anywhere and (stream or folder.format == "megatron"):
        what = "compressed JSONL" if stream else "megatron"
        raise JobError(
            f"{folder.store.shown()}: {what} can't be read in any order: set output.format to parquet, mds, index, or "
            "jsonl without compression"
        )
    if folder.format == "megatron":
        return Sequences(folder)
    if folder.format == "index":
        dataset: Rows = import_module("curation.training.random_access").IndexDataset(folder.store.root)
        return dataset
    if folder.format in ("parquet", "jsonl", "mds"):
        return ShardRows(folder)
    raise JobError(f"{folder.store.shown()}: the format {folder.format!r} is not known: it was written by newer code")


class ShardRows:
    """The rows of shards that hold the global order one after the other."""

    def __init__(self, folder: Folder, cache_bytes: int = CACHE_BYTES, open_files: int = OPEN_FILES) -> None:
        self._folder = folder
        self._groups: Lru[pa.Table] = Lru(cache_bytes)
        self._open: Lru[OpenShard] = Lru(open_files, _close)

    def __len__(self) -> int:
        """Rows of all shards."""
        return self._folder.rows

    def __getitem__(self, position: int) -> Row:
        """The row at a position."""
        return self.__getitems__([position])[0]

    def __getitems__(self, positions: Sequence[int]) -> list[Row]:
        """The rows at these positions, in this order; each shard is asked once, in the order of its rows.

        Raises:
            IndexError: there is no such position.
            RunError: a shard is gone, damaged, or not the one of the index.
        """
        wanted, place = np.unique(np.asarray(positions, np.int64), return_inverse=True)
        if len(wanted) and not 0 <= wanted[0] <= wanted[-1] < len(self):
            raise IndexError(f"positions go from 0 to {len(self) - 1}, not from {wanted[0]} to {wanted[-1]}")
        number = np.searchsorted(self._folder.firsts, wanted, side="right") - 1
        found: list[Row] = []
        for shard in np.unique(number).tolist():
            found += self._shard(shard).take(wanted[number == shard] - self._folder.firsts[shard])
        if len(wanted) == len(place):
            return [found[index] for index in place.tolist()]
        return [dict(found[index]) for index in place.tolist()]  # who changes one of two copies changes only that

    def _shard(self, number: int) -> OpenShard:
        return self._open.get(number, lambda: (self._opened(self._folder.shards[number]), 1))

    def _opened(self, shard: Shard) -> OpenShard:
        try:
            opened = self._opened_by_format(shard)
        except FileNotFoundError as error:
            raise RunError(f"{self._folder.shown(shard)}: is not there: copy the folder whole") from error
        if opened.rows != shard.rows:
            opened.close()
            raise RunError(
                f"{self._folder.shown(shard)}: has {opened.rows} rows, and the index says {shard.rows}: copy it "
                "again from the run directory"
            )
        return opened

    def _opened_by_format(self, shard: Shard) -> OpenShard:
        if self._folder.format == "parquet":
            return ParquetShard(self._folder, shard, self._groups)
        if self._folder.format == "mds":
            return open_mds(self._folder, shard)
        if shard.file.endswith(tuple(CODECS)):
            return StreamShard(self._folder, shard)
        return open_lines(self._folder, shard)


def _close(shard: OpenShard) -> None:
    shard.close()
