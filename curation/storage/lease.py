"""A lease on a run directory in an object store: the lock of places that have no locks.

The lease is one small object, `_lock`, and every change of it is a put on a condition, which the store does for one
process and refuses to all others: `If-None-Match: *` makes it, `If-Match: <etag>` renews it, gives it back, or takes
over one that is dead. A thread renews it four times in its length.

*Who is dead.* Clocks of different machines are not compared. Who finds a lease watches it by their own clock: one that
changes is alive, one that stays the same for its whole length is dead. A holder that could not renew for three
quarters of the length stops, so it is gone before another can take over. A holder that sits on the same machine (same
boot, same process ids) is looked up instead of watched, so a job that was killed goes on at once.

*Who lost it.* A holder whose lease is lost is interrupted, and the run ends. Its workers may live on, on a cluster: so
everyone looks, before each change of the run directory, whether the lease is still the one that they work under
(`check`). An object store can't refuse a write for that reason, so what is left is a worker that looked, and was
stopped for longer than the lease before it put. What it puts is a whole part, of which the marker knows the sha256.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from curation.errors import RunError
from curation.storage import remote
from curation.storage.errors import told
from curation.storage.patient import patiently
from curation.storage.uris import split_uri

LOCK = "_lock"
#: Seconds that a lease is good for after it was last renewed.
SECONDS = 60.0


@dataclass(frozen=True)
class Terms:
    """What the lease object says. `until` is by the holder's clock, and for people only."""

    token: str
    process: int
    host: str
    machine: str
    born: str
    seconds: float
    renewals: int = 0
    until: str = ""
    released: bool = False

    @property
    def holder(self) -> str:
        """The holder, for messages."""
        return f"process {self.process} on {self.host}"


def acquire(root: str, seconds: float = 0.0, note: Callable[[str], None] | None = None) -> Lease:
    """Takes the lease on a run directory.

    Args:
        root: its URI.
        seconds: the length of the lease; 0: SECONDS.
        note: told when a lease has to be watched, which may take its whole length.

    Raises:
        RunError: another process holds it.
        StorageError: the store can't be reached or refuses.
    """
    seconds = seconds or SECONDS
    mine = Terms(secrets.token_hex(8), os.getpid(), socket.gethostname(), _machine(), _born(os.getpid()), seconds)
    desk = _Desk(root, seconds)
    etag = desk.put(mine, "create")
    if etag is None:
        found, seen = desk.read()
        if not found.released:
            desk.watch(found, seen, mine, note)
        etag = desk.put(mine, {"e_tag": seen})
        if etag is None:
            raise busy(root, desk.read()[0])
    return Lease(desk, mine, etag)


def check(root: str, token: str) -> None:
    """Raises RunError unless the lease of a run directory is that of the token."""
    desk = _Desk(root, SECONDS)
    try:
        found, _ = desk.read()
    except FileNotFoundError:
        raise RunError(f"{desk.where} is gone: another job has cleared the run directory; this one stops") from None
    if found.token != token:
        raise RunError(f"{_plain(root)}: {found.holder} has taken the run directory over; this job writes nothing more")
    if found.released:
        raise RunError(f"{_plain(root)}: the job of this worker has ended; it writes nothing more")


def read(root: str) -> tuple[Terms, float]:
    """The lease on a run directory, and when it was last put, in seconds since the epoch by the store's clock.

    Raises:
        FileNotFoundError: nobody ever took one.
        RunError: it is another kind of object.
        StorageError: the store can't be reached or refuses.
    """
    desk = _Desk(root, SECONDS)
    return desk.read()[0], desk.put_at()


def is_alive(terms: Terms) -> bool | None:
    """Whether the process of a lease lives, if it belongs to this machine; None if not."""
    return _born(terms.process) == terms.born if terms.machine and terms.machine == _machine() else None


def busy(root: str, found: Terms) -> RunError:
    """What a second job is told."""
    until = f" (its lease is good until {found.until} and is renewed)" if not found.released else ""
    return RunError(f"{_plain(root)} is in use by {found.holder}{until}; wait for it or choose another run_dir")


