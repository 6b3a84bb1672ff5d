"""A finished `shards` folder: which file holds which positions of the global order.

`curation_index.json` lists the shards; all training shards one after the other are the global order, so the position
of a shard's first row is the rows before it. The file is written last, when every shard is there, and holds the sha256
of each: its own hash stands for the whole folder, and is what a state dict remembers.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curation.errors import JobError
from curation.storage.store import Store

INDEX, VERSION = "curation_index.json", 3


@dataclass(frozen=True)
class Shard:
    """A file of a folder: its name there, its rows, and the domain, if all its rows have one."""

    file: str
    rows: int
    domain: str | None = None


@dataclass(frozen=True)
class Folder:
    """One split of a `shards` folder. Picklable: workers get it as an argument."""

    store: Store
    """Rooted in the folder."""
    format: str
    columns: tuple[str, ...]
    shards: tuple[Shard, ...]
    text_bytes: int
    """UTF-8 bytes of all texts."""
    digest: str
    """In hex; another one means that other rows may stand at a position."""

    @cached_property
    def firsts(self) -> NDArray[np.int64]:
        """int64[shards + 1]: the position of each shard's first row, and after them the number of all rows."""
        return np.concatenate([[0], np.cumsum([shard.rows for shard in self.shards], dtype=np.int64)])

    @property
    def rows(self) -> int:
        """Rows of all shards."""
        return int(self.firsts[-1])

    def shown(self, shard: Shard) -> str:
        """Where a shard is, for messages."""
        return self.store.shown(shard.file)


def open_folder(path: str, split: str = "train") -> Folder:
    """A folder of shards as its index describes it.

    Args:
        path: the folder `shards` of a finished run, a copy of it, or the run directory; a local path or s3://, gs://.
        split: `train` or `validation`.

    Raises:
        JobError: there is no index, it is of another version, or it has no such split.
        StorageError: it can't be read.
    """
    store = Store.open(path)
    if not store.exists(INDEX) and store.exists(f"shards/{INDEX}"):
        store = Store.open(f"{path.rstrip('/')}/shards")
    try:
        data = store.read_bytes(INDEX)
    except FileNotFoundError as error:
        raise JobError(
            f"{path}: has no {INDEX}: give the folder `shards` of a run that is finished (the index is written last)"
        ) from error
    return _folder(store, data, split)


def _folder(store: Store, data: bytes, split: str) -> Folder:
    where = store.shown(INDEX)
    try:
        index: dict[str, Any] = json.loads(data)
        version = index["version"]
    except (ValueError, KeyError, TypeError) as error:
        raise JobError(f"{where}: is no index of shards: copy it again from the run directory") from error
    if version != VERSION:
        raise JobError(f"{where}: is of version {version}, and this code reads {VERSION}: run the job again with it")
    if split not in ("train", "validation"):
        raise JobError(f"there is no split {split!r}: ask for train or validation")
    part = index if split == "train" else index.get("validation")
    if part is None:
        raise JobError(f"{where}: the run has no validation split: set output.validation and run it again")
    shards = tuple(Shard(entry["file"], entry["rows"], entry.get("domain")) for entry in part["shards"])
    digest = hashlib.sha256(data).hexdigest()
    return Folder(store, index["format"], tuple(index["columns"]), shards, part["text_bytes"], digest)
