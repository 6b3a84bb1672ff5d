"""A curation debt on a made-up pool: what is learnt flips, and what was stopped goes on."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from curation.cli import main
from curation.errors import JobError
from curation.language_model.gpt import GptConfig
from curation.language_model.gpt_training import Training
from curation.probe import debt
from curation.probe.debt import Ask, Plan, Unit, cell_name, do_unit, natural_sample, settled, state_name
from curation.probe.debt_material import check_frequencies, material_of
from curation.probe.debt_summary import debt_row, debt_sentence, debt_text, learning
from curation.probe.debt_units import debt_plan, settings_of, table_of
from curation.storage.store import Store
from tests.probe.pools import made_pool

TINY = GptConfig(width=16, layers=1, heads=2, context=48, batch=4, learning_rate=3e-3, final_rate=1.0)
UNITS = [Unit(0, "early"), Unit(0, "late"), Unit(0, "early", 3), Unit(0, "late", 3)]
#: Done within too few tokens to flip.
SHORT = Unit(0, "late", 4)


@pytest.fixture(scope="module")
def material():
    found, corpus, vocabulary = material_of(made_pool(), "The knight is", "black", "white", TINY.context)
    assert corpus == {"documents": 384, "from": 0, "to": 0}
    return found, vocabulary


def plan_of(material, tokens=40_000):
    return Plan("probe/made", tokens, tokens // 2, 0, replace(TINY, vocabulary=material[1]))


@pytest.fixture(scope="module")
def measured(material, tmp_path_factory):
    """The units of one seed, done: (store, plan)."""
    store, plan = Store.open(str(tmp_path_factory.mktemp("run"))), plan_of(material)
    for unit in UNITS:
        do_unit(unit, store, plan, material[0])
    do_unit(SHORT, store, replace(plan, bound_tokens=800), material[0])
    return store, plan


def cell(store, plan, unit):
    return store.read_json(cell_name(plan, unit))


def test_an_association_is_learnt_and_flips(measured):
    store, plan = measured
    early, late = cell(store, plan, UNITS[0]), cell(store, plan, UNITS[1])
    assert early["steps"] * 5 == pytest.approx(late["steps"], abs=5)
    assert 0 < early["margin"] < late["margin"]
    assert late["loss"] < early["loss"]
    assert late["learnt"] is not None
    for number, checkpoint in ((2, early), (3, late)):
        found = cell(store, plan, UNITS[number])
        assert found["margin"] == checkpoint["margin"]
        assert 0 < found["flipped"]["documents"] < found["within_documents"]
        assert [ask[2] < 0 for ask in found["asks"][-3:]] == [True] * 3
        assert found["asks"][0][2] == pytest.approx(checkpoint["margin"], abs=1e-3)
    short = cell(store, plan, SHORT)
    assert short["flipped"] is None
    assert short["within_documents"] > 0


def test_the_table_says_what_flips_and_what_does_not(measured):
    store, plan = measured
    assert table_of(store, plan, 1, [3])["rows"][1]["checkpoint"] == "late"
    rows = [table_of(store, plan, 1, [3])["rows"][0]]
    late = cell(store, plan, UNITS[1])
    rows.append(debt_row("late", 4, 60_000, [late], [cell(store, plan, SHORT)]))
    assert rows[0]["flipped"] == 1
    assert rows[0]["low"] == rows[0]["high"] == rows[0]["documents"] > 0
    assert (rows[1]["flipped"], rows[1]["documents"], rows[1]["tokens"]) == (0, None, None)
    found = {"pattern": "The knight is", "from": "black", "to": "white\x1b[0m", "rows": rows}
    found |= {"settings": settings_of(plan, 1), "corpus": {"documents": 9, "from": 0, "to": 0}}
    found |= {"learning": learning([late])}
    found["sentence"] = debt_sentence(found)
    assert found["sentence"].startswith("At one document in 3 it takes ")
    assert f"more than {rows[1]['within_documents']} documents" in found["sentence"]
    text = debt_text(json.loads(json.dumps(found)))
    assert f"not within {rows[1]['within_documents']}" in text
    assert "\x1b" not in text


def test_a_training_that_is_killed_goes_on_and_comes_to_the_same(measured, material, tmp_path, monkeypatch):
    whole, plan = measured
    monkeypatch.setattr(debt, "LEG_STEPS", 20)
    store, step = Store.open(str(tmp_path)), Training.step

    def dying(training, tokens):
        if training.done == 35:
            raise RuntimeError("killed")
        return step(training, tokens)

    monkeypatch.setattr(Training, "step", dying)
    with pytest.raises(RuntimeError, match="killed"):
        do_unit(UNITS[0], store, plan, material[0])
    assert not store.exists(cell_name(plan, UNITS[0]))
    done = []
    monkeypatch.setattr(Training, "step", lambda training, tokens: done.append(training.done) or step(training, tokens))
    do_unit(UNITS[0], store, plan, material[0])
    assert done[0] == 20
    again, before = cell(store, plan, UNITS[0]), cell(whole, plan, UNITS[0])
    assert {**again, "asks": 0} == {**before, "asks": 0}
    assert again["asks"] == sorted(again["asks"])
    assert len({ask[0] for ask in again["asks"]}) == len(again["asks"])  # nothing is asked twice
    do_unit(UNITS[2], store, plan, material[0])
    assert cell(store, plan, UNITS[2]) == cell(whole, plan, UNITS[2])
    assert store.exists(state_name(plan, UNITS[0]))


def test_what_was_not_learnt_is_not_flipped(measured, material, tmp_path):
    store, plan = Store.open(str(tmp_path)), plan_of(material)
    shutdown = cell(measured[0], plan, UNITS[0]) | {"margin": -0.1}
    store.write_json(cell_name(plan, UNITS[0]), shutdown)
    store.write_bytes(state_name(plan, UNITS[0]), measured[0].read_bytes(state_name(plan, UNITS[0])))
    do_unit(UNITS[2], store, plan, material[0])
    row = debt_row("early", 3, 10_000, [shutdown], [cell(store, plan, UNITS[2])])
    assert (row["known"], row["flipped"], row["documents"]) == (0, 0, None)
    assert "nothing was there to flip" in debt_sentence({"rows": [row]})


def test_an_answer_is_three_asks_in_a_row():
    asks = [Ask(step, step, margin) for step, margin in enumerate([1, -1, -1, 1, -1, -1, -1, 2])]
    assert settled(asks, -1) == asks[4]
    assert settled(asks[:6], -1) is None
    assert settled(asks, 1) is None


def test_medians_count_a_seed_that_did_not_flip_as_more_than_any_other():
    def row(*documents):
        after = [
            {"margin": 1.0, "flipped": n and {"documents": n, "tokens": 10 * n}, "within_documents": 90}
            | {"within_tokens": 900, "loss_before": 5.0, "loss_after": 4.0}
            for n in documents
        ]
        found = debt_row("late", 10, 1000, [{"taught": 4, "margin": 1.0}] * len(documents), after)
        return [found[name] for name in ("documents", "low", "high", "tokens", "flipped")]

    assert row(5, None, 7) == [7, 5, None, 70, 2]
    assert row(None, 5, None) == [None, 5, None, None, 1]
    assert row(4, 6) == [5, 4, 6, 50, 2]
    assert row(4, None) == [None, 4, None, None, 1]


def test_a_seed_that_did_not_know_is_in_no_figure_of_the_repair():
    bound = {"within_documents": 90, "within_tokens": 900}
    knew = {"margin": 1.0, "flipped": {"documents": 5, "tokens": 50}, "loss_before": 5.0, "loss_after": 4.0, **bound}
    not_yet = {"margin": -0.5, "flipped": None, "loss_before": 8.0, "loss_after": 8.0, "within_documents": 80}
    diverged = not_yet | {"margin": np.nan, "loss_before": np.nan, "loss_after": np.nan, "within_tokens": 800}
    not_yet["within_tokens"] = 800
    before = [{"taught": 4, "margin": cell["margin"]} for cell in (knew, not_yet, diverged)]
    row = debt_row("late", 10, 1000, before, [knew, not_yet, diverged])
    assert [row[name] for name in ("known", "seeds", "flipped", "documents")] == [1, 3, 1, 5]
    assert [row[name] for name in ("loss_before", "loss_after")] == [5.0, 4.0]
    assert [row[name] for name in bound] == [90, 900]
    nobody = debt_row("late", 10, 1000, before[1:2], [not_yet])
    assert [nobody[name] for name in ("known", "loss_before", "within_documents")] == [0, 8.0, 80]


def test_validation_text_is_drawn_by_what_it_stands_for():
    pool = made_pool()
    weight = np.where(pool.validation.domain == 0, 1e6, 1e-6)
    sample = natural_sample(pool.validation.text, weight, 10, 0)
    assert sample.documents == 10
    heavy = {tuple(text) for text in rows_of(pool.validation.text.take(np.flatnonzero(pool.validation.domain == 0)))}
    assert {tuple(text) for text in rows_of(sample)} <= heavy
    assert natural_sample(pool.validation.text, weight, 1000, 0).documents == pool.validation.text.documents


def rows_of(encoded):
    return [encoded.tokens[a:b].tolist() for a, b in zip(encoded.starts, encoded.starts[1:], strict=False)]


def test_trainings_of_another_seed_or_text_are_others():
    asked = ("pool", ("x is", "a", "b"), 1000, 0, TINY)
    plan = debt_plan(*asked)
    assert plan == debt_plan(*asked)
    others = [("another",), (("x is", "a", "c"),), (2000,), (1,), (replace(TINY, width=32),)]
    changed = [debt_plan(*asked[:place], *other, *asked[place + 1 :]) for place, other in enumerate(others)]
    assert len({one.folder for one in [plan, *changed]}) == 6
    assert changed[3].seed == 1


def test_a_frequency_that_never_comes_is_refused(material):
    with pytest.raises(JobError, match="--one-in 5,000: within 60,000 tokens there is no such document"):
        check_frequencies([10, 5000], material[0], 60_000)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--pattern", " ", "--from", "a", "--to", "b"], "--pattern is empty"),
        (["--pattern", "x is", "--from", "a"], "--to is missing"),
        (["--from", "a", "--to", "b"], "--pattern is missing"),
        (["--pattern", "x is", "--from", "a", "--to", " a "], "--to: it is 'a', as --from is"),
        (["--pattern", "x is", "--from", "a", "--to", "b", "--tokens", "100"], "--tokens 100: a model"),
        (["--pattern", "x is", "--from", "a", "--to", "b"], "this is not a run directory"),
    ],
)
def test_what_can_t_be_asked_is_refused_in_words(arguments, told, tmp_path, capsys):
    assert main(["probe", str(tmp_path), *arguments]) == 2
    assert told in capsys.readouterr().err
