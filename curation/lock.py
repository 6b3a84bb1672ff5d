"""The lock on a run directory: one process at a time works on it.

On a file system of this machine it is the kernel's lock on a file, which goes with the process that holds it, however
that process dies: nothing stale is ever left. Object stores have no such lock, and a run directory there is not
locked.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from curation.errors import JobError, RunError
from curation.store import Store

LOCK = "_lock"


@contextlib.contextmanager
def locked(store: Store) -> Iterator[None]:
    """Holds a run directory, which is made if there is none.

    Raises:
        JobError: the folder can't be made or written to.
        RunError: another process holds it.
    """
    if not store.is_local:
        yield
        return
    try:
        Path(store.root).mkdir(parents=True, exist_ok=True)
        file = Path(store.root, LOCK).open("a+")  # noqa: SIM115 (closed below, and the lock with it)
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
