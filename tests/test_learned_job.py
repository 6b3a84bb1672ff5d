"""Learned weights, end to end on a small corpus: fitted, drawn, recorded, checked, and not fitted again for nothing."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curation.cli import main
from curation.errors import InputError
from curation.job_file import load_job
from curation.progress import Reporter
from curation.stages import learned, learning_outcome
from curation.stages.context import Run
from curation.stages.learned_weights import TRIALS, WEIGHTS, load_learned
from curation.stages.learning_trials import try_batch
from curation.storage.store import Store
from curation.verify.learned import check_learned
from tests.test_pipeline import faults, run, worked

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("ray_session")]

#: Documents of each domain: nobody would guess from the sizes that one word list is as hard to learn as another.
SIZES = {"common": 500, "rare": 60, "odd": 40}
JOB = """
split_bytes: 60000
embedding: {model: lexical, dimensions: 16}
clustering: {clusters: 12}
sampling: {budget: {tokens: 20000}, cluster_exponent: 1}
blending: {weights: learned}
learning: {trials: 24, rounds: 2, vocabulary: 1024, pool_tokens: 100000, trial_tokens: 20000}
"""


def build(folder: Path) -> str:
    """A corpus of domains with words of their own; returns the job's sources."""
    sources = ""
    for number, (name, size) in enumerate(SIZES.items()):
        rng = np.random.default_rng(number)
        letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))[rng.permutation(26)[:12]]
        words = ["".join(rng.choice(letters, rng.integers(3, 9))) for _ in range(400)]
        shares = 1 / np.arange(1, 401)
        texts = [" ".join(rng.choice(words, 60, p=shares / shares.sum())) for _ in range(size)]
        pq.write_table(pa.table({"text": texts}), folder / f"{name}.parquet")
        sources += f'\n  - {{domain: {name}, path: "{folder}/{name}.parquet"}}'
    return sources


@pytest.fixture(scope="module")
def finished(tmp_path_factory, ray_session):
    """A run with learned weights of domains: (job file, run directory)."""
    folder = tmp_path_factory.mktemp("corpus")
    run_dir = tmp_path_factory.mktemp("runs") / "a"
    path = folder / "job.yaml"
    path.write_text(f"run_dir: {run_dir}\nsources:{build(folder)}{JOB}")
    run(str(path))
    return str(path), run_dir


def told(run_dir: Path):
    return json.loads((run_dir / WEIGHTS).read_text())


def test_rare_domains_get_more_and_everything_that_is_promised_holds(finished, capsys):
    path, run_dir = finished
    found = told(run_dir)
    assert faults(run_dir) == []
    assert found["kept"] == "learned"
    assert found["check"]["high"] < 0
    units = {unit["name"]: unit for unit in found["units"]}
    assert units["odd"]["weight"] > 2 * units["odd"]["natural"]
    assert found["fit"]["fitted"] <= min(found["fit"]["natural"], found["fit"]["even"])
    table = pq.read_table(run_dir / TRIALS)
    assert table.num_rows == found["trials"] == 24 + 3
    assert sorted(set(table["round"].to_pylist())) == [0, 1, 2]
    [record] = json.loads((run_dir / "plan/weights.json").read_text())
    assert record["strategy"] == "learned"
    for name, weight in record["weights"].items():
        assert weight["wanted"] == units[name]["weight"]
        assert weight["realised"] == pytest.approx(weight["wanted"], abs=0.02)
    assert load_learned(Store.open(str(run_dir)), load_job(path)).weights.sum() == pytest.approx(1.0, abs=1e-8)
    left = {file.name for file in (run_dir / "learned").iterdir()}
    assert left == {"weights.json", "trials.parquet", "_started.json", "_done.json"}
    assert main(["show", str(run_dir)]) == 0
    assert "27 trials" in " ".join(capsys.readouterr().out.split())


@pytest.fixture
def at_once(monkeypatch):
    """Tasks run in this process, one after the other; returns what the stage makes of a copy of a run."""

    def in_turn(items, work, *shared, tasks="auto"):
        for item in items:
            yield item, work(item, *shared)

    monkeypatch.setattr(learned, "map_items", in_turn)
    monkeypatch.setattr(learning_outcome, "map_items", in_turn)

    def work(path, target, *overrides):
        target_run = Run(load_job(path, overrides), Store.open(str(target)), Reporter(io.StringIO()))
        target_run.store.begin("learned", ("learned",), "another fingerprint")
        return learned.work(target_run)

    return work


