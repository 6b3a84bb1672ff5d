"""The adapter against the real cuML, raft-dask and pylibraft, as far as a machine without a GPU can tell.

Run by `make test-gpu-imports`, which installs them. With a GPU the last two tests do something else and are skipped.
"""

from __future__ import annotations

import importlib
import inspect

import numpy as np
import pytest
import torch

from curation.clustering.cuml_engine import OLDEST, CumlRank, _version, why_not
from curation.errors import RunError

pytestmark = pytest.mark.gpu_imports

ROWS = [np.eye(8, dtype=np.float16), np.eye(8, dtype=np.float16)[:3]]
CENTROIDS = np.eye(2, 8, dtype=np.float32)

without_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("cuml.cluster.kmeans_mg", "KMeansMG"),
        ("pylibraft.common.handle", "Handle"),
        ("raft_dask.common.nccl", "nccl"),
        ("raft_dask.common.comms_utils", "inject_comms_on_handle_coll_only"),
        ("raft_dask.common.comms_utils", "perform_test_comms_allreduce"),
    ],
)
def test_everything_is_where_it_is_looked_for(module, name):
    assert callable(getattr(importlib.import_module(module), name))


def test_releases_are_read_and_are_not_too_old():
    for names in (("cuml-cu13",), ("raft-dask-cu13",)):
        assert _version(names) >= OLDEST


def test_the_estimator_takes_every_option_and_keeps_it():
    from cuml.cluster import KMeans
    from pylibraft.common.handle import Handle

    rank = CumlRank(ROWS)
    rank._handle = Handle(n_streams=0)
    model = rank.model(CENTROIDS, 5, 1e-3)
    known = inspect.signature(KMeans.__init__).parameters
    wanted = {"n_clusters": 2, "n_init": 1, "max_iter": 5, "tol": 1e-3, "output_type": "numpy"}
    assert wanted.keys() | {"init", "random_state", "device_buffer_samples"} <= known.keys()
    assert {name: getattr(model, name) for name in wanted} == wanted
    assert model.random_state is not None
    assert model.device_buffer_samples > 0
    assert np.array_equal(model.init, CENTROIDS)
    assert model.handle is rank._handle
    model._validate_fit_params()
    assert "X" in inspect.signature(model.fit).parameters


def test_calls_have_the_arguments_that_raft_takes():
    from raft_dask.common import comms_utils
    from raft_dask.common.nccl import nccl

    def arguments(function):
        return list(inspect.signature(function).parameters)

    assert arguments(comms_utils.inject_comms_on_handle_coll_only) == ["handle", "nccl_inst", "size", "rank", "verbose"]
    assert arguments(comms_utils.perform_test_comms_allreduce) == ["handle", "root"]
    assert arguments(nccl.init) == ["self", "nranks", "commId", "rank"]
    assert arguments(nccl.destroy) == ["self"]


def test_an_id_for_the_ranks_is_made():
    first, second = CumlRank.new_id(), CumlRank.new_id()
    assert isinstance(first, bytes)
    assert len(first) > 64
    assert first != second


@without_gpu
def test_ranks_without_a_gpu_say_so_in_words():
    assert why_not() == "torch finds no CUDA device there, or is built without CUDA"
    with pytest.raises(RunError, match="rank 0 of 1: NCCL did not start: NCCL_ERROR"):
        CumlRank(ROWS).connect(0, 1, CumlRank.new_id())


@without_gpu
def test_a_fit_gets_as_far_as_the_gpu():
    from pylibraft.common.handle import Handle

    rank = CumlRank(ROWS)
    rank._handle = Handle(n_streams=0)
    rank._parts[0][0, 0] = np.nan  # a row that is looked at on the CPU would be refused
    with pytest.raises(RuntimeError, match=r"(?i)cuda"):  # and not a TypeError or ValueError about what it was given
        rank.advance(CENTROIDS, 5, 1e-3)
