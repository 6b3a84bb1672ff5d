"""A cluster of three nodes that loses one, in each of the long stages: the same bytes (`benchmarks/soak.py`).

Slow (`make test-slow`): starts a cluster of its own.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SOAK = Path(__file__).resolve().parent.parent / "benchmarks/soak.py"


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["node removed", "node SIGTERM"])
def test_a_node_lost_in_each_long_stage_changes_nothing(fault):
    stages = ["embeddings", "centroids", "gather"]
    command = [sys.executable, SOAK, "--runs", "3", "--scale", "10", "--faults", fault, "--stages", *stages]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 of 3 runs ended" in done.stdout, done.stdout


@pytest.mark.slow
def test_a_worker_lost_to_a_signal_changes_nothing():
    command = [
        sys.executable,
        SOAK,
        "--runs",
        "4",
        "--scale",
        "10",
        "--faults",
        "any worker SIGTERM",
        "K-Means kill -9",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 of 4 runs ended" in done.stdout, done.stdout
