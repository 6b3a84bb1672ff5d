"""The files of a run directory: bytes in and out, on any file system, and nothing half.

A file is there whole or not at all:

- On a local disk it is written under a temporary name, synced and renamed.
- On an object store, which has no rename, it is kept on the local disk (or in memory, if it is small) until it is
  whole, and then put under its final name in one request, or in an upload of many parts whose last request makes it.
- On other file systems (HDFS) it goes up under a temporary name and is moved.

All names are relative to the run directory, with `/`. Errors that a person must mend come as `StorageError`; a file
that is not there is a FileNotFoundError. Under a lease (see `lease`), every change of the directory first looks
whether the lease still holds, so that a worker that outlived its driver writes nothing into the next one's run.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.fs as pafs

from curation.errors import JobError
from curation.storage import lease, remote
from curation.storage.errors import first_words, told
from curation.storage.sink import Sink
from curation.storage.uris import NO_CREDENTIALS, has_credentials, split_uri

#: Bytes moved at a time when a file is hashed or copied.
CHUNK = 1 << 22
#: Bytes of a file that is kept in memory until it is put into an object store; a larger one goes through the disk.
IN_MEMORY = 8 << 20
_TEMPORARY = ".tmp-"


@dataclass(frozen=True)
class Files:
    """A run directory as files. Small and picklable: workers get it as an argument.

    `root` is an absolute path or a URI; `token` is that of the lease under which it is changed, empty without one.
    """

    root: str
    token: str = ""

    @classmethod
    def open(cls, run_dir: str) -> Self:
        """The files at a local path or URI; the folder is made when something is written.

        Raises:
            JobError: the location can't be understood, or holds credentials.
        """
        if has_credentials(run_dir):
            raise JobError(f"run_dir: {NO_CREDENTIALS}")
        run_dir = unquote(run_dir.removeprefix("file://")) if run_dir.startswith("file:///") else run_dir
        root = run_dir if "://" in run_dir else str(Path(run_dir).expanduser().resolve())
        store = cls(root)
        try:
            store._place("")
        except (ValueError, OSError, ImportError) as error:
            raise JobError(f"run_dir: {run_dir}: {first_words(str(error))}") from error
        return store

    @property
    def is_local(self) -> bool:
        """True when the run directory is on a file system of this machine."""
        return "://" not in self.root

    @property
    def can_lease(self) -> bool:
        """True where a lease locks the run directory."""
        return remote.is_object_store(self.root)

    def shown(self, name: str = "") -> str:
        """Where a file is, for messages."""
        uri = split_uri(self.root)
        return f"{uri.plain if uri else self.root}/{name}".rstrip("/")

    def holds(self, path: str) -> bool:
        """Whether a path or URI lies in the run directory."""
        uri, own = split_uri(path), split_uri(self.root)
        if uri and own:
            return uri.plain.startswith(f"{own.plain}/")
        return uri is None and own is None and Path(self.root) in Path(path).resolve().parents

    def _place(self, name: str) -> tuple[pafs.FileSystem, str]:
        """The file system and the path on it of a name."""
        if self.is_local:
            return pafs.LocalFileSystem(), f"{self.root}/{name}" if name else self.root
        filesystem, path = remote.filesystem(self.root)
        return filesystem, f"{path}/{name}" if name else path

    def _check_lease(self) -> None:
        if self.token:
            lease.check(self.root, self.token)

    @contextlib.contextmanager
    def create(self, name: str) -> Iterator[Sink]:
        """Opens a new file; it appears under its name when the block ends without an error, and not before.

        Raises:
            StorageError: it can't be written.
            RunError: the lease is lost.
        """
        with told(self.shown(name)):
            if self.is_local:
                with self._create_local(name) as raw:
                    yield Sink(raw)
                return
            with tempfile.SpooledTemporaryFile(IN_MEMORY) as raw:
                with told(f"{self.shown(name)}, kept in {tempfile.gettempdir()} until it is whole"):
                    yield Sink(raw)
                    raw.seek(0)
                self._check_lease()
                if self.can_lease:
                    remote.put_object(self.root, name, raw)
                else:
                    self._move_in(name, raw)

    @contextlib.contextmanager
    def _create_local(self, name: str) -> Iterator[IO[bytes]]:
        target = Path(self.root, name)
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.parent / f"{_TEMPORARY}{target.name}-{os.getpid()}-{secrets.token_hex(4)}"
        try:
            with temporary.open("wb") as raw:
                yield raw
                raw.flush()
                os.fsync(raw.fileno())
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)

    def _move_in(self, name: str, raw: IO[bytes]) -> None:
        """Copies a file up under a temporary name and moves it to its own."""
        filesystem, path = self._place(name)
        folder, _, base = path.rpartition("/")
        temporary = f"{folder}/{_TEMPORARY}{base}-{secrets.token_hex(4)}"
        filesystem.create_dir(folder)
        with filesystem.open_output_stream(temporary, compression=None) as upload:
            while chunk := raw.read(CHUNK):
                upload.write(chunk)
        self.remove([name])  # HDFS moves nothing onto a file that is there
        filesystem.move(temporary, path)

    def open_input(self, name: str) -> pa.NativeFile:
        """A random-access file."""
        filesystem, path = self._place(name)
        with told(self.shown(name)):
            return filesystem.open_input_file(path)

    def read_bytes(self, name: str) -> bytes:
        """The content of a file."""
        with told(self.shown(name)), self.open_input(name) as file:
            data: bytes = file.read()
        return data

    def hash(self, name: str) -> tuple[int, str]:
        """Size and sha256 of a file as it is on storage now."""
        digest, size = hashlib.sha256(), 0
        with told(self.shown(name)), self.open_input(name) as file:
            while chunk := file.read(CHUNK):
                digest.update(chunk)
                size += len(chunk)
        return size, digest.hexdigest()

    def exists(self, name: str) -> bool:
        """True when there is a file of this name."""
        filesystem, path = self._place(name)
        with told(self.shown(name)):
            return bool(filesystem.get_file_info(path).type == pafs.FileType.File)

    def list(self, folder: str, temporary: bool = False) -> dict[str, int]:
        """The committed files in a folder and below it, with their sizes; empty when there is no such folder.

        With `temporary`, those that were never committed instead: what a killed process left.
        """
        found = self._found(folder)
        return {name: info.size for name, info in found if info.base_name.startswith(_TEMPORARY) == temporary}

    def times(self, folder: str) -> dict[str, float]:
        """When the committed files in a folder and below it were written: seconds since the epoch, by the storage."""
        found = self._found(folder)
        return {name: info.mtime_ns / 1e9 for name, info in found if not info.base_name.startswith(_TEMPORARY)}

    def _found(self, folder: str) -> Iterator[tuple[str, pafs.FileInfo]]:
        """Name of every file in a folder and below it, and what is known of it; by ascending name."""
        filesystem, base = self._place(folder)
        with told(self.shown(folder)):
            found = filesystem.get_file_info(pafs.FileSelector(base, recursive=True, allow_not_found=True))
        cut = len(base) - len(folder) if folder else len(base) + 1
        for info in sorted(found, key=lambda info: str(info.path)):
            if info.type == pafs.FileType.File:
                yield str(info.path[cut:]), info

    def remove(self, names: Iterable[str]) -> None:
        """Removes files; those that are gone already don't matter."""
        self._check_lease()
        with told(self.shown()):
            if self.can_lease:
                remote.delete_objects(self.root, names)
                return
            for name in names:
                filesystem, path = self._place(name)
                with contextlib.suppress(FileNotFoundError):
                    filesystem.delete_file(path)

    def remove_folder(self, folder: str) -> None:
        """Removes a folder with all that is in it, temporary files included."""
        if self.can_lease:  # there are no folders, only names that begin alike
            self.remove(self.list(folder) | self.list(folder, temporary=True))
            return
        filesystem, path = self._place(folder)
        with told(self.shown(folder)), contextlib.suppress(FileNotFoundError):
            filesystem.delete_dir(path)
