"""Learned weights without Ray: what each target, phase and balance makes of them, and what is told of it."""

from __future__ import annotations

import json

import pytest

from curation.errors import JobError
from curation.stages import learned, learning_units
from curation.stages.plan import make_plan
from curation.stages.plan_tables import WEIGHTS as PLANNED
from tests.stages.learning_store import DOMAINS, fit, learning_job, learning_store

LEARNED = {"weights": "learned"}


def units(told):
    return {unit["name"]: unit for unit in told["units"]}


@pytest.mark.parametrize("target", ["macro_domain", "macro_cluster", "worst_domain"])
def test_each_target_finds_better_weights_of_domains(tmp_path, monkeypatch, target):
    store = learning_store(tmp_path, DOMAINS)
    told, notes = fit(monkeypatch, store, learning_job(store, DOMAINS, blending=LEARNED, learning={"target": target}))
    assert told["kept"] == "learned"
    assert notes == []
    names = [group["name"] for group in told["groups"]]
    assert names == (["0", "1", "2", "3"] if target == "macro_cluster" else list(DOMAINS))
    found = told["check"]
    losses = {name: [group[name] for group in told["groups"]] for name in ("natural", "fitted")}
    for name in losses:
        whole = max(losses[name]) if target == "worst_domain" else sum(losses[name]) / len(names)
        assert found[name] == pytest.approx(whole, abs=1e-6)
    assert all(units(told)[name]["weight"] > units(told)[name]["natural"] for name in ("rare", "odd"))


def test_themes_of_learned_groups_are_made_once(tmp_path, monkeypatch):
    store = learning_store(tmp_path, DOMAINS)
    calls = []

    def counted(centroids, levels):
        calls.append(levels)
        return group_clusters(centroids, levels)

    group_clusters = learning_units.group_clusters
    monkeypatch.setattr(learning_units, "group_clusters", counted)
    sampling = {"budget": {"tokens": 12_000}, "cluster_weights": "learned"}
    told, _ = fit(
        monkeypatch, store, learning_job(store, DOMAINS, sampling=sampling, learning={"target": "macro_cluster"})
    )
    assert told["of"] == "clusters"
    assert told["kept"] == "learned"
    assert len(calls) == 1


def test_domains_of_one_kind_keep_their_natural_weights(tmp_path, monkeypatch):
    store = learning_store(tmp_path, DOMAINS, alike=True)
    told, notes = fit(monkeypatch, store, learning_job(store, DOMAINS, blending=LEARNED))
    assert told["kept"] == "natural"
    assert told["check"]["high"] >= 0
    assert "no better than the natural ones" in notes[-1]
    assert all(unit["weight"] == pytest.approx(unit["natural"], abs=1e-9) for unit in told["units"])


def test_domains_too_small_to_be_validated_keep_their_natural_share(tmp_path, monkeypatch):
    sizes = DOMAINS | {"tiny": 19}
    store = learning_store(tmp_path, sizes)
    told, notes = fit(monkeypatch, store, learning_job(store, sizes, blending=LEARNED))
    assert [group["name"] for group in told["groups"]] == list(DOMAINS)
    tiny, odd = units(told)["tiny"], units(told)["odd"]
    assert tiny["lower"] == tiny["natural"] <= tiny["fitted"]
    assert odd["lower"] == pytest.approx(0.1 * odd["natural"], abs=1e-9)
    assert "fewer than 20 documents" in notes[0]
    assert notes[0].endswith(": tiny")


def test_domains_that_are_all_too_small_are_told(tmp_path, monkeypatch):
    sizes = {"one": 19, "two": 12}
    store = learning_store(tmp_path, sizes)
    job = learning_job(store, sizes, blending=LEARNED, sampling={"budget": {"tokens": 1000}})
    with pytest.raises(
        JobError, match=r"none of 2 domains or groups has 20 documents.*texts of your own in learning.validation"
    ):
        fit(monkeypatch, store, job)


def test_one_domain_with_documents_has_no_mean_over_domains(tmp_path, monkeypatch):
    store = learning_store(tmp_path, DOMAINS)
    exclude = [{"cluster": number, "reason": "x"} for number in (2, 3)]
    sampling = {"budget": {"tokens": 5000}, "cluster_weights": "learned", "exclude": exclude}
    with pytest.raises(JobError, match=r"one domain to draw from: use learning.target: macro_cluster"):
        fit(monkeypatch, store, learning_job(store, DOMAINS, sampling=sampling))


def test_a_budget_below_the_documents_is_told(tmp_path, monkeypatch):
    store = learning_store(tmp_path, DOMAINS)
    job = learning_job(store, DOMAINS, blending=LEARNED, sampling={"budget": {"tokens": 10}})
    with pytest.raises(
        JobError, match=r"draws 10 tokens of 3 domains.*raise sampling.budget, or learning.trial_tokens"
    ):
        fit(monkeypatch, store, job)


