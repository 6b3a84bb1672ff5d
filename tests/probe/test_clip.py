"""The clip that is recommended: of those that are as good as the best, the one that repeats least."""

from __future__ import annotations

from copy import deepcopy

import pytest

from curation.probe.clip import clip_guidance, swept
from tests.probe.made import EFFECTS, made_results

CLIPS = [1, 3, 5, 10, 20]


def results_of(losses, noise=0.004, **more):
    """Results in which the clips have these effects on the macro loss."""
    effects = {"random": (0.0, 0.0, 0.0)}
    effects |= {f"cluster_clip_{clip}": (loss, 0.1, clip / 100) for clip, loss in zip(CLIPS, losses, strict=True)}
    return made_results(effects, noise=noise, **more)


def test_of_equals_the_one_that_repeats_least_is_recommended():
    found = clip_guidance(results_of([-0.02, -0.080, -0.083, -0.084, -0.05], noise=0.01))
    assert found["recommended"] == 3
    assert found["why"].startswith("its loss averaged over domains, ")
    assert ", within 0.01 nats, and 3% of the tokens drawn are repeated instead of " in found["why"]


def test_what_is_clearly_the_best_is_recommended_whatever_it_repeats():
    found = clip_guidance(results_of([-0.02, -0.04, -0.06, -0.08, -0.15]))
    assert found["recommended"] == 20
    assert found["why"].endswith("is the lowest of the sweep; 20% of the tokens drawn are repeated.")


def test_noise_counts_as_being_equal():
    effects = [-0.05, -0.10, -0.10, -0.10, -0.10]
    assert clip_guidance(results_of(effects))["recommended"] == 3
    assert clip_guidance(results_of([-0.05, -0.097, -0.10, -0.10, -0.10], noise=0.0001))["recommended"] == 5


def test_noise_does_not_hide_a_loss_that_is_worth_speaking_of():
    found = clip_guidance(results_of([-0.05, -0.10, -0.10, -0.10, -0.10], noise=0.3, seed=3))
    losses = {row["clip"]: row["macro_domain"] for row in found["rows"]}
    assert min(abs(losses[clip] - min(losses.values())) for clip in CLIPS[:-1]) > 0.05
    assert found["recommended"] == 20


def test_where_no_clip_helps_it_is_told():
    assert clip_guidance(results_of([0.1] * 5))["why"].endswith("; but at no clip is it proven to help.")
    few = clip_guidance(results_of([-0.1] * 5, seeds=3))
    assert few["recommended"] == 1
    assert few["why"].endswith("; but at no clip is it proven to help.")


def test_where_the_clip_changes_nothing_no_value_is_recommended():
    effects = {name: (macro, natural, repeated / 100) for name, (macro, natural, repeated) in EFFECTS.items()}
    found = clip_guidance(made_results(effects))
    assert found["recommended"] is None
    assert found["why"].startswith("at this budget hardly anything is repeated, whatever the clip (0.2% of the tokens")
    assert len(found["rows"]) == len(CLIPS)


def test_where_every_clip_repeats_the_same_it_is_told():
    effects = {name: (macro, natural, 0.875) for name, (macro, natural, _) in EFFECTS.items()}
    found = clip_guidance(made_results(effects))
    assert found["recommended"] is None
    assert found["why"].startswith("every clip repeats about the same share of the tokens drawn (88%), so the clip ")


def test_rows_are_the_means_of_the_cells_and_the_comparison_with_the_baseline():
    results = made_results()
    rows = clip_guidance(results)["rows"]
    assert [row["clip"] for row in rows] == CLIPS
    for row in rows:
        name = f"cluster_clip_{row['clip']}"
        cells = [cell for cell in results["cells"] if cell["strategy"] == name]
        assert row["macro_domain"] == pytest.approx(sum(cell["losses"]["macro_domain"] for cell in cells) / len(cells))
        assert row["repeated_share"] == pytest.approx(EFFECTS[name][2])
        [compared] = [
            one for one in results["comparisons"] if (one["strategy"], one["metric"]) == (name, "macro_domain")
        ]
        assert [row[key] for key in ("difference", "low", "high")] == [
            compared[key] for key in ("difference", "low", "high")
        ]


def test_it_is_about_the_target():
    results = made_results()
    results["settings"]["target"] = "cluster"
    found = clip_guidance(results)
    assert found["metric"] == "macro_cluster"
    assert found["rows"][0]["macro_cluster"] == pytest.approx(made_results()["clip"]["rows"][0]["macro_domain"] + 0.1)
    assert "averaged over clusters" in found["why"]


def test_only_strategies_that_differ_in_nothing_but_the_clip_are_a_sweep():
    results = made_results()
    other = deepcopy(results)
    for one in other["strategies"]:
        if one["name"] == "cluster_clip_10":
            one["parameters"]["clustering.clusters"] = [1000, 30]
    assert swept(other, "macro_domain") == {clip: f"cluster_clip_{clip}" for clip in CLIPS if clip != 10}
    alone = made_results({name: EFFECTS[name] for name in ("random", "cluster_clip_5", "groups_30")})
    assert alone["clip"] is None


def test_a_clip_whose_losses_are_not_finite_is_left_out():
    results = made_results()
    for cell in results["cells"]:
        if cell["strategy"] == "cluster_clip_5":
            cell["losses"]["macro_domain"] = float("inf")
    assert [row["clip"] for row in clip_guidance(results)["rows"]] == [1, 3, 10, 20]
