"""A naive reader to test against, and what the tests of counting and reading share."""

from __future__ import annotations

import gzip
import io
import json
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import pyarrow as pa
import zstandard

from curation.config import Source
from curation.sources import blocks
from curation.sources.count import FileCount, count_file
from curation.sources.find import InputFile, find_files
from curation.sources.read import Columns, Rows, Split, read_splits
from curation.sources.rows import NUMBER

SUFFIX = {"jsonl": ".jsonl", "jsonl.gz": ".jsonl.gz", "jsonl.zst": ".jsonl.zst", "parquet": ".parquet"}


class Row(NamedTuple):
    text: str | None
    reason: str | None
    id: Any = None
    kept: Any = None
    quality: float | None = None


def read_naively(raw: bytes) -> list[Row]:
    """Reads JSONL line by line in text mode; columns text, id, kept and quality."""
    lines = io.TextIOWrapper(io.BytesIO(raw), encoding="utf-8-sig", errors="surrogateescape", newline="\n")
    return [_row(line.lstrip("\ufeff \t\r")) for line in lines if line.strip(" \t\n\r\x0b\x0c")]


def _row(line: str) -> Row:
    if any("\udc80" <= character <= "\udcff" for character in line):
        return Row(None, "invalid UTF-8")
    try:
        value = json.loads(line, parse_constant=_refuse, parse_float=_finite)
    except (ValueError, RecursionError):
        return Row(None, "malformed JSON")
    if not isinstance(value, dict):
        return Row(None, "not a JSON object")
    text, reason = value.get("text"), None
    if text is None:
        reason = "no text"
    elif not isinstance(text, str):
        text, reason = None, "text is not a string"
    elif re.search("[\ud800-\udfff]", text):
        return Row(None, "lone surrogate")
    elif not text.strip():
        text, reason = None, "no text"
    number = value.get("quality")
    quality = float(number) if isinstance(number, int | float) and not isinstance(number, bool) else None
    return Row(text, reason, _string(value.get("id")), _string(value.get("kept")), quality)


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def _finite(digits: str) -> float:
    if math.isinf(float(digits)):
        raise ValueError(digits)
    return float(digits)


def _string(value: Any) -> Any:
    if value is None or isinstance(value, str):
        return value and _mend(value)
    return ("JSON", json.loads(_mend(json.dumps(value, ensure_ascii=False))))


def _mend(text: str) -> str:
    return re.sub("[\ud800-\udfff]", "\ufffd", text)


def same(mine: Any, expected: Any) -> bool:
    """Compares a string with what `_string` gives: anything but a string as the value that its JSON means."""
    if isinstance(expected, tuple):
        return bool(json.loads(mine) == expected[1])
    return bool(mine == expected)


def pack(raw: bytes, format: str, members: int = 1) -> bytes:
    """Compresses bytes as so many gzip members or zstd frames, one after the other."""
    step = max(-(-len(raw) // members), 1)
    parts = [raw[i : i + step] for i in range(0, len(raw), step)] or [b""]
    if format == "jsonl.gz":
        return b"".join(gzip.compress(part, mtime=0) for part in parts)
    if format == "jsonl.zst":
        return b"".join(zstandard.ZstdCompressor(write_checksum=True).compress(part) for part in parts)
    return raw


def write(folder: Path | str, raw: bytes, format: str = "jsonl", name: str = "file") -> InputFile:
    path = Path(folder) / f"{name}{SUFFIX[format]}"
    path.write_bytes(raw)
    return find_files(Source(domain="d", path=str(path)), 0)[0]


def count(file: InputFile, split_bytes: int = 1 << 20, allow_truncated: bool = False, **source: Any) -> FileCount:
    numbers = source.pop("numbers", {})
    return count_file(file, split_bytes, Source(domain="d", path=file.path, **source), numbers, allow_truncated)


def splits_of(counted: FileCount) -> list[list[Split]]:
    """The splits of a file by read group, after checking that they are dense and their groups in order."""
    splits = [
        Split(number, 0, cut.group, cut.first_row, cut.rows, 1000 + cut.first_row, cut.start, cut.stop)
        for number, cut in enumerate(counted.cuts)
    ]
    row = 0
    for split in splits:
        assert split.first_row == row
        assert split.rows > 0
        assert split.start < split.stop
        row += split.rows
    assert row == counted.rows
    groups = [list(group) for _, group in groupby(splits, key=lambda split: split.read_group)]
    assert [group[0].read_group for group in groups] == list(range(len(groups)))
    return groups


def read(
    file: InputFile, counted: FileCount, columns: Columns, groups: list[list[Split]] | None = None
) -> list[tuple[Split, Rows]]:
    """Every split of a file, or of some groups, as read."""
    return [
        item
        for group in (splits_of(counted) if groups is None else groups)
        for item in read_splits(file.path, file.format, group, columns, etag=file.etag, truncated=counted.truncated)
    ]


def as_rows(parts: list[tuple[Split, Rows]]) -> list[Row]:
    """Splits as rows of Python values."""
    rows = []
    for split, part in parts:
        assert part.table.num_rows == split.rows
        assert part.table.schema.field("text").type == pa.large_string()
        columns = {name: part.table.column(name).to_pylist() for name in part.table.column_names}
        empty = [None] * split.rows
        for offset in range(split.rows):
            text = columns["text"][offset]
            assert (text is None) == (offset in part.rejected)
            rest = (columns.get(name, empty)[offset] for name in ("id", "kept", NUMBER + "quality"))
            rows.append(Row(text, part.rejected.get(offset), *rest))
    return rows


@contextmanager
def small_blocks(size: int) -> Iterator[None]:
    """Reads in blocks of a few bytes, so that small files have block boundaries everywhere."""
    with patch.multiple(blocks, BLOCK=size, PIECE=size, OVERHANG=max(size // 2, 1)):
        yield
