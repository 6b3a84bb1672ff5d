"""Learned weights, end to end on a small corpus: fitted, drawn, recorded, checked, and not fitted again for nothing."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from curation.errors import InputError
from tests.corpus import job
from tests.test_pipeline import faults, run, worked

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("ray_session")]

FEW = "learning: {trials: 24, rounds: 2, vocabulary: 512, pool_tokens: 20000, trial_tokens: 12000}\n"


@pytest.fixture(scope="module")
def learned(tmp_path_factory, ray_session):
    """A run with learned weights of domains: (job file, run directory)."""
    folder = tmp_path_factory.mktemp("corpus")
    run_dir = tmp_path_factory.mktemp("runs") / "a"
    path = job(folder, run_dir, FEW + "blending: {weights: learned}\n")
    run(path)
    return path, run_dir


def told(run_dir: Path):
    return json.loads((run_dir / "learned/weights.json").read_text())


def test_weights_are_fitted_and_drawn(learned):
    _, run_dir = learned
    found = told(run_dir)
    assert faults(run_dir) == []
    print(json.dumps(found, indent=1))
