"""Which file kills the process that reads it.

pyarrow ends the whole process over some Parquet files (a column that is encrypted under a plain footer, for one), by
an error that its C++ does not catch. Ray tries such a task again up to its limit, and what it says at last names no
file. So a task notes each file on its node's disk before it is opened. The next attempt of the same task finds there
at which file the last ones ended, and names it instead of dying of it again.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from curation.errors import InputError

#: Deaths at one file that are put down to it: a first one may have had other reasons.
DEATHS = 2


@contextmanager
def noting_files(task: str) -> Iterator[Callable[[str], None]]:
    """Gives a function that is to be called with the path of a file before it is opened.

    Args:
        task: the same for every attempt of a task, and for no other task.

    Raises:
        InputError: from that function, if earlier attempts ended at this file.
    """
    notes = Path(tempfile.gettempdir(), f"curation-{os.getuid()}-{task}.notes")
    before = _lines(notes)

    def note(path: str) -> None:
        line = path.encode("utf-8", "replace").replace(b"\n", b" ")
        if before.count(line) >= DEATHS:
            raise InputError(
                f"{path}: the process that opened it died, {DEATHS} times: the file is encrypted or damaged in a way "
                "that the Parquet library does not survive; get a whole copy, or leave it out"
            )
        _write(notes, b"\n".join([*before, line]))

    try:
        yield note
    finally:  # not reached by a process that dies
        notes.unlink(missing_ok=True)


def _lines(notes: Path) -> list[bytes]:
    return notes.read_bytes().split(b"\n") if notes.is_file() and not notes.is_symlink() else []


def _write(notes: Path, content: bytes) -> None:
    """Replaces the notes, and never writes through a link that somebody else put there."""
    file = os.open(notes, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with open(file, "wb") as stream:  # noqa: PTH123  (a descriptor)
        stream.write(content)


def task_name() -> str:
    """A name of the Ray task that runs here, the same for each of its attempts; of the process, outside of Ray."""
    import ray

    task = ray.get_runtime_context().get_task_id() if ray.is_initialized() else None
    return task or f"process-{os.getpid()}"
