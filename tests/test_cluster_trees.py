"""Trees of clusters, hierarchical K-Means, merging and strata, end to end."""

from __future__ import annotations

import io
import json
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curation.clustering.strata import Sample
from curation.errors import JobError
from curation.job_file import load_job
from curation.pipeline import STAGES, stage_fingerprint
from curation.progress import Reporter
from curation.sampling.preference import preference
from curation.stages import centroids
from curation.stages.centroid_file import CENTROIDS, NEIGHBOURS, load_fitted, load_neighbours
from curation.stages.eligible import load_eligible
from curation.stages.fit_plan import fit_plan
from curation.stages.fits import fit_restarts
from curation.stages.splits import load_splits, part_name
from curation.stages.strata import load_numbers, load_strata
from curation.stages.sweep import Corpus, sweep
from curation.storage.store import Store
from tests.clustering.data import mixture, over_actors
from tests.corpus import job, shard_hashes
from tests.test_pipeline import faults, run, worked
from tests.verify.test_damage import sign

OPTIONS = [
    "clustering.clusters=[12, 6, 3]",
    "clustering.grouping=kmeans",
    "clustering.merge_above=0.98",
    "clustering.within=domain",
    "sampling.balance=tree",
    "sampling.clip=10000",
]


@pytest.fixture(scope="module")
def finished(tmp_path_factory, ray_session):
    """A run with every key that makes clusters even in meaning: (job file, run directory, events)."""
    folder = tmp_path_factory.mktemp("corpus")
    run_dir = tmp_path_factory.mktemp("runs") / "a"
    path = job(folder, run_dir)
    return path, run_dir, run(path, *OPTIONS)


@pytest.mark.ray
def test_everything_holds_and_domains_have_clusters_of_their_own(finished):
    path, run_dir, events = finished
    store, asked = Store.open(str(run_dir)), load_job(path, OPTIONS)
    assert worked(events) == [stage.name for stage in STAGES]
    assert faults(run_dir) == []
    strata = load_strata(store, asked)
    assert strata.names == ["web", "news", "books"]
    stratum = load_fitted(store).stratum
    assert np.bincount(stratum).min() >= 1
    for split in load_splits(store):
        assigned = store.read_table(part_name("assignments", split.split_id))
        domains = set(store.read_table(part_name("documents", split.split_id))["domain"].to_pylist())
        numbers = load_numbers(store, split.split_id)
        assert {strata.names[number] for number in numbers} == domains
        assert np.array_equal(stratum[assigned["cluster"].to_numpy()], numbers)
    stats = store.marker("centroids").stats
    assert stats["merged"] <= stats["resampled"] <= 12
    assert stats["clusters"] == len(stratum) == stats["merged"]
    assert [name for name in store.list("centroids") if not name.endswith(".json")] == [CENTROIDS]


@pytest.mark.ray
def test_every_level_of_the_tree_is_even(finished):
    _, run_dir, _ = finished
    rows = pq.read_table(run_dir / "clusters/clusters.parquet").to_pylist()
    summary = json.loads((run_dir / "report/summary.json").read_text())
    share = {row["cluster"]: row["share_after"] for row in summary["clusters"]}
    assert [row["group"] for row in rows] == [row["path"][0] for row in rows]
    tops = {row["path"][0] for row in rows}
    assert [row["share_after"] for row in summary["groups"]] == pytest.approx([1 / len(tops)] * len(tops), abs=0.02)
    for top in tops:
        below = {row["path"][1] for row in rows if row["path"][0] == top}
        for group in below:
            own = [share[row["cluster"]] for row in rows if row["path"] == [top, group]]
            assert sum(own) == pytest.approx(1 / len(tops) / len(below), abs=0.02)
            assert own == pytest.approx([sum(own) / len(own)] * len(own), abs=0.02)


@pytest.mark.ray
def test_a_sweep_makes_the_clusters_of_the_run(finished):
    path, run_dir, _ = finished
    store, asked = Store.open(str(run_dir)), load_job(path, OPTIONS)
    total = store.marker("assignments").stats["documents"]
    corpus = Corpus(store, asked, total, Reporter(io.StringIO()))
    corpus._known.clear()  # what the run made, so that it is made again
    found = corpus.clustered(asked)
    assert np.array_equal(found.documents.cell, load_eligible(store, load_splits(store), asked.domains, total).cell)
    assert np.array_equal(found.fitted.centroids, load_fitted(store).centroids)
    swept, reporter = {"clustering.within": ["language"]}, Reporter(io.StringIO())
    [row] = sweep(path, OPTIONS, swept, STAGES, stage_fingerprint, reporter).rows
    assert "knows no languages" in row.message


