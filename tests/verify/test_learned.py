"""Checks of learned weights where the natural ones were kept."""

from __future__ import annotations

import copy

import numpy as np
import pyarrow as pa
import pytest

from curation import tables
from curation.config import Job
from curation.sampling.mixture_space import mixture_space
from curation.stages.learned_weights import TRIALS, WEIGHTS
from curation.stages.plan_tables import WEIGHTS as PLANNED
from curation.storage.store import Store
from curation.verify.learned import check_learned

NAMES = ["large", "small", "short"]


@pytest.fixture
def kept(tmp_path):
    """A run whose check found no gain, with one unit that can't give its natural share: store, job, weights.json."""
    store = Store.open(str(tmp_path))
    tokens = np.array([700, 200, 100])
    space = mixture_space(tokens, np.array([5000, 1000, 50]), 1000.0, 0.1)
    fitted = np.array([0.35, 0.6, 0.05])
    mixtures, losses = np.array([space.start, space.even, fitted]), np.array([[3.0, 4.0], [3.5, 3.6], [3.2, 3.3]])
    numbers = [pa.array([0, 0, 0], pa.int16()), pa.array([0, 1, 2], pa.int32())]
    lists = [pa.array(values.tolist(), pa.list_(pa.float64())) for values in (mixtures, losses, losses)]
    store.write_table(TRIALS, pa.table([*numbers, *lists], schema=tables.TRIALS))
    columns = (space.natural, space.lower, space.upper, space.even, fitted, space.start)
    labels = ("natural", "lower", "upper", "even", "fitted", "weight")
    units = [
        {"name": name} | dict(zip(labels, map(float, values), strict=True))
        for name, values in zip(NAMES, zip(*columns, strict=True), strict=True)
    ]
    told = {
        "kept": "natural",
        "units": units,
        "trials": 3,
        "fit": {"fitted": 3.25},
        "check": {"natural": 3.5, "fitted": 3.4, "difference": -0.1, "low": -0.3, "high": 0.1, "texts": 40.0},
        "groups": [{"name": "a", "natural": 3.0, "fitted": 3.3}, {"name": "b", "natural": 4.0, "fitted": 3.5}],
    }
    wanted = {name: {"wanted": unit["weight"]} for name, unit in zip(NAMES, units, strict=True)}
    store.write_json(PLANNED, [{"strategy": "learned", "weights": wanted}])
    sources = [{"domain": name, "path": "x"} for name in NAMES]
    return store, Job.model_validate({"run_dir": "r", "sources": sources, "blending": {"weights": "learned"}}), told


def faults_of(kept, change=None):
    store, job, told = kept
    told = copy.deepcopy(told)
    if change:
        change(told)
    store.write_json(WEIGHTS, told)
    return [fault for fault in check_learned(store, job) if fault]


def test_natural_weights_as_far_as_the_supply_goes_hold(kept):
    assert kept[2]["units"][2]["weight"] == pytest.approx(0.05)
    assert faults_of(kept) == []


def test_too_few_texts_keep_them_too(kept):
    assert faults_of(kept, lambda told: told["check"].update(high=-0.01, texts=5.0)) == []
    faults = faults_of(kept, lambda told: told["check"].update(high=-0.01))
    assert any("what is kept is not what the check says" in fault for fault in faults)


def _fitted(told):
    for unit in told["units"]:
        unit["weight"] = unit["fitted"]


def test_other_weights_are_found(kept):
    assert any("not the natural ones within the bounds" in fault for fault in faults_of(kept, _fitted))
