"""A sweep says what a real plan of the same job then does, for any clusters, and leaves no trace."""

from __future__ import annotations

import io
import shutil

import numpy as np
import pytest
from rich.console import Console

from curation.cli import main
from curation.commands import swept_values
from curation.errors import JobError
from curation.job_file import load_job
from curation.pipeline import STAGES, stage_fingerprint
from curation.progress import Reporter
from curation.report.summary import first_phase, spent_clusters, tokens_by
from curation.report.sweep_text import Figures, Row, Sweep, print_sweep
from curation.sampling.balance import effective_number, gini
from curation.stages import assignments, centroids
from curation.stages import sweep as module
from curation.stages.context import Run
from curation.stages.eligible import cells_of, load_eligible
from curation.stages.plan import make_plan
from curation.stages.plan_tables import ALLOCATION
from curation.stages.splits import load_splits
from curation.stages.sweep import Corpus, sweep
from curation.storage.store import Marker, Store
from tests.corpus import job

LONGEST = 200  # tokens of the longest document, and more


@pytest.fixture(scope="module")
def finished(tmp_path_factory, ray_session):
    """A run with qualities that got as far as its assignments, and to its profiles: (job file, run directory)."""
    folder = tmp_path_factory.mktemp("corpus")
    run_dir = tmp_path_factory.mktemp("runs") / "a"
    path = job(folder, run_dir, "blending: {weights: auto}\nquality: {column: score, scale: [0, 5]}\n")
    run = Run(load_job(path), Store.open(str(run_dir)), Reporter(io.StringIO()))
    markers = {}
    for stage in [
        stage for stage in STAGES if stage.name not in {"clusters", "learned", "plan", "shards", "report", "record"}
    ]:
        wanted = stage_fingerprint(stage, run.job, markers)
        run.store.begin(stage.name, stage.folders, wanted)
        result = stage.work(run)
        markers[stage.name] = Marker(stage.name, wanted, result.parts, result.stats)
        run.store.finish(markers[stage.name])
    return path, run_dir


def swept(path, *options, sets=()):
    return sweep(path, list(sets), swept_values(options), STAGES, stage_fingerprint, Reporter(io.StringIO()))


def planned(path, run_dir, target, sets):
    """What the real plan comes to: its counts, and tokens by cluster before and after."""
    shutil.copytree(run_dir, target)
    store = Store.open(str(target))
    counted = make_plan(store, load_job(path, list(sets))).stats
    allocation = store.read_table(ALLOCATION)
    clusters = list(range(8))
    before = tokens_by(first_phase(allocation), "cluster", clusters, "available_tokens")
    return counted, allocation, before, tokens_by(allocation, "cluster", clusters, "realised_tokens")


ONE_WORKER = ["resources.clustering_actors=1", "resources.tasks=1"]
PHASES = "phases=[{budget: {epochs: 0.7}, clip: 1}, {budget: {epochs: 1.2}, weights: {web: 1, news: 2}, clip: 4}]"
HELD_OUT = "output.validation={fraction: 0.1, min_documents: 3}"
FALLING = "phases=[{budget: {epochs: 0.8}, clip: 6}, {budget: {epochs: 0.2}, clip: 1}]"


@pytest.mark.ray
@pytest.mark.parametrize(
    ("sets", "option", "exact"),
    [
        ([], "sampling.clip=5", False),
        (["blending.weights=none"], "sampling.budget.epochs=0.3", False),
        (["blending.weights=none"], "sampling.cluster_exponent=0.5", False),
        (["sampling.exclude=[{cluster: 2, reason: a}, {domain: books, reason: b}]"], "blending.weights=even", False),
        (["blending.weights=proportional"], "blending.when_short=hold_ratio", False),
        (["sampling.prefer_quality=false"], "blending.weights=quality", False),
        (["blending.weights=none", PHASES], "phases.1.budget.epochs=1.2", False),
        (["blending.weights=none", FALLING], "sampling.cluster_exponent=0", False),
        (["blending.weights=none", HELD_OUT], "sampling.budget.epochs=1.5", False),
        (["quality.curve.kind=power"], "blending.weights=quality", True),
        (["quality.curve.kind=power", HELD_OUT, "output.repetition=weight"], "blending.weights=quality", True),
        (["blending.weights=none", PHASES], "sampling.prefer_quality=true", True),
    ],
)
def test_figures_are_those_of_the_real_plan(finished, tmp_path, sets, option, exact):
    path, run_dir = finished
    [row] = swept(path, option, sets=sets).rows
    counted, allocation, before, after = planned(path, run_dir, tmp_path / "run", [*sets, option])
    found = row.figures
    assert found.clusters == 8
    assert found.tokens == pytest.approx(counted["tokens"], abs=LONGEST * len(counted["phases"]))
    assert found.gini == pytest.approx((gini(before), gini(after)), abs=0.02)
    assert found.effective_clusters == pytest.approx((effective_number(before), effective_number(after)), rel=0.01)
    unique = found.unique_share * before.sum()
    assert unique == pytest.approx(counted["unique_tokens"], abs=0.5 if exact else 3 * LONGEST)
    assert found.worth == pytest.approx(counted["effective_tokens"] / counted["tokens"], abs=0.005)
    assert found.clipped == len(spent_clusters(allocation))
    asked = [phase for phase in counted["phases"] if phase["wanted_weights"]]
    off = [np.abs(np.subtract(phase["wanted_weights"], phase["domain_weights"])).max() for phase in asked]
    assert found.off == (pytest.approx(max(off), abs=0.01) if off else None)


