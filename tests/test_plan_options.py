"""What a job file can ask of the plan, end to end on a small corpus: weights, phases, exclusions, chance."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from curation.cli import main
from curation.errors import JobError
from tests.corpus import job, shard_hashes, texts
from tests.test_pipeline import faults, run, worked

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("ray_session")]


@pytest.fixture(scope="module")
def finished(tmp_path_factory, ray_session):
    """A finished run with a quality a document: (job file, run directory)."""
    folder = tmp_path_factory.mktemp("corpus")
    run_dir = tmp_path_factory.mktemp("runs") / "a"
    path = job(folder, run_dir, "quality: {column: score, scale: [0, 5]}\n")
    run(path)
    return path, run_dir


@pytest.fixture
def planned(finished, tmp_path):
    """Plans and writes anew in a copy of the run, and checks all that a run promises."""
    path, run_dir = finished
    target = tmp_path / "run"
    shutil.copytree(run_dir, target)

    def again(*overrides):
        events = run(path, f"run_dir={target}", *overrides)
        assert faults(target) == []
        return Planned(target, events)

    return again


class Planned:
    def __init__(self, run_dir, events):
        self.run_dir, self.events = run_dir, events
        self.summary = json.loads((run_dir / "report/summary.json").read_text())
        self.weights = json.loads((run_dir / "plan/weights.json").read_text())
        self.index = json.loads((run_dir / "shards/curation_index.json").read_text())

    @property
    def shares(self):
        return {row["domain"]: row["share_after"] for row in self.summary["domains"]}

    @property
    def rows(self):
        return [
            row for s in self.index["shards"] for row in pq.read_table(self.run_dir / "shards" / s["file"]).to_pylist()
        ]

    def drawn(self):
        """How often each document is drawn."""
        ids, counts = np.unique([row["doc_id"] for row in self.rows], return_counts=True)
        return dict(zip(ids.tolist(), counts.tolist(), strict=True))


def test_weights_by_quality_and_documents_in_proportion_to_it(planned):
    got = planned("blending.weights=quality", "sampling.clip=10", "sampling.budget.epochs=2")
    assert worked(got.events) == ["plan", "shards", "report", "record"]
    [record] = got.weights
    means = record["because"]["mean_quality"]
    importance = record["because"]["importance"]
    assert importance == [2, 1, 1]
    assert means[0] == pytest.approx(0.5, abs=0.05)  # scores of the web run evenly from 0 to 5
    assert means[1] == pytest.approx(0.3)  # all 1.5
    wanted = np.array(importance) * means / np.dot(importance, means)
    assert [found["wanted"] for found in record["weights"].values()] == pytest.approx(wanted.tolist())
    assert list(got.shares.values()) == pytest.approx(wanted.tolist(), abs=0.01)
    drawn = got.drawn()  # of the web, document i has quality i / 399
    thirds = [sum(drawn.get(i, 0) for i in range(start, start + 133)) for start in (0, 133, 266)]
    assert thirds[0] < 0.5 * thirds[1] < 0.5 * thirds[2]
    even = planned("blending.weights=quality", "sampling.prefer_quality=false", "sampling.clip=10")
    drawn = even.drawn()
    thirds = [sum(drawn.get(i, 0) for i in range(start, start + 133)) for start in (0, 133, 266)]
    assert max(thirds) < 1.3 * min(thirds)


def test_a_quality_curve_leaves_out_the_worst(planned):
    options = ["blending.weights=quality", "quality.curve.kind=dolma3"]
    got = planned(*options, "sampling.budget.epochs=0.8")
    assert worked(got.events) == ["plan", "shards", "report", "record"]
    web = {i: n for i, n in got.drawn().items() if i < 400}  # document i has quality i / 399, the news all have 0.3
    assert min(web) > 60
    assert sum(n for i, n in web.items() if i > 300) > 2 * sum(n for i, n in web.items() if i < 200)
    got = planned("blending.weights=quality", "quality.curve={kind: threshold, threshold: 0.7}", "sampling.clip=6")
    assert {i for i in got.drawn() if i < 490} == set(range(280, 400))
    assert any(i >= 490 for i in got.drawn())  # books have no quality: the mean of all counts for them


def test_what_is_excluded_does_not_count_in_the_quality(planned):
    got = planned("blending.weights=quality", "sampling.exclude=[{domain: news, reason: x}]")
    [record] = got.weights
    assert record["because"]["mean_quality"][1] == 0
    assert record["weights"]["news"]["wanted"] == 0


def test_a_quality_that_no_document_has_is_refused(planned):
    with pytest.raises(JobError, match="no document has a finite one"):
        planned("quality.column=null", "quality.expression=score/0", "blending.weights=quality")


def test_an_expression_and_the_built_in_rules_as_quality(finished, planned):
    got = planned("quality.column=null", "quality.expression=0.5*score + 1", "blending.weights=quality")
    assert worked(got.events)[0] == "documents"
    assert got.weights[0]["because"]["mean_quality"][1] == pytest.approx(0.35)
    got = planned(
        "quality.column=null", "quality.scorer=heuristics", "blending.weights=quality", "quality.scale=[0, 1]"
    )
    parts = sorted(got.run_dir.glob("heuristics/*.parquet"))
    documents = sorted(got.run_dir.glob("documents/*.parquet"))
    assert len(parts) == len(documents)
    assert pq.read_table(parts[0])["words"].to_pylist()[0] > 15


def test_two_phases_share_the_clip_and_have_folders_of_their_own(finished, planned):
    phases = """[
      {name: broad, budget: {epochs: 1.0}, clip: 2},
      {name: anneal, budget: {tokens: 3000}, clip: 3, order: stationary, weights: {books: 3, news: 1}}
    ]"""
    got = planned(f"phases={phases}")
    assert [shard["file"].split("/")[0] for shard in got.index["shards"]] == sorted(
        shard["file"].split("/")[0] for shard in got.index["shards"]
    )
    folders = [phase["folder"] for phase in got.index["phases"]]
    assert folders == ["phase-00-broad", "phase-01-anneal"]
    assert sum(phase["shards"] for phase in got.index["phases"]) == len(got.index["shards"])
    broad, anneal = (
        [row for s in got.index["shards"] if s["file"].startswith(folder) for row in read(got, s)] for folder in folders
    )
    assert {row["domain"] for row in anneal} == {"books", "news"}
    tokens = {
        d: sum(max(1, round(len(r["text"].encode()) / 4)) for r in anneal if r["domain"] == d)
        for d in ("books", "news")
    }
    assert tokens["books"] / sum(tokens.values()) == pytest.approx(0.75, abs=0.05)
    assert max(row["repetition"] for row in broad) <= 1
    assert max(row["repetition"] for row in broad + anneal) <= 2
    assert max(got.drawn().values()) <= 3
    allocation = pq.read_table(got.run_dir / "allocation/allocation.parquet").to_pylist()
    assert {row["phase"] for row in allocation} == {0, 1}
    assert got.summary["domains"][0]["documents"] == 398  # two copies dropped, and not counted twice


def read(got, shard):
    return pq.read_table(got.run_dir / "shards" / shard["file"]).to_pylist()


def test_a_phase_that_asks_for_what_was_spent_is_refused(planned):
    with pytest.raises(JobError, match=r"^phases\.1\.budget.*after the phases before.* phases\.1\.clip to 2"):
        planned("phases=[{budget: {epochs: 1.0}, clip: 1}, {budget: {epochs: 0.5}, clip: 1}]")


def test_what_is_excluded_is_not_drawn_and_says_why(planned):
    exclude = "[{domain: news, reason: stale}, {cluster: 0, reason: boilerplate}]"
    got = planned(f"sampling.exclude={exclude}")
    assert got.shares["news"] == 0
    assert all(row["cluster"] != 0 for row in got.rows)
    assert [row["reason"] for row in got.summary["left_out"]] == ["boilerplate", "stale"]
    assert got.summary["plan"]["left_out_documents"] == sum(row["documents"] for row in got.summary["left_out"])
    with pytest.raises(JobError, match=r"sampling\.exclude\.0\.cluster: the last cluster is 7"):
        planned("sampling.exclude=[{cluster: 99, reason: x}]")


def test_a_domain_has_a_clip_of_its_own(planned):
    got = planned("sources.0.clip=1", "sampling.clip=4", "sampling.budget.epochs=1.3")
    uses = {}
    for row in got.rows:
        uses[row["domain"]] = max(uses.get(row["domain"], 0), row["repetition"] + 1)
    assert uses["web"] == 1
    assert max(uses.values()) > 1


def test_floors_and_caps_of_clusters_hold(planned):
    got = planned("sampling.cluster_exponent=1.0", "sampling.min_cluster_share=0.11", "sampling.max_cluster_share=0.14")
    shares = [row["share_after"] for row in got.summary["clusters"]]
    assert min(shares) > 0.105
    assert max(shares) < 0.145


def test_drawing_by_chance_keeps_every_promise_and_is_repeatable(finished, planned):
    got = planned("sampling.interleave=random", "blending.weights=proportional")
    before = shard_hashes(got.run_dir)
    assert abs(got.shares["web"] - 0.5) < 0.02
    even = planned("sampling.interleave=even", "blending.weights=proportional")
    assert shard_hashes(even.run_dir) != before
    assert shard_hashes(planned("sampling.interleave=random", "blending.weights=proportional").run_dir) == before
    other = planned("sampling.interleave=random", "sampling.order=specific_to_general")
    assert other.index["order"] == "specific_to_general"


def test_a_phases_clip_holds_for_domains_with_a_clip_of_their_own(planned):
    got = planned("sources.0.clip=8", "phases=[{budget: {epochs: 0.9}, clip: 1}, {budget: {epochs: 0.3}, clip: 3}]")
    first = [row for s in got.index["shards"] if s["file"].startswith("phase-00") for row in read(got, s)]
    assert max(row["repetition"] for row in first) == 0
    assert max(row["repetition"] for row in got.rows) <= 2


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("random", {"cluster_exponent": 1.0, "clip": 10_000, "order": "shuffled"}),
        ("uniform", {"cluster_exponent": 0.0, "clip": 10_000}),
        ("specific_to_general", {"clip": 1, "order": "specific_to_general"}),
        ("unimax", {"cluster_exponent": 1.0, "clip": 5}),
        ("temperature", {"cluster_exponent": 1.0}),
    ],
)
def test_baselines_by_the_same_door(planned, method, expected):
    got = planned(f"sampling.method={method}")
    assert expected.items() <= got.summary["sampling"].items()
    gini = got.summary["balance"]["gini"]
    before = {row["domain"]: row["share_before"] for row in got.summary["domains"]}
    if method == "random":
        assert gini["after"] == pytest.approx(gini["before"], abs=0.02)
        assert list(got.shares.values()) == pytest.approx(list(before.values()), abs=0.02)
    if method == "uniform":
        assert gini["after"] < 0.03
    if method == "unimax":  # even, but for what the clip leaves of the small ones
        assert max(row["epochs"] for row in got.summary["domains"]) <= 5.05
        assert got.shares["web"] < before["web"]
    if method == "temperature":
        roots = {domain: share ** (1 / 3) for domain, share in before.items()}
        assert list(got.shares.values()) == pytest.approx([r / sum(roots.values()) for r in roots.values()], abs=0.02)


def test_weights_from_the_texts_come_with_reasons(finished, planned, capsys):
    got = planned("blending.weights=auto", "blending.bounds={floor: 0.05, cap: 20}")
    assert worked(got.events) == ["profiles", "plan", "shards", "report", "record"]
    [record] = got.weights
    assert record["strategy"] == "auto"
    assert record["because"]["after"] >= record["because"]["before"]
    weights = {name: found["wanted"] for name, found in record["weights"].items()}
    assert sum(weights.values()) == pytest.approx(1)
    for name, found in record["because"]["domains"].items():
        assert found["lower"] - 1e-9 <= weights[name] <= found["upper"] + 1e-9
        assert found["reasons"]
    profiles = pq.read_table(got.run_dir / "profiles/profiles.parquet")
    assert len(set(profiles["feature"].to_pylist())) >= 147
    assert set(profiles["domain"].to_pylist()) == {"web", "news", "books"}
    assert main(["show", str(got.run_dir)]) == 0
    assert "effective number of distinct domains" in capsys.readouterr().out


def test_weights_that_match_a_reference(finished, planned, tmp_path):
    """The reference is more of the news: they get all that the bounds let them have."""
    path, _ = finished
    reference = tmp_path / "reference.jsonl"
    shutil.copy(path.replace("job.yaml", "news.jsonl"), reference)
    options = ["blending.weights=auto", f"blending.reference={{path: {reference}}}", "blending.bounds.cap=3"]
    got = planned(*options)
    shares = {row["domain"]: row["share_before"] for row in got.summary["domains"]}
    weights = {name: found["wanted"] for name, found in got.weights[0]["weights"].items()}
    assert weights["news"] > 1.5 * shares["news"]
    assert got.weights[0]["because"]["after"] < got.weights[0]["because"]["before"]
    reference.write_text(reference.read_text() * 2)
    with pytest.raises(Exception, match="its files changed since"):
        planned(*options)


def write_domains(folder, domains):
    """A job file over JSONL files of texts, one a domain."""
    folder.mkdir()
    sources = ""
    for name, found in domains.items():
        (folder / f"{name}.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in found))
        sources += f"\n  - {{domain: {name}, path: {folder}/{name}.jsonl}}"
    path = folder / "job.yaml"
    path.write_text(
        f"run_dir: {folder}/run\nsources:{sources}\ndedup: {{exact: false}}\n"
        "embedding: {model: lexical, dimensions: 8}\n"
        "clustering: {clusters: 4}\nsampling: {clip: 1000}\n"
        "blending: {weights: auto, bounds: {floor: 0, cap: 1000}}\n"
    )
    return str(path)


def code(count):
    return [f"for (int i = {n}; i < {n * 7 % 101}; ++i) {{ total[i] += {n * 13 % 97}; }}\n" * 6 for n in range(count)]


def test_copies_share_one_weight_and_the_odd_domain_gets_more_than_its_size(tmp_path):
    """The acceptance of `weights: auto`: what a domain got alone, it gets together with its copy."""
    law, space = texts(150, 1, ["law"]), texts(120, 2, ["space", "law"])
    cooking = texts(140, 3, ["cooking", "music"])
    domains = {"law": law, "space": space, "cooking": cooking, "odd": code(40)}
    weights, reasons, sizes = [], [], []
    for number, more in enumerate([{}, {"again": law}]):
        path = write_domains(tmp_path / str(number), domains | more)
        run(path)
        assert faults(tmp_path / str(number) / "run") == []
        [record] = json.loads((tmp_path / str(number) / "run/plan/weights.json").read_text())
        weights.append({name: found["wanted"] for name, found in record["weights"].items()})
        reasons.append(record["because"])
        summary = json.loads((tmp_path / str(number) / "run/report/summary.json").read_text())
        sizes.append({row["domain"]: row["share_before"] for row in summary["domains"]})
    alone, copied = weights
    assert copied["law"] + copied["again"] == pytest.approx(alone["law"], abs=2e-3)
    for name in ("space", "cooking", "odd"):
        assert copied[name] == pytest.approx(alone[name], abs=2e-3)
    for found, size, because in zip(weights, sizes, reasons, strict=True):
        assert found["odd"] > 1.5 * size["odd"]
        assert found["odd"] == max(found.values())
        told = {reason["feature"] for reason in because["domains"]["odd"]["reasons"]}
        groups = {reason["group"] for reason in because["domains"]["odd"]["reasons"]}
        assert told
        assert groups & {"technical", "punctuation", "character classes", "time and number", "structure"}
    assert [pair[:2] for pair in reasons[1]["alike"]] == [["law", "again"]]
    assert reasons[1]["alike"][0][2] == pytest.approx(1)


def test_profiles_are_made_anew_when_a_source_moves_to_another_domain(tmp_path):
    domains = {"law": texts(60, 1, ["law"]), "space": texts(60, 2, ["space"]), "odd": code(30)}
    path = Path(write_domains(tmp_path / "a", domains))
    assert "profiles" in worked(run(str(path)))
    assert worked(run(str(path), "sampling.clip=2")) == ["plan", "shards", "report", "record"]
    path.write_text(path.read_text().replace("domain: odd", "domain: law"))
    assert "profiles" in worked(run(str(path)))
    record = json.loads((tmp_path / "a/run/plan/weights.json").read_text())
    run(str(path), f"run_dir={tmp_path / 'fresh'}")
    assert record == json.loads((tmp_path / "fresh/plan/weights.json").read_text())
