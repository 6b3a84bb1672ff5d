"""What the page shows of a probe are the figures of its results."""

from __future__ import annotations

import json
import math

import pytest

from curation.probe.debt_summary import DEBT_VERSION, debt_row
from curation.report.page.probe import debt_part, probe_part
from curation.report.page.render import embedded
from tests.probe.made import DOMAINS, EFFECTS, made_results
from tests.report.page.made import debt


@pytest.fixture(scope="module")
def results():
    return made_results(gpt=EFFECTS)


@pytest.fixture(scope="module")
def part(results):
    return probe_part(results)


def test_every_strategy_has_its_means_and_comparisons_by_each_model(results, part):
    assert [one["name"] for one in part["strategies"]] == list(EFFECTS)
    assert part["evaluators"] == [("ngram", "the n-gram model"), ("gpt", "the small GPT")]
    for strategy in part["strategies"]:
        for evaluator, judged in strategy["by"].items():
            own = [
                cell
                for cell in results["cells"]
                if (cell["strategy"], cell["evaluator"]) == (strategy["name"], evaluator)
            ]
            for metric in ("macro_domain", "worst_domain", "p90_domain", "natural"):
                mean = sum(cell["losses"][metric] for cell in own) / len(own)
                assert judged["losses"][metric] == pytest.approx(mean)
            assert judged["costs"]["unique_tokens"] == pytest.approx(2_500_000 * (1 - EFFECTS[strategy["name"]][2]))
            assert bool(judged["compared"]) == (strategy["name"] != "random")
    row = next(row for row in results["comparisons"] if row["strategy"] == "uniform" and row["metric"] == "natural")
    shown = next(one for one in part["strategies"] if one["name"] == "uniform")["by"]["ngram"]["compared"]["natural"]
    assert shown == {key: row[key] for key in shown}


def test_domains_come_by_what_the_best_strategy_does_to_them(results, part):
    domains = part["domains"]
    changes = [after - before for before, after in zip(domains["before"], domains["after"], strict=True)]
    assert part["best"] == "groups_30"
    assert sorted(domains["names"]) == sorted(DOMAINS)
    assert changes == sorted(changes)
    own = [c for c in results["cells"] if (c["strategy"], c["evaluator"]) == ("groups_30", "ngram")]
    first = sum(cell["by_domain"][domains["names"][0]] for cell in own) / len(own)
    assert domains["after"][0] == pytest.approx(first)


def test_the_rest_is_taken_over(results, part):
    assert (part["sentence"], part["clip"], part["verdict"]) == (results["sentence"], results["clip"], "helps")
    assert part["strategies"][2]["settings"] == [
        "clustering.clusters=100",
        "sampling.cluster_exponent=0.0",
        "sampling.clip=1",
    ]
    assert set(part["metrics"]) == {"macro_domain", "macro_cluster", "worst_domain", "p90_domain", "natural"}


def test_settings_are_written_as_the_command_line_takes_them(results):
    one = results["strategies"][1] | {"parameters": {"a.b": [1000, 30], "c.d": None, "e.f": True, "g.h": "even"}}
    part = probe_part(results | {"strategies": [one]})
    assert part["strategies"][0]["settings"] == ["a.b=[1000, 30]", "c.d=null", "e.f=true", "g.h=even"]


def test_what_diverged_does_not_reach_the_page():
    results = json.loads(json.dumps(made_results()).replace("Infinity", "null"))
    for cell in results["cells"]:
        if cell["strategy"] == "uniform":
            cell["losses"] = dict.fromkeys(cell["losses"], math.inf)
            cell["by_domain"] = dict.fromkeys(cell["by_domain"], math.nan)
    json.dumps(probe_part(results), allow_nan=False)


def test_without_a_probe_or_with_one_of_another_version_there_is_nothing(results):
    assert probe_part(None) is None
    assert probe_part(results | {"version": 2}) is None


def test_a_probe_of_the_baseline_alone_is_shown_without_comparisons():
    results = made_results()
    results["comparisons"] = []
    part = probe_part(results)
    assert (part["verdict"], part["best"], part["metrics"]) == ("can't tell", "random", {})


def test_a_debt_whose_training_diverged_is_on_the_page_without_its_losses():
    cell = {"margin": math.nan, "flipped": None, "within_documents": 4, "within_tokens": 900}
    cell |= {"loss_before": math.nan, "loss_after": math.inf}
    diverged = debt_row("late", 10, 1000, [{"taught": 4, "margin": math.nan}], [cell])
    part = debt_part(debt() | {"rows": [*debt()["rows"], diverged]})
    shown = json.loads(embedded(part))["rows"]
    assert shown[:-1] == debt()["rows"]
    assert [shown[-1][name] for name in ("loss_before", "loss_after", "margin", "known")] == [None, None, None, 0]


def test_without_a_debt_or_with_one_of_another_version_there_is_nothing():
    assert debt()["version"] == DEBT_VERSION
    assert debt_part(debt()) == debt()
    assert debt_part(None) is None
    assert debt_part(debt() | {"version": DEBT_VERSION + 1}) is None
    assert debt_part({"rows": []}) is None
