"""Which file a process died of."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile

import pytest

from curation.errors import InputError
from curation.stages.deaths import DEATHS, noting_files

_DIE = """
import os, sys
from curation.stages.deaths import noting_files
with noting_files(sys.argv[1]) as note:
    for path in sys.argv[2:]:
        note(path)
    os._exit(9)
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


def die(task: str, *paths: str) -> None:
    """A process that dies after it noted these files."""
    assert subprocess.run([sys.executable, "-c", _DIE, task, *paths]).returncode == 9


def test_a_file_is_named_after_two_deaths(folder):
    for _ in range(DEATHS):
        die("t", "good", "bad\nfile")
    with noting_files("other") as note:
        note("bad\nfile")
    with noting_files("t") as note:
        note("good")
        with pytest.raises(InputError, match=r"bad\nfile: the process that opened it died"):
            note("bad\nfile")
    assert not list(folder.iterdir()), "nothing is left on the disk"


def test_deaths_at_other_files_blame_none():
    die("t", "a")
    die("t", "a", "b")
    with noting_files("t") as note:
        for path in ("a", "b", "c"):
            note(path)


def test_a_link_in_its_place_is_not_followed(folder):
    victim = folder / "victim"
    victim.write_text("kept")
    (folder / f"curation-{os.getuid()}-t.notes").symlink_to(victim)
    with pytest.raises(OSError, match="symbolic links"), noting_files("t") as note:
        note("a")
    assert victim.read_text() == "kept"
