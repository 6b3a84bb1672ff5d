"""The adapter without cuML: what it says where it can't be used, the rows, and the order of its calls to stand-ins.

That the real packages take these calls is tested by `make test-gpu-imports`.
"""

import importlib.metadata
import importlib.util
import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import sklearn
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.clustering import cuml_engine
from curation.clustering.cuml_engine import CumlRank, host_parts, why_not
from curation.errors import RunError
from tests.clustering.data import mixture


def installed(monkeypatch, **versions):
    """These packages are there and no others."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: "there" if name in versions else None)
    names = {f"{module.replace('_', '-')}-cu13": version for module, version in versions.items()}

    def version(name):
        if name not in names:
            raise importlib.metadata.PackageNotFoundError(name)
        return names[name]

    monkeypatch.setattr(importlib.metadata, "version", version)


@pytest.mark.parametrize(
    ("versions", "cuda", "said"),
    [
        ({}, True, "cuml-cu13 is not installed where the GPUs are: pip install 'curation[gpu]'"),
        ({"cuml": "26.10.00"}, True, "raft-dask-cu13 is not installed"),
        ({"cuml": "26.6.0", "raft_dask": "26.10.0"}, True, "cuml-cu13 is 26.6, older than 26.8"),
        ({"cuml": "26.10.0", "raft_dask": "25.12.0"}, True, "raft-dask-cu13 is 25.12, older than 26.8"),
        ({"cuml": "26.10.0", "raft_dask": "26.10.0"}, False, "torch finds no CUDA device there"),
        ({"cuml": "26.10.0", "raft_dask": "26.10.0"}, True, ""),
        ({"cuml": "27.2.0a1", "raft_dask": "26.8"}, True, ""),
        ({"cuml": "main", "raft_dask": "main"}, True, ""),
    ],
)
def test_it_says_why_it_can_not_be_used(monkeypatch, versions, cuda, said):
    installed(monkeypatch, **versions)
    monkeypatch.setattr("torch.cuda.is_available", lambda: cuda)
    assert why_not().startswith(said)
    assert bool(why_not()) == bool(said)
    assert not {"cuml", "raft_dask", "pylibraft"} & set(sys.modules)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 40), min_size=1, max_size=6), st.integers(1, 30), st.integers(1, 9))
def test_parts_hold_all_rows_in_order_and_are_no_larger_than_allowed(sizes, rows_a_part, dimensions):
    rows = [np.random.default_rng(n).standard_normal((n, dimensions)).astype(np.float16) for n in sizes]
    before, cuml_engine.PART_BYTES = cuml_engine.PART_BYTES, 4 * dimensions * rows_a_part
    try:
        parts = host_parts(rows, pinned=False)
    finally:
        cuml_engine.PART_BYTES = before
    assert all(part.dtype == np.float32 and part.flags.c_contiguous for part in parts)
    assert all(0 < len(part) <= rows_a_part for part in parts)
    whole = np.concatenate(parts) if parts else np.zeros((0, dimensions), np.float32)
    assert np.array_equal(whole, np.concatenate(rows).astype(np.float32))


@pytest.fixture
def fakes(monkeypatch):
    """Modules in place of cuML's that write down what they are asked; `works`: what the test of the sum gives."""
    seen = SimpleNamespace(calls=[], works=True, fails="")

    class Nccl:
        @staticmethod
        def get_unique_id():
            return b"id"

        def init(self, ranks, unique_id, rank):
            if seen.fails:
                raise RuntimeError(seen.fails)
            seen.calls.append(("init", ranks, unique_id, rank))

        def destroy(self):
            seen.calls.append("destroy")

    class KMeansMG:
        def __init__(self, **options):
            seen.options = options

        def fit(self, parts):
            seen.calls.append("fit")
            assert sklearn.get_config()["assume_finite"]
            seen.parts = parts
            self.cluster_centers_, self.n_iter_ = seen.options["init"] * 2, np.int32(3)

    def module(name, **content):
        made = ModuleType(name)
        made.__dict__.update(content)
        monkeypatch.setitem(sys.modules, name, made)

    for name in ("pylibraft", "pylibraft.common", "raft_dask", "raft_dask.common", "cuml", "cuml.cluster"):
        module(name)
    module("pylibraft.common.handle", Handle=lambda n_streams: seen.calls.append("handle") or "handle")
    module("raft_dask.common.nccl", nccl=Nccl)
    module(
        "raft_dask.common.comms_utils",
        inject_comms_on_handle_coll_only=lambda handle, nccl, size, rank, verbose: seen.calls.append(
            ("inject", handle, size, rank)
        ),
        perform_test_comms_allreduce=lambda handle, root: seen.works,
    )
    module("cuml.cluster.kmeans_mg", KMeansMG=KMeansMG)
    return seen


def test_calls_come_in_the_order_that_nccl_needs(fakes):
    rows, centroids = mixture(30, 8, 2), np.eye(2, 8, dtype=np.float32)
    rank = CumlRank([rows[:10], rows[10:]])
    rank.connect(1, 3, CumlRank.new_id())
    made = rank.advance(centroids, 5, 1e-3)
    rank.close()
    rank.close()
    assert fakes.calls == [("init", 3, b"id", 1), "handle", ("inject", "handle", 3, 1), "fit", "destroy"]
    assert np.array_equal(np.concatenate(fakes.parts), rows.astype(np.float32))
    assert isinstance(fakes.parts, list)  # a single array would be counted in 32 bits
    options = fakes.options
    assert np.array_equal(options["init"], centroids)
    assert (options["n_clusters"], options["max_iter"], options["tol"]) == (2, 5, 1e-3)
    assert options["random_state"] is not None
    assert options["device_buffer_samples"] == cuml_engine.BUFFER_BYTES // 32
    assert np.array_equal(made.centroids, centroids * 2)
    assert made.iterations == 3


def test_ranks_that_can_not_talk_say_so(fakes):
    rank = CumlRank([mixture(30, 8, 2)])
    fakes.works = False
    with pytest.raises(RunError, match="rank 0 of 2: NCCL's sum over the ranks is wrong"):
        rank.connect(0, 2, b"id")
    fakes.fails = "NCCL_ERROR: b'unhandled cuda error'"
    with pytest.raises(RunError, match="rank 0 of 2: NCCL did not start: NCCL_ERROR: b'unhandled cuda error'"):
        rank.connect(0, 2, b"id")
