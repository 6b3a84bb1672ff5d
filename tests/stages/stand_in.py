"""A rank of the cuML engine without a GPU: Euclidean Lloyd in NumPy, sums over the ranks by way of files.

As NCCL it waits for ever for a rank that is gone. `trouble` lets a rank fail on purpose, as often as it was asked for.
"""

from __future__ import annotations

import os
import secrets
import signal
import time
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from curation.errors import RunError
from tests.clustering.lloyd import lloyd


class StandIn:
    RESOURCES: ClassVar[dict[str, float]] = {"CPU": 1.0}
    DEVICE: ClassVar[str] = "cpu"
    FOLDER: ClassVar[str] = ""

    def __init__(self, rows):
        self._rows = np.concatenate([part.astype(np.float32) for part in rows])
        self._sums = self._calls = 0

    @staticmethod
    def new_id():
        return secrets.token_hex(4).encode()

    def connect(self, rank, ranks, unique_id):
        self._rank, self._ranks = rank, ranks
        self._meeting = Path(self.FOLDER, unique_id.decode())
        self._meeting.mkdir(exist_ok=True)
        total = self._all_reduce(np.array([[1.0 + self._has_trouble("deaf", 0)]]))
        if total[0, 0] != ranks:
            raise RunError(f"rank {rank} of {ranks}: the sum over the ranks is wrong")
        Path(self.FOLDER, f"rows-{rank}").write_text(str(len(self._rows)))

    def advance(self, centroids, iterations, tolerance):
        self._calls += 1
        return lloyd(self._rows, centroids, iterations, tolerance, self._all_reduce)

    def close(self):
        Path(self.FOLDER, f"closed-{self._rank}").touch()

    def _all_reduce(self, mine):
        if self._has_trouble("die", self._calls):
            os.kill(os.getpid(), signal.SIGKILL)
        if self._has_trouble("raise", self._calls):
            raise RuntimeError("unhandled system error")
        while self._has_trouble("hang", self._calls):
            time.sleep(3600)
        self._sums += 1
        part = self._meeting / f"{self._sums}-{self._rank}"
        with part.with_suffix(".new").open("wb") as file:
            np.save(file, mine)
        part.with_suffix(".new").rename(part)
        total = np.zeros_like(mine)
        for rank in range(self._ranks):
            other = self._meeting / f"{self._sums}-{rank}"
            while not other.exists():
                time.sleep(0.002)
            total = total + np.load(other)
        return total

    def _has_trouble(self, kind, call):
        for token in Path(self.FOLDER).glob(f"trouble-{kind}-{self._rank}-{call}-*"):
            token.unlink()
            return True
        return False


def stand_in(folder: Path) -> Any:
    """The class, with its folder."""
    folder.mkdir(exist_ok=True)
    return type("StandInHere", (StandIn,), {"FOLDER": str(folder)})


def trouble(folder: Path, kind: str, rank: int, call: int, times: int = 1) -> None:
    """Lets a rank die, hang or raise in its so-and-so-many-th segment, or be deaf at the meeting."""
    for time_ in range(times):
        (folder / f"trouble-{kind}-{rank}-{call}-{time_}").touch()