@pytest.mark.ray
def test_another_way_to_even_out_fits_nothing_again_and_verify_sees_a_wrong_stratum(finished, tmp_path):
    path, run_dir, _ = finished
    shutil.copytree(run_dir, tmp_path / "run")
    store, wanted = Store.open(str(tmp_path / "run")), [f"run_dir={tmp_path / 'run'}", *OPTIONS]
    assert worked(run(path, *wanted, "sampling.balance=groups")) == ["plan", "shards", "report", "record"]
    name = part_name("strata", load_splits(store)[0].split_id)
    table = store.read_table(name)
    pq.write_table(table.set_column(1, "stratum", pa.array(np.ones(len(table)), pa.int16())), tmp_path / "run" / name)
    sign(tmp_path / "run")
    assert any("a document is in a cluster of another domain" in fault for fault in faults(tmp_path / "run"))


@pytest.mark.ray
@pytest.mark.slow
def test_the_same_bytes_with_more_workers_and_after_a_change_and_back(finished, tmp_path):
    path, run_dir, _ = finished
    again = tmp_path / "again"
    run(path, *OPTIONS, f"run_dir={again}", several=True)
    assert shard_hashes(again) == shard_hashes(run_dir)
    assert "strata" not in worked(run(path, *OPTIONS, f"run_dir={again}", "clustering.merge_above=null"))
    run(path, *OPTIONS, f"run_dir={again}")
    assert shard_hashes(again) == shard_hashes(run_dir)


@pytest.mark.ray
@pytest.mark.slow
def test_languages_apart_and_a_number_found(finished, tmp_path):
    path, run_dir, _ = finished
    shutil.copytree(run_dir, tmp_path / "run")
    wanted = [f"run_dir={tmp_path / 'run'}", "clustering.within=language", "clustering.clusters=auto"]
    events = run(path, *wanted)
    assert "embeddings" not in worked(events)
    assert "documents" in worked(events)
    assert faults(tmp_path / "run") == []
    store = Store.open(str(tmp_path / "run"))
    documents = store.read_table(part_name("documents", 0))
    assert documents["language"].null_count == 0
    assert store.marker("centroids").stats["auto"]["why"]


@pytest.mark.parametrize(
    ("sets", "said"),
    [
        (["clustering.clusters=[9, 3, 3]"], "clustering.clusters: of several numbers each must be smaller"),
        (["clustering.clusters=few"], "clustering.clusters"),
        (
            ["clustering.clusters=30000", "clustering.merge_above=0.9"],
            "at most 20,000 clusters can be grouped",
        ),
        (["clustering.merge_above=1"], "clustering.merge_above"),
        (["sampling.balance=tree"], "sampling.balance is tree, which needs several numbers"),
        (["clustering.clusters=auto", "sampling.balance=groups"], "sampling.balance is groups, which needs several"),
        (["clustering.grouping=spectral"], "grouping is spectral, which needs several numbers in clusters"),
        (["clustering.clusters=auto", "clustering.grouping=spectral"], "grouping is spectral, which needs several"),
        (["clustering.clusters=2", "clustering.within=domain"], "3 domains need a cluster each"),
        (
            ["clustering.within=language", "clustering.engine=cuml"],
            "within is language, which the engine cuml",
        ),
    ],
)
def test_what_can_not_be_is_refused(tmp_path, sets, said):
    path = job(tmp_path, tmp_path / "run")
    with pytest.raises(JobError) as caught:
        load_job(path, sets)
    assert said in str(caught.value)


def test_keys_that_go_together_are_taken(tmp_path):
    path = job(tmp_path, tmp_path / "run")
    found = load_job(path, ["clustering.clusters=auto", "sampling.min_cluster_share=0.01"]).clustering
    assert (found.fine, found.most, found.levels, found.groups) == (1000, 1000, [], None)
    found = load_job(path, ["clustering.clusters=[50000, 200, 30]", "clustering.grouping=kmeans"]).clustering
    assert (found.fine, found.levels, found.groups) == (50000, [200, 30], 30)


