"""Who holds a run directory, for people who look at it from anywhere.

Looking takes nothing: a lock that were tried, even for a moment, could make a job fail that starts just then. The
kernel's list of locks says whether a local lock is held by a process of this machine; of other machines that share
the folder it says nothing, and neither does this. A lease says when it was renewed, by the clock of the store.
"""

from __future__ import annotations

import os
import socket
import time
from dataclasses import dataclass
from pathlib import Path

from curation.storage import lease
from curation.storage.store import Store


@dataclass(frozen=True)
class Holder:
    """Who took a run directory last.

    Attributes:
        who: process and host.
        holds: whether they hold it still; None where that can't be told from here.
        because: how that is known, for people.
    """

    who: str
    holds: bool | None
    because: str


def holder(store: Store) -> Holder | None:
    """Who holds the run directory or held it last; None where nobody ever locked it."""
    if store.can_lease:
        return _leaseholder(store)
    return _lockholder(store) if store.is_local else None


def _leaseholder(store: Store) -> Holder | None:
    try:
        terms, renewed = lease.read(store.root)
    except FileNotFoundError:
        return None
    ago = max(0.0, time.time() - renewed)
    if terms.released:
        return Holder(terms.holder, False, f"gave the lease back {ago:.0f} s ago")
    if (alive := lease.is_alive(terms)) is not None:
        return Holder(terms.holder, alive, "runs on this machine" if alive else "has ended, on this machine")
    told = f"lease of {terms.seconds:g} s renewed {ago:.0f} s ago"
    return Holder(terms.holder, ago <= terms.seconds, told)


def _lockholder(store: Store) -> Holder | None:
    try:
        file = Path(store.root, lease.LOCK)
        found, who = file.stat(), file.read_text().strip()
    except OSError:
        return None
    if not who:
        return None
    try:
        listed = Path("/proc/locks").read_text().splitlines()
    except OSError:
        return Holder(who, None, "this system does not list its locks")
    process, _, host = who.removeprefix("process ").partition(" on ")
    device = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}"
    for fields in (line.split() for line in listed if " FLOCK " in line):
        own = fields[-4] == process  # on stacked file systems the device is another one than the file's
        if fields[-3] == f"{device}:{found.st_ino}" or (own and fields[-3].endswith(f":{found.st_ino}")):
            return Holder(who, True, "the file lock is held")
    if host != socket.gethostname():
        return Holder(who, None, "on another machine, whose locks can't be seen from here")
    return Holder(who, False, "the file lock is free")