def test_a_fit_that_died_goes_on_and_comes_out_the_same(finished, tmp_path, monkeypatch, at_once):
    """Weights of clusters; the one that died had done the first round."""
    path, run_dir = finished
    asked = ["sampling.cluster_weights=learned", "blending.weights=none"]
    died, whole = tmp_path / "died", tmp_path / "whole"
    for target in (died, whole):
        shutil.copytree(run_dir, target)
    rounds = learned._tried

    def dies(run_, number, mixtures, setting):
        if number == 1:
            raise InputError("died")
        return rounds(run_, number, mixtures, setting)

    with monkeypatch.context() as patch:
        patch.setattr(learned, "_tried", dies)
        with pytest.raises(InputError, match="died"):
            at_once(path, died, *asked)
    assert sorted(file.name for file in (died / "learned").glob("round-*")) == [
        "round-00-00000.parquet",
        "round-00-00008.parquet",
    ]
    tried = []

    def listed(batch, *shared):
        tried.append(batch.name)
        return try_batch(batch, *shared)

    with monkeypatch.context() as patch:
        patch.setattr(learned, "try_batch", listed)
        again = at_once(path, died, *asked)
    assert tried == [f"learned/round-{name}.parquet" for name in ("01-00000", "01-00008", "02-00000")]
    assert again == at_once(path, whole, *asked)
    assert (died / WEIGHTS).read_bytes() == (whole / WEIGHTS).read_bytes()
    assert (died / TRIALS).read_bytes() == (whole / TRIALS).read_bytes()
    found = told(died)
    assert found["of"] == "clusters"
    assert len(found["group_of_cluster"]) == 12
    assert {unit["name"] for unit in found["units"]} == {str(number) for number in range(12)}


def test_texts_of_one_s_own_are_a_target(finished, tmp_path, at_once):
    """They are of the kind of the rare domain, which gets more for it."""
    path, run_dir = finished
    target = tmp_path / "run"
    shutil.copytree(run_dir, target)
    texts = pq.read_table(Path(path).parent / "rare.parquet")
    pq.write_table(texts, tmp_path / "mine.parquet")
    mine = f"learning={{target: validation, validation: {{path: {tmp_path}/mine.parquet}}, trials: 24, rounds: 2}}"
    at_once(path, target, mine, "learning.trial_tokens=20000", "learning.vocabulary=1024")
    found = told(target)
    assert [group["name"] for group in found["groups"]] == ["validation"]
    units = {unit["name"]: unit for unit in found["units"]}
    assert units["rare"]["fitted"] > 2 * units["rare"]["natural"]
    assert units["rare"]["fitted"] / units["rare"]["natural"] > units["odd"]["fitted"] / units["odd"]["natural"]


def test_damage_is_found(finished, tmp_path):
    path, run_dir = finished
    target = tmp_path / "run"
    shutil.copytree(run_dir, target)
    store, job = Store.open(str(target)), load_job(path)
    assert [fault for fault in check_learned(store, job) if fault] == []
    for change, match in DAMAGE:
        found = told(run_dir)
        change(found)
        store.write_json(WEIGHTS, found)
        faults_ = [fault for fault in check_learned(store, job) if fault]
        assert any(match in fault for fault in faults_), match


def _move(found):
    found["units"][0]["weight"] += 0.01


def _swap(found):
    for unit in found["units"]:
        unit["fitted"] = unit["weight"] = unit["even"]


DAMAGE = [
    (_move, "do not add up to 1"),
    (_move, "not those of"),
    (_swap, "not the mixture that was best"),
    (lambda found: found["units"][0].update(upper=0.0), "not within the bounds"),
    (lambda found: found["check"].update(high=0.1), "not what the check says"),
    (lambda found: found.update(trials=5), "not the 5 trials"),
]


@pytest.mark.slow
def test_the_whole_run_with_weights_of_clusters_and_several_workers(finished, tmp_path):
    path, run_dir = finished
    target = tmp_path / "run"
    shutil.copytree(run_dir, target)
    events = run(path, f"run_dir={target}", "sampling.cluster_weights=learned", "blending.weights=none", several=True)
    assert worked(events) == ["learned", "plan", "shards", "report", "record"]
    assert faults(target) == []
