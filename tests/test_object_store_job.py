"""The whole job with sources and run directory in an object store, over HTTP: the bytes of a local run."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path

import pytest

from curation.cli import main
from curation.job_file import load_job
from curation.pipeline import STAGES, run_job
from curation.progress import Reporter
from curation.storage.store import Store
from tests.corpus import card_hashes, job, shard_hashes, stored_hashes
from tests.s3_server import BUCKET

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("ray_session")]


def run(path, *overrides):
    """Runs a job; returns what it printed."""
    stream = io.StringIO()
    run_job(load_job(path, list(overrides)), Reporter(stream))
    return stream.getvalue()


def remote_job(s3, local, key):
    """A job file with the sources and the run directory of a local one in the object store."""
    folder = Path(local).parent
    lines = []
    for line in Path(local).read_text().splitlines():
        before, path, after = line.partition(f'path: "{folder}/')
        if path:
            name, _, rest = after.partition('"')
            line = f'{before}path: "{s3.uri(f"{key}/corpus/{name}")}"{rest}'
        lines.append(f"run_dir: {s3.uri(f'{key}/run')}" if line.startswith("run_dir") else line)
    for file in folder.iterdir():
        s3.ask(f"/{BUCKET}/{key}/corpus/{file.name}", file.read_bytes(), "PUT")
    path = folder / f"{key}.yaml"
    path.write_text("\n".join(lines))
    return str(path)


@pytest.fixture(scope="module")
def local(tmp_path_factory, ray_session):
    """A finished local run: (job file, run directory)."""
    run_dir = tmp_path_factory.mktemp("runs") / "a"
    path = job(tmp_path_factory.mktemp("corpus"), run_dir)
    run(path)
    return path, run_dir


@pytest.fixture(scope="module")
def finished(s3_server, local):
    """A finished run in the object store: (job file, run directory)."""
    path, store = remote_job(s3_server, local[0], "whole"), Store.open(s3_server.uri("whole/run"))
    assert main(["plan", path]) == 0
    assert store.list("") == {}
    assert '"stage": "report"' in run(path)
    return path, store


def test_a_run_on_an_object_store_has_the_bytes_of_a_local_one(s3, local, finished, capsys):
    path, store = finished
    run_dir = store.root
    assert stored_hashes(store) == shard_hashes(local[1])
    assert card_hashes(run_dir) == card_hashes(local[1])
    assert main(["verify", run_dir]) == 0
    assert main(["show", run_dir]) == 0
    printed = capsys.readouterr().out
    assert "0 failed" in printed
    assert "effective clusters" in printed
    assert '"stage"' not in run(path).replace('"event": "skip", "stage"', "")
    logs = [store.read_bytes(name).decode().splitlines() for name in store.list("events")]
    assert sorted(len(log) for log in logs)[0] == len(STAGES) + 2
    assert all(json.loads(log[-1])["event"] == "done" for log in logs)
    everything = [store.read_bytes(name) for name in store.list("")]
    assert not any(os.environ["AWS_SECRET_ACCESS_KEY"].encode() in data for data in everything)


def test_a_run_through_errors_and_resets_has_the_same_bytes(s3, local):
    path = remote_job(s3, local[0], "faulty")
    often = {"times": 10**6, "match": "/bucket"}
    s3.faults(
        {**often, "every": 61, "status": 503, "code": "SlowDown"},
        {**often, "every": 71, "reset": True},
        {**often, "every": 83, "lose": True},
        {**often, "every": 47, "cut": 100, "match": "GET /bucket/faulty/(run|corpus)/[^?]*$"},
    )
    run(path)
    s3.faults()
    assert stored_hashes(Store.open(s3.uri("faulty/run"))) == shard_hashes(local[1])


def test_a_run_that_is_refused_ends_in_one_message_and_goes_on_later(s3, local, finished, capsys):
    path, store = finished
    store.remove([f"assignments/{name}" for name in ("_done.json", "part-00000000.parquet")])
    s3.faults({"times": 10**6, "match": "PUT .*/assignments/part", "status": 403, "code": "AccessDenied"})
    assert main(["run", path]) == 1
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("curation:")]
    assert len(said) == 1
    assert "/run/assignments/part-00000000.parquet: the object store refuses access" in said[0]
    assert "goes on from there" in said[0]
    s3.faults()
    assert main(["run", path]) == 0
    assert '"stage": "embeddings", "seconds"' not in capsys.readouterr().err
    assert stored_hashes(store) == shard_hashes(local[1])
