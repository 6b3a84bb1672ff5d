"""Parquet shards, as trainers read them: `text` first, zstd, small row groups.

Row groups of 1024 rows let data-parallel workers of a trainer take turns at row groups of one file. Text is stored
plainly (a dictionary of long texts is waste) and without statistics; `domain` repeats, so it has a dictionary.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

SUFFIX = ".parquet"

#: Rows of a row group, and the most bytes of text in one (a string column is limited to 2 GiB).
ROW_GROUP, ROW_GROUP_BYTES = 1024, 1 << 30


def write(sink: Any, rows: pa.Table, order: NDArray[np.int64], columns: pa.Schema) -> None:
    """Writes the rows `order` of a table, in this order.

    Args:
        sink: a writable binary file, where the shard goes.
        rows: at least the columns of `columns`; one chunk a column makes it fast.
        order: int64[n], row numbers in `rows`.
        columns: the shard's schema, see `columns.shard_columns`.
    """
    sizes = pc.fill_null(pc.binary_length(rows["text"]), 0).to_numpy()[order]
    options: dict[str, Any] = {"compression": "zstd", "compression_level": 3, "use_dictionary": ["domain"]}
    statistics = [name for name in columns.names if name not in {"text", "id"}]
    with pq.ParquetWriter(sink, columns, write_statistics=statistics, **options) as writer:
        for start, stop in row_groups(sizes):
            group = rows.select(columns.names).take(pa.array(order[start:stop])).cast(columns)
            writer.write_table(group, row_group_size=ROW_GROUP)


def row_groups(sizes: NDArray[np.int64]) -> list[tuple[int, int]]:
    """First and last-plus-one row of each row group, for texts of these sizes in bytes."""
    groups = []
    for start in range(0, len(sizes), ROW_GROUP):
        chunk = sizes[start : start + ROW_GROUP].astype(np.int64)
        within = np.cumsum(chunk) - chunk
        cuts = np.flatnonzero(np.diff(within // ROW_GROUP_BYTES, prepend=0)) + start
        bounds = [start, *cuts.tolist(), start + len(chunk)]
        groups += [(low, high) for low, high in itertools.pairwise(bounds) if high > low]
    return groups
