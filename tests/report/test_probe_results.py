"""What results.json is read to say."""

from __future__ import annotations

import math

import pytest

from curation.report.probe_results import (
    cells_of,
    judgement,
    main_evaluator,
    mean_losses,
    mean_of,
    target_metric,
)
from tests.probe.made import EFFECTS, made_results


@pytest.fixture
def results():
    return made_results(gpt=EFFECTS)


def test_the_model_with_more_seeds_judges(results):
    assert main_evaluator(results) == "ngram"
    results["cells"] = [cell for cell in results["cells"] if cell["evaluator"] == "gpt" or cell["seed"] < 3]
    assert main_evaluator(results) == "ngram"
    results["cells"] = [cell for cell in results["cells"] if cell["evaluator"] == "gpt" or cell["seed"] < 2]
    assert main_evaluator(results) == "gpt"


def test_the_target_is_the_one_asked_for_where_it_was_measured(results):
    assert target_metric(results) == "macro_domain"
    results["settings"]["target"] = "cluster"
    assert target_metric(results) == "macro_cluster"
    results["settings"]["target"] = "language"  # no language was known
    assert target_metric(results) == "macro_domain"


def test_means_leave_out_what_was_not_measured_or_diverged(results):
    cells = cells_of(results, "ngram", "uniform")
    assert [cell["seed"] for cell in cells] == [0, 1, 2, 3, 4]
    cells[0]["losses"]["natural"] = math.inf
    cells[1]["losses"]["natural"] = None
    known = [cell["losses"]["natural"] for cell in cells[2:]]
    found = mean_losses(results, "ngram", "uniform")
    assert found["natural"] == pytest.approx(sum(known) / 3)
    assert found["macro_language"] is None
    assert mean_of(results, "ngram", "uniform", "repeated_share") == pytest.approx(EFFECTS["uniform"][2])
    assert mean_losses(results, "ngram", "unknown") == {}


def test_the_best_is_the_one_that_helps_most_and_that_every_model_finds_better(results):
    assert judgement(results).best["strategy"] == "groups_30"
    for row in results["comparisons"]:
        if (row["evaluator"], row["strategy"]) == ("gpt", "groups_30"):
            row["difference"], row["wins"] = 0.01, 1
    found = judgement(results)
    lowest = min(
        (row for row in results["comparisons"] if (row["evaluator"], row["metric"]) == ("ngram", "macro_domain")),
        key=lambda row: row["difference"] if row["strategy"] != "groups_30" else 0,
    )
    assert (found.verdict, found.best) == ("helps", lowest)
    assert [row["evaluator"] for row in found.others] == ["gpt"]


def test_nothing_is_judged_where_nothing_was_compared(results):
    results["comparisons"] = []
    assert judgement(results) is None
