"""Lost workers and missing machines: what is bounded, what is named, and what waits no longer than it should."""

from __future__ import annotations

import os
import shutil
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from curation.errors import InputError, RunError
from curation.job_file import load_job
from curation.pipeline import run_job
from curation.progress import Reporter
from curation.stages import documents, gang, pool, ray_cluster, waiting, workers
from curation.stages.board import LOST, Board
from curation.stages.centroid_file import load_centroids
from curation.stages.context import Run
from curation.stages.encoding import EncoderActor
from curation.stages.splits import one_by_one
from curation.storage.store import Store
from tests.corpus import build, job, shard_hashes

BAD = 3


def die(item, folder, times):
    """Kills its worker the first `times` times that it gets an item."""
    mark = Path(folder, f"{item}-{time.time_ns()}")
    mark.touch()
    if len(list(Path(folder).glob(f"{item}-*"))) <= times:
        os._exit(1)
    return item * item


def die_of(item, folder):
    """Kills its worker when the bad one is in the list."""
    if BAD in item:
        os._exit(1)
    return [2 * one for one in item]


def describe(store, job, item, shares, counting):
    """The work of `documents`, but that one split kills its worker."""
    if any(split.split_id == BAD for split in item.splits):
        os._exit(1)
    return ORIGINAL(store, job, item, shares, counting)


ORIGINAL = documents.describe


class Fragile(EncoderActor):
    """Dies of one split as it commits it."""

    def _commit(self, file, split, text):
        if split.split_id == BAD:
            os._exit(1)
        return super()._commit(file, split, text)


class Unborn(EncoderActor):
    """Dies while it loads the model."""

    def __init__(self, *arguments):
        import curation.stages.encoding as encoding

        encoding.open_encoder = lambda *_: os._exit(1)
        super().__init__(*arguments)


@pytest.fixture
def hasty(monkeypatch):
    monkeypatch.setattr(workers, "RETRY_SECONDS", 0.05)
    monkeypatch.setattr(workers, "RETRIES", 1)  # a process that dies costs the start of another
    monkeypatch.setattr(waiting, "LOOK", 0.2)
    monkeypatch.setattr(waiting.PATIENCE, "seconds", 600.0)


@pytest.fixture(scope="module")
def finished(ray_session, tmp_path_factory):
    """A job that was done; don't change its run directory."""
    folder = tmp_path_factory.mktemp("finished")
    asked = a_job(folder)
    run_job(asked, Reporter((folder / "log").open("w")))
    return asked


def a_job(tmp_path, more=""):
    return load_job(job(tmp_path / "corpus", tmp_path / "run", more))


def test_the_board_counts_what_begins_without_an_end():
    board = Board()
    assert [board.begin("a"), board.begin("a"), board.begin("b")] == [1, 2, 1]
    assert board.tries(["a", "b", "c"]) == 2
    assert board.idle_seconds() == 0
    board.end("a")
    assert board.begin("a") == 1