@pytest.mark.ray
def test_other_clusters_are_those_that_a_run_makes(finished, tmp_path, monkeypatch):
    """Rows to fit on and rows for the first centroids are both samples here."""
    monkeypatch.setattr(centroids, "INIT_ROWS", 60)
    monkeypatch.setattr(centroids, "INIT_ROWS_A_CLUSTER", 2)
    path, run_dir = finished
    other = load_job(path, ["clustering.clusters=5", "clustering.fit_rows=300", "seed=3", *ONE_WORKER])
    documents = Store.open(str(run_dir)).marker("assignments").stats["documents"]
    found = Corpus(Store.open(str(run_dir)), load_job(path), documents, Reporter(io.StringIO())).clustered(other)
    shutil.copytree(run_dir, tmp_path / "run")
    store = Store.open(str(tmp_path / "run"))
    run = Run(other, store, Reporter(io.StringIO()))
    for stage in (centroids.STAGE, assignments.STAGE):
        store.remove_folder(stage.name)
        stage.work(run)
    eligible = load_eligible(store, load_splits(store), other.domains, documents, with_quality=False)
    real = cells_of(other, eligible, 5)
    assert np.array_equal(found.tokens, real.tokens)
    assert np.array_equal(found.count, real.documents)
    assert np.array_equal(found.documents.cell, eligible.cell)
    assert not found.sampled


@pytest.mark.ray
def test_a_large_corpus_is_clustered_on_a_sample_and_scaled_up(finished, monkeypatch):
    path, _ = finished
    options = ("clustering.clusters=5,8", "sampling.prefer_quality=true,false")
    sets = ["blending.weights=none", "sampling.budget.epochs=0.4"]
    whole = swept(path, *options, sets=sets)
    monkeypatch.setattr(module, "SWEEP_DOCUMENTS", 250)
    some = swept(path, *options, sets=sets)
    assert whole.notes == []
    assert "sample" in some.notes[0]
    assert some.notes[0].endswith("of 530 documents")
    assert [row.figures.sampled for row in some.rows] == [True, True, False, False]  # 8 clusters: the run's own
    assert some.rows[2:] == whole.rows[2:]
    for sampled, full in zip(some.rows, whole.rows, strict=True):
        assert sampled.figures.tokens == pytest.approx(full.figures.tokens, rel=1e-3)  # what domains hold is known
        assert sampled.figures.unique_share == pytest.approx(full.figures.unique_share, abs=0.05)


@pytest.mark.ray
def test_a_sample_holds_out_the_share_that_the_corpus_would(finished, monkeypatch):
    path, _ = finished
    sets = ["blending.weights=none", HELD_OUT]
    [whole] = swept(path, "clustering.clusters=5", sets=sets).rows
    monkeypatch.setattr(module, "SWEEP_DOCUMENTS", 250)
    [some] = swept(path, "clustering.clusters=5", sets=sets).rows
    [without] = swept(path, "clustering.clusters=5", sets=sets[:1]).rows
    assert some.figures.tokens == pytest.approx(whole.figures.tokens, rel=0.02)
    assert some.figures.tokens == pytest.approx(0.9 * without.figures.tokens, rel=0.02)


@pytest.mark.ray
def test_what_is_refused_is_a_row_and_the_sweep_goes_on(finished):
    path, _ = finished
    rows = swept(path, "sampling.clip=1, 3", "sampling.budget.epochs=1,2", sets=["blending.weights=none"]).rows
    assert [row.values for row in rows] == [("1", "1"), ("1", "2"), ("3", "1"), ("3", "2")]
    assert [row.figures is None for row in rows] == [False, True, False, False]
    assert rows[1].message.startswith("sampling.budget.epochs is 2, but sampling.clip")
    rows = swept(path, "sampling.budget.tokens=1000,10000000,0").rows
    assert [row.figures is None for row in rows] == [False, True, True]
    assert "be drawn" in rows[1].message
    assert "sampling.budget.tokens" in rows[2].message
    [row] = swept(path, "blending.reference.path=/data/other.jsonl").rows
    assert row.message.startswith("weights are auto, and the run has not measured")
    rows = swept(path, "clustering.clusters=4,8", sets=["sampling.exclude=[{cluster: 6, reason: a}]"]).rows
    assert rows[0].message.startswith("sampling.exclude.0.cluster: the last cluster is 3")
    assert rows[1].figures is not None


