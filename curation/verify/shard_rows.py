"""The rows of a shard, whatever its format, a thousand at a time.

Parquet is read as it is. Every other format is read as a trainer reads it, by `curation.training`: what is checked is
what comes out at the other end; for an index of the sources that is the text in the source files.
"""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from curation.output.columns import shard_columns
from curation.stages.held_out import FOLDER as VALIDATION
from curation.storage.errors import told
from curation.storage.store import Store

#: Rows at a time.
ROWS = 1024


def shard_blocks(store: Store, name: str, format: str, columns: list[str]) -> Iterator[pa.Table]:
    """Some columns of a shard of text, in order.

    Args:
        store: the run directory.
        name: of the shard, in it.
        format: `output.format`.
        columns: of those that a run makes.
    """
    if format == "parquet":
        with told(store.shown(name)), store.open_input(name) as file:
            for batch in pq.ParquetFile(file).iter_batches(ROWS, columns=columns):
                yield pa.table(batch).select(columns)
        return
    from curation.training.folder import open_folder
    from curation.training.rows import open_rows

    folder = open_folder(store.root, "validation" if name.startswith(f"shards/{VALIDATION}/") else "train")
    number = [f"shards/{shard.file}" for shard in folder.shards].index(name)
    rows, kinds = open_rows(folder), shard_columns({}, weighted=True)
    schema = pa.schema([kinds.field(column) for column in columns])
    stop = int(folder.firsts[number + 1])
    for start in range(int(folder.firsts[number]), stop, ROWS):
        found = rows.__getitems__(range(start, min(start + ROWS, stop)))
        yield pa.Table.from_pylist(found, schema=schema)
