"""The shard formats: what a writer of shards has to know of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from numpy.typing import NDArray

from curation.config import Output
from curation.output import parquet


@dataclass(frozen=True)
class Format:
    """How the rows of a shard become a file.

    Attributes:
        suffix: of the file.
        write: `write(sink, rows, order, columns)` writes the rows `order` (int64[n]) of a table, in this order, with
            the schema `columns`, to a writable binary file.
        folder_index: the format's own index of the shards of a folder, as (name, content), from (name, rows, bytes)
            of each and their schema; None where its readers need none.
    """

    suffix: str
    write: Callable[[Any, pa.Table, NDArray[Any], pa.Schema], None]
    folder_index: Callable[[list[tuple[str, int, int]], pa.Schema], tuple[str, bytes]] | None = None


def shard_format(output: Output) -> Format:
    """The format that a job asks for."""
    return {"parquet": Format(parquet.SUFFIX, parquet.write)}[output.format]