@pytest.mark.ray
def test_the_command_prints_a_table_writes_nothing_and_starts_no_workers(finished, monkeypatch, capsys):
    import ray

    def refused(*arguments, **options):
        raise AssertionError("a sweep needs no Ray")

    monkeypatch.setattr(ray, "remote", refused)
    path, run_dir = finished
    before = {file: (file.stat().st_mtime_ns, file.stat().st_size) for file in run_dir.rglob("*")}
    assert main(["plan", path, "--sweep", "clustering.clusters=3,8", "--sweep", "sampling.clip=1,5"]) == 0
    assert {file: (file.stat().st_mtime_ns, file.stat().st_size) for file in run_dir.rglob("*")} == before
    lines = capsys.readouterr().out.splitlines()
    [head] = [line for line in lines if "clustering.clusters" in line]
    assert head.index("clustering.clusters") < head.index("sampling.clip") < head.index("Gini") < head.index("ratios")
    assert sum(" > " in line and "Gini" not in line for line in lines) == 4


@pytest.mark.ray
def test_a_run_without_clusters_is_refused(finished, tmp_path, capsys):
    path, run_dir = finished
    clip = ["--sweep", "sampling.clip=1,5"]
    assert main(["plan", path, "--set", f"run_dir={tmp_path / 'none'}", *clip]) == 2
    assert "sources is not done for this job file: run the job first" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()
    assert main(["plan", path, "--set", "embedding.dimensions=8", *clip]) == 2
    assert "encoder is not done" in capsys.readouterr().err
    shutil.copytree(run_dir, tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "assignments")
    assert main(["plan", path, "--set", f"run_dir={tmp_path / 'run'}", *clip]) == 2
    assert "assignments is not done" in capsys.readouterr().err


def test_values_are_kept_as_they_are_written():
    options = ["sampling.clip = 1, 3,5", "blending.weights=none,even", "sampling.budget.epochs=0.5,1e-3", "seed=1,2"]
    assert swept_values(options) == {
        "sampling.clip": ["1", "3", "5"],
        "blending.weights": ["none", "even"],
        "sampling.budget.epochs": ["0.5", "1e-3"],
        "seed": ["1", "2"],
    }


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["sampling.clip"], "write it as KEY=A,B,C"),
        (["sampling.clip=1,,3"], "write it as KEY=A,B,C"),
        (["=1"], "write it as KEY=A,B,C"),
        (["sources.0.weight=1,2"], r"sources.0.weight can't be swept; these keys can: sampling\.\*.*seed"),
        (["embedding.dimensions=8,16"], "can't be swept"),
        (["seeds=1,2"], "can't be swept"),
        (["quality.column=a,b"], "can't be swept"),
        (["sampling.clip=1", "sampling.clip=2"], "swept twice"),
        (["sampling.budget.epochs=1", "sampling.budget.tokens=5"], "exclude each other"),
        (["phases.0.weights={web: 1}"], "a number or a word"),
        (["phases.0.weights={web: 1, news: 2}"], "not valid YAML"),
        ([f"seed={','.join('1' * 101)}", f"sampling.clip={','.join('1' * 10)}"], "1,010 combinations"),
    ],
)
def test_sweeps_that_are_refused(options, message):
    with pytest.raises(JobError, match=message):
        swept_values(options)


def test_refused_rows_share_a_message_below_the_table():
    figures = Figures(4, True, (0.5, 0.0), (2.0, 4.0), 0.75, 0.995, 2, 0.005, 1e6)
    rows = [Row(("1",), None, "too little"), Row(("[b]2",), figures), Row(("3",), None, "too little")]
    console = Console(file=io.StringIO(), width=140)
    print_sweep(Sweep(["sampling.clip"], rows, ["a note"]), console)
    lines = console.file.getvalue().splitlines()
    assert [line.split() for line in lines if "refused" in line] == [["1", "refused", "(1)"], ["3", "refused", "(1)"]]
    assert lines.count("(1) too little") == 1
    [row] = [line for line in lines if "[b]2" in line]
    assert row.split()[1:] == ["~4", "0.500", ">", "0.000", "2.0", ">", "4.0", "75.0%", "99.5%", "2", "held", "1.0M"]
    assert lines[-1] == "a note"


@pytest.mark.parametrize("key", ["sampling.clpi", "quality.curve.knid", "sampling.budget.epoch"])
def test_a_key_that_is_misspelt_is_refused_at_once(key):
    with pytest.raises(
        JobError, match=r"unknown key; did you mean '(sampling\.clip|quality\.curve\.kind|sampling\.budget)"
    ):
        swept_values([f"{key}=1,2"])


def test_keys_of_phases_can_be_swept():
    assert swept_values(["phases.0.clip=1,2"]) == {"phases.0.clip": ["1", "2"]}
