"""Globs on any pyarrow file system.

`*`, `?` and `[...]` match within one name, `**` any number of folders. As in a shell, a hidden name (`.x`, `_x`) is
matched only by a part that begins alike; and a part that exists under its own name is a name, not a pattern.
Folders are listed level by level, so that on an object store only what can match is listed.
"""

from __future__ import annotations

import os
from fnmatch import fnmatchcase
from typing import Any

from pyarrow.fs import FileSelector, FileType, LocalFileSystem


def glob(filesystem: Any, pattern: str) -> list[Any]:
    """The `FileInfo` of every file and folder that a glob matches; none if it has no glob characters.

    Args:
        filesystem: a pyarrow file system.
        pattern: a path on it, without `..`.

    Raises:
        OSError: a folder can't be listed.
    """
    parts = pattern.split("/")
    for depth, part in enumerate(parts):  # a name with glob characters that exists is a name
        if is_magic(part) and not _exists(filesystem, "/".join(parts[: depth + 1])):
            break
    else:
        return []
    folders = ["/".join(parts[:depth]) or "/"[: pattern.startswith("/")]]
    matched: list[Any] = []
    for level in range(depth, len(parts)):
        deep = parts[level] == "**"
        wanted = parts[level:] if deep else [parts[level]]
        matched = [
            info
            for folder in folders
            for info in (everything_below(filesystem, folder) if deep else _entries(filesystem, folder))
            if _fits(names_below(info.path, folder), wanted)
        ]
        if deep:
            break
        folders = [info.path for info in matched if info.type == FileType.Directory]
    return matched


def everything_below(filesystem: Any, folder: str) -> list[Any]:
    """The `FileInfo` of every file and folder below a folder; symbolic links are followed, but not in circles.

    Raises:
        OSError: a folder can't be listed.
    """
    if not isinstance(filesystem, LocalFileSystem):
        return list(filesystem.get_file_info(FileSelector(folder, recursive=True, allow_not_found=True)))
    found: list[Any] = []
    left: list[tuple[str, tuple[str, ...]]] = [(folder, (os.path.realpath(folder),))]
    while left:
        here, above = left.pop()
        for info in _entries(filesystem, here):
            found.append(info)
            if info.type == FileType.Directory and (real := os.path.realpath(info.path)) not in above:
                left.append((info.path, (*above, real)))
    return found


def _entries(filesystem: Any, folder: str) -> list[Any]:
    return list(filesystem.get_file_info(FileSelector(folder, allow_not_found=True)))


def names_below(path: str, folder: str) -> list[str]:
    """The names that lead from a folder to a path below it."""
    return path.removeprefix(folder).strip("/").split("/")


def is_hidden(name: str) -> bool:
    """Whether folders and globs pass over a name."""
    return name.startswith((".", "_"))


def is_magic(part: str) -> bool:
    """Whether a path has glob characters."""
    return any(character in part for character in "*?[")


def _fits(names: list[str], parts: list[str]) -> bool:
    """Whether the names of a path match the parts of a glob. Only a part that begins alike matches a hidden name."""
    ends = {0}  # how many names the parts so far may have taken; a set, as trying each in turn takes for ever
    for part in parts:
        if part == "**":
            visible = next((i for i, name in enumerate(names) if is_hidden(name)), len(names))
            ends = {i for end in ends for i in range(end, max(end, visible) + 1)}
        else:
            ends = {end + 1 for end in ends if end < len(names) and _fits_name(names[end], part)}
    return len(names) in ends


def _fits_name(name: str, part: str) -> bool:
    return not (is_hidden(name) and part[:1] not in (name[0], "[")) and fnmatchcase(name, part)


def _exists(filesystem: Any, inner: str) -> bool:
    return bool(filesystem.get_file_info(inner).type != FileType.NotFound)
