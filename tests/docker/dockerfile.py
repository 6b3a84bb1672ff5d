"""Reads Dockerfiles and `.dockerignore`, as far as ours go."""

from __future__ import annotations

import fnmatch
import json
import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docker"
KNOWN = {"FROM", "RUN", "COPY", "WORKDIR", "ARG", "ENV", "USER", "CMD"}


@dataclass(frozen=True)
class Step:
    """An instruction: its name in capitals, and what comes after it, on one line."""

    name: str
    text: str

    @property
    def words(self) -> list[str]:
        """The words of all but RUN, without options (`--chown=...`)."""
        if self.name == "CMD":
            return [str(word) for word in json.loads(self.text)]
        return [word for word in shlex.split(self.text) if not word.startswith("--")]

    @property
    def options(self) -> list[str]:
        """The options of a COPY."""
        return [word for word in shlex.split(self.text) if word.startswith("--")]


def steps(path: Path) -> list[Step]:
    """The instructions of a Dockerfile in their order.

    Raises:
        ValueError: one that we don't know, so that a test would pass over it.
    """
    lines = [line for line in path.read_text().splitlines() if line.strip() and not line.lstrip().startswith("#")]
    whole = re.sub(r"\\\n", "", "\n".join(lines)).splitlines()
    found = [Step(*line.split(maxsplit=1)) for line in whole]
    if unknown := {step.name for step in found} - KNOWN:
        raise ValueError(f"{path.name}: unknown instructions {sorted(unknown)}")
    return found


def is_ignored(path: str) -> bool:
    """Whether `.dockerignore` keeps a file, named relative to the root, out of an image: its last line that fits says.

    A line fits a path if it fits the path itself or a folder above it; `**/` stands for any folders or none.
    """
    ignored = False
    parts = path.split("/")
    above = ["/".join(parts[:count]) for count in range(1, len(parts) + 1)]
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        pattern = line.removeprefix("!")
        names = [name.rpartition("/")[2] for name in above] if pattern.startswith("**/") else above
        if any(fnmatch.fnmatchcase(name, pattern.removeprefix("**/")) for name in names):
            ignored = not line.startswith("!")
    return ignored
