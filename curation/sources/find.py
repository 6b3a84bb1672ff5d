"""Finds the input files that the sources of a job file name.

A source's path is a file, a folder, a glob or a list of these, on the local disk or behind a URI. Everything ends
as a list of `InputFile`, sorted by path, because the order of the files gives the documents their ids: it must not
depend on the order in which a file system lists them. The path of an `InputFile` is complete in itself (absolute,
or a URI with its query), so that any process on any node can open it with `open_input`.

A URI is taken apart here and only its root goes through pyarrow's URI parser: names with spaces, `%`, `?` or `[`
are plain text below the root, and mean the same in a glob, a table and a message.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from pyarrow.fs import FileSelector, FileType, LocalFileSystem

from curation.config import Source
from curation.errors import InputError, JobError
from curation.sources.globbing import everything_below, glob, is_hidden, is_magic, names_below
from curation.storage import remote
from curation.storage.errors import first_words, trouble

#: Suffix of a file's name, in lower case, to format.
FORMATS = {".parquet": "parquet", ".pq": "parquet"} | {
    f".{name}{packed}": f"jsonl{packed}" for name in ("jsonl", "ndjson") for packed in ("", ".gz", ".zst")
}

#: scheme, authority, path and query of a URI. A `?` opens a query only where a key follows; else it is a glob.
_URI = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://([^/?]*)(/.*?)?(\?\w+=.*)?", re.DOTALL)


@dataclass(frozen=True)
class InputFile:
    """One input file: `bytes` as it lies there, `etag` is "<size>-<mtime in ns>", `source` the source's index."""

    path: str
    domain: str
    source: int
    format: str
    bytes: int
    etag: str


@dataclass(frozen=True)
class _Place:
    """A path on its file system. The full path of a file `p` found there is `head + p[cut:] + tail`."""

    filesystem: Any
    inner: str
    head: str = ""
    cut: int = 0
    tail: str = ""

    def full(self, inner: str) -> str:
        return self.head + inner[self.cut :] + self.tail


def find_all(sources: Iterable[Source]) -> list[InputFile]:
    """The files of all sources: in the order of the sources, and sorted by path within one.

    Raises:
        JobError: a path matches nothing, or a file belongs to two sources.
        InputError: a folder can't be listed.
    """
    owner: dict[str, InputFile] = {}
    for index, source in enumerate(sources):
        for file in find_files(source, index):
            first = owner.setdefault(_identity(file.path), file)
            if first is not file:
                raise JobError(
                    f"sources.{index}.path: {file.path} is already a file of sources.{first.source}: "
                    "a file belongs to one source, or its documents would count twice"
                )
    return list(owner.values())


def find_files(source: Source, index: int) -> list[InputFile]:
    """The files of one source, each once, sorted by full path.

    Args:
        source: names a file, a folder (taken with all below it), a glob (`*`, `?`, `[...]`, `**`) or several.
            Folders and globs pass over hidden names (`.x`, `_x`) and other suffixes than those of `FORMATS`.
        index: the source's place in the job file, for messages.

    Raises:
        JobError: a path matches nothing that can be read; it names `sources.<index>.path`.
        InputError: a folder can't be listed.
    """
    key = f"sources.{index}.path"
    found = sorted(item for pattern in source.paths for item in _resolve(pattern, key))
    files: dict[str, InputFile] = {}
    for path, format, size, etag in found:
        files.setdefault(_identity(path), InputFile(path, source.domain, index, format, size, etag))
    return list(files.values())


def open_input(path: str) -> tuple[Any, str]:
    """The pyarrow file system of a local path or URI, and the path inside it.

    Raises:
        JobError: no file system reads such a path.
        InputError: the file system can't be reached.
    """
    place = _place(path)
    return place.filesystem, place.inner


def check_unchanged(path: str, etag: str) -> None:
    """Raises InputError if the file is gone, or its size or time differ from `etag`."""
    place = _place(path)
    with _reaching(path):
        info = place.filesystem.get_file_info(place.inner)
    if info.type != FileType.File:
        raise InputError(f"{path}: the file is gone since it was counted: put it back, or start a new run_dir")
    if _etag(info) != etag:
        raise InputError(
            f"{path}: the file changed since it was counted (size-mtime was {etag}, is {_etag(info)}): "
            "put the old file back, or start a new run_dir"
        )


