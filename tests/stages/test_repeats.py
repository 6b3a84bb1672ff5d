"""Documents with the same vector count once in the fit."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curation.stages.centroid_file import load_centroids
from curation.stages.repeats import repeated_documents
from curation.storage.store import Store
from tests.clustering.data import mixture
from tests.test_pipeline import faults, run

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("ray_session")]

ROWS, COPIES = 240, 500


def finished(folder, copies):
    """A run on different vectors and, after them, so many more documents that have the vector of document 7."""
    folder.mkdir()
    vectors = mixture(ROWS, 16, 6)
    vectors = np.concatenate([vectors, np.repeat(vectors[7:8], copies, axis=0)])
    text = [f"document {number} of its own" for number in range(len(vectors))]
    column = pa.array(list(vectors.astype(np.float32)), pa.list_(pa.float32(), 16))
    pq.write_table(pa.table({"text": text, "vector": column}), folder / "a.parquet", row_group_size=100)
    path = folder / "job.yaml"
    path.write_text(
        f"run_dir: {folder}/run\nsplit_bytes: 3000\nclustering: {{clusters: 12}}\n"
        f"sources: [{{domain: a, path: {folder}/a.parquet, vector_column: vector}}]\n"
    )
    run(str(path))
    return folder / "run"


def test_copies_of_a_vector_move_no_centroid_and_are_assigned_like_any_other(tmp_path):
    alone, crowded = finished(tmp_path / "alone", 0), finished(tmp_path / "crowded", COPIES)
    first, second = Store.open(str(alone)), Store.open(str(crowded))
    assert repeated_documents(first).tolist() == []
    assert repeated_documents(second).tolist() == list(range(ROWS, ROWS + COPIES))
    assert np.array_equal(load_centroids(first), load_centroids(second))
    assert second.marker("centroids").stats["rows"] == ROWS
    assert faults(crowded) == []
    found = [second.read_table(name) for name in second.list("assignments") if name.endswith(".parquet")]
    cluster = pa.concat_tables(found).sort_by("doc_id")["cluster"].to_numpy()
    assert len(cluster) == ROWS + COPIES
    assert set(cluster[ROWS:]) == {cluster[7]}
    summary = json.loads((crowded / "report/summary.json").read_text())
    assert summary["clustering"]["repeats"] == COPIES
