"""What is asked of an autoscaler ahead of which stage, what is waited for and how long, and that it is taken back."""

from __future__ import annotations

import io
import json
import time
from types import SimpleNamespace

import pytest
import ray

from curation.config import Job
from curation.errors import RunError
from curation.pipeline import STAGES
from curation.progress import Reporter
from curation.stages import demand as module
from curation.stages import workers
from curation.stages.context import Run
from curation.stages.demand import asked_for, demand, gpus_are_to_come, has_autoscaler, needs
from curation.termination import make_last_calls


def a_job(model="all-MiniLM-L6-v2", **resources):
    source = {"domain": "web", "path": "/data/web"}
    return Job(run_dir="/runs/x", sources=[source], embedding={"model": model}, resources=resources)


def needs_by_stage(job):
    return {stage.name: found for stage in STAGES if (found := needs(stage.name, job))}


def test_gpus_are_needed_where_vectors_are_computed_with_and_cpus_elsewhere():
    names = [stage.name for stage in STAGES]
    assert needs_by_stage(a_job()) == {}
    computing = ["encoder", "embeddings", "centroids"]
    assert needs_by_stage(a_job(cpus=64)) == {name: {"CPU": 64} for name in names}
    assert needs_by_stage(a_job(gpus=8)) == {name: {"GPU": 8} for name in computing}
    both = needs_by_stage(a_job(gpus=8, cpus=64))
    assert list(both) == names
    assert [name for name, found in both.items() if found == {"GPU": 8}] == computing
    assert needs_by_stage(a_job("lexical", gpus=8)) == {"centroids": {"GPU": 8}}
    assert asked_for("repeats", a_job(gpus=8, cpus=64)) == {"GPU": 8, "CPU": 64}
    assert asked_for("repeats", a_job("lexical", gpus=8)) == {}


@pytest.fixture
def cluster(monkeypatch):
    """A cluster of a head and a node of each kind; its autoscaler, if any, brings of `brings` what it was asked for."""
    found = SimpleNamespace(asked=[], there={"CPU": 4.0}, autoscaler=True, brings={}, looks=0, names=set())

    def request(name, bundles, expiry, label_selectors):
        found.names.add(name)
        found.selectors = label_selectors
        found.asked.append(sorted(kind for bundle in bundles for kind, count in bundle.items() if count == 1))
        found.looks = 0

    def cancel(name):
        found.names.add(name)
        found.asked.append([])

    def coordinator():
        calls = {"request_resources": request, "cancel_request": cancel}
        return SimpleNamespace(**{name: SimpleNamespace(remote=call) for name, call in calls.items()})

    def nodes():
        found.looks += 1
        if found.looks > 5:
            found.there |= {name: count for name, count in found.brings.items() if name in found.asked[-1]}
        kinds = {"head": {}} | {name.lower(): {name: count} for name, count in found.there.items()}
        labels = {kind: {module.NODE_GROUP: kind} if found.autoscaler else {} for kind in kinds}
        return [{"Alive": True, "Labels": labels[kind], "Resources": has} for kind, has in kinds.items()]

    monkeypatch.setattr(module, "coordinator", coordinator)
    monkeypatch.setattr(ray, "get", lambda answer, timeout: answer)
    monkeypatch.setattr(ray, "cluster_resources", lambda: found.there)
    monkeypatch.setattr(ray, "available_resources", lambda: found.there)
    monkeypatch.setattr(ray, "nodes", nodes)
    monkeypatch.setattr(module, "LOOK", 0.005)
    return found


def a_run(job):
    log = io.StringIO()
    return Run(job, None, Reporter(log)), lambda kind: [
        event for event in map(json.loads, log.getvalue().splitlines()) if event["event"] == kind
    ]


def test_each_stage_asks_in_place_of_the_one_before_and_the_end_takes_everything_back(cluster):
    cluster.brings = {"CPU": 6.0, "GPU": 2.0}
    run, events = a_run(a_job(gpus=2, cpus=6))
    with demand(run) as ask:
        for name in ["sources", "documents", "encoder", "embeddings", "repeats", "centroids", "assignments"]:
            ask(name)
    six, two = ["CPU"] * 6, ["GPU"] * 2
    assert cluster.asked == [six, two, [], six + two, two, six, []]  # while Ray Data works it asks for itself
    stages = [event["stage"] for event in events("demand")]
    assert stages == ["sources", "encoder", "repeats", "centroids", "assignments"]
    assert len(cluster.names) == 1
    first, second = (event["text"] for event in events("waiting"))
    assert first.startswith("sources: resources.cpus asks for 6; the cluster has 2 nodes with 4 CPU (4 free) and 0 GPU")
    assert second.startswith("encoder: resources.gpus asks for 2; the cluster has 2 nodes with 6 CPU")


def test_a_job_without_numbers_asks_for_nothing_and_waits_for_nothing(cluster):
    run, events = a_run(a_job())
    with demand(run) as ask:
        for stage in STAGES:
            ask(stage.name)
    assert cluster.asked == []
    assert events("demand") == events("waiting") == events("note") == []


def fail(run, before):
    with demand(run) as ask:
        ask("centroids")
        before()
        raise RunError("why")


