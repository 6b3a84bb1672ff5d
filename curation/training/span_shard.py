"""Rows of a shard that are stretches of bytes, by number: MDS samples and lines of plain JSONL.

The offsets of all rows are in memory, 8 bytes a row; rows that follow one another are read in one go.

An MDS shard (MosaicML Streaming, version 2) holds its offsets: u32 n, u32 offsets[n + 1], then the columns as JSON,
then the samples; a sample is the u32 size of each column of variable size, then the columns' bytes. The lines of a
JSONL shard are found by reading it once.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
from numpy.typing import NDArray

from curation.errors import RunError
from curation.storage.errors import told
from curation.training.folder import Folder, Shard

#: Bytes a read while the lines of a file are looked for.
BLOCK = 4 << 20

Row = dict[str, Any]

#: Encodings of MDS columns of variable size. Numbers of a fixed size carry the name of their NumPy type.
_DECODERS: dict[str, Callable[[bytes], Any]] = {
    "str": bytes.decode,
    "bytes": bytes,
    "json": orjson.loads,
    "str_int": int,
    "str_float": float,
}


class SpanShard:
    """An open shard whose row `i` is the bytes from `offsets[i]` to `offsets[i + 1]`."""

    def __init__(
        self, source: pa.NativeFile, shown: str, offsets: NDArray[np.int64], decode: Callable[[bytes], Row]
    ) -> None:
        self._source, self._shown, self._offsets, self._decode = source, shown, offsets, decode
        self.rows = len(offsets) - 1

    def take(self, numbers: NDArray[np.int64]) -> list[Row]:
        """The rows of these numbers, which ascend."""
        found = []
        for run in np.split(numbers, np.flatnonzero(np.diff(numbers) != 1) + 1):
            ends = self._offsets[run[0] : run[-1] + 2].tolist()
            with told(self._shown):
                data = memoryview(self._source.read_at(ends[-1] - ends[0], ends[0]))
            if len(data) != ends[-1] - ends[0]:
                raise RunError(f"{self._shown}: ends too early: copy it again from the run directory")
            cuts = [end - ends[0] for end in ends]
            found += [self._decode(bytes(data[low:high])) for low, high in pairwise(cuts)]
        return found

    def close(self) -> None:
        """Closes the file."""
        self._source.close()


def open_mds(folder: Folder, shard: Shard) -> SpanShard:
    """An MDS shard.

    Raises:
        RunError: it is none, or has a column that is encoded in a way that can't be read.
    """
    shown = folder.shown(shard)
    source = folder.store.open_input(shard.file)
    try:
        with told(shown):
            rows = int(np.frombuffer(source.read_at(4, 0), "<u4")[0])
            offsets = np.frombuffer(source.read_at(4 * (rows + 1), 4), "<u4").astype(np.int64)
            header = 4 * (rows + 2)
            config = json.loads(source.read_at(int(offsets[0]) - header, header))
        named = zip(config["column_names"], config["column_encodings"], config["column_sizes"], strict=True)
        columns = list(named)
    except (ValueError, IndexError, KeyError, TypeError) as error:
        raise RunError(f"{shown}: is no MDS shard: copy it again from the run directory") from error
    for name, encoding, size in columns:
        if encoding not in _DECODERS and not (size and _number_type(encoding)):
            raise RunError(f"{shown}: column {name} is encoded as {encoding}, which this reader does not know")
    return SpanShard(source, shown, offsets, lambda sample: _mds_row(sample, columns))


def _number_type(encoding: str) -> str | None:
    """The NumPy type of a column of numbers; None for other encodings."""
    name = "int64" if encoding == "int" else encoding
    return name if name.rstrip("0123456789") in ("int", "uint", "float") else None


def _mds_row(sample: bytes, columns: list[tuple[str, str, int | None]]) -> Row:
    varying = sum(not size for _, _, size in columns)
    sizes = iter(np.frombuffer(sample, "<u4", varying).tolist())
    at, row = 4 * varying, {}
    for name, encoding, size in columns:
        stop = at + (size or next(sizes))
        row[name] = _decoded(encoding, sample[at:stop])
        at = stop
    return row


def _decoded(encoding: str, value: bytes) -> Any:
    decode = _DECODERS.get(encoding)
    return decode(value) if decode else np.frombuffer(value, _number_type(encoding))[0].item()


def open_lines(folder: Folder, shard: Shard) -> SpanShard:
    """A plain JSONL shard; it is read once to find its lines."""
    shown = folder.shown(shard)
    source = folder.store.open_input(shard.file)
    ends, at = [np.zeros(1, np.int64)], 0
    with told(shown):
        while block := source.read(BLOCK):
            ends.append(np.flatnonzero(np.frombuffer(block, np.uint8) == ord("\n")) + at + 1)
            at += len(block)
    offsets = np.concatenate(ends)
    if offsets[-1] != at:  # the last line may lack its newline
        offsets = np.append(offsets, at)
    return SpanShard(source, shown, offsets, lambda line: line_row(line, folder.columns))


def line_row(line: bytes, columns: tuple[str, ...]) -> Row:
    """The columns of a shard from a line `{"id", "text", "source", "metadata"}`; null where it has no such key."""
    found = orjson.loads(line)
    own = {"text": found["text"], "domain": found["source"], "id": found["id"]}
    return {name: own[name] if name in own else found["metadata"].get(name) for name in columns}