def test_the_board_takes_the_silent_for_lost(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    board = Board()
    board.begin("a")
    now[0] += LOST - 1
    assert board.idle_seconds() == 0
    now[0] += 2
    assert board.idle_seconds() == LOST + 1
    board.beat("a")
    now[0] += 3
    assert board.idle_seconds() == 0
    board.end("a")
    now[0] += 4
    assert board.idle_seconds() == 4
    board.ask()
    assert board.idle_seconds() == 0


def test_every_item_has_its_own_losses(ray_session, hasty, tmp_path):
    """Each is lost as often as one may be, and the losses of all together are more than that."""
    found = dict(workers.map_items(range(3), die, str(tmp_path), workers.RETRIES))
    assert found == {item: item * item for item in range(3)}
    assert len(list(tmp_path.iterdir())) == 3 * (workers.RETRIES + 1)


def test_an_item_that_is_lost_too_often_ends_the_map(ray_session, hasty, tmp_path):
    with pytest.raises(RunError, match=rf"die: its worker was lost {workers.RETRIES + 1} times"):
        list(workers.map_items([7], die, str(tmp_path), 99))
    assert len(list(tmp_path.iterdir())) == workers.RETRIES + 1


def test_parts_are_tried_alone_and_the_one_that_kills_is_known(ray_session, hasty, tmp_path):
    given_up = []

    def lost(item, error):
        given_up.append((item, str(error)))
        return [None]

    items = [[1, 2], [BAD, 4]]
    found = {
        tuple(item): receipt
        for item, receipt in workers.map_items(items, die_of, str(tmp_path), parts=one_by_one, lost=lost)
    }
    assert found == {(1, 2): [2, 4], (BAD,): [None], (4,): [8]}
    assert [item for item, _ in given_up] == [[BAD]]


@pytest.mark.parametrize("limit", [1.0, 0.001])
def test_a_split_that_kills_its_reader_is_rejected_within_the_limit(ray_session, hasty, tmp_path, monkeypatch, limit):
    monkeypatch.setattr(documents, "describe", describe)
    asked = a_job(tmp_path, f"rows: {{on_bad: reject, max_rejected: {limit}}}\n")
    if limit < 0.5:
        with pytest.raises(InputError, match=r"more than rows.max_rejected.*web.parquet.*kills the worker"):
            run_job(asked, Reporter((tmp_path / "log").open("w")))
        return
    run_job(asked, Reporter((tmp_path / "log").open("w")))
    store = Store.open(asked.run_dir)
    split = store.read_table("sources/splits.parquet").to_pylist()[BAD]
    rejected = store.read_table(f"rejected/part-{BAD:08}.parquet")
    wanted = range(split["first_doc_id"], split["first_doc_id"] + split["rows"])
    assert rejected["doc_id"].to_pylist() == list(wanted)
    assert set(rejected["reason"].to_pylist()) == {
        f"reading rows {split['first_row']} to {split['first_row'] + split['rows'] - 1} kills the worker"
    }
    shards = [store.read_table(f"shards/{name}")["doc_id"] for name in shard_hashes(asked.run_dir) if "parquet" in name]
    drawn = np.concatenate([ids.to_numpy() for ids in shards])
    assert len(drawn) > 0
    assert not np.isin(drawn, list(wanted)).any()


def test_a_split_that_kills_its_reader_is_named_where_rows_must_be_good(ray_session, hasty, tmp_path, monkeypatch):
    monkeypatch.setattr(documents, "describe", describe)
    with pytest.raises(RunError, match=rf"web.parquet, rows \d+ to \d+ \(split {BAD}\): its worker was lost 2 times"):
        run_job(a_job(tmp_path, "rows: {on_bad: fail}\n"), Reporter((tmp_path / "log").open("w")))


def test_a_split_that_kills_its_encoder_is_named(ray_session, hasty, tmp_path, monkeypatch):
    asked = a_job(tmp_path)
    monkeypatch.setattr(pool, "EncoderActor", Fragile)
    with pytest.raises(RunError, match=rf"web.parquet, rows \d+ to \d+ \(split {BAD}\): its worker was lost 4 times"):
        run_job(asked, Reporter((tmp_path / "log").open("w")))
    monkeypatch.setattr(pool, "EncoderActor", Unborn)
    with pytest.raises(RunError, match=r"an encoder actor: its worker was lost 4 times \(while it loaded the model"):
        run_job(asked, Reporter((tmp_path / "log").open("w")))


def test_no_gpu_and_no_free_cpu_end_in_words(ray_session, hasty, monkeypatch):
    import ray

    monkeypatch.setattr(waiting.PATIENCE, "seconds", 2.0)
    told = []
    monkeypatch.setattr(waiting.PATIENCE, "tell", lambda kind, text: told.append((kind, text)))
    monkeypatch.setattr(waiting.PATIENCE, "told", 0.0)
    with pytest.raises(RunError, match=r"Asked for: 1 GPU; the cluster has 1 nodes with 2 CPU.* 0 GPU"):
        list(workers.map_items([1], die_of, "", gpus=1))
    hog = ray.remote(num_cpus=2)(Board).remote()
    ray.get(hog.idle_seconds.remote())
    try:
        with pytest.raises(RunError, match=r"die of: nothing could start for .*: 1 CPU.*2 CPU \(0 free\)"):
            list(workers.map_items([[1]], die_of, ""))
    finally:
        ray.kill(hog)
    assert told
    assert told[0][0] == "waiting"


def test_encoders_without_a_place_end_in_words(finished, hasty, tmp_path, monkeypatch):
    from curation.stages import pool_watch

    shutil.copytree(finished.run_dir, tmp_path / "run", ignore=shutil.ignore_patterns("embeddings", "_lock"))
    asked = finished.model_copy(update={"run_dir": str(tmp_path / "run")})
    monkeypatch.setattr(pool_watch, "LOOK", 0.2)
    layout = pool.pool_layout
    monkeypatch.setattr(pool, "pool_layout", lambda *arguments: replace(layout(*arguments), threads=5))
    asked = asked.model_copy(update={"resources": asked.resources.model_copy(update={"wait_seconds": 3.0})})
    with pytest.raises(RunError, match=r"embeddings: nothing could start for .*: 5 CPU; the cluster has 1 node"):
        run_job(asked, Reporter((tmp_path / "log").open("w")))


def test_a_gang_without_a_place_for_all_goes_on_with_fewer(finished, hasty, tmp_path, monkeypatch):
    import ray

    monkeypatch.setattr(gang, "LOOK", 0.2)
    run = Run(finished, Store.open(finished.run_dir), Reporter((tmp_path / "log").open("w")))
    asked = gang.Gang(run, 1.0)
    try:
        centroids = load_centroids(run.store)
        before = asked.step(centroids)
        assert len(asked._actors) == 2
        ray.kill(asked._actors[0])
        hog = ray.remote(num_cpus=1)(Board).remote()
        ray.get(hog.idle_seconds.remote())
        monkeypatch.setattr(ray_cluster, "cpus", lambda: 1)
        after = asked.step(centroids)
        assert len(asked._actors) == 1
        assert "1 hold the rows now" in (tmp_path / "log").read_text()
        for one, other in zip(vars(before).values(), vars(after).values(), strict=True):
            np.testing.assert_array_equal(one, other)
    finally:
        asked.stop()
        ray.kill(hog)


def test_a_pool_that_is_stuck_makes_place_for_another(ray_session, tmp_path, monkeypatch):
    """Where somebody has worked since the pool began, and for a while nobody has."""
    import ray

    from curation.stages import pool_watch

    class Board:
        class idle_seconds:  # noqa: N801 (as Ray's handle has it)
            @staticmethod
            def remote():
                return ray.put(20.0)

    monkeypatch.setattr(pool_watch, "board", Board)
    monkeypatch.setattr(waiting.PATIENCE, "seconds", 600.0)
    watch = pool_watch.PoolWatch({"CPU": 1})
    watch.on_execution_step(None)  # it has not looked for long enough
    watch._looked -= 60
    watch.on_execution_step(None)  # no one has worked since before it began
    watch._looked -= 60
    watch._began -= 60
    with pytest.raises(pool_watch.StuckPoolError):
        watch.on_execution_step(None)


def test_rows_of_which_nothing_is_kept_are_not_read(tmp_path):
    from curation.sources.rows import Columns

    build(tmp_path)
    rows = Columns("text", "url", ("year",), ("score",), "v").blank(3)
    assert rows.table.num_rows == 3
    assert rows.table.column_names == ["text", "id", "year", "number:score", "vector:"]
    assert all(column.null_count == 3 for column in rows.table.columns)
    assert rows.table["text"].type == pa.large_string()
