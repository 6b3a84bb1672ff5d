"""`curation probe` on a finished run, through the command line."""

from __future__ import annotations

import json

import pyarrow.parquet as pq
import pytest

from curation.cli import main
from curation.language_model.gpt import GptConfig
from curation.pipeline import STAGES, stage_fingerprint
from curation.probe.debt_command import run_debt
from curation.probe.debt_summary import debt_text
from curation.storage.store import Store
from curation.verify import verify
from tests.corpus import job
from tests.test_pipeline import run

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("ray_session")]

NAMES = "random,cluster_clip_5,unimax"


@pytest.fixture(scope="module")
def finished(tmp_path_factory, ray_session):
    """A finished run: (folder of the corpus, run directory)."""
    folder, run_dir = tmp_path_factory.mktemp("corpus"), tmp_path_factory.mktemp("runs") / "a"
    run(job(folder, run_dir))
    return folder, run_dir


def probed(capsys, run_dir, *options):
    assert main(["probe", str(run_dir), "--strategies", NAMES, "--json", *options]) == 0
    return json.loads(capsys.readouterr().out)


def refused(capsys, run_dir, *options):
    assert main(["probe", str(run_dir), *options]) == 2
    return capsys.readouterr().err


def test_a_probe_compares_strategies_goes_on_and_foretells(finished, capsys):
    _, run_dir = finished
    store = Store.open(str(run_dir))
    results = probed(capsys, run_dir, "--seeds", "2")
    assert {(cell["strategy"], cell["seed"]) for cell in results["cells"]} == {
        (name, seed) for name in NAMES.split(",") for seed in (0, 1)
    }
    settings = results["settings"]
    assert all(abs(cell["tokens"] - settings["budget_tokens"]) < 200 for cell in results["cells"])
    assert settings["pool_documents"] + settings["validation_documents"] <= 532
    assert {row["strategy"] for row in results["comparisons"]} == {"cluster_clip_5", "unimax"}
    assert all(row["verdict"] == "can't tell" for row in results["comparisons"])  # of two seeds
    key = store.read_json("probe/latest.json")["key"]
    assert store.read_json(f"probe/{key}/results.json") == results

    before = store.times(f"probe/{key}/cells")
    store.remove([f"probe/{key}/cells/unimax-1-ngram.json"])
    again = probed(capsys, run_dir, "--seeds", "2")
    assert again == results
    after = store.times(f"probe/{key}/cells")
    assert {name for name in after if after[name] != before[name]} == {f"probe/{key}/cells/unimax-1-ngram.json"}

    part = probed(capsys, run_dir, "--seeds", "1", "--fraction", "0.8")
    assert part["pilot"]["whole_key"] == key
    assert -1 <= part["pilot"]["rank_correlation"] <= 1
    assert part["settings"]["pool_documents"] < settings["pool_documents"]

    held = probed(capsys, run_dir, "--seeds", "1", "--hold-back", "books")
    assert {tuple(cell["by_domain"]) for cell in held["cells"]} == {("books",)}
    assert held["settings"]["held_back"] == ["books"]
    assert [fault for fault in verify(store, STAGES, stage_fingerprint) if fault] == []


def test_a_curation_debt_is_measured_kept_and_gone_on_with(finished):
    _, run_dir = finished
    store = Store.open(str(run_dir))
    config = GptConfig(width=16, layers=1, heads=2, context=48, batch=4, learning_rate=3e-3, final_rate=1.0)
    arguments = (str(run_dir), "The knight is", "black", "white")
    debt = run_debt(*arguments, seeds=1, tokens=12_000, one_in=[5], config=config)
    assert [(row["checkpoint"], row["one_in"], row["seeds"]) for row in debt["rows"]] == [
        ("early", 5, 1),
        ("late", 5, 1),
    ]
    assert debt["corpus"]["documents"] > 300
    assert debt["sentence"] in debt_text(debt, width=10_000)
    folder = f"probe/{store.read_json('probe/debt.json')['key']}"
    assert store.read_json(f"{folder}/debt.json") == debt
    assert not [name for name in store.list(folder) if "states" in name]
    before = store.times(f"{folder}/cells")
    store.remove([f"{folder}/cells/debt-0-early-5.json"])
    assert run_debt(*arguments, seeds=1, tokens=12_000, one_in=[5], config=config) == debt
    after = store.times(f"{folder}/cells")
    changed = {name.rpartition("/")[2] for name in after if after[name] != before[name]}
    assert changed == {"debt-0-early.json", "debt-0-early-5.json"}


def test_what_can_t_be_probed_is_refused_in_words(finished, capsys, tmp_path):
    folder, run_dir = finished
    assert "this is not a run directory" in refused(capsys, tmp_path)
    assert "did you mean 'cluster_clip_5'" in refused(capsys, run_dir, "--strategies", "clusterclip_5")
    assert "did you mean 'books'" in refused(capsys, run_dir, "--hold-back", "boks")
    assert "every domain is held back" in refused(capsys, run_dir, "--hold-back", "web,news,books")
    assert "raise --fraction" in refused(capsys, run_dir, "--fraction", "0.1")
    assert "--target language" in refused(capsys, run_dir, "--target", "language")
    assert "the pool has" in refused(capsys, run_dir, "--tokens", "10_000_000")
    with pytest.raises(SystemExit):
        main(["probe", str(run_dir), "--fraction", "1.5"])
    capsys.readouterr()
    table = pq.read_table(folder / "web.parquet")
    pq.write_table(table.slice(0, 300), folder / "web.parquet")
    assert main(["probe", str(run_dir), "--seed", "7"]) == 1
    assert "web.parquet" in capsys.readouterr().err
