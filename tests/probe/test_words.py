"""The sentence says what the comparisons say, and no more."""

from __future__ import annotations

import math
import re

import pytest

from curation.probe.words import perplexity, sentence
from tests.probe.made import EFFECTS, made_results

NOTHING = dict.fromkeys(EFFECTS, (0.0, 0.0, 0.0))
HARM = {name: (0.0 if name == "random" else 0.1, 0.0, 0.0) for name in EFFECTS}


def scaled(by):
    return {name: (by * macro, natural, repeated) for name, (macro, natural, repeated) in EFFECTS.items()}


def row_of(results, strategy, metric="macro_domain", evaluator="ngram"):
    wanted = (strategy, metric, evaluator)
    [row] = [row for row in results["comparisons"] if (row["strategy"], row["metric"], row["evaluator"]) == wanted]
    return row


def test_it_names_what_helps_most_how_much_how_sure_it_is_and_its_price():
    results = made_results()
    told, row, cost = sentence(results), row_of(results, "groups_30"), row_of(results, "groups_30", "natural")
    assert told.startswith("groups_30 (groups 30, in words) helps: the loss averaged over domains falls by ")
    assert f"falls by {-row['difference']:.3f} nats a token ({perplexity(row['difference'])}, 95% interval" in told
    assert f"interval {-row['high']:.3f} to {-row['low']:.3f}) against random (the corpus as it is)" in told
    assert "at 2.5M tokens by the n-gram model, in 5 of 5 seeds; it costs" in told
    assert f"it costs {cost['difference']:.3f} nats ({perplexity(cost['difference'])}) on the natural mixture" in told
    assert told.endswith("; the models are small, so trust the direction more than the size.")
    assert told.count(".") == len(re.findall(r"\d\.\d", told)) + 1


def test_a_price_that_is_a_gain_is_told_as_one():
    results = made_results({"random": (0, 0, 0), "good": (-0.1, -0.05, 0)})
    assert re.search(r"it costs nothing and gains 0\.0\d+ nats \(\d\.\d% lower perplexity\) on the", sentence(results))


def test_another_model_that_agrees_is_named():
    told = sentence(made_results(gpt=scaled(0.4)))
    assert told.startswith("groups_30 (groups 30, in words) helps: ")
    assert re.search(r"; the small GPT agrees in direction \(-0\.\d+ nats, better in 3 of 3 seeds\); it costs", told)


def test_another_model_that_says_the_opposite_takes_the_verdict_back():
    told = sentence(made_results(gpt=scaled(-0.4)))
    assert told.startswith("Can't tell whether anything helps: the best of 8, ")
    assert re.search(r"; the small GPT says the opposite \(\+0\.\d+ nats, better in 0 of 3 seeds\)", told)
    assert "chance" not in told


def test_a_strategy_that_both_find_good_comes_before_one_that_only_one_does():
    against = scaled(0.4) | {"groups_30": (0.1, 0.0, 0.0)}
    assert sentence(made_results(gpt=against)).startswith("cluster_clip_")


def test_another_model_that_wavers_does_not_confirm():
    effects = {"random": (0, 0, 0), "groups_30": (-0.2, 0.1, 0.1)}
    results = made_results(effects, gpt=effects)
    row_of(results, "groups_30", evaluator="gpt").update(difference=0.004, wins=1)
    told = sentence(results)
    assert told.startswith("groups_30 (groups 30, in words) helps: ")
    assert "; the small GPT does not confirm it (+0.004 nats, better in 1 of 3 seeds); " in told


def test_where_nothing_helps_it_does_not_claim_any_help():
    told = sentence(made_results(NOTHING))
    assert told.startswith("Can't tell whether anything helps: the best of 8, ")
    assert "which may be chance or is too little to matter" in told
    assert " helps:" not in told.partition("whether anything helps:")[2]
    assert "costs" not in told


def test_where_all_is_worse_it_says_that_all_hurt():
    told = sentence(made_results(HARM))
    assert re.match(r"All 8 strategies hurt: even the best, \w+ \([^)]*\), changes the loss .* by \+0\.\d+ nats", told)
    only = sentence(made_results({"random": (0, 0, 0), "uniform": (0.1, 0.1, 0.1)}))
    assert only.startswith("uniform (uniform, in words) hurts: it changes the loss averaged over domains by +0.")


def test_where_some_hurt_and_nothing_can_gain_enough_it_says_that_nothing_helps():
    results = made_results(HARM | {"temper": (0.0, 0.0, 0.0)}, noise=0.001)
    row = row_of(results, "temper")
    assert row["low"] > -0.01
    assert sentence(results).startswith("Nothing helps and 7 of 8 strategies hurt: the best, temper (temper, in words)")
    row.update(low=-0.02)
    assert sentence(results).startswith("Can't tell whether anything helps: the best of 8, temper")


def test_few_seeds_prove_nothing_and_it_says_so():
    for seeds in (1, 3):
        told = sentence(made_results(seeds=seeds))
        assert told.startswith("Can't tell whether anything helps: the best of 8, ")
        assert f"better in {seeds} of {seeds} seed{'s' * (seeds > 1)}, and fewer than 5 seeds prove nothing" in told


def test_domains_held_back_are_named_or_counted():
    results = made_results()
    results["settings"]["held_back"] = ["law", "poems\nin Urdu"]
    assert ", on what was held back from training (law, poems in Urdu), by the n-gram model" in sentence(results)
    results["settings"]["held_back"] = list("abcdef")
    assert "held back from training (6 domains), by" in sentence(results)


def test_it_is_about_the_target_that_was_asked_for():
    results = made_results()
    results["settings"]["target"] = "cluster"
    assert "the loss averaged over clusters falls by" in sentence(results)


def test_with_nothing_to_compare_it_says_so():
    results = made_results()
    results["comparisons"] = []
    assert sentence(results) == "Can't tell whether anything helps: nothing was compared with the baseline."


@pytest.mark.parametrize(
    ("difference", "told"), [(-0.1, "9.5% lower perplexity"), (math.log(2), "100.0% higher perplexity")]
)
def test_nats_as_perplexity(difference, told):
    assert perplexity(difference) == told
