"""A run with a record, once a session."""

from __future__ import annotations

import pytest

from tests.corpus import job
from tests.stages.recorded import AGAIN, MORE


@pytest.fixture(scope="session")
def recorded(tmp_path_factory, ray_session):
    """A run with bad rows, copies, qualities, an exclusion and a validation split: (job file, run directory)."""
    from tests.test_pipeline import run

    folder = tmp_path_factory.mktemp("corpus")
    run_dir = tmp_path_factory.mktemp("runs") / "a"
    path = job(folder, run_dir, MORE)
    with (folder / "news.jsonl").open("a") as file:
        file.write('not JSON\n{"text": 5}\n{"text": 6}\n')
    run(path, *AGAIN)
    return path, run_dir