def test_an_error_and_a_termination_take_back_what_was_asked_for(cluster):
    cluster.there = {"GPU": 3.0}
    run, _ = a_run(a_job(gpus=3))
    with pytest.raises(RunError, match="why"):
        fail(run, lambda: None)
    assert cluster.asked == [["GPU"] * 3, []]
    with demand(run) as ask:
        ask("centroids")
        make_last_calls(5.0)
        assert cluster.asked[2:] == [["GPU"] * 3, []]


def gone(answer, timeout):
    raise ray.exceptions.GetTimeoutError("no answer")


def test_a_cluster_that_is_gone_hides_no_error(cluster, monkeypatch):
    cluster.there = {"GPU": 1.0}
    run, _ = a_run(a_job(gpus=1))
    with pytest.raises(RunError, match="why"):
        fail(run, lambda: monkeypatch.setattr(ray, "get", gone))


def test_part_of_what_was_asked_for_is_waited_for_once(cluster):
    cluster.brings = {"GPU": 3.0}
    run, events = a_run(a_job(gpus=8, wait_seconds=0.05))
    with demand(run) as ask:
        for name in ["embeddings", "repeats", "centroids"]:
            ask(name)
    [note] = events("note")
    assert note["text"].startswith("embeddings: resources.gpus asks for 8; the cluster has 3 nodes with 4 CPU")
    assert note["text"].endswith("no more came in 0.05 s, and the work goes on with that")
    assert cluster.asked == [["GPU"] * 8, [], ["GPU"] * 8, []]


def test_what_never_comes_ends_the_run(cluster):
    run, _ = a_run(a_job(gpus=8, wait_seconds=0.05))
    words = r"does the cluster's configuration allow for so many GPUs .* lower resources\.gpus or leave it out$"
    with pytest.raises(RunError, match=words), demand(run) as ask:
        ask("embeddings")
    assert cluster.asked == [["GPU"] * 8, []]


def test_without_an_autoscaler_nothing_is_waited_for(cluster):
    cluster.autoscaler = False
    run, events = a_run(a_job(gpus=8, cpus=16))
    with demand(run) as ask:
        ask("documents")
        ask("embeddings")
        ask("centroids")
    assert [note["text"].partition(";")[0] for note in events("note")] == [
        "documents: resources.cpus asks for 16",
        "embeddings: resources.gpus asks for 8",
    ]
    assert all(note["text"].endswith("no autoscaler: the work goes on with that") for note in events("note"))
    assert events("waiting") == []


def test_gpus_are_to_come_only_where_they_were_asked_for_and_an_autoscaler_can_bring_them(cluster):
    assert gpus_are_to_come(a_job(gpus=2).resources)
    assert not gpus_are_to_come(a_job().resources)
    cluster.autoscaler = False
    assert not gpus_are_to_come(a_job(gpus=2).resources)
    cluster.autoscaler, cluster.there = True, {"GPU": 1.0}
    assert not gpus_are_to_come(a_job(gpus=2).resources)


def test_a_request_is_renewed_as_long_as_it_is_asked_for(cluster, monkeypatch):
    monkeypatch.setattr(module, "RENEWAL", 0.01)
    cluster.there = {"GPU": 1.0}
    run, _ = a_run(a_job(gpus=1))
    with demand(run) as ask:
        ask("centroids")
        while len(cluster.asked) < 4:
            time.sleep(0.01)
    ended = len(cluster.asked)
    assert cluster.asked == [["GPU"]] * (ended - 1) + [[]]
    time.sleep(0.05)
    assert len(cluster.asked) == ended


def test_what_needs_cpus_alone_keeps_away_from_the_nodes_with_gpus(cluster):
    cluster.there = {"CPU": 4.0, "GPU": 2.0}
    run, _ = a_run(a_job(gpus=2, cpus=2))
    away = {module.NODE_GROUP: "!in(gpu)"}
    with demand(run) as ask:
        ask("centroids")
        assert (workers.PLACE, cluster.selectors) == ({}, [{}, {}])
        ask("repeats")
        assert away == workers.PLACE
        assert sorted(map(str, cluster.selectors)) == sorted(map(str, [away, away, {}, {}]))
        ask("assignments")
        assert (workers.PLACE, cluster.selectors) == (away, [away, away])
        del cluster.there["GPU"]
        ask("shards")
        assert workers.PLACE == {}
        cluster.there["GPU"] = 1.0
        ask("shards")
    assert workers.PLACE == {}
    run, _ = a_run(a_job(gpus=2))  # nothing says that there are nodes without GPUs
    with demand(run) as ask:
        ask("assignments")
        assert workers.PLACE == {}


@pytest.mark.ray
def test_ray_itself_keeps_the_request_over_those_of_ray_data_and_forgets_it(ray_session):
    """The key is where Ray's autoscaler looks for it."""
    from ray._private.ray_constants import AUTOSCALER_RESOURCE_REQUEST_CHANNEL
    from ray.experimental.internal_kv import _internal_kv_get

    def kept():
        ray.get(module.coordinator().get_reserved_resources.remote("nobody", recompute=True))  # what it does every 20 s
        return json.loads(_internal_kv_get(AUTOSCALER_RESOURCE_REQUEST_CHANNEL) or "null")

    assert not has_autoscaler()
    run, events = a_run(a_job("lexical", cpus=2))
    with demand(run) as ask:
        ask("documents")
        assert kept() == [{"CPU": 1}, {"CPU": 1}]
    assert kept() == []
    assert events("note") == []
