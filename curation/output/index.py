"""The format `index`: shards without a text, for trainers with random access to the sources.

A row says where the text of a draw lies: the file, the row in it, and for JSONL the bytes of its line. The shards are
Parquet in row groups of 8,192 rows, which is what a reader unpacks to find one row: a small one would repeat the
paths too often, and a large one would take too long. Integers are stored as differences (delta encoding), in zstd.
A page index would say nothing more, as a column of a row group is one page. A table of the files lies beside the
shards: what a reader must know to open them and to tell whether they are still those of the run.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from curation.config import Source

SUFFIX = ".parquet"

#: The table of files, in the folder of the shards, and the key of its metadata that holds the carried columns.
FILES, CARRIED = "files.parquet", b"curation.carried"

#: Rows of a row group.
ROW_GROUP = 8192

#: Columns that say where a document lies.
PLACE = ("path", "row", "start", "bytes", "position")

_REPEATED = ("path", "domain")


def schema(weights: bool = False) -> pa.Schema:
    """The columns of a shard; with `weights`, each document is there once, with a `sample_weight`."""
    fields = [
        ("doc_id", pa.int64()),
        ("path", pa.dictionary(pa.int32(), pa.string())),
        ("row", pa.int64()),  # from 0 in the file; blank lines of JSONL are no rows
        ("start", pa.int64()),  # byte at which the line of a JSONL row starts; null for Parquet
        ("bytes", pa.int64()),  # of the line, without its newline
        ("domain", pa.string()),
        ("cluster", pa.int32()),
        ("repetition", pa.int16()),
        *([("sample_weight", pa.int32())] if weights else []),
        ("position", pa.int64()),  # of the draw, in the whole output
    ]
    return pa.schema(fields)


def write(sink: Any, rows: pa.Table, order: NDArray[np.int64], columns: pa.Schema) -> None:
    """Writes the rows `order` of a table, in this order.

    Args:
        sink: a writable binary file, where the shard goes.
        rows: at least the columns of `columns`; `path` may be a plain string.
        order: int64[n], row numbers in `rows`.
        columns: the shard's schema, see `schema`.
    """
    encoding = {name: "DELTA_BINARY_PACKED" for name in columns.names if name not in _REPEATED}
    options: dict[str, Any] = {"compression": "zstd", "compression_level": 3, "use_dictionary": list(_REPEATED)}
    source = rows.select(columns.names)
    path = columns.get_field_index("path")
    with pq.ParquetWriter(sink, columns, write_statistics=["position"], column_encoding=encoding, **options) as writer:
        for start in range(0, len(order), ROW_GROUP):
            group = source.take(pa.array(order[start : start + ROW_GROUP]))
            # A dictionary that comes along names paths of the whole shard, and would be written into each row group.
            plain = group.set_column(path, "path", group["path"].cast(pa.string()))
            writer.write_table(plain.cast(columns), row_group_size=ROW_GROUP)


def files_table(sources: pa.Table, declared: Sequence[Source], carried: Mapping[str, pa.DataType]) -> pa.Table:
    """What a reader needs to know of the source files: a row a file, for `FILES`.

    Args:
        sources: the table `sources`, see `tables.SOURCES`.
        declared: the sources of the job file.
        carried: the columns that the sources give beside the text, and their types, as for the other formats.

    Returns:
        path, format, bytes and etag as in `sources`; text_column, id_column and keep_columns as declared. `carried`
        is in the metadata, under `CARRIED`.
    """
    of_file = [declared[index] for index in sources["source"].to_pylist()]
    table = sources.select(["path", "format", "bytes", "etag"])
    table = table.append_column("text_column", pa.array([source.text_column for source in of_file], pa.string()))
    table = table.append_column("id_column", pa.array([source.id_column for source in of_file], pa.string()))
    keep = pa.array([source.keep_columns for source in of_file], pa.list_(pa.string()))
    types = base64.b64encode(pa.schema(list(carried.items())).serialize().to_pybytes())
    return table.append_column("keep_columns", keep).replace_schema_metadata({CARRIED: types})


def carried_columns(files: pa.Table) -> dict[str, pa.DataType]:
    """The `carried` that a table of files was made with."""
    types = pa.ipc.read_schema(pa.py_buffer(base64.b64decode(files.schema.metadata[CARRIED])))
    return {field.name: field.type for field in types}
