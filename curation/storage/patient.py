"""A file system that tries again: pyarrow's clients, but patient where the network is not.

pyarrow's S3 client tries a request again, but not in every case: an answer that breaks off in the middle leaves its
buffer half full, and the second try then fails with "Failed to flush response stream" (measured with a server that
cuts answers off). So every call, and every read of an open file, is tried here once more, TRIES times with
growing pauses. An error that a person must mend comes at once.

Streams are read BUFFER bytes a request, since pyarrow's make one request a read, however small.
"""

from __future__ import annotations

import io
import itertools
import os
import time
from collections.abc import Callable
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.fs as pafs

from curation.counter_rng import uniform
from curation.storage.errors import is_passing

Result = TypeVar("Result")

#: Times that a call is tried, and seconds before it is tried again; each later pause is twice as long.
TRIES, PAUSE = 5, 0.4
#: Bytes a request of a stream.
BUFFER = 4 << 20

_pauses = itertools.count()


def patiently(call: Callable[[], Result]) -> Result:
    """What a call returns; errors that may pass are tried again. Pauses differ from process to process."""
    for attempt in range(TRIES - 1):
        try:
            return call()
        except Exception as error:
            if not is_passing(error):
                raise
        time.sleep(PAUSE * 2**attempt * (0.5 + float(uniform(os.getpid(), "pause", next(_pauses)))))  # type: ignore[arg-type]
    return call()


class PatientFile(io.RawIOBase):
    """A file open for reading. An error in a read is answered with another read of the same bytes."""

    def __init__(self, filesystem: pafs.FileSystem, path: str) -> None:
        self._file = patiently(lambda: filesystem.open_input_file(path))
        self._size: int = self._file.size()
        self._at = 0

    def readable(self) -> bool:
        """Always true."""
        return True

    def seekable(self) -> bool:
        """Always true."""
        return True

    def read(self, size: int | None = -1) -> bytes:
        """At most `size` bytes, less only at the end of the file; all that are left for -1."""
        left = max(self._size - self._at, 0)
        wanted = left if size is None or size < 0 else min(size, left)
        data: bytes = patiently(lambda: self._file.read_at(wanted, self._at)) if wanted else b""
        self._at += len(data)
        return data

    def readinto(self, buffer: Any) -> int:
        """See `io.RawIOBase`."""
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """See `io.IOBase`."""
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        return self._at

    def tell(self) -> int:
        """Where the next read begins."""
        return self._at

    def close(self) -> None:
        """See `io.IOBase`."""
        self._file.close()
        super().close()


class PatientHandler(pafs.FileSystemHandler):  # type: ignore[misc]
    """What `pyarrow.fs.PyFileSystem` asks for: the calls of a file system, each made patiently."""

    def __init__(self, filesystem: pafs.FileSystem) -> None:
        self._own = filesystem

    def get_type_name(self) -> str:
        """The type of the file system."""
        return str(self._own.type_name)

    def normalize_path(self, path: str) -> str:
        """The path in its usual form."""
        return str(self._own.normalize_path(path))

    def get_file_info(self, paths: list[str]) -> list[pafs.FileInfo]:
        """What is known of files."""
        return list(patiently(lambda: self._own.get_file_info(paths)))

    def get_file_info_selector(self, selector: pafs.FileSelector) -> list[pafs.FileInfo]:
        """The files in a folder."""
        return list(patiently(lambda: self._own.get_file_info(selector)))

    def create_dir(self, path: str, recursive: bool) -> None:
        """Makes a folder."""
        patiently(lambda: self._own.create_dir(path, recursive=recursive))

    def delete_dir(self, path: str) -> None:
        """Deletes a folder."""
        patiently(lambda: self._own.delete_dir(path))

    def delete_dir_contents(self, path: str, missing_dir_ok: bool = False) -> None:
        """Empties a folder."""
        patiently(lambda: self._own.delete_dir_contents(path, missing_dir_ok=missing_dir_ok))

    def delete_root_dir_contents(self) -> None:
        """Refused: nobody empties a whole bucket."""
        raise PermissionError("the root of a file system is not emptied")

    def delete_file(self, path: str) -> None:
        """Deletes a file."""
        patiently(lambda: self._own.delete_file(path))

    def move(self, src: str, dest: str) -> None:
        """Moves a file; once, since a second try may find it moved."""
        self._own.move(src, dest)

    def copy_file(self, src: str, dest: str) -> None:
        """Copies a file."""
        patiently(lambda: self._own.copy_file(src, dest))

    def open_input_file(self, path: str) -> pa.PythonFile:
        """A file for reading anywhere in it."""
        return pa.PythonFile(PatientFile(self._own, path), mode="r")

    def open_input_stream(self, path: str) -> pa.PythonFile:
        """A file for reading from its beginning."""
        return pa.PythonFile(io.BufferedReader(PatientFile(self._own, path), BUFFER), mode="r")

    def open_output_stream(self, path: str, metadata: Any) -> pa.NativeFile:
        """A file for writing."""
        return self._own.open_output_stream(path, compression=None, metadata=metadata)

    def open_append_stream(self, path: str, metadata: Any) -> pa.NativeFile:
        """A file for writing at its end."""
        return self._own.open_append_stream(path, compression=None, metadata=metadata)
