"""Restarts, groups and warnings, end to end: what they promise beside the tests of the parts."""

from __future__ import annotations

import io
import json
import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from curation.cli import main
from curation.clustering.groups import group_clusters
from curation.clustering.init import kmeans_plus_plus
from curation.errors import JobError
from curation.job_file import load_job
from curation.pipeline import STAGES, stage_fingerprint
from curation.progress import Reporter
from curation.sampling.balance import gini
from curation.stages import fits as module
from curation.stages.centroid_file import CENTROIDS, load_centroids
from curation.stages.clusters import TOLD
from curation.stages.fits import fit_restarts, save_state
from curation.stages.sweep import sweep
from curation.storage.store import Store
from tests.clustering.data import mixture, over_actors
from tests.corpus import job, shard_hashes, texts
from tests.test_pipeline import faults, run, worked

LICENCE = "permission is hereby granted to any person obtaining a copy of this software without restriction number"


OPTIONS = ["clustering.clusters=[8, 3]", "clustering.restarts=3", "sampling.balance=groups", "sampling.clip=50"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory, ray_session):
    """A run with two levels and three restarts, and a template among its documents: (job file, run, events)."""
    folder = tmp_path_factory.mktemp("corpus")
    run_dir = tmp_path_factory.mktemp("runs") / "a"
    path = job(folder, run_dir)
    lines = [json.dumps({"text": f"{LICENCE} {number}"}) for number in range(60)]
    (folder / "junk.jsonl").write_text("\n".join([*lines, *(json.dumps({"text": t}) for t in texts(9, 7, ["law"]))]))
    file = Path(path)
    file.write_text(
        file.read_text().replace("split_bytes", f"  - {{domain: junk, path: {folder}/junk.jsonl}}\nsplit_bytes")
    )
    return path, run_dir, run(path, *OPTIONS)


@pytest.mark.ray
def test_everything_holds_and_clusters_have_groups(finished):
    _, run_dir, events = finished
    assert worked(events) == [stage.name for stage in STAGES]
    assert faults(run_dir) == []
    clusters = pq.read_table(run_dir / "clusters/clusters.parquet")
    expected = group_clusters(load_centroids(Store.open(str(run_dir))), [3])[:, 0]
    assert clusters["group"].to_pylist() == expected.tolist()
    assert pq.read_table(run_dir / "clusters/groups.parquet").num_rows == 3


@pytest.mark.ray
def test_groups_are_even_and_clusters_share_them(finished):
    _, run_dir, _ = finished
    summary = json.loads((run_dir / "report/summary.json").read_text())
    assert [row["share_after"] for row in summary["groups"]] == pytest.approx([1 / 3] * 3, abs=0.01)
    for group in summary["groups"]:
        own = [row["share_after"] for row in summary["clusters"] if row["group"] == group["group"]]
        assert len(own) == group["clusters"]
        assert own == pytest.approx([1 / 3 / len(own)] * len(own), abs=0.01)


@pytest.mark.ray
def test_the_best_restart_is_kept(finished):
    _, run_dir, _ = finished
    stats = Store.open(str(run_dir)).marker("centroids").stats
    assert len(stats["restart_inertia"]) == 3
    assert stats["restart_inertia"][stats["restart"]] == min(stats["restart_inertia"]) == stats["inertia"][-1]
    assert [file.name for file in (run_dir / "centroids").glob("[!_]*")] == ["centroids.npz"]
    assert 0 < stats["stability"] <= 1


@pytest.mark.ray
def test_a_planted_template_is_told_and_shown(finished, capsys):
    _, run_dir, events = finished
    notes = [event["text"] for event in events if event["event"] == "note" and event["stage"] == "clusters"]
    rows = pq.read_table(run_dir / "clusters/clusters.parquet").to_pylist()
    [junk] = [row for row in rows if {"software", "granted", "hereby"} & set(row["terms"])]
    assert junk["warning"].startswith("one repeated template: 60 documents, mean similarity 1.00")
    warned = sum(row["warning"] is not None for row in rows)
    assert 0 < len(notes) <= min(warned, TOLD + 1)
    assert main(["show", str(run_dir)]) == 0
    shown = capsys.readouterr().out
    assert "Groups of clusters" in shown
    assert "one repeated template" in shown
    assert "stability" in shown
    assert "largest of" not in shown


@pytest.mark.ray
def test_another_number_of_groups_fits_nothing_again(finished, tmp_path):
    path, run_dir, _ = finished
    shutil.copytree(run_dir, tmp_path / "run")
    options = [f"run_dir={tmp_path / 'run'}", *OPTIONS]
    assert worked(run(path, *options, "clustering.clusters=[8, 4]")) == [
        "clusters",
        "learned",
        "plan",
        "shards",
        "report",
        "record",
    ]
    assert faults(tmp_path / "run") == []
    assert worked(run(path, *options, "sampling.balance=clusters", "clustering.clusters=8"))[0] == "clusters"
    summary = json.loads((tmp_path / "run/report/summary.json").read_text())
    assert summary["groups"] == []
    assert pq.read_table(tmp_path / "run/clusters/clusters.parquet")["group"].null_count == 8
    assert [row["share_after"] for row in summary["clusters"]] == pytest.approx([1 / 8] * 8, abs=0.01)
    assert faults(tmp_path / "run") == []


