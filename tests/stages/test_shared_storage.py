"""Every node is asked whether it sees the local folders of a job, each once, and one that does not is named."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
import ray

from curation.errors import JobError
from curation.job_file import load_job
from curation.progress import Reporter
from curation.stages import shared_storage
from curation.stages.context import Run
from curation.stages.shared_storage import check_nodes
from curation.storage.store import Store
from tests.corpus import job


@pytest.fixture
def run(tmp_path):
    loaded = load_job(job(tmp_path / "corpus", tmp_path / "run"))
    Path(loaded.run_dir).mkdir()
    return Run(loaded, Store.open(loaded.run_dir), Reporter(io.StringIO()))


@pytest.fixture
def nodes(monkeypatch):
    """Nodes by id and what they see, beside `head`, where the driver is; what each was asked."""
    sees, asked = {"head": lambda path: True}, []

    def answers(ids, paths):
        asked.extend((node, paths) for node in ids)
        assert all(Path(path).exists() for path in paths)
        return [(node, [path for path in paths if not sees[node](path)]) for node in ids]

    listed = lambda: [{"NodeID": node, "NodeManagerHostname": f"host-{node}", "Alive": True} for node in sees]  # noqa: E731
    monkeypatch.setattr(ray, "nodes", listed)
    monkeypatch.setattr(shared_storage, "_here", lambda: "head")
    monkeypatch.setattr(shared_storage, "_answers", answers)
    return sees, asked


def test_each_node_is_asked_once_and_nothing_is_left_behind(run, nodes):
    sees, asked = nodes
    seen = set()
    check_nodes(run, seen)
    assert asked == []  # one machine: nothing to ask
    sees["a"] = sees["b"] = lambda path: True
    check_nodes(run, seen)
    sees["c"] = lambda path: True
    check_nodes(run, seen)
    check_nodes(run, seen)
    assert [node for node, _ in asked] == ["a", "b", "c"]
    marker, *sources = asked[0][1]
    assert Path(marker).parent == Path(run.store.root)
    names = {Path(path).name for path in sources}
    assert names >= {"web.parquet", "news.jsonl", "notes.jsonl.zst"}  # and something in the folder of `*.gz`
    assert list(Path(run.store.root).iterdir()) == []


def test_a_node_with_another_folder_of_that_name_is_named(run, nodes):
    sees, _ = nodes
    sees["a"], sees["b"] = (lambda path: True), (lambda path: ".shared-" not in path)
    seen = set()
    with pytest.raises(JobError) as error:
        check_nodes(run, seen)
    assert str(error.value) == (
        f"run_dir: {run.store.root} is a path of this machine, and on node host-b it is another folder there, or none; "
        "put it on storage that all nodes share (a shared file system, s3://, gs://), or run on one machine"
    )
    assert seen == {"a"}
    assert list(Path(run.store.root).iterdir()) == []


def test_a_source_that_a_node_does_not_see_is_named_by_its_key(run, nodes):
    sees, _ = nodes
    sees["a"] = lambda path: "news" not in path
    with pytest.raises(JobError, match=r"^sources\.1\.path: .*news\.jsonl is a path .* on node host-a it is not there"):
        check_nodes(run, set())


def test_what_lies_in_an_object_store_is_nobodys_disk(run, nodes, s3):
    sees, asked = nodes
    sees["a"] = lambda path: False
    source = run.job.sources[0].model_copy(update={"path": s3.uri("corpus")})
    remote = run.job.model_copy(update={"sources": [source]})
    check_nodes(Run(remote, Store.open(s3.uri("run")), run.reporter), set())
    assert asked == []


def test_a_run_directory_in_rays_copy_of_the_code_is_refused(tmp_path, run, nodes, monkeypatch):
    copy = tmp_path / "session/runtime_resources/working_dir_files/_ray_pkg_1"
    copy.mkdir(parents=True)
    monkeypatch.chdir(copy)
    check_nodes(run, set())
    with pytest.raises(JobError, match=r"^run_dir: .*/_ray_pkg_1/runs/x lies in the copy .* absolute path"):
        check_nodes(Run(run.job, Store.open("runs/x"), run.reporter), set())


@pytest.mark.ray
def test_a_node_answers_what_it_does_not_see(tmp_path, ray_session):
    here, there, gone = shared_storage._here(), str(tmp_path), str(tmp_path / "none")
    assert list(shared_storage._answers([here], [there, gone])) == [(here, [gone])]
    assert list(shared_storage._answers(["a" * 56], [there])) == []  # a node that has just gone
