"""`IndexDataset`: the documents of a run of `output.format: index`, by position, out of the sources.

The shards say where each draw lies (see `output.index`), and the document is read there, by the code that read it
for the run. A row of JSONL costs a read of its line. A row of Parquet costs its row group, which can't be entered in
the middle: sources with row groups of a few MiB suit random access, those of a GiB do not. So row groups and open
files are kept, within bounds, and a batch is read file by file and row group by row group.

Torch's DataLoader works with it as it is: it fetches batches by `__getitems__`, and its workers, forked or spawned,
begin with nothing open. One dataset is not for several threads at a time.
"""

from __future__ import annotations

import operator
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Dataset

from curation.errors import InputError, JobError
from curation.output.index import FILES, carried_columns
from curation.sources.columns import conform
from curation.sources.pick import Opened, group_rows, open_source, pick_lines, pick_rows, read_group
from curation.sources.rows import Columns, Rows
from curation.training.folder import open_folder
from curation.training.lru import Lru
from curation.training.rows import CACHE_BYTES, OPEN_FILES, Row, ShardRows

#: More bytes than any document has: those that were drawn have passed the job's own limit.
_ANY_BYTES = 1 << 62
#: The share of the cache that keeps row groups of the shards, which are small, is one in so many.
_SHARDS_SHARE = 8


@dataclass(frozen=True)
class Source:
    """A source file, and what is read of it."""

    path: str
    format: str
    etag: str
    columns: Columns


class IndexDataset(Dataset[Row]):
    """A map-style dataset: from a position in the output to its document.

    A document is a dict of text, doc_id, domain, cluster, repetition, sample_weight where the run has it, then id and
    the kept columns: what the shards of the other formats hold.

    Args:
        folder: the folder `shards` of a finished run, or the run directory; a local path or s3://, gs://.
        split: `train` or `validation`; positions count from 0 in each.
        cache_bytes: bytes of row groups that each process keeps. A larger one is read through for every batch.
        open_files: files that each process keeps open.

    Raises:
        JobError: the folder has no index of this format, or no such split.
        IndexError: on reading, there is no such position.
        InputError: on reading, a source file changed since the run, is gone, or can't be read.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        split: str = "train",
        cache_bytes: int = CACHE_BYTES,
        open_files: int = OPEN_FILES,
    ) -> None:
        self._folder = open_folder(os.fspath(folder), split)
        if self._folder.format != "index":
            raise JobError(
                f"{self._folder.store.shown()}: its shards are {self._folder.format} and hold the texts: "
                "IndexDataset reads runs of output.format: index"
            )
        files = self._folder.store.read_table(FILES)
        self._carried = carried_columns(files)
        self._sources = {row["path"]: _source(row) for row in files.to_pylist()}
        self._cache_bytes, self._open_files = cache_bytes, open_files
        self._begin()

    def __len__(self) -> int:
        return self._folder.rows

    def __getitem__(self, position: int) -> Row:
        return self.__getitems__([position])[0]

    def __getitems__(self, positions: Sequence[int]) -> list[Row]:
        """The documents at these positions, in this order; each file and row group is read once."""
        if self._process != os.getpid():  # forked: what the parent has open is the parent's
            self._begin()
        draws = self._draws.__getitems__([operator.index(position) for position in positions])
        in_order = sorted(range(len(draws)), key=lambda place: (draws[place]["path"], draws[place]["row"]))
        documents = draws.copy()
        for path, members in groupby(in_order, key=lambda place: draws[place]["path"]):
            places, source = list(members), self._sources[path]
            done = 0
            for rows in self._read(source, [draws[place] for place in places]):
                found = conform(rows.table, self._carried).to_pylist()
                here = places[done : done + len(found)]
                for offset, reason in rows.rejected.items():
                    raise InputError(_not_there(path, draws[here[offset]]["row"], reason))
                for place, carried in zip(here, found, strict=True):
                    documents[place] = _document(draws[place], carried)
                done += len(found)
        return documents

    def __getstate__(self) -> dict[str, Any]:
        own = ("_draws", "_opened", "_groups", "_process")  # of this process alone
        return {name: value for name, value in vars(self).items() if name not in own}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._begin()

    def _begin(self) -> None:
        """Makes this process ready, with nothing open and nothing kept."""
        self._process = os.getpid()
        self._draws = ShardRows(replace(self._folder, format="parquet"), self._cache_bytes // _SHARDS_SHARE)
        self._opened: Lru[Opened] = Lru(self._open_files, _close)
        self._groups: Lru[list[Rows] | None] = Lru(self._cache_bytes)

    def _read(self, source: Source, draws: list[Row]) -> Iterator[Rows]:
        """The rows that draws from one file, in the order of its rows, are of."""
        opened = self._opened.get(source.path, lambda: (open_source(source.path, source.format, source.etag), 1))
        if opened.first_rows is None:
            starts, sizes = ([draw[name] for draw in draws] for name in ("start", "bytes"))
            yield pick_lines(opened, starts, sizes, source.columns)
            return
        rows = np.array([draw["row"] for draw in draws], np.int64)
        if rows[-1] >= opened.first_rows[-1]:
            raise InputError(_not_there(source.path, int(rows[-1]), "it has fewer rows"))
        group = np.searchsorted(opened.first_rows, rows, "right") - 1
        for number in np.unique(group).tolist():
            yield self._read_group(opened, source, number, rows[group == number] - opened.first_rows[number])

    def _read_group(self, opened: Opened, source: Source, number: int, offsets: NDArray[np.int64]) -> Rows:
        kept = self._groups.get(
            (source.path, number), lambda: read_group(opened, number, source.columns, self._cache_bytes)
        )
        return pick_rows(group_rows(opened, number, source.columns) if kept is None else kept, offsets)


def _source(row: Row) -> Source:
    """A row of the table of files."""
    columns = Columns(row["text_column"], row["id_column"], tuple(row["keep_columns"]), most_bytes=_ANY_BYTES)
    return Source(row["path"], row["format"], row["etag"], columns)


def _document(draw: Row, carried: Row) -> Row:
    own = {name: value for name, value in draw.items() if name not in ("path", "row", "start", "bytes", "position")}
    return {"text": carried.pop("text"), **own, **carried}


def _not_there(path: str, row: int, why: str) -> str:
    return f"{path}: row {row} is not the one that was drawn ({why}): put the old file back, or run the job again"


def _close(opened: Opened) -> None:
    opened.close()
