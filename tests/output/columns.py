"""Rows as a shard has them, with a kept column of every kind that a Parquet file can hold, for the tests of formats."""

from __future__ import annotations

import datetime
import decimal
import math

import numpy as np
import pyarrow as pa

NAN, INF = math.nan, math.inf
NOON = datetime.datetime(2024, 1, 5, 12, 0, 0, 250000)
FAR = "<value out of range: 4611686018427387904>"
QUOTED = 'a "quoted"\\\n\x00\x1f\u2028é'

#: Arrow type, three values, and what JSON says of them.
KEPT = {
    "flag": (pa.bool_(), [True, False, None], [True, False, None]),
    "byte": (pa.int8(), [-128, 127, None], [-128, 127, None]),
    "large": (pa.uint64(), [2**64 - 1, 0, None], [2**64 - 1, 0, None]),
    "score": (pa.float64(), [0.1, NAN, None], [0.1, None, None]),
    "whole": (pa.float64(), [3.0, -INF, 1e300], [3.0, None, 1e300]),
    "single": (pa.float32(), [0.5, INF, None], [0.5, None, None]),
    "half": (pa.float16(), [np.float16(1.5), np.float16(NAN), None], [1.5, None, None]),
    "title": (pa.string(), [QUOTED, "", None], [QUOTED, "", None]),
    "price": (pa.decimal128(12, 2), [decimal.Decimal("1234567890.10"), 0, None], ["1234567890.10", "0.00", None]),
    "day": (pa.date32(), [datetime.date(2024, 1, 5), datetime.date(1, 1, 1), None], ["2024-01-05", "0001-01-01", None]),
    "local": (pa.timestamp("ms"), [NOON, 2**62, None], ["2024-01-05T12:00:00.250", FAR, None]),
    "zoned": (
        pa.timestamp("ns", "Europe/Paris"),
        [1, 0, None],
        ["1970-01-01T00:00:00.000000001Z", "1970-01-01T00:00:00.000000000Z", None],
    ),
    "clock": (
        pa.time64("us"),
        [datetime.time(1, 2, 3), datetime.time(0), None],
        ["01:02:03.000000", "00:00:00.000000", None],
    ),
    "took": (pa.duration("s"), [90, -1, None], [90, -1, None]),
    "raw": (pa.binary(), [b"\x00\xff\xfe", b"", None], ["AP/+", "", None]),
    "digest": (pa.binary(2), [b"\x00\x01", b"ab", None], ["AAE=", "YWI=", None]),
    "nothing": (pa.null(), [None, None, None], [None, None, None]),
    "tags": (pa.list_(pa.string()), [["x", None, '"\\'], [], None], [["x", None, '"\\'], [], None]),
    "times": (pa.large_list(pa.timestamp("s")), [[0, 2**62], None, []], [["1970-01-01T00:00:00", FAR], None, []]),
    "pair": (pa.list_(pa.float32(), 2), [[0.5, NAN], None, [1.0, None]], [[0.5, None], None, [1.0, None]]),
    "nested": (
        pa.struct({"a": pa.int64(), "b": pa.list_(pa.struct({"c": pa.binary()}))}),
        [{"a": 1, "b": [{"c": b"\xff"}, None]}, {"a": None, "b": None}, None],
        [{"a": 1, "b": [{"c": "/w=="}, None]}, {"a": None, "b": None}, None],
    ),
    "map": (pa.map_(pa.int64(), pa.bool_()), [[(1, True), (2, None)], [], None], [[[1, True], [2, None]], [], None]),
}

OWN = {
    "text": pa.string(),
    "doc_id": pa.int64(),
    "domain": pa.string(),
    "cluster": pa.int32(),
    "repetition": pa.int16(),
}


def shard_rows(texts: list[str]) -> pa.Table:
    """Rows with these texts and the columns of `shard_columns`, and one that no shard has."""
    count = len(texts)
    own = {
        "text": pa.array(texts, pa.large_string()),
        "doc_id": np.arange(count) + 10**10,
        "domain": pa.array([f'dom "{row % 3}"' for row in range(count)], pa.string()),
        "cluster": np.arange(count, dtype=np.int32) - 5,
        "repetition": (np.arange(count) % 4).astype(np.int16),
        "id": pa.array([None if row % 7 == 0 else f"id\t{row}" for row in range(count)], pa.string()),
    }
    kept = {
        name: pa.array([values[row % 3] for row in range(count)], type_) for name, (type_, values, _) in KEPT.items()
    }
    return pa.table({**own, **kept, "position": np.arange(count)})


def shard_columns() -> pa.Schema:
    """The schema of a shard with an id and every kept column."""
    return pa.schema({**OWN, "id": pa.string(), **{name: type_ for name, (type_, _, _) in KEPT.items()}})


def some_texts(count: int) -> list[str]:
    """Texts of several scripts and lengths, an empty one among them."""
    return [f'Line {row}\n\t"é中😀" \\ {"x" * (row * 37 % 400)}' if row % 11 else "" for row in range(count)]