def test_a_strict_plan_can_draw_weights_at_their_bounds(tmp_path, monkeypatch):
    store = learning_store(tmp_path, DOMAINS)
    job = learning_job(
        store,
        DOMAINS,
        blending=LEARNED | {"when_short": "strict"},
        sampling={"budget": {"tokens": 20_000}, "clip": 1, "cluster_exponent": 1},
        output={"validation": {"fraction": 0.05}},
    )
    told, _ = fit(monkeypatch, store, job)
    odd = units(told)["odd"]
    assert told["kept"] == "learned"
    assert odd["weight"] == pytest.approx(odd["upper"], rel=1e-6)
    store.begin("plan", ("plan", "allocation", "schedule"), "a fingerprint")
    make_plan(store, job)
    [record] = store.read_json(PLANNED)
    assert record["weights"]["odd"]["realised"] == pytest.approx(odd["weight"], abs=0.01)


def test_phases_that_ask_for_them_draw_by_the_weights(tmp_path, monkeypatch):
    store = learning_store(tmp_path, DOMAINS)
    phases = [{"budget": {"tokens": 4000}, "weights": "none"}, {"budget": {"tokens": 10_000}}]
    job = learning_job(store, DOMAINS, blending=LEARNED, phases=phases)
    told, _ = fit(monkeypatch, store, job)
    assert told["trial_tokens"] == 10_000
    store.begin("plan", ("plan", "allocation", "schedule"), "a fingerprint")
    make_plan(store, job)
    first, second = store.read_json(PLANNED)
    assert (first["strategy"], second["strategy"]) == ("none", "learned")
    assert {name: one["wanted"] for name, one in second["weights"].items()} == {
        name: unit["weight"] for name, unit in units(told).items()
    }


PHASES = [{"budget": {"tokens": 5}}, {"budget": {"tokens": 5}, "weights": "learned"}]
LEVELS = {"blending": LEARNED, "clustering": {"clusters": [4, 2]}, "sampling": {"balance": "levels"}}
STRICT = {"blending": LEARNED | {"when_short": "strict"}}


@pytest.mark.parametrize(
    ("sections", "change"),
    [
        ({"blending": LEARNED}, {"sampling": {"clip": 3}}),
        ({"blending": LEARNED}, {"seed": 1}),
        ({"blending": LEARNED}, {"learning": {"floor": 0.2}}),
        ({"blending": LEARNED}, {"sampling": {"budget": {"tokens": 7}}}),
        ({"blending": LEARNED}, {"sampling": {"cluster_exponent": 0.5}}),
        ({"blending": LEARNED}, {"sampling": {"exclude": [{"cluster": 1, "reason": "x"}]}}),
        ({"blending": LEARNED}, STRICT),
        (STRICT, {"output": {"validation": {"fraction": 0.1}}}),
        (LEVELS, {"sampling": {"balance": "groups"}}),
        (LEVELS, {"sampling": {"balance": "levels", "group_exponent": 0.5}}),
        ({"sampling": {"cluster_weights": "learned"}}, {"sampling": {"min_cluster_share": 0.01}}),
        ({"sampling": {"cluster_weights": "learned"}}, {"sampling": {"max_cluster_share": 0.9}}),
        ({"phases": PHASES}, {"blending": LEARNED}),
        ({"phases": PHASES}, {"phases": [PHASES[0], PHASES[1] | {"clip": 2}]}),
        ({"phases": PHASES}, {"phases": [PHASES[0], PHASES[1] | {"cluster_exponent": 0.5}]}),
        ({"phases": PHASES}, {"phases": [PHASES[0], PHASES[1] | {"budget": {"tokens": 6}}]}),
        ({"phases": PHASES}, {"phases": [PHASES[1], PHASES[1]]}),
    ],
)
def test_what_the_mixtures_hang_on_is_in_the_fingerprint(tmp_path, sections, change):
    store = learning_store(tmp_path, {"a": 1, "b": 1})
    changed = dict(sections)
    for name, value in change.items():
        changed[name] = sections.get(name, {}) | value if isinstance(value, dict) else value
    plain, other = (learned.settings(learning_job(store, ["a", "b"], **one)) for one in (sections, changed))
    json.dumps(plain)
    assert plain is not None
    assert plain != other


@pytest.mark.parametrize(
    ("sections", "change"),
    [
        ({"blending": LEARNED}, {"sampling": {"order": "shuffled"}}),
        ({"blending": LEARNED}, {"output": {"shard_bytes": 50_000, "validation": {"fraction": 0.1}}}),
        ({"phases": PHASES}, {"phases": [{"budget": {"tokens": 9}, "clip": 2}, PHASES[1]]}),
    ],
)
def test_what_they_do_not_hang_on_is_not(tmp_path, sections, change):
    store = learning_store(tmp_path, {"a": 1, "b": 1})
    plain, other = (learned.settings(learning_job(store, ["a", "b"], **one)) for one in (sections, sections | change))
    assert plain == other
    assert learned.settings(learning_job(store, ["a", "b"])) is None
