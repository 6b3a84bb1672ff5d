"""MDS shards, as MosaicML's StreamingDataset reads them: the same bytes that its own `MDSWriter` writes.

A shard is `u32 n`, `u32 offsets[n + 1]` from the start of the file, the configuration as JSON, and the samples. A
sample is the `u32` sizes of its columns of variable size, then all its values; columns are sorted by name, numbers
are little-endian. The folder's `index.json` repeats the configuration and names the shards.

All sizes are known before anything is copied, so the offsets are written first and the samples follow some hundred
at once: sizes and numbers are one packed NumPy record a sample and stretch of columns, and Arrow joins them with the
strings in C.

Encodings follow from the columns' types alone, so that all shards of a folder agree:

| column | encoding |
|---|---|
| doc_id | int |
| cluster, sample_weight | int32 |
| repetition | int16 |
| strings; decimals, dates, times and timestamps, written as in JSONL | str; null is empty |
| binary | bytes; null is empty |
| floats | float16, float32, float64; null is NaN |
| bool, integers, durations and nested types of a source, which may be null | json |
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt
from numpy.typing import NDArray

from curation.errors import JobError
from curation.output.values import gathering, is_bytes, is_nested, is_number, is_string, json_values, one_array, texts

SUFFIX = ".mds"

#: The file that a StreamingDataset looks for in its folder.
INDEX = "index.json"

#: Offsets are u32.
MOST_BYTES = (1 << 32) - 1

#: Columns that a run makes: never null.
_OWN = {"doc_id": "int", "cluster": "int32", "repetition": "int16", "sample_weight": "int32"}
_DTYPES = {"int": "<i8", "int16": "<i2", "int32": "<i4", "float16": "<f2", "float32": "<f4", "float64": "<f8"}


def encodings(columns: pa.Schema) -> dict[str, str]:
    """The MDS encoding of every column, by name, sorted."""
    return {name: _encoding(name, columns.field(name).type) for name in sorted(columns.names)}


def _encoding(name: str, type_: Any) -> str:
    if name in _OWN:
        return _OWN[name]
    if pt.is_floating(type_):
        return f"float{type_.bit_width}"
    if is_nested(type_) or is_number(type_):
        return "json"
    return "bytes" if is_bytes(type_) else "str"


def configuration(columns: pa.Schema) -> dict[str, Any]:
    """What every shard of a folder and its index say of the columns."""
    kinds = encodings(columns)
    return {
        "version": 2,
        "format": "mds",
        "compression": None,
        "hashes": [],
        "size_limit": None,
        "column_names": list(kinds),
        "column_encodings": list(kinds.values()),
        "column_sizes": [np.dtype(_DTYPES[kind]).itemsize if kind in _DTYPES else None for kind in kinds.values()],
    }


def index(shards: Sequence[tuple[str, int, int]], columns: pa.Schema) -> str:
    """The text of a folder's `index.json`.

    Args:
        shards: (path relative to the folder, rows, bytes) of each, in order.
        columns: the schema that they were written with.
    """
    same = {**configuration(columns), "zip_data": None}
    listed = [
        {**same, "samples": rows, "raw_data": {"basename": name, "bytes": size, "hashes": {}}}
        for name, rows, size in shards
    ]
    return json.dumps({"version": 2, "shards": listed}, sort_keys=True)


def write(sink: Any, rows: pa.Table, order: NDArray[np.int64], columns: pa.Schema) -> None:
    """Writes the rows `order` of a table, in this order.

    Args:
        sink: a writable binary file, where the shard goes.
        rows: at least the columns of `columns`; one chunk a column makes it fast.
        order: int64[n], row numbers in `rows`.
        columns: the shard's schema; doc_id, cluster, repetition and sample_weight have no null.

    Raises:
        JobError: the shard would be larger than 4 GiB, which the format can't say.
    """
    kinds = encodings(columns)
    rows = rows.select(list(kinds))
    as_they_are = [name for name in kinds if is_string(columns.field(name).type) or is_bytes(columns.field(name).type)]
    others = rows.drop_columns(as_they_are).take(pa.array(order))
    values = {name: _encoded(one_array(others[name]), kinds[name]) for name in others.column_names}
    lengths = {
        name: _lengths(values[name]) if name in values else _lengths(rows[name])[order]
        for name, kind in kinds.items()
        if kind not in _DTYPES
    }
    sizes = np.stack(list(lengths.values()), axis=1)
    parts = _parts(kinds, sizes.astype("<u4"), values)
    widths = sum(part.shape[1] for part in parts if isinstance(part, np.ndarray))
    sink.write(_head(sizes.sum(axis=1) + widths, columns))
    strings = rows.select(as_they_are)
    for start, stop in gathering(rows, order):
        drawn = strings.take(pa.array(order[start:stop]))
        pieces = [_piece(part, drawn, start, stop) for part in parts]
        sink.write(pc.binary_join_element_wise(*pieces, pa.scalar(b"", pa.large_binary())).buffers()[2])


def _head(sizes: NDArray[np.int64], columns: pa.Schema) -> bytes:
    """What comes before the samples, for samples of these sizes in bytes."""
    config = json.dumps(configuration(columns), sort_keys=True).encode()
    offsets = np.cumsum(np.append(4 + 4 * (len(sizes) + 1) + len(config), sizes))
    if offsets[-1] > MOST_BYTES:
        raise JobError(
            f"a shard would have {offsets[-1]:,} bytes, and an MDS file can have {MOST_BYTES:,} at most: lower "
            "output.shard_bytes"
        )
    return np.uint32(len(sizes)).tobytes() + offsets.astype("<u4").tobytes() + config


def _parts(kinds: dict[str, str], sizes: NDArray[np.uint32], values: dict[str, Any]) -> list[Any]:
    """What samples are made of, in order.

    Args:
        kinds: encodings, by name, sorted.
        sizes: u32[n, v], bytes of the values of variable size.
        values: the columns that are encoded already.

    Returns:
        uint8[n, w] for sizes and numbers that are neighbours, an Arrow array for a column of variable size that is
        encoded already, and the name of one that is still to be gathered.
    """
    parts: list[Any] = [sizes.view(np.uint8)]
    for name, kind in kinds.items():
        if kind not in _DTYPES:
            parts.append(values.get(name, name))
        elif isinstance(parts[-1], np.ndarray):
            parts[-1] = np.hstack([parts[-1], values[name]])
        else:
            parts.append(values[name])
    return parts


def _piece(part: Any, drawn: pa.Table, start: int, stop: int) -> Any:
    """The values of a part for the samples from `start` to `stop`, as large_binary; `drawn` is gathered for these."""
    if isinstance(part, str):
        strings = one_array(drawn[part]).cast(pa.large_binary())
        return pc.fill_null(strings, b"") if strings.null_count else strings  # it would copy them
    if isinstance(part, pa.Array):
        return part.slice(start, stop - start)
    ends = pa.py_buffer(np.arange(stop - start + 1) * part.shape[1])
    return pa.Array.from_buffers(pa.large_binary(), stop - start, [None, ends, pa.py_buffer(part[start:stop])])


def _encoded(array: Any, kind: str) -> Any:
    """Values of a column that is neither of strings nor of bytes: uint8[n, width], or large_binary without nulls."""
    if kind in _DTYPES:
        numbers = array.to_numpy(zero_copy_only=False).astype(_DTYPES[kind])
        if array.null_count:  # only floats have any
            numbers[np.asarray(array.is_null())] = np.nan
        return np.ascontiguousarray(numbers).reshape(-1, 1).view(np.uint8)
    written = json_values(array, json.dumps) if kind == "json" else pc.fill_null(texts(array), "")
    return written.cast(pa.large_binary())


def _lengths(strings: Any) -> NDArray[np.int64]:
    """Bytes of every value, 0 for null."""
    return np.asarray(pc.fill_null(pc.binary_length(strings), 0), np.int64)
