"""The columns of a shard."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa

#: Columns that the plan gives, and all that the run makes; the others come from the sources.
PLANNED = ("repetition", "sample_weight")
OWN_COLUMNS = ("text", "doc_id", "domain", "cluster", *PLANNED)


def shard_columns(carried: Mapping[str, pa.DataType], weighted: bool = False) -> pa.Schema:
    """The schema of a shard with text.

    Args:
        carried: the columns that come from the sources as they are, with their types.
        weighted: whether each document is there once, with `sample_weight` copies of it drawn.
    """
    fields = [
        ("text", pa.string()),
        ("doc_id", pa.int64()),
        ("domain", pa.string()),
        ("cluster", pa.int32()),
        ("repetition", pa.int16()),
        *([("sample_weight", pa.int32())] if weighted else []),
        *carried.items(),
    ]
    return pa.schema(fields)
