import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml

from curation.errors import JobError
from curation.storage.store import Store
from curation.training.pool import read_pool
from tests.training.folders import write_run

DOCUMENTS = [
    {"text": f"t{i}", "domain": "web" if i < 6 else "books", "cluster": [4, 2, 4, 9, 2, 4, 2, 9][i], "tokens": 10 + i}
    for i in range(8)
]


def test_documents_stand_by_cluster_in_the_order_of_the_schedule(tmp_path):
    drawn = [5, 1, 6, 5, 0, 7, 1, 2]  # documents 3 and 4 are not drawn; 1 and 5 twice
    store = Store.open(str(write_run(tmp_path, DOCUMENTS, drawn, clip=3, clips={"books": 1})))
    pool = read_pool(store, len(drawn))
    assert pool.clusters.tolist() == [2, 4, 9]
    assert pool.starts.tolist() == [0, 2, 5, 6]
    assert pool.positions.tolist() == [1, 2, 0, 4, 7, 5]
    assert pool.tokens.tolist() == [11, 16, 15, 10, 12, 17]
    assert pool.clips.tolist() == [3, 1, 3, 3, 3, 1]
    tokens = np.array([11 + 16 + 11, 15 + 15 + 10 + 12, 17])
    assert pool.base == pytest.approx(tokens / tokens.sum())
    assert pool.digest == read_pool(store, len(drawn)).digest


def test_the_validation_split_is_not_in_it(tmp_path):
    drawn = [5, 1, 6, 0, 7, 2, 3]
    store = Store.open(str(write_run(tmp_path, DOCUMENTS, drawn, clip=2, validation=3)))
    pool = read_pool(store, 4)
    assert sorted(pool.positions.tolist()) == [0, 1, 2, 3]
    assert pool.clusters.tolist() == [2, 4]
    assert pool.digest != read_pool(store, 3).digest


def test_a_split_that_gives_nothing(tmp_path):
    store = Store.open(str(write_run(tmp_path, DOCUMENTS, [0, 3], clip=2)))
    assert read_pool(store, 2).positions.tolist() == [0, 1]


def test_clips_of_phases(tmp_path):
    """A document of `books`, whose own clip is 9, and one of `web`, which has none of its own."""
    store = Store.open(str(write_run(tmp_path, DOCUMENTS, [0, 6], clip=4, clips={"books": 9})))
    job = yaml.safe_load((tmp_path / "job.yaml").read_text())
    for phases, wanted in (([2, 3], [3, 3]), ([2, None], [9, 4]), ([None], [9, 4]), ([6], [6, 6])):
        job["phases"] = [{"budget": {"tokens": 10}, "clip": clip} for clip in phases]
        (tmp_path / "job.yaml").write_text(yaml.safe_dump(job))
        assert read_pool(store, 2).clips.tolist() == wanted


def test_what_is_no_run_is_told(tmp_path):
    write_run(tmp_path, DOCUMENTS, [0, 6], clip=4)
    (tmp_path / "allocation/allocation.parquet").rename(tmp_path / "gone")
    with pytest.raises(JobError, match="not the directory of a finished run: the dynamic sampler reads"):
        read_pool(Store.open(str(tmp_path)), 2)
    (tmp_path / "gone").rename(tmp_path / "allocation/allocation.parquet")
    for part in (tmp_path / "schedule").iterdir():
        pq.write_table(pq.read_table(part).slice(0, 0), part)
    with pytest.raises(JobError, match="its plan draws nothing"):
        read_pool(Store.open(str(tmp_path)), 2)
