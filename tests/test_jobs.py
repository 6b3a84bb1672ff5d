"""The entry points for `ray job submit` take the options of `curation` and end with its status and its words."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize(
    ("job", "arguments", "words"),
    [
        ("curate", ["none.yaml", "--set", "seed=1"], "none.yaml: can't read the job file"),
        ("plan", ["none.yaml"], "none.yaml: can't read the job file"),
        ("verify", ["none", "--sample", "0.5"], "this is not a run directory"),
    ],
)
def test_an_entry_point_says_what_must_be_mended_and_ends_with_status_2(tmp_path, job, arguments, words):
    # As in a submitted job: the code is in the working directory, which Ray puts on the path, or is installed.
    done = subprocess.run(
        [sys.executable, ROOT / f"jobs/{job}.py", *arguments],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("curation: ")
    assert words in done.stderr
