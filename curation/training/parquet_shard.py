"""Rows of a Parquet shard by number: the row group is decoded, and kept for the rows beside it.

Shards have row groups of 1,024 rows, so one row of a group costs as much as all. Read in order, a group is decoded
once a process. In `Lru` they are shared by all open shards, and bounded by their bytes.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from curation.errors import RunError
from curation.storage.errors import told
from curation.training.folder import Folder, Shard
from curation.training.lru import Lru


class ParquetShard:
    """An open Parquet shard."""

    def __init__(self, folder: Folder, shard: Shard, groups: Lru[pa.Table]) -> None:
        """`groups` keeps decoded row groups, those of other shards too; its room is counted in bytes."""
        self._name, self._shown, self._groups = shard.file, folder.shown(shard), groups
        self._source = folder.store.open_input(shard.file)
        try:
            with told(self._shown):
                self._file = pq.ParquetFile(self._source)
        except pa.ArrowInvalid as error:
            raise RunError(f"{self._shown}: is no Parquet file: copy it again from the run directory") from error
        footer = self._file.metadata
        rows = [footer.row_group(number).num_rows for number in range(footer.num_row_groups)]
        self._firsts = np.cumsum([0, *rows])
        self.rows: int = footer.num_rows

    def take(self, numbers: NDArray[np.int64]) -> list[dict[str, Any]]:
        """The rows of these numbers in the shard, which ascend."""
        group = np.searchsorted(self._firsts, numbers, side="right") - 1
        found: list[dict[str, Any]] = []
        for number in np.unique(group).tolist():
            table = self._groups.get((self._name, number), partial(self._decoded, number))
            mine = numbers[group == number] - self._firsts[number]
            low, high = int(mine[0]), int(mine[-1]) + 1
            near = table.slice(low, high - low)
            found += (near if high - low == len(mine) else near.take(pa.array(mine - low))).to_pylist()
        return found

    def _decoded(self, number: int) -> tuple[pa.Table, int]:
        with told(self._shown):
            table = self._file.read_row_group(number, use_threads=False)
        return table, table.nbytes

    def close(self) -> None:
        """Closes the file."""
        self._source.close()
