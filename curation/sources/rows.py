"""What passes between the readers and those who call them: splits, column names, and the rows of a split.

Rejecting is part of reading, and decided by the line and its text column alone. So a stage that reads the text only
and one that reads everything reject the same rows.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pyarrow as pa

MALFORMED = "malformed JSON"
NOT_OBJECT = "not a JSON object"
NO_TEXT = "no text"  # missing, null, empty or nothing but white space
NOT_STRING = "text is not a string"
NOT_UTF8 = "invalid UTF-8"
LONE_SURROGATE = "lone surrogate"  # half of a \uD83D\uDE00 pair: no text has it

#: Bytes of a document, unless the job file says otherwise (`rows.max_document_bytes`).
MOST_BYTES = 128 << 20

#: Rows of a split: tiny or empty ones cost memory that bytes of text don't tell.
MOST_ROWS = 1 << 20

#: Before the name of a column of numbers in the table of `Rows`: a kept column may have the same name.
NUMBER = "number:"
#: The column of vectors in that table.
VECTOR = "vector:"


@dataclass(frozen=True, slots=True)
class Split:
    """One row of `tables.SPLITS`."""

    split_id: int
    file_id: int
    read_group: int
    first_row: int
    rows: int
    first_doc_id: int
    start: int
    stop: int


@dataclass(frozen=True)
class Columns:
    """Names, in the input, of the columns to read; and the largest document, in bytes, that is not rejected."""

    text: str
    id: str | None = None
    keep: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    vector: str | None = None
    most_bytes: int = MOST_BYTES

    @property
    def names(self) -> list[str]:
        """All names, each once."""
        wanted = (self.text, self.id, *self.keep, *self.numbers, self.vector)
        return list(dict.fromkeys(name for name in wanted if name is not None))

    def blank(self, rows: int) -> Rows:
        """So many rows of which nothing is known: every column null."""
        keep = [pa.nulls(rows)] * len(self.keep)
        numbers = [pa.nulls(rows, pa.float64())] * len(self.numbers)
        vector = pa.nulls(rows, pa.list_(pa.float32()))
        return Rows(
            self.name_table(pa.nulls(rows, pa.large_string()), pa.nulls(rows, pa.string()), keep, numbers, vector), {}
        )

    def name_table(
        self, text: pa.Array, id: pa.Array, keep: Iterable[pa.Array], numbers: Iterable[pa.Array], vector: pa.Array
    ) -> pa.Table:
        """The columns as a table with the names that `Rows` promises; `id` and `vector` count only if asked for."""
        columns = {"text": text}
        if self.id is not None:
            columns["id"] = id
        columns |= dict(zip(self.keep, keep, strict=True))
        columns |= {NUMBER + name: array for name, array in zip(self.numbers, numbers, strict=True)}
        if self.vector is not None:
            columns[VECTOR] = vector
        return pa.table(columns)


@dataclass(frozen=True)
class Rows:
    """All rows of a split in their order, or some that follow one another.

    `table` has the columns `text` (large_string, null where the row is rejected), `id` (string) if asked for, the
    kept columns under their own names, the numbers under `NUMBER` + name (float64, null where there is no finite
    number), and the vectors, if asked for, under `VECTOR` (list<float32>, null where there is no list of numbers).
    `rejected` maps the offset of a rejected row in the table to the reason.
    """

    table: pa.Table
    rejected: dict[int, str]


def join_rows(parts: list[Rows]) -> Rows:
    """Rows that follow one another as one; of no parts, a table without columns."""
    if len(parts) == 1:
        return parts[0]
    rejected: dict[int, str] = {}
    at = 0
    for part in parts:
        rejected |= {at + offset: reason for offset, reason in part.rejected.items()}
        at += part.table.num_rows
    return Rows(pa.concat_tables([part.table for part in parts]) if parts else pa.table({}), rejected)
