"""The cuML engine's gang, with ranks that need no GPU."""

from __future__ import annotations

import io
import itertools
import json
import time

import numpy as np
import pyarrow as pa
import pytest
import ray

from curation import tables
from curation.clustering.init import kmeans_plus_plus
from curation.clustering.torch_engine import fit
from curation.clustering.update import mean_similarity
from curation.errors import RunError
from curation.job_file import load_job
from curation.progress import Reporter
from curation.stages import cuml_gang, fits, fitting
from curation.stages.centroid_file import CENTROIDS, load_centroids
from curation.stages.context import Run
from curation.stages.cuml_gang import CumlGang, Watch
from curation.stages.embeddings import embeddings_table
from curation.stages.engine import Engine
from curation.stages.fits import load_state
from curation.stages.sources import SPLITS
from curation.stages.splits import part_name
from curation.storage.store import Marker, Store
from tests.clustering.data import mixture, over_actors
from tests.corpus import job
from tests.stages.stand_in import stand_in, trouble

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("ray_session")]

ROWS = 900


def embedded(folder, *sets):
    """A run whose embeddings are done: splits of very different sizes. Returns it and its stream of events."""
    store = Store.open(str(folder / "run"))
    vectors, ends = mixture(ROWS, 16, 12, spread=1.5), [0, 20, 500, 501, 640, ROWS]
    splits = []
    for split_id, (start, stop) in enumerate(itertools.pairwise(ends)):
        splits.append([split_id, 0, 0, start, stop - start, start, 0, 0])
        table = embeddings_table(np.arange(start, stop), vectors[start:stop], None)
        store.write_table(part_name("embeddings", split_id), table)
    store.write_table(SPLITS, pa.table(list(zip(*splits, strict=True)), schema=tables.SPLITS))
    store.finish(Marker("embeddings", "x", [], {"documents": ROWS}))
    store.finish(Marker("repeats", "x", [], {"repeats": 0}))
    asked = load_job(job(folder, folder / "run"), ["clustering.clusters=12", *sets])
    stream = io.StringIO()
    return Run(asked, store, Reporter(stream)), stream


def work(run, folder):
    """The stage, with stand-ins for ranks."""
    return fitting.fit_centroids(run, stand_in(folder))


@pytest.fixture(autouse=True)
def short(monkeypatch):
    """Segments of three iterations, each committed; and the engine of a machine that has GPUs."""
    monkeypatch.setattr("curation.clustering.segments.SEGMENT", 3)
    monkeypatch.setattr(fits, "SAVE_EVERY", 0.0)
    monkeypatch.setattr(fitting, "choose", lambda _: Engine("cuml", "a test asks for it"))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, ray_session):
    """Centroids, figures and events of a fit that nothing happened to."""
    folder = tmp_path_factory.mktemp("undisturbed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("curation.clustering.segments.SEGMENT", 3)
        patch.setattr(fitting, "choose", lambda _: Engine("cuml", "a test asks for it"))
        run, stream = embedded(folder)
        result = work(run, folder / "ranks")
    return load_centroids(run.store), result.stats, events(stream), folder


def events(stream):
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def notes(stream):
    return [event["text"] for event in events(stream) if event["event"] == "note"]


def free_cpus():
    """CPUs that nobody holds, once Ray has taken back what was given back."""
    for _ in range(100):
        if ray.available_resources().get("CPU", 0) == 2:
            return 2
        time.sleep(0.05)
    return ray.available_resources().get("CPU", 0)


def test_the_figures_are_those_of_the_other_engine(undisturbed):
    found, stats, told, _ = undisturbed
    assert stats["engine"] == "cuml"
    assert stats["engine_reason"] == "a test asks for it"
    assert {"stage": "centroids", "engine": "cuml", "reason": "a test asks for it"}.items() <= next(
        event for event in told if event["event"] == "engine"
    ).items()
    assert stats["converged"]
    assert len(stats["inertia"]) >= 3
    assert stats["iterations"] > len(stats["inertia"])
    assert np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)
    rows = mixture(ROWS, 16, 12, spread=1.5)
    other = fit(*over_actors(rows, 1), kmeans_plus_plus(rows, 12, 0), max_iterations=300, tolerance=1e-4)
    assert stats["mean_similarity"][-1] > mean_similarity(other.history[-1].objective, ROWS) - 0.01


def test_rows_are_balanced_and_everything_is_given_back(undisturbed):
    *_, folder = undisturbed
    assert [(folder / f"ranks/rows-{rank}").read_text() for rank in range(2)] == ["450", "450"]
    assert all((folder / f"ranks/closed-{rank}").exists() for rank in range(2))
    assert free_cpus() == 2


