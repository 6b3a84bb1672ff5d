"""A trainer that is really killed, with the workers that read for it, goes on as if nothing had been."""

import json
import subprocess
import sys
import time

import pytest

from curation.training.dynamic import DynamicData
from curation.training.static import TrainingData
from tests.training.folders import rows, write_folder
from tests.training.test_dynamic import make_run, train


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("kind", ["static", "dynamic"])
def test_killed_for_real(tmp_path, kind, workers):
    if kind == "static":
        folder, steps = str(write_folder(tmp_path / "shards", rows(403), "parquet")), 100
        wanted = [[row["doc_id"] for row in batch] for batch in TrainingData(folder, 4).batches()]
    else:
        folder, steps = make_run(tmp_path / "run"), 70
        wanted = train(DynamicData(folder, 4), steps)
    state = tmp_path / "state.json"
    for reached in (1, 9, 10, 31, 60):
        process = start(kind, folder, workers, state, steps)
        wait_for(state, reached, process)
        process.kill()
        assert process.wait() == -9
    assert start(kind, folder, workers, state, steps).wait() == 0
    assert json.loads(state.read_text())["seen"] == wanted


def start(kind, folder, workers, state, steps):
    arguments = [kind, folder, str(workers), str(state), str(steps)]
    return subprocess.Popen([sys.executable, "-m", "tests.training.child", *arguments])


def wait_for(state, steps, process):
    """Waits until the trainer has gone so far; it must not be done by then."""
    until = time.monotonic() + 120
    while not (state.exists() and len(json.loads(state.read_text())["seen"]) >= steps):
        assert process.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < until
        time.sleep(0.001)