def test_strata_that_find_a_number_each_can_come_to_more_than_one_of_them(tmp_path):
    """Whether a cluster exists is then known when there are clusters (`eligible.left_out`)."""
    path = job(tmp_path, tmp_path / "run")
    late = ["clustering.clusters=auto", "sampling.exclude=[{cluster: 1500, reason: a}]"]
    with pytest.raises(JobError, match="the last cluster is 999"):
        load_job(path, late)
    found = load_job(path, [*late, "clustering.within=domain", "sampling.max_cluster_share=0.0005"])
    assert found.clustering.most is None
    assert found.clustering.fault("clusters", 2000) is None


def test_groups_that_the_centroids_hang_on_are_part_of_their_key(tmp_path):
    path = job(tmp_path, tmp_path / "run")

    def key(clusters, grouping):
        found = load_job(path, [f"clustering.clusters={clusters}", f"clustering.grouping={grouping}"])
        return centroids.settings(found)

    assert key([12, 6], "ward") == key([12, 4], "ward") == key(12, "ward")
    assert key([12, 6], "spectral") != key([12, 4], "spectral")  # they are fitted anew, evenly over the groups


class KilledError(Exception):
    """Stands for the end of the process."""


def test_a_run_that_is_killed_after_the_fit_does_not_refine_twice(tmp_path):
    rows = mixture(400, 8, 6)
    asked = load_job(job(tmp_path, tmp_path / "run"), ["clustering.clusters=6", "clustering.grouping=kmeans"])
    plan = fit_plan(asked, Sample(rows, np.zeros(400, np.int16)), None)
    assert plan.changes
    fits = []

    def fit_into(name, finish):
        seen = []
        fits.append(seen)
        calls = (*over_actors(rows, 1), lambda _, state: seen.append(state.iteration))
        return fit_restarts(Store.open(str(tmp_path / name)), asked, plan.first, *calls, finish=finish)

    def killed(_):
        raise KilledError

    def finish(state):
        return plan.finish(state, lambda *_: pytest.fail("nothing is merged"))

    whole = fit_into("whole", finish)
    with pytest.raises(KilledError):
        fit_into("cut", killed)
    assert fit_into("cut", finish).parts == whole.parts
    assert fits[2] == []  # the fit was saved and not done again
    assert list(Store.open(str(tmp_path / "cut")).list("centroids")) == [CENTROIDS]
    assert not np.array_equal(whole.finished.fitted.centroids, whole.best.centroids)


KINDS_OF_TEXT = [
    "embedding.model=lexical",
    "embedding.features=style",
    "embedding.dimensions=16",
    "clustering.clusters=[12, 6, 4, 3]",
    "clustering.grouping=spectral",
    "sampling.balance=levels",
    "sampling.group_exponent=0.15",
    "sampling.cluster_exponent=1",
]


@pytest.mark.ray
def test_groups_of_kinds_of_text_share_as_the_mean_of_their_levels(tmp_path):
    path = job(tmp_path / "corpus", tmp_path / "run")
    run(path, *KINDS_OF_TEXT)
    store, asked = Store.open(str(tmp_path / "run")), load_job(path, KINDS_OF_TEXT)
    assert faults(tmp_path / "run") == []
    rows = store.read_table("clusters/clusters.parquet").to_pylist()
    paths, tokens = np.array([row["path"] for row in rows], np.int32), np.array([row["tokens"] for row in rows])
    cells = store.read_table("allocation/allocation.parquet").to_pylist()
    wanted = preference(tokens[:, None], 1.0, paths, level_exponent=0.15)[:, 0]
    drawn = np.bincount([cell["cluster"] for cell in cells], [cell["target_tokens"] for cell in cells], len(rows))
    open_cells = ~np.bincount([cell["cluster"] for cell in cells if cell["clipped"]], minlength=len(rows)).astype(bool)
    share = drawn / wanted
    assert open_cells.sum() > 3
    assert share[open_cells] == pytest.approx(share[open_cells].mean(), rel=1e-6)
    total = store.marker("assignments").stats["documents"]
    corpus = Corpus(store, asked, total, Reporter(io.StringIO()))
    corpus._known.clear()
    found = corpus.clustered(asked).fitted
    assert np.array_equal(found.centroids, load_fitted(store).centroids)
    assert np.array_equal(found.neighbours, load_neighbours(store, len(found.centroids)))
    assert load_fitted(store).neighbours is None  # assignments are made without
    parts = [part.name for part in store.marker("centroids").parts]
    assert parts == [NEIGHBOURS, CENTROIDS] == sorted(store.list("centroids").keys() & {NEIGHBOURS, CENTROIDS})[::-1]
