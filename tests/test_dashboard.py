"""The Grafana dashboard asks for what there is."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from curation.stages.metrics import METRICS

HERE = Path(__file__).parent.parent
DASHBOARD = json.loads((HERE / "cluster_configs/grafana-dashboard.json").read_text())
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
#: Words of a query that are no names of metrics or labels.
WORDS = {"sum", "max", "rate", "increase", "deriv", "by", "or", "vector"}


def names(expression):
    """Every word of a query outside of strings, durations and Grafana's own variables."""
    bare = re.sub(r'"[^"]*"|\[[^\]]*\]', "", expression)
    return set(re.findall(r"[a-zA-Z_][a-zA-Z0-9_]*", bare)) - WORDS


@pytest.mark.parametrize("panel", DASHBOARD["panels"], ids=lambda panel: panel["title"])
def test_a_panel_asks_only_for_metrics_and_labels_that_exist(panel):
    assert panel["datasource"] == SOURCE
    assert panel["targets"]
    for target in panel["targets"]:
        assert target["datasource"] == SOURCE
        asked = {name.removeprefix("ray_") for name in names(target["expr"]) if name.startswith("ray_")}
        assert asked
        assert asked <= set(METRICS)
        labels = {"run"}.union(*(METRICS[name].labels for name in asked))
        assert {name for name in names(target["expr"]) if not name.startswith("ray_")} <= labels
        assert set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) <= labels
        for counter in re.findall(r"(\w+\()?ray_(\w+_total)", target["expr"]):
            assert counter[0] in {"rate(", "increase("} or "rejected" in target["expr"], (
                "a counter is shown by its rate"
            )


def test_every_metric_is_on_a_panel():
    queries = " ".join(target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"])
    assert [name for name in METRICS if f"ray_{name}" not in queries] == []


def test_ids_are_unique_and_panels_do_not_overlap():
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken = [
        (x, y)
        for place in (panel["gridPos"] for panel in panels)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(set(taken)) == len(taken)
    assert max(x for x, _ in taken) < 24


def test_the_prometheus_and_the_run_are_chosen_by_variables():
    variables = {variable["name"]: variable for variable in DASHBOARD["templating"]["list"]}
    assert variables["datasource"]["type"] == "datasource"
    assert variables["datasource"]["query"] == "prometheus"
    assert variables["run"]["datasource"] == SOURCE
    assert variables["run"]["definition"].removeprefix("label_values(ray_").split(",")[0] in METRICS


def test_the_readme_lists_every_metric():
    readme = (HERE / "README.md").read_text()
    assert [name for name in METRICS if f"`ray_{name}`" not in readme] == []
    assert set(re.findall(r"`ray_(curation_\w+)`", readme)) == set(METRICS)
