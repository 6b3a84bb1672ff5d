"""JSONL shards in the layout of dolma: `{"id", "text", "source", "metadata"}` a line, plain, gzip or zstd.

`id` is the source's own where there is one, else the doc_id; `source` is the domain; `metadata` has the other columns
(see `values` for what becomes of each type). A compressed shard is one stream at a fixed level without a time, so
the same rows are the same bytes.

Lines are made for some hundred rows at once, in C, and texts never become Python strings, which would cost more than
all else for texts beyond ASCII. Columns and the punctuation between them are joined by Arrow while the
quotes of the punctuation are bytes that UTF-8 never has; then the buffer is escaped, which is a few `bytes.replace`
for a piece that fits the cache, wherever rows or characters end; last, those bytes become what they stand for.

Half of the time goes into the escapes, about 30 ns for each line end and quote. Finding them with NumPy and putting
them in with Arrow takes as long; `orjson` on texts three quarters of it for ASCII, and 1.5 to 6 times it for others.
"""

from __future__ import annotations

import functools
import itertools
import zlib
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import zstandard
from numpy.typing import NDArray

from curation.output.values import gathering, is_nested, is_number, json_values, one_array, texts

#: File name endings by compression.
SUFFIXES = {"none": ".jsonl", "gzip": ".jsonl.gz", "zst": ".jsonl.zst"}
SUFFIX = SUFFIXES["none"]

#: Bytes that are escaped at a time. Copies of this size stay in a core's cache, and fit what malloc gives out again and
#: again: larger ones may be mapped and touched anew each time, which would cost as much as the escaping.
PIECE_BYTES = 1 << 16

GZIP_LEVEL, ZSTD_LEVEL = 6, 3

#: What stands in a buffer for a quote, a backslash and a line's end that are JSON's own: bytes that UTF-8 never has.
_PUNCTUATION, _STAND_INS = b'"\\\n', b"\xff\xfe\xfd"
_MEANT = bytes.maketrans(_PUNCTUATION, _STAND_INS)
_EMPTY = pa.scalar(b"", pa.large_binary())

_FREQUENT = ((b"\n", b"\\n"), (b"\t", b"\\t"), (b"\r", b"\\r"))


def write(sink: Any, rows: pa.Table, order: NDArray[np.int64], columns: pa.Schema, compression: str = "none") -> None:
    """Writes the rows `order` of a table, in this order.

    Args:
        sink: a writable binary file, where the shard goes.
        rows: at least the columns of `columns`; one chunk a column makes it fast.
        order: int64[n], row numbers in `rows`.
        columns: the shard's schema: text, doc_id, domain, the other columns of a run, `id` if any, kept columns.
        compression: none, gzip or zst.
    """
    rows = rows.select(columns.names)
    stream = _stream(compression)
    for start, stop in gathering(rows, order):
        data = memoryview(_lines(rows.take(pa.array(order[start:stop]))))
        for place in range(0, len(data), PIECE_BYTES):
            piece = _escaped(bytes(data[place : place + PIECE_BYTES]))
            sink.write(stream.compress(piece) if stream else piece)
    if stream:
        sink.write(stream.flush())


def _stream(compression: str) -> Any:
    """What compresses a stream piece by piece, or None."""
    if compression == "gzip":
        return zlib.compressobj(GZIP_LEVEL, wbits=31)  # the header that goes with it has no time
    return zstandard.ZstdCompressor(level=ZSTD_LEVEL).compressobj() if compression == "zst" else None


def _lines(rows: pa.Table) -> pa.Buffer:
    """The lines of a few rows in UTF-8, before they are escaped.

    Args:
        rows: text, doc_id, domain, `id` if any, and the columns that go into `metadata`. text and domain have no null.
    """
    arrays = {name: one_array(rows[name]) for name in rows.column_names}
    identity = texts(arrays["id"]) if "id" in arrays else None
    if identity is None or identity.null_count:
        numbers = arrays["doc_id"].cast(pa.large_string())
        identity = numbers if identity is None else pc.coalesce(identity, numbers)
    own = {"id": identity, "text": arrays["text"], "source": arrays["domain"]}
    metadata = {name: array for name, array in arrays.items() if name not in {"text", "domain", "id"}}
    parts = ["{", *_members(own), ',"metadata":{', *_members(metadata), "}}\n"]
    return _joined(parts)


def _members(arrays: dict[str, Any]) -> list[Any]:
    """The members of an object, as constants (str) and arrays of values that follow one another."""
    parts: list[Any] = []
    for name, array in arrays.items():
        parts += [("," if parts else "") + orjson.dumps(name).decode() + ":", *_value(array)]
    return parts


def _value(array: Any) -> list[Any]:
    """A value as constants and arrays: quotes that JSON means are those of the constants or `_MEANT` already."""
    if is_nested(array.type):
        written = json_values(array, orjson.dumps)
        data = pa.py_buffer(written.buffers()[2].to_pybytes().translate(_MEANT))
        return [pa.Array.from_buffers(pa.large_binary(), len(array), [None, written.buffers()[1], data])]
    if is_number(array.type):
        return [json_values(array, orjson.dumps)]
    strings = texts(array)
    if not strings.null_count:
        return ['"', strings, '"']
    quote = _constant('"')
    quoted = pc.binary_join_element_wise(quote, strings.cast(pa.large_binary()), quote, _EMPTY)
    return [pc.fill_null(quoted, b"null")]


@functools.cache
def _constant(part: str) -> Any:
    """Punctuation and names, of which a shard has few, as an Arrow scalar."""
    return pa.scalar(part.encode().translate(_MEANT), pa.large_binary())


def _joined(parts: list[Any]) -> pa.Buffer:
    """Constants and arrays joined row by row, the rows end to end; constants that are neighbours count as one."""
    columns: list[Any] = []
    for constant, found in itertools.groupby(parts, lambda part: isinstance(part, str)):
        same = list(found)
        columns += [_constant("".join(same))] if constant else [array.cast(pa.large_binary()) for array in same]
    return pc.binary_join_element_wise(*columns, _EMPTY).buffers()[2]


def _escaped(data: bytes) -> bytes:
    """Strings escaped as JSON wants it, and what stands for punctuation replaced by it."""
    data = data.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
    for raw, escape in _FREQUENT:
        data = data.replace(raw, escape)
    found = np.frombuffer(data, np.uint8)
    if found.min() < 32:
        for code in np.unique(found[found < 32]).tolist():
            data = data.replace(bytes([code]), b"\\u%04x" % code)
    for stands_for, meant in zip(_STAND_INS, _PUNCTUATION, strict=True):
        data = data.replace(bytes([stands_for]), bytes([meant]))
    return data
