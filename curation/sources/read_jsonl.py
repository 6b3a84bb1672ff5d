r"""Reads the splits of a JSONL file, plain or compressed.

Every line stands for itself: it is parsed by orjson into what it says, with no type guessed from it or from its
neighbours, and a line that can't be used is rejected alone. Lines are taken from blocks of a few MiB with
`bytes.split`, so that the time goes into parsing. Memory is about one split, and a line that is longer than
`Columns.most_bytes` is passed over without being held: a compressed file of a few KiB can hold one of many GiB.

orjson refuses a whole line for a lone surrogate (`\ud83d`, as cutting a text in the middle of an emoji leaves it)
anywhere in it. It is well-formed JSON, so such a line is looked at again, and rejected only if it is the text that
is affected; elsewhere U+FFFD stands for it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NoReturn

import orjson
import pyarrow as pa

from curation.errors import InputError
from curation.sources.blocks import DamagedStream, plain_blocks, stream_blocks
from curation.sources.find import InputFile
from curation.sources.rows import (
    LONE_SURROGATE,
    MALFORMED,
    NO_TEXT,
    NOT_OBJECT,
    NOT_STRING,
    NOT_UTF8,
    Columns,
    Rows,
    Split,
    join_rows,
)
from curation.sources.vectors import vectors_of_values

#: One escape of a JSON string: a surrogate pair, a lone surrogate (the group), or any other.
_ESCAPE = re.compile(r"\\(?:u[dD][89abAB]..\\u[dD][c-fC-F]..|(u[dD][89a-fA-F]..)|.)", re.DOTALL)


@dataclass(frozen=True)
class _Span:
    """Whole lines that begin at byte `start`; `lines` is None for one line that is too long to be held."""

    start: int
    lines: bytes | None


def read_jsonl(path: str, format: str, splits: Sequence[Split], columns: Columns, truncated: bool) -> Iterator[Rows]:
    """The rows of each of the splits, in order. The arguments are those of `read_splits`."""
    spans = _spans(path, format, splits[0].start, splits[-1].stop, columns.most_bytes, truncated)
    span = next(spans, None)
    for split in splits:
        while span is not None and span.start < split.start:
            span = _divide(span, split.start)[1] or next(spans, None)
        parts = []
        while span is not None and span.start < split.stop:
            mine, rest = _divide(span, split.stop)
            parts.append(parse_lines(mine.lines, columns))
            span = rest or next(spans, None)
        yield join_rows(parts)


def _spans(path: str, format: str, start: int, stop: int, most: int, truncated: bool) -> Iterator[_Span]:
    """The file's lines that start before `stop`: of a stream from its beginning, else from just before `start`."""
    if format == "jsonl":
        origin = max(start - 1, 0)  # what comes before the first newline belongs to the split before
        yield from _whole_lines(plain_blocks(path, origin, stop), origin, stop, most)
        return
    try:
        yield from _whole_lines(stream_blocks(path, format), 0, stop, most)
    except DamagedStream as error:
        if not truncated:
            raise InputError(
                f"{path}: the compressed file is cut off or corrupt ({error}), and was not when it was counted: "
                "check the storage, or start a new run_dir"
            ) from error


def _whole_lines(blocks: Iterable[bytes], origin: int, stop: int, most: int) -> Iterator[_Span]:
    """Regroups blocks so that no line is divided; one of more than `most` bytes is not held.

    If a stream breaks, the line that it breaks in is not given.
    """
    start = origin  # of the line that the blocks so far end in
    held: list[bytes] = []  # that line so far, or nothing once it is too long
    length = 0  # of it
    blank = True  # it is white space so far
    for block in blocks:
        first = block.find(b"\n") + 1
        length += first or len(block)
        blank = blank and (block[:first] if first else block).isspace()
        too_long = length - bool(first) > most
        if too_long:
            held = []
        if not first:
            held += [] if too_long else [block]
            continue
        end = block.rfind(b"\n") + 1
        if too_long:
            if not blank:
                yield _Span(start, None)
            start += length
            lines = block[first:end]
        else:
            lines = b"".join([*held, block[:end]])
        if lines:
            yield _Span(start, lines)
        start += len(lines)
        if start >= stop:
            return
        held = [block[end:]] if end < len(block) else []
        length = len(block) - end
        blank = not held or held[0].isspace()
    if length and not blank:
        yield _Span(start, b"".join(held) or None)