class _Desk:
    """Where a lease is read and put."""

    def __init__(self, root: str, seconds: float) -> None:
        self._client, key = remote.objects(root, seconds / 8)
        self._key, self._root, self.where = key + LOCK, root, f"{_plain(root)}/{LOCK}"

    def read(self) -> tuple[Terms, str]:
        """The lease as it is now, and its etag. Raises FileNotFoundError, and RunError for another kind of object."""
        import obstore

        def get() -> tuple[bytes, str]:
            found = obstore.get(self._client, self._key)
            return bytes(found.bytes()), str(found.meta["e_tag"])

        with told(self.where):
            data, etag = patiently(get)
        try:
            return Terms(**json.loads(data)), etag
        except (ValueError, TypeError) as error:
            raise RunError(f"{self.where}: not a lease; delete it if no job works on this run_dir") from error

    def put_at(self) -> float:
        """When the lease was last put, by the store's clock, in seconds since the epoch."""
        import obstore

        with told(self.where):
            return float(patiently(lambda: obstore.head(self._client, self._key))["last_modified"].timestamp())

    def put(self, terms: Terms, mode: Any) -> str | None:
        """Puts a lease on a condition; its etag, or None where the condition does not hold."""
        import obstore
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        until = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(time.time() + terms.seconds))
        data = json.dumps(asdict(replace(terms, until=until))).encode()
        with told(self.where):
            try:
                return str(obstore.put(self._client, self._key, data, mode=mode)["e_tag"])
            except (AlreadyExistsError, PreconditionError):
                pass  # or the put was done, its answer was lost, and the second try found it done
        with contextlib.suppress(FileNotFoundError):
            found, etag = self.read()
            if (found.token, found.renewals, found.released) == (terms.token, terms.renewals, terms.released):
                return etag
        return None

    def watch(self, found: Terms, seen: str, mine: Terms, note: Callable[[str], None] | None) -> None:
        """Returns when a lease is dead; raises RunError when it is alive."""
        alive = is_alive(found) if found.process != mine.process else None
        if alive:
            raise busy(self._root, found)
        if alive is not None:
            return
        if note:
            note(f"{self.where}: {found.holder} held it last; waiting {found.seconds:g} s to see whether it is alive")
        stop = _now() + found.seconds
        while (left := stop - _now()) > 0:
            time.sleep(min(left, found.seconds / 12))
            latest, etag = self.read()
            if etag != seen:
                raise busy(self._root, latest)


@dataclass
class Lease:
    """A lease that is held, and renewed by a thread until it is given back or lost."""

    desk: _Desk
    terms: Terms
    etag: str
    lost: str = ""
    """Why it was lost; empty while it is held."""
    _over: threading.Event = field(default_factory=threading.Event)
    _renewed: float = field(default_factory=lambda: _now())

    def __post_init__(self) -> None:
        self._holder = threading.get_ident()
        self._thread = threading.Thread(target=self._renew, name="lease", daemon=True)
        self._thread.start()

    def _renew(self) -> None:
        pause = quarter = self.terms.seconds / 4
        while not self._over.wait(pause):
            begun, terms = _now(), replace(self.terms, renewals=self.terms.renewals + 1)
            try:
                etag = self.desk.put(terms, {"e_tag": self.etag})
            except Exception as error:  # noqa: BLE001 (whatever it is: what counts is how long it lasts)
                pause = quarter / 4
                if _now() - self._renewed > 3 * quarter:
                    return self._lose(f"could not be renewed for {_now() - self._renewed:.0f} s ({error})")
                continue
            if etag is None:
                return self._lose("another job has taken it over")
            self.terms, self.etag, self._renewed, pause = terms, etag, begun, quarter
        return None

    def _lose(self, why: str) -> None:
        """Interrupts the thread that holds the lease, if signals reach it."""
        if self._over.is_set():
            return
        self.lost = f"{self.desk.where}: the lease on the run directory is lost: {why}; the run ends here"
        if self._holder == threading.main_thread().ident:
            signal.pthread_kill(self._holder, signal.SIGINT)

    def release(self) -> None:
        """Gives the lease back. Where that fails it runs out by itself."""
        self._over.set()
        self._thread.join()
        if not self.lost:
            with contextlib.suppress(Exception):
                self.desk.put(replace(self.terms, released=True), {"e_tag": self.etag})


def _plain(root: str) -> str:
    uri = split_uri(root)
    return uri.plain if uri else root


def _now() -> float:
    """Seconds on a clock that goes on while the machine sleeps."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def _machine() -> str:
    """This boot of this machine, and who shares its process ids; empty where the system doesn't tell."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{Path('/proc/self/ns/pid').stat().st_ino}"
    except OSError:
        return ""


def _born(process: int) -> str:
    """When a process was started, in ticks of the machine; empty if there is none, or only its corpse."""
    try:
        state, *rest = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if state in "ZX" else rest[18]