def _resolve(pattern: str, key: str) -> list[tuple[str, str, int, str]]:
    """(full path, format, bytes, etag) of the usable files that one pattern names. Raises JobError without any."""
    try:
        place = _place(pattern)
        with _reaching(pattern):
            info = place.filesystem.get_file_info(place.inner)
            named = info.type != FileType.NotFound
            matched = [info] if named else glob(place.filesystem, place.inner)
            if not matched:
                raise JobError(_no_match(place, pattern))
            inside = [file for info in matched for file in _files_of(place.filesystem, info)]
    except (UnicodeDecodeError, UnicodeEncodeError) as error:
        name = os.fsencode(error.object) if isinstance(error.object, str) else error.object
        raise JobError(f"{key}: {pattern!r}: the name {name!r} is not in UTF-8: rename it") from error
    except (JobError, ValueError) as error:  # ValueError: a NUL in the path
        raise JobError(f"{key}: {error}") from error
    usable = [
        (place.full(file.path), format, file.size, _etag(file))
        for file in inside
        if (format := _format(file.path)) is not None
    ]
    if not usable:
        if named and info.type != FileType.Directory:
            raise JobError(f"{key}: {pattern}: {_why_unusable(info)}")
        other = f" (there is {inside[0].base_name}, for example)" if inside else ""
        raise JobError(f"{key}: {pattern} holds no file whose name ends in {', '.join(FORMATS)}{other}")
    return usable


def _why_unusable(info: Any) -> str:
    if info.type != FileType.File:
        return "not a regular file or folder"
    if info.path.lower().endswith((".json", ".json.gz", ".json.zst")):
        return "a .json file is not read: write one JSON object a line and name it .jsonl"
    return f"unknown kind of file: its name must end in one of {', '.join(FORMATS)}"


def _files_of(filesystem: Any, info: Any) -> Iterator[Any]:
    """A file itself, or every file below a folder that isn't hidden."""
    if info.type == FileType.File:
        yield info
    elif info.type == FileType.Directory:
        for file in everything_below(filesystem, info.path):
            if file.type == FileType.File and not any(map(is_hidden, names_below(file.path, info.path))):
                yield file


def _no_match(place: _Place, pattern: str) -> str:
    """Says that nothing matches, and how far down the path is right."""
    if is_magic(place.inner):
        return f"{pattern} matches nothing"
    parent, _, name = place.inner.rpartition("/")
    if place.filesystem.get_file_info(parent or "/").type != FileType.Directory:
        return f"{pattern}: no such file or folder; there is no folder {place.full(parent)}"
    listing = place.filesystem.get_file_info(FileSelector(parent or "/"))
    near = difflib.get_close_matches(name, [info.base_name for info in listing], n=1)
    return f"{pattern}: no such file or folder" + (f"; did you mean {near[0]!r}?" if near else "")


def _place(path: str) -> _Place:
    match = _URI.fullmatch(path)
    if match is None:
        return _Place(LocalFileSystem(), _absolute(path))
    scheme, authority, inner, query = (part or "" for part in match.groups())
    if scheme == "file":
        return _Place(LocalFileSystem(), _absolute(unquote(inner)))
    with _reaching(path):
        filesystem, root = _filesystem(f"{scheme}://{authority}/{query}")
    root = f"{root.rstrip('/')}/" if root else ""
    inner = root + inner.removeprefix("/").rstrip("/")
    return _Place(filesystem, inner, f"{scheme}://{authority}/", len(root), query)


def _filesystem(uri: str) -> tuple[Any, str]:
    try:
        filesystem, root = remote.filesystem(uri)
    except ValueError as error:
        raise JobError(f"{uri}: {error}") from error
    return filesystem, root


def _absolute(path: str) -> str:
    """An absolute local path. What stands before `..` is resolved as the system would, through symbolic links."""
    if not path:
        raise JobError("the path is empty")
    parts = os.path.expanduser(path).split("/")  # noqa: PTH111  (pathlib fails on an unknown ~user)
    climbs = max((i for i, part in enumerate(parts) if part == ".."), default=-1) + 1
    head = os.path.realpath("/".join(parts[:climbs])) if climbs else ""
    return os.path.abspath(os.path.join(head, *parts[climbs:]) if climbs else "/".join(parts))  # noqa: PTH100, PTH118


@contextmanager
def _reaching(path: str) -> Iterator[None]:
    """Turns an OSError into a message that names the path."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or trouble(error) or first_words(str(error))
        raise InputError(f"{path}: can't be reached: {reason}") from error


def _identity(path: str) -> str:
    """The same string for every name of a file."""
    return path if _URI.fullmatch(path) else str(Path(path).resolve())


def _format(path: str) -> str | None:
    name = path.lower()
    return next((known for suffix, known in FORMATS.items() if name.endswith(suffix)), None)


def _etag(info: Any) -> str:
    return f"{info.size}-{info.mtime_ns or 0}"
