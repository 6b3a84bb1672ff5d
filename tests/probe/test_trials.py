"""Trials: the cells of a unit, one file each, and what is left to do after a kill."""

from __future__ import annotations

import json

import pytest

from curation.config import Job
from curation.language_model import gpt
from curation.language_model.gpt import GptConfig
from curation.language_model.ngram import questions
from curation.language_model.ngram_pool import answers
from curation.probe import trials
from curation.probe.strategies import STRATEGIES, own_strategy
from curation.probe.trials import Compiled, Fold, Plan, Unit, cell_key, cell_name, scope_of_plan, try_unit, units
from curation.storage.store import Store
from tests.probe.pools import made_job, made_pool

NAMES = ("random", "cluster_clip_1", "cluster_clip_5", "unimax")


@pytest.fixture(scope="module")
def pool():
    return made_pool()


@pytest.fixture(scope="module")
def compiled(pool):
    asked = questions(pool.validation.text)
    return Compiled(asked, answers(asked, pool.text))


def made_plan(*folds):
    return Plan("probe/made", made_job(), 9_000, folds or (Fold(),))


def strategies(*names):
    return [STRATEGIES[name] for name in names or NAMES]


def run(store, plan, pool, compiled, seeds=1, names=NAMES):
    for unit in units(store, plan, strategies(*names), {"ngram": seeds}):
        try_unit(unit, store, plan, pool, scope_of_plan(plan, pool), compiled)


def cells(store):
    return {name: store.read_json(name) for name in store.list("probe/made/cells") if name.endswith(".json")}


def test_strategies_that_share_clusters_share_a_task(tmp_path):
    found = units(Store.open(str(tmp_path)), made_plan(), strategies(), {"ngram": 2})
    together = [(unit.seed, [strategy.name for strategy in unit.strategies]) for unit in found]
    assert together == [
        (seed, names) for seed in (0, 1) for names in (["random", "unimax"], ["cluster_clip_1", "cluster_clip_5"])
    ]
    alone = units(Store.open(str(tmp_path)), made_plan(), strategies(), {"gpt": 1})
    assert [len(unit.strategies) for unit in alone] == [1] * 4


def test_even_domains_help_the_rare_ones_and_cost_the_common_one(tmp_path, pool, compiled):
    store = Store.open(str(tmp_path))
    run(store, made_plan(), pool, compiled)
    found = {cell["strategy"]: cell for cell in cells(store).values()}
    assert set(found) == set(NAMES)
    even, random = found["unimax"], found["random"]
    assert even["by_domain"]["law"] < random["by_domain"]["law"]
    assert even["by_domain"]["cooking"] > random["by_domain"]["cooking"]
    assert even["losses"]["macro_domain"] < random["losses"]["macro_domain"]
    assert all(abs(cell["tokens"] - 9_000) < 200 for cell in found.values())
    assert random["repeated_share"] == 0


def test_a_killed_probe_keeps_its_cells_and_does_the_others(tmp_path, pool, compiled, monkeypatch):
    whole, broken = Store.open(str(tmp_path / "whole")), Store.open(str(tmp_path / "broken"))
    run(whole, made_plan(), pool, compiled)
    real, calls = trials.evaluate, []

    def killed(unit, drawn, *rest):
        calls.append(unit)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return real(unit, drawn, *rest)

    monkeypatch.setattr(trials, "evaluate", killed)
    with pytest.raises(KeyboardInterrupt):
        run(broken, made_plan(), pool, compiled)
    kept = cells(broken)
    assert len(kept) == 3
    monkeypatch.setattr(trials, "evaluate", real)
    left = units(broken, made_plan(), strategies(), {"ngram": 1})
    assert sum(len(unit.strategies) for unit in left) == 1
    times = broken.times("probe/made/cells")
    run(broken, made_plan(), pool, compiled)
    assert cells(broken) == cells(whole)
    assert all(broken.times("probe/made/cells")[name] == time for name, time in times.items())
    assert units(broken, made_plan(), strategies(), {"ngram": 1}) == []


def test_a_cell_of_another_budget_or_strategy_is_done_again(tmp_path, pool, compiled):
    store, plan = Store.open(str(tmp_path)), made_plan()
    run(store, plan, pool, compiled, names=("random",))
    other = Plan(plan.folder, plan.job, 5_000, plan.folds)
    assert len(units(store, other, strategies("random"), {"ngram": 1})) == 1
    name = cell_name(plan, STRATEGIES["random"], 0, "ngram")
    store.write_json(name, json.loads(json.dumps(store.read_json(name) | {"key": "older"})))
    assert len(units(store, plan, strategies("random"), {"ngram": 1})) == 1


def changed(job, section, **values):
    return job.model_copy(update={section: getattr(job, section).model_copy(update=values)})


def key_of(job, strategy):
    return cell_key(Plan("probe/made", job, 9_000, (Fold(),)), strategy, 0, "ngram")


