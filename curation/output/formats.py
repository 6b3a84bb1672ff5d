"""The shard formats with a row a draw: what a writer of shards has to know of each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import pyarrow as pa
from numpy.typing import NDArray

from curation.config import Output
from curation.output import index, jsonl, mds, parquet


@dataclass(frozen=True)
class Format:
    """How the rows of a shard become a file.

    Attributes:
        suffix: of the file.
        write: `write(sink, rows, order, columns)` writes the rows `order` (int64[n]) of a table, in this order, with
            the schema `columns`, to a writable binary file.
        folder_index: the content of the `index.json` that the format's readers look for in each folder, from (name,
            rows, bytes) of its shards and their schema; None where they look for none.
    """

    suffix: str
    write: Callable[[Any, pa.Table, NDArray[Any], pa.Schema], None]
    folder_index: Callable[[Sequence[tuple[str, int, int]], pa.Schema], str] | None = None


def shard_format(output: Output) -> Format:
    """The format that a job asks for; not `megatron`, whose files have no row a draw (see `megatron`)."""
    match output.format:
        case "jsonl":
            write = partial(jsonl.write, compression=output.compression)
            return Format(jsonl.SUFFIXES[output.compression], write)
        case "mds":
            return Format(mds.SUFFIX, mds.write, mds.index)
        case "index":
            return Format(index.SUFFIX, index.write)
        case _:
            return Format(parquet.SUFFIX, parquet.write)
