"""What a driver still does when it is told to end, by SIGTERM: from a spot machine, `kill`, or `ray job stop`.

It ends at once, without an exception: that would have to find its way through whatever Ray is in the middle of, and
may not arrive. Everything committed stays. What others would wait for or pay for (the lease on the run directory,
machines asked of an autoscaler) is given back by calls that were left here. They are made in threads and have
LAST_SECONDS together, since Ray's job manager sends SIGKILL three seconds after SIGTERM.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import NoReturn

TERMINATED = 143
#: Seconds that the last calls have.
LAST_SECONDS = 2.0

_last_calls: list[Callable[[], object]] = []


@contextlib.contextmanager
def at_termination(call: Callable[[], object]) -> Iterator[None]:
    """Leaves a call to be made if the process is told to end inside the block. It runs in a thread of its own."""
    _last_calls.append(call)
    try:
        yield
    finally:
        _last_calls.remove(call)


def make_last_calls(seconds: float = LAST_SECONDS) -> None:
    """Makes the calls that were left, all at once, and waits for them so long. What they raise is nobody's any more."""
    threads = [threading.Thread(target=_quietly, args=(call,), daemon=True) for call in _last_calls]
    for thread in threads:
        thread.start()
    until = time.monotonic() + seconds
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))


def _quietly(call: Callable[[], object]) -> None:
    with contextlib.suppress(Exception):
        call()


def terminate(number: int, frame: FrameType | None) -> NoReturn:
    """The handler of SIGTERM. Ends the process with status 143, and the processes of a Ray that it started.

    They end with the driver by themselves, but some of them only after minutes. The raylet comes last: as soon as that
    is gone, Ray's threads in this process end it with a status of their own.
    """
    show_cursor = "\x1b[?25h" if sys.stderr.isatty() else ""
    words = f"{show_cursor}curation: terminated; the same command goes on from here\n"
    with contextlib.suppress(
        OSError
    ):  # nobody may be listening any more; and the stream may be in the middle of a word
        os.write(2, words.encode())
    make_last_calls()
    for process in sorted(_descendants(os.getpid()), key=_is_raylet):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    os._exit(TERMINATED)


def _is_raylet(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/comm").read_text().strip() == "raylet"
    except OSError:  # it has just ended
        return False


def _descendants(process: int) -> list[int]:
    """The processes below this one, where the system lists them (Linux)."""
    found = []
    for listed in Path(f"/proc/{process}/task").glob("*/children"):
        with contextlib.suppress(OSError):  # one that has just ended
            for child in map(int, listed.read_text().split()):
                found += [child, *_descendants(child)]
    return found