@pytest.mark.parametrize(
    ("section", "values"),
    [
        ("resources", {"tasks": 1}),
        ("audit", {"languages": True}),
        ("record", {"answers": "answers.yaml"}),
        ("output", {"format": "jsonl"}),
        ("clustering", {"engine": "torch"}),
    ],
)
def test_a_cell_stays_when_only_other_keys_of_the_job_change(section, values):
    job = made_job()
    assert key_of(changed(job, section, **values), STRATEGIES["unimax"]) == key_of(job, STRATEGIES["unimax"])
    split = job.model_copy(update={"split_bytes": 1_000})
    assert key_of(split, STRATEGIES["unimax"]) == key_of(job, STRATEGIES["unimax"])


def test_a_cell_hangs_on_the_weights_of_the_sources_where_domains_are_weighted_by_them():
    by_weight = Job.model_validate(made_job().model_dump() | {"blending": {"weights": "proportional"}})
    sources = [source.model_copy(update={"weight": 3.0}) for source in by_weight.sources[:1]] + by_weight.sources[1:]
    other = by_weight.model_copy(update={"sources": sources})
    assert key_of(by_weight, own_strategy(by_weight)) != key_of(other, own_strategy(other))
    assert key_of(by_weight, STRATEGIES["unimax"]) == key_of(other, STRATEGIES["unimax"])


@pytest.mark.parametrize("values", [{"within": "domain"}, {"restarts": 2}, {"merge_above": 0.9}])
def test_a_cell_hangs_on_how_the_pool_is_clustered(values):
    job = made_job()
    assert key_of(changed(job, "clustering", **values), STRATEGIES["uniform"]) != key_of(job, STRATEGIES["uniform"])


def test_a_small_gpt_that_was_killed_goes_on_and_never_from_another_training(tmp_path, pool, monkeypatch):
    config = GptConfig(vocabulary=512, width=16, layers=1, heads=2, context=32, batch=4)
    monkeypatch.setattr(gpt, "GptConfig", lambda: config)
    monkeypatch.setattr(gpt, "KEEP_SECONDS", -1.0)
    real, steps = gpt.Training.step, []

    def step(training, tokens):
        steps.append(training.done)
        real(training, tokens)

    def killed(training, tokens):
        if training.done == 9:
            raise KeyboardInterrupt
        real(training, tokens)

    def train(name, plan):
        store = Store.open(str(tmp_path / name))
        for unit in units(store, plan, strategies("random"), {"gpt": 1}):
            try_unit(unit, store, plan, pool, scope_of_plan(plan, pool), None)
        return cells(store)

    jobs = made_job(), made_job().model_copy(update={"seed": 7})
    plan, other = (Plan("probe/made", job, 2_500, (Fold(),)) for job in jobs)
    monkeypatch.setattr(gpt.Training, "step", step)
    whole, different = train("whole", plan), train("different", other)
    assert whole != different
    monkeypatch.setattr(gpt.Training, "step", killed)
    with pytest.raises(KeyboardInterrupt):
        train("broken", plan)
    [state] = Store.open(str(tmp_path / "broken")).list("probe/made/cells")
    assert state.endswith(".state")
    monkeypatch.setattr(gpt.Training, "step", step)
    assert train("broken", other) == different
    steps.clear()
    assert train("broken", plan) == whole
    assert steps[0] == 9
    assert list(Store.open(str(tmp_path / "broken")).list("probe/made/cells")) == list(whole)


def test_held_back_domains_are_judged_by_models_that_never_saw_them(tmp_path, pool, compiled):
    store = Store.open(str(tmp_path))
    run(store, made_plan(Fold((2,))), pool, compiled, names=("random",))
    [one] = cells(store).values()
    assert list(one["by_domain"]) == ["law"]
    run(Store.open(str(tmp_path / "seen")), made_plan(), pool, compiled, names=("random",))
    [seen] = cells(Store.open(str(tmp_path / "seen"))).values()
    assert one["by_domain"]["law"] > seen["by_domain"]["law"] + 0.5


def test_each_in_turn_asks_every_domain_of_a_model_without_it(tmp_path, pool, compiled):
    each, one = Store.open(str(tmp_path / "each")), Store.open(str(tmp_path / "one"))
    plan = Plan("probe/made", made_job(), 4_000, tuple(Fold((index,)) for index in range(3)))
    run(each, plan, pool, compiled, names=("random",))
    [found] = cells(each).values()
    assert set(found["by_domain"]) == {"cooking", "space", "law"}
    run(one, Plan("probe/made", made_job(), 4_000, (Fold((1,)),)), pool, compiled, names=("random",))
    [alone] = cells(one).values()
    assert found["by_domain"]["space"] == alone["by_domain"]["space"]
    assert found["tokens"] == pytest.approx(4_000, abs=200)


def test_a_unit_is_named_for_messages():
    unit = Unit("ngram", 3, tuple(strategies("random", "unimax")))
    assert unit.label == "probe of random, unimax (seed 3, ngram)"