def _divide(span: _Span, at: int) -> tuple[_Span, _Span | None]:
    """The lines that start before byte `at`, and the others. `at` lies behind the start of the first."""
    if span.lines is None:
        return span, None
    cut = span.lines.find(b"\n", at - 1 - span.start) + 1
    if cut in (0, len(span.lines)):
        return span, None
    return _Span(span.start, span.lines[:cut]), _Span(span.start + cut, span.lines[cut:])


def parse_lines(lines: bytes | None, columns: Columns) -> Rows:
    """The rows of whole lines; None is one line that is too long."""
    found = (
        [_too_long(columns)]
        if lines is None
        else [_object(line, columns) for line in lines.split(b"\n") if line and not line.isspace()]
    )
    rejected = {offset: row for offset, row in enumerate(found) if isinstance(row, str)}
    nothing: dict[str, Any] = {}
    rows = [nothing if isinstance(row, str) else row for row in found]
    texts = [row.get(columns.text) for row in rows]
    for offset, text in enumerate(texts):
        if type(text) is not str or not text or text.isspace():
            rejected.setdefault(offset, NOT_STRING if text is not None and type(text) is not str else NO_TEXT)
            texts[offset] = None
    table = columns.name_table(
        text=pa.array(texts, pa.large_string()),
        id=_strings(rows, columns.id),
        keep=[_strings(rows, name) for name in columns.keep],
        numbers=[pa.array([_number(row.get(name)) for row in rows], pa.float64()) for name in columns.numbers],
        vector=vectors_of_values([row.get(columns.vector) for row in rows]) if columns.vector else None,
    )
    return Rows(table, rejected)


def _too_long(columns: Columns) -> str:
    return f"line longer than {columns.most_bytes} bytes"


def _object(line: bytes, columns: Columns) -> dict[str, Any] | str:
    """The object that a line holds, or the reason why it is rejected."""
    if len(line) > columns.most_bytes:
        return _too_long(columns)
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError:
        return _second_look(line, columns.text)
    return value if type(value) is dict else NOT_OBJECT


def _second_look(line: bytes, text_column: str) -> dict[str, Any] | str:
    """What `_object` gives, for a line that orjson refused. Reads lone surrogates outside the text as U+FFFD.

    A byte order mark stands inside a file where several were joined to one.
    """
    try:
        source = line.decode().lstrip("\ufeff \t\r")
        row = json.loads(source, parse_constant=_refuse)
        if type(row) is not dict:
            return NOT_OBJECT
        text = row.get(text_column)
        if isinstance(text, str):
            text.encode()
        mended: dict[str, Any] = orjson.loads(_ESCAPE.sub(lambda m: r"\ufffd" if m[1] else m[0], source))
    except UnicodeDecodeError:
        return NOT_UTF8
    except UnicodeEncodeError:
        return LONE_SURROGATE
    except (ValueError, RecursionError):
        return MALFORMED
    return mended


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _strings(rows: list[dict[str, Any]], name: str | None) -> pa.Array:
    """A column as strings: strings as they are, null as null, anything else as its JSON."""
    values = (row.get(name or "") for row in rows)
    return pa.array(
        [value if value is None or type(value) is str else orjson.dumps(value).decode() for value in values],
        pa.string(),
    )


def _number(value: Any) -> float | None:
    return float(value) if type(value) in (int, float) else None


def first_keys(file: InputFile, most: int = 1000) -> tuple[int, set[str]]:
    """How many of the first rows of a file are JSON objects, up to `most`, and the keys that they have."""
    compressed = file.format != "jsonl"
    blocks = stream_blocks(file.path, file.format) if compressed else plain_blocks(file.path, 0, file.bytes)
    with suppress(DamagedStream):
        block = next(blocks, b"")
        rows = []
        for line in block.split(b"\n", most)[:most]:
            with suppress(orjson.JSONDecodeError):
                rows.append(orjson.loads(line))
        found = [row for row in rows if isinstance(row, dict)]
        return len(found), {key for row in found for key in row}
    return 0, set()
