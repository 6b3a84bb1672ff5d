"""A run directory: tables, arrays and JSON in its files, parts and markers on top.

Everything that a run knows is in its directory, so a run that died anywhere goes on from what is there. Three rules
make that safe:

- A file is there whole or not at all (`files`).
- A stage has begun when its `_started.json` holds the fingerprint of what the stage depends on. Files of a stage
  whose fingerprint is another one are removed before the new work starts.
- A stage is done when its `_done.json`, written last, names every file with its size and sha256.

All names are relative to the run directory, with `/`.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from curation.storage.errors import told
from curation.storage.files import Files

STARTED, DONE = "_started.json", "_done.json"


@dataclass(frozen=True, slots=True)
class Part:
    """A committed file: its name, rows, size and hash."""

    name: str
    rows: int
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Marker:
    """What a finished stage left: its fingerprint, its files, and what it counted."""

    stage: str
    fingerprint: str
    parts: list[Part]
    stats: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0

    @cached_property
    def digest(self) -> str:
        """Hash of what the stage produced, and of nothing else: the input of later stages' fingerprints."""
        return fingerprint({"parts": [asdict(part) for part in self.parts], "stats": self.stats})

    @property
    def made(self) -> Made:
        """What later stages depend on."""
        return Made(self.digest, self.stats)


@dataclass(frozen=True)
class Made:
    """What a stage made, without the list of its files, which grows with the corpus."""

    digest: str
    stats: dict[str, Any]


def fingerprint(value: Any) -> str:
    """The sha256, in hex, of a JSON-able value in canonical form."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


class Store(Files):
    """A run directory as tables and markers. Small and picklable: workers get it as an argument."""

    def write_bytes(self, name: str, data: bytes, rows: int = 0) -> Part:
        """Commits a file with this content."""
        with self.create(name) as sink:
            sink.write(data)
        return Part(name, rows, sink.bytes, sink.sha256)

    def write_json(self, name: str, value: Any) -> Part:
        """Commits a value as indented JSON."""
        return self.write_bytes(name, (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode())

    def write_table(
        self, name: str, table: pa.Table, stats: dict[str, int] | None = None, noise: Sequence[str] = ()
    ) -> Part:
        """Commits a table as Parquet; `stats` travel in its metadata and come back from `read_stats`.

        `noise` names columns whose bits follow no pattern, as those of vectors and hashes: they are written as is.
        Encoding and compressing them saves some 7 % and takes most of the time to write and to read them.
        """
        metadata = dict(table.schema.metadata or {})
        if stats is not None:
            metadata[b"curation.stats"] = json.dumps(stats, sort_keys=True).encode()
        with self.create(name) as sink:
            pq.write_table(table.replace_schema_metadata(metadata), sink, **_encoding(table.schema, noise))
        return Part(name, table.num_rows, sink.bytes, sink.sha256)

    def write_arrays(self, name: str, arrays: dict[str, NDArray[Any]]) -> Part:
        """Commits arrays as an uncompressed .npz (same arrays, same bytes)."""
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, **arrays)
        return self.write_bytes(name, buffer.getvalue())

    def read_json(self, name: str) -> Any:
        """A JSON file, or None where there is no such file."""
        try:
            return json.loads(self.read_bytes(name))
        except FileNotFoundError:
            return None

    def read_table(self, name: str, columns: list[str] | None = None) -> pa.Table:
        """A Parquet file, or some of its columns."""
        with told(self.shown(name)), self.open_input(name) as file:
            return pq.ParquetFile(file).read(columns=columns)

    def read_stats(self, name: str) -> tuple[int, dict[str, int]]:
        """Rows of a Parquet file and the `stats` it was written with."""
        with told(self.shown(name)), self.open_input(name) as file:
            footer = pq.ParquetFile(file)
            metadata = footer.schema_arrow.metadata or {}
            return footer.metadata.num_rows, json.loads(metadata.get(b"curation.stats", b"{}"))

    def read_arrays(self, name: str) -> dict[str, NDArray[Any]]:
        """The arrays of an .npz file. Nothing is unpickled."""
        with np.load(io.BytesIO(self.read_bytes(name)), allow_pickle=False) as file:
            return {key: file[key] for key in file.files}

    # ---- stages -----------------------------------------------------------------------------------------------

    def marker(self, stage: str) -> Marker | None:
        """The marker of a finished stage, or None; also where the marker can't be read."""
        try:
            value = self.read_json(f"{stage}/{DONE}")
            return value and Marker(**{**value, "parts": [Part(**part) for part in value["parts"]]})
        except (ValueError, TypeError, KeyError):
            return None

    def done(self, stage: str, stage_fingerprint: str) -> Marker | None:
        """The stage's marker when it is of this fingerprint and every file it names is there in full size."""
        marker = self.marker(stage)
        if marker is None or marker.fingerprint != stage_fingerprint:
            return None
        there: dict[str, int] = {}
        for folder in sorted({part.name.rsplit("/", 1)[0] for part in marker.parts}):
            there |= self.list(folder)
        return marker if all(there.get(part.name) == part.bytes for part in marker.parts) else None

    def begin(self, stage: str, folders: Iterable[str], stage_fingerprint: str) -> None:
        """Makes a stage's folders ready: what an earlier, different version of the stage left is removed."""
        if self.started(stage).get("fingerprint") == stage_fingerprint:
            before = self.marker(stage)
            if before and before.fingerprint == stage_fingerprint:  # done once, and now a file is gone or damaged
                known = {part.name: part.sha256 for part in before.parts}
                self._start(stage, stage_fingerprint, known)
            self.remove([f"{stage}/{DONE}"])
            for folder in folders:
                self.remove(self.list(folder, temporary=True))
            return
        self.remove([f"{stage}/{DONE}", f"{stage}/{STARTED}"])
        for folder in folders:
            self.remove_folder(folder)
        self._start(stage, stage_fingerprint, {})

    def _start(self, stage: str, stage_fingerprint: str, known: dict[str, str]) -> None:
        self.write_json(f"{stage}/{STARTED}", {"stage": stage, "fingerprint": stage_fingerprint, "known": known})

    def started(self, stage: str) -> dict[str, Any]:
        """What `begin` wrote: the fingerprint, and under `known` the sha256 of files that were committed once."""
        try:
            value = self.read_json(f"{stage}/{STARTED}")
        except ValueError:
            value = None
        return value if isinstance(value, dict) else {}

    def finish(self, marker: Marker) -> None:
        """Commits the marker of a stage; the last thing that a stage does."""
        self.write_json(f"{marker.stage}/{DONE}", asdict(marker))


def _encoding(schema: pa.Schema, noise: Sequence[str]) -> dict[str, Any]:
    """How `pq.write_table` is to write each column: zstd, a dictionary and statistics, but for the columns of noise."""
    if not noise:
        return {"compression": "zstd", "compression_level": 1}
    path = {name: _leaf(name, schema.field(name).type) for name in schema.names}
    others = [path[name] for name in schema.names if name not in noise]
    return {
        "compression": {path[name]: "none" if name in noise else "zstd" for name in schema.names},
        "compression_level": dict.fromkeys(others, 1),
        "use_dictionary": others,
        "write_statistics": others,
    }


def _leaf(name: str, type_: pa.DataType) -> str:
    """The path of a column's values in a Parquet file."""
    return f"{name}.list.element" if pa.types.is_fixed_size_list(type_) else name
