"""Verdicts are rarely wrong where nothing helps, and there where something does."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats

from curation.probe import statistics
from curation.probe.statistics import (
    FEWEST_SEEDS,
    LEAST_EFFECT,
    LEAST_SPREAD,
    MOST_BORROWED,
    comparisons,
    holm,
    moderated,
    sign_test,
)
from tests.probe.made import made_cells

STRATEGIES = 12
#: Standard deviation of a loss over seeds, in nats.
NOISE = 0.02


def cells_from(losses):
    """Cells from an array of seeds by strategies; the first strategy is the baseline."""
    return [
        {"strategy": f"s{number}", "seed": seed, "evaluator": "ngram", "losses": {"macro_domain": float(loss)}}
        for (seed, number), loss in np.ndenumerate(losses)
    ]


def correlated(rng, seeds):
    """What a seed does to all is larger than what it does to each."""
    return 0.8 * rng.normal(0, NOISE, (seeds, 1)) + 0.6 * rng.normal(0, NOISE, (seeds, STRATEGIES))


def uneven(rng, seeds):
    """Some strategies are thirty times as noisy as others."""
    return rng.normal(0, NOISE, (seeds, STRATEGIES)) * np.geomspace(0.1, 3, STRATEGIES)


def families(rng, seeds):
    """Strategies that share their clusters move together; the baseline, which has none, hardly moves."""
    family = np.repeat(rng.normal(0, NOISE, (seeds, 2)), [5, STRATEGIES - 6], axis=1)
    return np.c_[rng.normal(0, 0.2 * NOISE, seeds), family + rng.normal(0, 0.3 * NOISE, (seeds, STRATEGIES - 1))]


def share_helped(noise, seeds, corpora, effect=0.0):
    """The share of corpora in which something helps; with an effect, in which the last strategy, which has it, does."""
    rng = np.random.default_rng(9)
    found = 0
    for _ in range(corpora):
        losses = 4 + noise(rng, seeds)
        losses[:, -1] += effect
        helped = {row["strategy"] for row in comparisons(cells_from(losses), "s0") if row["verdict"] == "helps"}
        found += f"s{STRATEGIES - 1}" in helped if effect else bool(helped)
    return found / corpora


@pytest.mark.parametrize("noise", [correlated, uneven, families])
def test_where_nothing_helps_it_says_so_in_nineteen_of_twenty_corpora(noise):
    assert share_helped(noise, 5, 400) <= 0.05


def test_the_correction_and_the_least_effect_are_what_keeps_false_alarms_down(monkeypatch):
    monkeypatch.setattr(statistics, "holm", lambda p: p)
    monkeypatch.setattr(statistics, "LEAST_EFFECT", 0.0)
    assert share_helped(uneven, 5, 200) > 0.12


def test_an_effect_of_twice_the_noise_is_found_nearly_always():
    assert share_helped(correlated, 5, 200, effect=-0.05) >= 0.97


def test_the_variance_of_all_strategies_is_worth_many_seeds(monkeypatch):
    monkeypatch.setattr(statistics, "FEWEST_LENDERS", STRATEGIES)
    assert share_helped(correlated, 5, 200, effect=-0.05) < 0.85


def test_fewer_than_five_seeds_never_make_a_verdict():
    effects = {"random": (0, 0, 0), "good": (-0.5, -0.5, 0), "bad": (0.5, 0.5, 0)}
    for seeds in (1, 2, FEWEST_SEEDS - 1):
        found = comparisons(made_cells(effects, seeds=seeds), "random")
        assert {row["verdict"] for row in found} == {"can't tell"}
    found = comparisons(made_cells(effects, seeds=FEWEST_SEEDS), "random")
    assert {row["verdict"] for row in found if row["strategy"] == "good"} == {"helps"}
    assert {row["verdict"] for row in found if row["strategy"] == "bad"} == {"hurts"}


def test_a_small_effect_is_not_spoken_of_however_sure_it_is():
    effects = {"random": (0, 0, 0), "good": (-0.8 * LEAST_EFFECT, 0, 0)}
    [row] = [
        row
        for row in comparisons(made_cells(effects, seeds=10, noise=1e-5, domains=("a",)), "random")
        if row["metric"] == "macro_domain"
    ]
    assert row["p"] < 0.01
    assert row["verdict"] == "can't tell"


def test_strategies_are_compared_seed_by_seed_with_what_both_have():
    losses = np.array([[4.0, 3.9], [5.0, 4.7], [6.0, 6.1], [7.0, 6.0]])
    cells = cells_from(losses)
    cells[3]["losses"]["macro_domain"] = float("nan")  # s1 with seed 1
    cells[4]["losses"]["macro_domain"] = None  # the baseline with seed 2
    [row] = comparisons(cells[::-1], "s0")
    assert row["difference"] == pytest.approx((-0.1 - 1.0) / 2)
    assert (row["seeds"], row["wins"], row["p_sign"]) == (2, 2, 0.5)
    assert (row["strategy"], row["evaluator"], row["metric"]) == ("s1", "ngram", "macro_domain")


def test_few_strategies_have_the_interval_and_p_value_of_a_paired_t_test():
    losses = np.random.default_rng(4).normal(4, 0.1, (7, 3))
    found = comparisons(cells_from(losses), "s0")
    expected = [stats.ttest_rel(losses[:, number], losses[:, 0]) for number in (1, 2)]
    for row, test in zip(found, expected, strict=True):
        interval = test.confidence_interval(0.95)
        assert (row["low"], row["high"]) == (pytest.approx(interval.low), pytest.approx(interval.high))
    assert [row["p"] for row in found] == pytest.approx(holm(np.array([test.pvalue for test in expected])))


def test_one_seed_has_a_difference_and_no_interval():
    [row] = comparisons(cells_from(np.array([[4.0, 3.5]])), "s0")
    assert (row["difference"], row["low"], row["high"], row["p"], row["p_sign"]) == (-0.5, None, None, None, 1.0)


def test_the_same_losses_are_no_difference():
    [row] = comparisons(cells_from(np.tile(np.arange(5.0)[:, None], 2)), "s0")
    assert (row["difference"], row["wins"], row["p"], row["p_sign"], row["verdict"]) == (0, 0, 1, 1, "can't tell")


def test_strategies_that_come_to_the_same_count_once_and_leave_the_others_as_they_are():
    losses = 4 + correlated(np.random.default_rng(1), 6)
    losses[:, 1] -= 0.05
    alone = comparisons(cells_from(losses), "s0")
    copies = np.c_[losses, losses[:, [3, 3, 3, 0, 0]]]  # the third one thrice more, and the baseline twice
    found = comparisons(cells_from(copies), "s0")
    assert found[: len(alone)] == alone
    again = {key: value for key, value in alone[2].items() if key != "strategy"}
    for row in found[len(alone) : -2]:
        assert {key: value for key, value in row.items() if key != "strategy"} == again
    for row in found[-2:]:
        assert [row[key] for key in ("difference", "low", "high", "p", "p_sign")] == [0, 0, 0, 1, 1]


def test_metrics_that_were_not_measured_are_left_out_and_the_baseline_must_be_there():
    cells = made_cells({"random": (0, 0, 0), "good": (-0.5, 0, 0)})
    assert "macro_language" not in {row["metric"] for row in comparisons(cells, "random")}
    with pytest.raises(ValueError, match="no cell is of the baseline uniform"):
        comparisons(cells, "uniform")


@pytest.mark.parametrize(("wins", "defeats"), [(0, 0), (1, 0), (5, 0), (0, 5), (3, 2), (4, 4), (9, 1)])
def test_the_sign_test_counts_what_is_as_uneven_or_more(wins, defeats):
    count = wins + defeats
    uneven_ones = sum(
        abs(2 * sum(signs) - count) >= abs(wins - defeats) for signs in itertools.product((0, 1), repeat=count)
    )
    assert sign_test(wins, defeats) == pytest.approx(uneven_ones / 2**count)


def test_holm_multiplies_by_how_many_are_left_and_keeps_the_order():
    assert holm(np.array([0.03, 0.001, 0.02, 0.9])) == pytest.approx([0.06, 0.004, 0.06, 0.9])
    assert holm(np.array([])).tolist() == []


def test_variances_are_drawn_towards_the_usual_one_by_what_they_have_in_common():
    rng = np.random.default_rng(2)
    prior, usual, degrees = 8.0, 0.02**2, np.full(4000, 4)
    true = prior * usual / rng.chisquare(prior, 4000)
    variances = true * rng.chisquare(4, 4000) / 4
    spread, found = moderated(variances, degrees)
    assert found[0] - 4 == pytest.approx(prior, rel=0.15)
    expected = (prior * usual + 4 * variances) / (prior + 4)
    assert np.median(spread**2 / expected) == pytest.approx(1, abs=0.05)
    spread, found = moderated(usual * rng.chisquare(4, 4000) / 4, degrees)
    assert found[0] == 4 + MOST_BORROWED
    few, own = moderated(np.array([0.0, 0.04, 0.09]), np.array([2, 3, 4]))
    assert few.tolist() == pytest.approx([LEAST_SPREAD, 0.2, 0.3])
    assert own.tolist() == [2, 3, 4]


def test_what_the_choice_of_validation_text_may_do_is_added_to_what_seeds_do():
    cells = made_cells({"random": (0.0, 0.0, 0.0), "a": (-0.05, 0.0, 0.0), "b": (-0.05, 0.0, 0.0)}, noise=0.005)
    error = {("ngram", "macro_domain", "a"): 0.05}
    rows = {row["strategy"]: row for row in comparisons(cells, "random", error) if row["metric"] == "macro_domain"}
    assert (rows["a"]["verdict"], rows["b"]["verdict"]) == ("can't tell", "helps")
    assert (rows["a"]["high"] - rows["a"]["low"]) / 2 == pytest.approx(1.96 * 0.05, rel=0.05)
