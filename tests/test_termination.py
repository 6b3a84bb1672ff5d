"""What is still done on SIGTERM: each call that was left and is not over yet, and for so long and no longer."""

from __future__ import annotations

import subprocess
import sys
import threading
import time

import pytest

from curation.termination import LAST_SECONDS, TERMINATED, at_termination, make_last_calls

DRIVER = """
import os, signal, sys, time
from pathlib import Path
from curation.termination import at_termination, terminate

signal.signal(signal.SIGTERM, terminate)
folder = Path(sys.argv[1])
with at_termination(lambda: (folder / "over").touch()):
    pass
with at_termination(lambda: 1 / 0), at_termination(lambda: time.sleep(60)), at_termination((folder / "held").touch):
    os.kill(os.getpid(), signal.SIGTERM)
    (folder / "went on").touch()
"""


def test_a_terminated_process_makes_the_calls_that_were_left_and_waits_for_none_of_them_long(tmp_path):
    begun = time.monotonic()
    done = subprocess.run([sys.executable, "-c", DRIVER, tmp_path], capture_output=True, text=True, check=False)
    assert done.returncode == TERMINATED == 143
    assert time.monotonic() - begun < LAST_SECONDS + 5
    assert [file.name for file in tmp_path.iterdir()] == ["held"]
    assert done.stderr == "curation: terminated; the same command goes on from here\n"


def test_calls_run_side_by_side_and_an_error_in_one_stops_no_other():
    both, made = threading.Barrier(2), []
    with at_termination(lambda: made.append(both.wait(5))), at_termination(lambda: 1 / 0):
        with at_termination(lambda: made.append(both.wait(5))):
            make_last_calls(5.0)
        assert sorted(made) == [0, 1]


def test_a_call_is_forgotten_when_its_block_ends_with_an_error():
    made = []
    with pytest.raises(ValueError, match="why"), at_termination(lambda: made.append(1)):
        raise ValueError("why")
    make_last_calls(1.0)
    assert made == []
