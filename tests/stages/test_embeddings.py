"""The embedding stage with a neural encoder: two items in hand at a time, and batches that are no part of the run."""

from __future__ import annotations

import io
import json
import pickle
import shutil
from types import SimpleNamespace

import numpy as np
import pytest

from curation.embedding.encoder import NonFiniteVector
from curation.errors import RunError
from curation.job_file import load_job
from curation.pipeline import STAGES, _work, stage_fingerprint
from curation.progress import Reporter
from curation.stages import embeddings, pool
from curation.stages.board import board
from curation.stages.context import Run
from curation.stages.embeddings import load_vectors
from curation.stages.encoding import EncoderActor
from curation.stages.pool import Pool
from curation.stages.splits import load_files, load_splits, work_items
from curation.storage.store import Store
from tests.corpus import job
from tests.embedding.conftest import save_tiny_bert

pytestmark = pytest.mark.ray


BEFORE = [stage for stage in STAGES if stage.name in {"sources", "tokenizer", "documents", "duplicates", "encoder"}]
STAGE = embeddings.STAGE


def with_embeddings(path, options):
    """Does the stages up to this one: (the markers, the events)."""
    stream = io.StringIO()
    job = load_job(path, options)
    run, markers = Run(job, Store.open(job.run_dir), Reporter(stream)), {}
    for stage in [*BEFORE, STAGE]:
        wanted = stage_fingerprint(stage, job, markers)
        markers[stage.name] = run.store.done(stage.name, wanted) or _work(run, stage, wanted)
    return markers, [json.loads(line) for line in stream.getvalue().splitlines()]


@pytest.fixture(scope="module")
def finished(tmp_path_factory, ray_session):
    """A run whose embeddings are there: (job file, its folder, events, the model's options)."""
    folder = tmp_path_factory.mktemp("corpus")
    save_tiny_bert(folder / "tiny")
    path = job(folder, folder / "a")
    options = [f"embedding.model={folder / 'tiny'}", "embedding.max_tokens=64", "embedding.precision=float32"]
    return path, folder, with_embeddings(path, options)[1], options


def all_vectors(folder):
    store = Store.open(str(folder))
    parts = [load_vectors(store, name) for name in store.list("embeddings") if name.endswith(".parquet")]
    return np.concatenate([ids for ids, _ in parts]), np.concatenate([vectors for _, vectors in parts]).astype(float)


def test_what_was_taken_is_an_event_and_no_part_of_what_is_committed(finished):
    path, folder, events, options = finished
    [taken] = [event for event in events if event["event"] == "batches"]
    assert (taken["batch_tokens"], taken["found"], taken["packed"]) == (2048, "fixed", True)
    assert taken["stage"] == "embeddings"
    assert not {"padded", "batch_tokens"} & set(Store.open(str(folder / "a")).marker("embeddings").stats)
    _, again = with_embeddings(path, [*options, "embedding.batch_tokens=128"])
    assert again == []  # nothing was worked on


def test_two_items_in_hand_give_the_same_vectors(finished, monkeypatch):
    path, folder, _, options = finished
    monkeypatch.setattr(Pool, "items", 2)  # as on a GPU
    monkeypatch.setattr(pool, "pool_layout", lambda *_: Pool(1, 2, 0.0))
    shutil.copytree(folder / "a", folder / "b", ignore=shutil.ignore_patterns("embeddings"))
    _, events = with_embeddings(path, [*options, f"run_dir={folder / 'b'}", "embedding.batch_tokens=500"])
    taken = [(event["batch_tokens"], event["found"]) for event in events if event["event"] == "batches"]
    assert taken == [(500, "given")]
    (ids, vectors), (others, expected) = all_vectors(folder / "b"), all_vectors(folder / "a")
    assert ids.tolist() == others.tolist()
    assert (vectors * expected).sum(axis=1).min() > 0.999
    assert len(Store.open(str(folder / "b")).list("embeddings")) > 10


@pytest.mark.parametrize(
    ("raised", "words"),
    [(NonFiniteVector(3), "document 3 of split"), (TypeError("no text"), "TypeError: no text")],
)
def test_an_error_names_the_file_and_ends_no_actor(finished, raised, words):
    path, folder, _, options = finished
    store = Store.open(str(folder / "a"))
    item = next(work_items(load_splits(store), load_files(store), 1))

    def encode(texts):
        raise raised

    actor = EncoderActor(store, load_job(path, options), "cpu", 1, board())
    actor._encoder = SimpleNamespace(encode=encode, taken={})
    outcome = actor._outcome(pickle.dumps(item))
    assert isinstance(outcome, RunError)
    assert words in str(outcome)
    assert "web.parquet" in str(outcome)


def test_splits_that_a_lost_actor_had_begun_are_told(finished, tmp_path):
    path, folder, _, options = finished
    shutil.copytree(folder / "a", tmp_path / "a")
    store = Store.open(str(tmp_path / "a"))
    item = next(work_items(load_splits(store), load_files(store), 1))
    first = item.splits[0].split_id
    actor = EncoderActor(store, load_job(path, options), "cpu", 1, board())
    assert actor._outcome(pickle.dumps(item)).again == []
    board().begin.remote(f"embed {first}")
    outcome = actor._outcome(pickle.dumps(item))
    assert outcome.again == [first]
    assert [receipt.parts[0].name for receipt in outcome.receipts] == [
        f"embeddings/part-{split.split_id:08}.parquet" for split in item.splits
    ]
