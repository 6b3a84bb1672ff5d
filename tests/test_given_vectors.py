"""Vectors that the sources bring along: their clusters, what is done again when they change, errors that say where."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curation.cli import main
from curation.errors import CurationError
from curation.pipeline import STAGES, stage_fingerprint
from curation.stages.clusters import CLUSTERS
from curation.storage.store import Store
from curation.verify import verify
from tests.corpus import TOPICS, texts
from tests.test_pipeline import run, worked

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("ray_session")]

DIMENSIONS = 12


def corpus(rows=200):
    """Texts, and vectors of any length in a direction of their topic: (texts, float64[n, d], topic)."""
    rng = np.random.default_rng(3)
    topic = rng.integers(len(TOPICS), size=rows)
    words = [texts(1, 100 + row, [list(TOPICS)[label]])[0] for row, label in enumerate(topic)]
    centres = rng.normal(size=(len(TOPICS), DIMENSIONS))
    vectors = (centres[topic] + 0.1 * rng.normal(size=(rows, DIMENSIONS))) * rng.uniform(0.5, 30, (rows, 1))
    words[20] = words[7]  # an exact copy; the second one's vector is never looked at
    vectors[20] = 0
    return words, vectors, topic


def write(folder, words, vectors, type_=None):
    """Half of the rows as Parquet, half as JSONL with a bad row in it; returns the job file."""
    folder.mkdir(parents=True, exist_ok=True)
    half = len(words) // 2
    column = pa.array(list(vectors[:half].astype(np.float32)), type_ or pa.list_(pa.float32(), DIMENSIONS))
    table = pa.table({"text": words[:half], "emb": column, "emb2": column})
    pq.write_table(table, folder / "a.parquet", row_group_size=20)
    rows = [{"text": text, "v": vector.tolist()} for text, vector in zip(words[half:], vectors[half:], strict=True)]
    rows.insert(4, {"text": " ", "v": None})
    (folder / "b.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    path = folder / "job.yaml"
    path.write_text(
        f"run_dir: {folder}/run\nsplit_bytes: 15000\nrows: {{max_rejected: 0.1}}\nsources:\n"
        f"  - {{domain: a, path: '{folder}/a.parquet', vector_column: emb}}\n"
        f"  - {{domain: b, path: '{folder}/b.jsonl', vector_column: v}}\n"
        "embedding: {model: no/such-model}\n"  # never looked for
        f"clustering: {{clusters: {len(TOPICS)}}}\noutput: {{shard_bytes: 40000}}\n"
    )
    return str(path)


def read_all(store, folder, column):
    names = [name for name in store.list(folder) if name.endswith("parquet")]
    return pa.concat_tables([store.read_table(name, ["doc_id", column]) for name in names]).sort_by("doc_id")


@pytest.fixture(scope="module")
def finished(tmp_path_factory, ray_session):
    """A finished run: (folder, job file, vectors and topics of the kept documents)."""
    folder = tmp_path_factory.mktemp("given")
    words, vectors, topic = corpus()
    path = write(folder, words, vectors)
    assert "encoder" in worked(run(path))
    kept = np.delete(np.arange(len(words)), 20)
    return folder, path, vectors[kept], topic[kept]


def test_the_vectors_are_the_given_ones_and_the_clusters_are_theirs(finished):
    folder, _, vectors, topic = finished
    store = Store.open(str(folder / "run"))
    stored = np.array(read_all(store, "embeddings", "embedding")["embedding"].to_pylist())
    unit = vectors.astype(np.float32) / np.linalg.norm(vectors, axis=1, keepdims=True)
    np.testing.assert_allclose(stored, unit, atol=1e-3)
    assert read_all(store, "embeddings", "read_share")["read_share"].null_count == len(vectors)
    cluster = read_all(store, "assignments", "cluster")["cluster"].to_numpy()
    assert len(set(zip(cluster.tolist(), topic.tolist(), strict=True))) == len(TOPICS)  # one to one
    assert store.read_table(CLUSTERS)["documents"].to_numpy().sum() == len(vectors)
    assert [fault for fault in verify(store, STAGES, stage_fingerprint) if fault] == []


def test_the_same_shards_from_another_type_of_column_and_other_splits(finished, tmp_path):
    folder, _, _, _ = finished
    words, vectors, _ = corpus()
    run(write(tmp_path, words, vectors, pa.large_list(pa.float64())), "split_bytes=1000000")
    index, other = (json.loads((where / "run/shards/curation_index.json").read_text()) for where in (folder, tmp_path))
    assert [shard["sha256"] for shard in index["shards"]] == [shard["sha256"] for shard in other["shards"]]


def test_another_column_embeds_anew_and_another_model_nothing(finished):
    _, path, _, _ = finished
    assert worked(run(path, "embedding.max_tokens=7")) == ["report", "record"]
    again = worked(run(path, "sources.0.vector_column=emb2"))
    assert {"sources", "encoder", "embeddings"} <= set(again)
    assert not {"centroids", "assignments", "plan", "shards"} & set(again)  # the same numbers, so the same files
    assert worked(run(path)) != []


def test_other_vectors_in_the_same_files_are_taken(tmp_path):
    words, vectors, _ = corpus(60)
    path = write(tmp_path, words, vectors)
    run(path)
    before = read_all(Store.open(str(tmp_path / "run")), "embeddings", "embedding")
    write(tmp_path, words, vectors[:, ::-1])
    again = worked(run(path, "sources.0.licence=CC0"))  # another declaration, so the sources are counted anew
    assert {"embeddings", "centroids"} <= set(again)
    assert read_all(Store.open(str(tmp_path / "run")), "embeddings", "embedding") != before


def test_show_and_plan_say_so(finished, tmp_path, capsys):
    folder, path, _, _ = finished
    assert main(["show", str(folder / "run")]) == 0
    assert main(["plan", path, "--set", f"run_dir={tmp_path / 'none'}"]) == 0
    printed = capsys.readouterr().out
    for wanted in ("given vectors, 12 dimensions", "The vectors were given", "vectors are given", "12 dimensions"):
        assert wanted in printed


@pytest.mark.parametrize(
    ("row", "value", "where", "reason"),
    [
        (36, lambda v: [float("nan"), *v[1:]], "a.parquet, row 36", "zero, infinite or not a number"),
        (0, lambda _: [], "a.parquet, row 0", "empty"),
        (55, lambda v: ["1", *v[1:]], "b.jsonl, row 16", "no list of numbers"),
    ],
)
def test_a_vector_that_can_not_serve_names_file_and_row(tmp_path, row, value, where, reason):
    words, vectors, _ = corpus(80)
    path = write(tmp_path, words, vectors)
    rows = [vector.tolist() for vector in vectors]
    rows[row] = value(rows[row])
    column = pa.array(rows[:40], pa.list_(pa.float64()))
    pq.write_table(pa.table({"text": words[:40], "emb": column}), tmp_path / "a.parquet")
    lines = [{"text": text, "v": vector} for text, vector in zip(words[40:], rows[40:], strict=True)]
    lines.insert(4, {"text": " "})
    (tmp_path / "b.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(CurationError) as caught:
        run(path)
    assert where in str(caught.value)
    assert reason in str(caught.value)
    assert "vector_column" in str(caught.value)


def test_keys_that_can_not_be(tmp_path, capsys):
    words, vectors, _ = corpus(40)
    path = write(tmp_path, words, vectors)
    for override, wanted in (
        ("sources.0.vector_column=text", "is of type string: name a column of lists of floats"),
        ("sources.0.vector_column=enb", "did you mean 'emb'?"),
        ("sources.0.vector_column=null", "either all sources have a vector_column or none"),
    ):
        assert main(["run", path, "--set", override]) == 2
        assert wanted in capsys.readouterr().err