@pytest.mark.ray
def test_one_restart_more_or_less_changes_nothing_that_the_winner_has(finished, tmp_path):
    """Restart 0 has the job's own seed, so one restart is what it always was."""
    path, _, _ = finished
    for restarts in (1, 2):
        run(path, f"run_dir={tmp_path / str(restarts)}", f"clustering.restarts={restarts}")
    one, two = (Store.open(str(tmp_path / str(restarts))).marker("centroids").stats for restarts in (1, 2))
    assert one["restart_inertia"] == two["restart_inertia"][:1]
    if two["restart"] == 0:
        assert shard_hashes(tmp_path / "1") == shard_hashes(tmp_path / "2")


@pytest.mark.ray
def test_a_sweep_says_what_groups_give(finished):
    path, run_dir, _ = finished
    swept = {"sampling.balance": ["clusters", "groups"]}
    rows = sweep(path, OPTIONS, swept, STAGES, stage_fingerprint, Reporter(io.StringIO())).rows
    even, grouped = (row.figures for row in rows)
    summary = json.loads((run_dir / "report/summary.json").read_text())
    after = np.array([row["tokens_after"] for row in summary["clusters"]])
    assert grouped.gini[1] == pytest.approx(gini(after), abs=0.02)
    assert even.gini[1] < grouped.gini[1]


class KilledError(Exception):
    """Stands for the end of the process."""


@pytest.mark.parametrize("killed", [(0, 2), (1, 1), (2, 2)])
def test_a_killed_run_goes_on_with_the_restart_it_was_in(tmp_path, monkeypatch, killed):
    monkeypatch.setattr(module, "SAVE_EVERY", 0.0)
    rows = mixture(600, 16, 12)
    asked = load_job(job(tmp_path, tmp_path / "run"), ["clustering.clusters=12", "clustering.restarts=3"])
    calls = over_actors(rows, 2)
    seen = []

    def tell(number, state):
        seen.append((number, state.iteration))

    whole = fit_restarts(Store.open(str(tmp_path / "whole")), asked, partial(kmeans_plus_plus, rows, 12), *calls, tell)
    undisturbed, seen[:] = list(seen), []
    store = Store.open(str(tmp_path / "cut"))

    def until(number, state):
        seen.append((number, state.iteration))
        if (number, state.iteration) == killed:
            raise KilledError

    with pytest.raises(KilledError):
        fit_restarts(store, asked, partial(kmeans_plus_plus, rows, 12), *calls, until)
    again = fit_restarts(store, asked, partial(kmeans_plus_plus, rows, 12), *calls, tell)
    assert again.parts == whole.parts
    assert again.figures(600) == whole.figures(600)
    assert [entry for entry in seen if entry[0] < killed[0]] == [e for e in undisturbed if e[0] < killed[0]]  # once
    assert seen.count(killed) == 2  # what was not saved yet is done again, and no more
    assert len(seen) == len(undisturbed) + 1
    assert list(store.list("centroids")) == [CENTROIDS]


def test_a_finished_restart_is_not_fitted_again(tmp_path):
    asked = load_job(job(tmp_path, tmp_path / "run"), ["clustering.clusters=5", "clustering.restarts=2"])
    rows = mixture(300, 8, 5)
    store = Store.open(str(tmp_path / "run"))
    first = fit_restarts(store, asked, partial(kmeans_plus_plus, rows, 5), *over_actors(rows, 1), lambda *_: None)
    for number, state in enumerate(first.states):
        save_state(store, f"centroids/restart-{number:02}.npz", state)

    def refused(*_):
        raise AssertionError("nothing is left to fit")

    assert fit_restarts(store, asked, refused, refused, refused, refused).parts == first.parts


@pytest.mark.parametrize(
    ("sets", "said"),
    [
        (["clustering.clusters=[100, 2000]"], "clustering.clusters: of several numbers each"),
        (["clustering.clusters=[30000, 20]"], "clustering: at most 20,000 clusters can be grouped"),
        (["clustering.clusters=[100]"], "clustering.clusters"),
        (["clustering.restarts=0"], "clustering.restarts"),
        (["sampling.balance=groups"], "sampling.balance is groups, which needs several numbers in clustering.clusters"),
        (["sampling.exclude=[{cluster: 9, reason: a}]", "clustering.clusters=[9, 3]"], "the last cluster is 8"),
    ],
)
def test_what_is_refused(tmp_path, sets, said):
    with pytest.raises(JobError, match=said.replace("[", r"\[")):
        load_job(job(tmp_path, tmp_path / "run"), sets)
