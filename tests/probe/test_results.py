"""Results: how the order of the strategies on a part agrees with that on the whole."""

from __future__ import annotations

import pytest

from curation.probe.results import pilot_of, results_name
from curation.storage.store import Store

EFFECTS = {"random": 0.0, "a": -0.1, "b": -0.2, "c": 0.1}


def made(fraction, effects, evaluator="ngram", version=1, **settings):
    cells = [
        {"strategy": name, "seed": seed, "evaluator": evaluator, "losses": {"macro_domain": 4.0 + effect}}
        for name, effect in effects.items()
        for seed in range(2)
    ]
    told = {"fraction": fraction, "held_back": None, "folds": 1, "target": "domain", "evaluators": [evaluator]}
    return {"version": version, "settings": told | {"data": "now", "epochs": 0.25} | settings, "cells": cells}


@pytest.fixture
def store(tmp_path):
    return Store.open(str(tmp_path))


def keep(store, key, results):
    store.write_json(results_name(key), results)
    return results


def test_a_part_is_held_against_the_whole_and_the_whole_against_the_part(store):
    keep(store, "whole", made(1.0, EFFECTS))
    part = keep(store, "part", made(0.1, {**EFFECTS, "c": -0.15, "d": 0.0}))
    found = pilot_of(store, "part", part)
    assert found == {
        "fraction": 0.1,
        "whole_key": "whole",
        "rank_correlation": 0.4,
        "strategies": ["random", "a", "b", "c"],
    }
    assert pilot_of(store, "whole", store.read_json(results_name("whole"))) == found


def test_probes_of_another_kind_or_with_too_little_in_common_are_no_match(store):
    part = keep(store, "part", made(0.1, EFFECTS))
    assert pilot_of(store, "part", part) is None
    keep(store, "held", made(1.0, EFFECTS, held_back=["web"]))
    keep(store, "gpt", made(1.0, EFFECTS, evaluator="gpt"))
    keep(store, "older-corpus", made(1.0, EFFECTS, data="then"))
    keep(store, "other-version", made(1.0, EFFECTS, version=0))
    keep(store, "few", made(1.0, {"random": 0.0, "a": 0.1}))
    keep(store, "other", made(0.2, EFFECTS))
    assert pilot_of(store, "part", part) is None


def test_the_probe_with_most_in_common_is_taken(store):
    keep(store, "a", made(1.0, {name: EFFECTS[name] for name in ("random", "a", "b")}))
    keep(store, "b", made(1.0, EFFECTS))
    found = pilot_of(store, "part", made(0.1, EFFECTS))
    assert (found["whole_key"], found["rank_correlation"]) == ("b", 1.0)


def test_of_equals_that_of_the_largest_part_is_taken_and_then_of_the_nearest_epochs(store):
    keep(store, "a", made(0.1, EFFECTS))
    keep(store, "b", made(0.5, EFFECTS, epochs=4.0))
    keep(store, "c", made(0.5, EFFECTS, epochs=1.0))
    keep(store, "d", made(0.5, EFFECTS, epochs=2.0))
    reversed_order = {name: -effect for name, effect in EFFECTS.items()}
    keep(store, "c", made(0.5, reversed_order, epochs=1.0))
    found = pilot_of(store, "whole", made(1.0, EFFECTS, epochs=1.2))
    assert (found["fraction"], found["whole_key"], found["rank_correlation"]) == (0.5, "whole", -1.0)


def test_the_model_with_most_seeds_judges_and_a_training_that_diverged_does_not_count(store):
    both = made(0.1, EFFECTS)
    few = made(0.1, {name: -effect for name, effect in EFFECTS.items()}, evaluator="gpt")
    both["cells"] = [cell for cell in few["cells"] if cell["seed"] == 0] + both["cells"]
    both["settings"]["evaluators"] = ["gpt", "ngram"]
    both["cells"][-1]["losses"]["macro_domain"] = float("nan")
    keep(store, "whole", made(1.0, EFFECTS))
    assert pilot_of(store, "part", both)["rank_correlation"] == 1.0