def test_ranks_that_die_change_nothing(undisturbed, tmp_path):
    expected, stats, _, _ = undisturbed
    run, stream = embedded(tmp_path)
    ranks = stand_in(tmp_path / "ranks")
    trouble(tmp_path / "ranks", "die", 0, 0)  # when the first gang meets
    trouble(tmp_path / "ranks", "die", 1, 2)  # in the second segment of the next one
    result = fitting.fit_centroids(run, ranks)
    assert not list((tmp_path / "ranks").glob("trouble-*"))
    assert load_centroids(run.store).tobytes() == expected.tobytes()
    assert result.stats == stats
    first, second = notes(stream)
    assert "test of the connections: rank 0 was lost" in first
    assert "segment: rank 1 was lost" in second
    assert "all ranks start anew" in second


def test_a_rank_that_hangs_is_noticed(undisturbed, tmp_path, monkeypatch):
    expected, *_ = undisturbed
    monkeypatch.setattr(cuml_gang, "LEAST_SECONDS", 4.0)
    run, stream = embedded(tmp_path)
    ranks = stand_in(tmp_path / "ranks")
    trouble(tmp_path / "ranks", "hang", 1, 2)
    fitting.fit_centroids(run, ranks)
    assert load_centroids(run.store).tobytes() == expected.tobytes()
    assert any("segment: no answer in" in note and "from rank 0, 1" in note for note in notes(stream))


def test_after_so_many_losses_the_run_ends_and_goes_on_from_the_last_segment(undisturbed, tmp_path, monkeypatch):
    expected, stats, _, _ = undisturbed
    monkeypatch.setattr(cuml_gang, "REBUILDS", 1)
    run, _ = embedded(tmp_path)
    ranks = stand_in(tmp_path / "ranks")
    trouble(tmp_path / "ranks", "raise", 0, 2, times=2)  # in the second segment, and in the second of the next gang
    with pytest.raises(RunError, match="lost 2 times: segment: rank 0 failed: RuntimeError: unhandled") as caught:
        fitting.fit_centroids(run, ranks)
    assert "engine: torch" in str(caught.value)
    left = load_state(run.store, CENTROIDS)
    assert len(left.history) == 2
    assert left.iteration == 8
    assert free_cpus() == 2
    rest = []
    save = fits.save_state
    monkeypatch.setattr(
        fits, "save_state", lambda store, name, state, *more: rest.append(state) or save(store, name, state, *more)
    )
    assert fitting.fit_centroids(run, ranks).stats == stats
    assert load_centroids(run.store).tobytes() == expected.tobytes()
    assert len(rest[0].history) == 3


def test_ranks_that_do_not_hear_each_other_are_told(tmp_path):
    run, _ = embedded(tmp_path)
    ranks = stand_in(tmp_path / "ranks")
    trouble(tmp_path / "ranks", "deaf", 1, 0)
    with pytest.raises(
        RunError, match=r"test of the connections: rank .: rank . of 2: the sum over the ranks is wrong"
    ) as caught:
        CumlGang(run, 1.0, ranks)
    assert "NCCL_DEBUG=INFO" in str(caught.value)
    assert free_cpus() == 2


def test_what_the_cluster_has_no_room_for_is_told_in_time(tmp_path, monkeypatch):
    monkeypatch.setattr(cuml_gang, "PLACEMENT_SECONDS", 0.5)
    run, _ = embedded(tmp_path)
    ranks = stand_in(tmp_path / "ranks")
    ranks.RESOURCES = {"GPU": 1.0, "CPU": 1.0}
    begun = time.monotonic()
    with pytest.raises(RunError, match=r"1 ranks at once, each with GPU 1, CPU 1, .* the cluster has GPU 0") as caught:
        CumlGang(run, 1.0, ranks)
    assert "resources.clustering_actors" in str(caught.value)
    assert time.monotonic() - begun < 60  # and not the minutes that are the default
    assert free_cpus() == 2


def test_one_rank_is_enough_and_a_share_of_the_rows(tmp_path):
    run, _ = embedded(tmp_path, "resources.clustering_actors=1", "clustering.fit_rows=300", "clustering.restarts=2")
    result = work(run, tmp_path / "ranks")
    assert 200 < result.stats["rows"] < 400
    assert (tmp_path / "ranks/rows-0").read_text() == str(result.stats["rows"])
    assert len(result.stats["restart_inertia"]) == 2


def test_a_watch_waits_longer_for_more_and_never_less_than_its_floor():
    watch = Watch()
    assert watch.limit("segment", 8) == cuml_gang.FIRST_SECONDS
    watch.saw("segment", 8, 0.8)
    assert watch.limit("segment", 8) == cuml_gang.LEAST_SECONDS
    watch.saw("segment", 8, 800.0)
    watch.saw("segment", 2, 2.0)
    assert watch.limit("segment", 2) == pytest.approx(2 * 100 * cuml_gang.PATIENCE)
    assert watch.limit("step", 1) == cuml_gang.FIRST_SECONDS
