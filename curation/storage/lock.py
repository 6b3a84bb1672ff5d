"""The lock on a run directory: one process at a time works on it.

On a file system of this machine it is the kernel's lock on a file, which goes with the process that holds it, however
that process dies: nothing stale is ever left. On an object store it is a lease (`lease`). Other file systems (HDFS)
have neither, and a run directory there is not locked.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from curation.errors import JobError, RunError
from curation.storage import lease
from curation.storage.store import Store
from curation.termination import at_termination


@contextlib.contextmanager
def locked(store: Store, note: Callable[[str], None] | None = None) -> Iterator[Store]:
    """Holds a run directory, which is made if there is none, and gives the store to work with.

    Args:
        store: the run directory.
        note: told when the lock has to be waited for.

    Raises:
        JobError: the folder can't be made or written to.
        RunError: another process holds it, or the lock was lost on the way.
        StorageError: the object store can't be reached or refuses.
    """
    if store.is_local:
        with _flocked(store):
            yield store
    elif store.can_lease:
        with _leased(store, note) as held:
            yield held
    else:
        yield store


@contextlib.contextmanager
def _leased(store: Store, note: Callable[[str], None] | None) -> Iterator[Store]:
    held = lease.acquire(store.root, note=note)
    try:
        with at_termination(
            held.release
        ):  # or the next job, from another machine, would watch a dead lease for a minute
            yield replace(store, token=held.terms.token)
    except BaseException as error:  # losing it interrupts, or fails whatever was under way: the cause is what counts
        if held.lost:
            raise RunError(held.lost) from error
        raise
    finally:
        held.release()
    if held.lost:
        raise RunError(held.lost)


@contextlib.contextmanager
def _flocked(store: Store) -> Iterator[None]:
    try:
        Path(store.root).mkdir(parents=True, exist_ok=True)
        file = Path(store.root, lease.LOCK).open("a+")  # noqa: SIM115 (closed below, and the lock with it)
    except OSError as error:
        raise JobError(f"run_dir: {store.root}: {error.strerror}") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            holder = file.read().strip() or "another process"
            raise RunError(f"{store.root} is in use by {holder}; wait for it or choose another run_dir") from error
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}\n")
        file.flush()
        yield
