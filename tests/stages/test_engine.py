"""Which engine is taken, and what is said of it."""

from __future__ import annotations

import io
from types import SimpleNamespace

import pytest

from curation import pipeline
from curation.clustering import cuml_engine
from curation.errors import JobError
from curation.job_file import load_job
from curation.progress import Reporter
from curation.stages import ray_cluster, workers
from curation.stages.engine import Engine, choose
from tests.corpus import job


@pytest.fixture
def cluster(monkeypatch):
    """A cluster of two GPUs whose nodes have the packages; `why` says what is missing there."""
    found = SimpleNamespace(gpus=2, why="", asked=0)

    def tasks(items, work, gpus):
        assert gpus == 1.0
        found.asked += 1
        return [(item, work(item)) for item in items]

    monkeypatch.setattr(cuml_engine, "why_not", lambda: found.why)
    monkeypatch.setattr(ray_cluster, "gpus", lambda: found.gpus)
    monkeypatch.setattr(workers, "map_items", tasks)
    return found


def asked(folder, *sets):
    return load_job(job(folder, folder / "run"), list(sets))


def test_auto_takes_cuml_where_it_is_there_and_says_why_not(cluster, tmp_path):
    assert choose(asked(tmp_path)) == Engine("cuml", "GPUs and cuML are there")
    cluster.why = "cuml-cu13 is not installed"
    assert choose(asked(tmp_path)) == Engine("torch", "cuML is not used: cuml-cu13 is not installed")
    assert choose(asked(tmp_path, "resources.gpus_per_actor=0.5")) == Engine(
        "torch", "cuML is not used: resources.gpus_per_actor is 0.5, and each of its ranks needs one GPU"
    )
    cluster.gpus = 0
    assert choose(asked(tmp_path)).reason == "cuML is not used: there is no GPU in the cluster"
    assert cluster.asked == 2


def test_strata_are_for_torch(cluster, tmp_path):
    found = choose(asked(tmp_path, "clustering.within=domain"))
    assert found == Engine("torch", "clustering.within is domain, which cuML can't do")
    assert cluster.asked == 0


def test_who_asks_for_one_gets_it_or_an_error(cluster, tmp_path):
    assert choose(asked(tmp_path, "clustering.engine=torch")).name == "torch"
    assert cluster.asked == 0
    assert choose(asked(tmp_path, "clustering.engine=cuml")) == Engine("cuml", "clustering.engine asks for it")
    cluster.why = "raft-dask-cu13 is 25.12, older than 26.8"
    with pytest.raises(JobError, match=r"clustering\.engine is cuml, but raft-dask-cu13 is 25\.12"):
        choose(asked(tmp_path, "clustering.engine=cuml"))


@pytest.mark.ray
def test_a_job_that_insists_on_cuml_is_told_before_any_work(tmp_path, ray_session):
    stream = io.StringIO()
    with pytest.raises(JobError, match=r"clustering\.engine is cuml, but there is no GPU in the cluster"):
        pipeline.run_job(asked(tmp_path, "clustering.engine=cuml"), Reporter(stream))
    assert '"start"' not in stream.getvalue()
