"""Strategies: keys of a job file that can be taken over, and draws as a run of that job makes them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
import yaml

from curation.config import Job
from curation.errors import JobError
from curation.job_file import load_job
from curation.probe.drawing import cluster, draw
from curation.probe.strategies import (
    BASELINE,
    DEFAULT,
    OWN,
    STRATEGIES,
    check_names,
    chosen_strategies,
    fit_to_pool,
    own_strategy,
    strategy_job,
)
from curation.sampling.water_filling import water_level
from tests.probe.pools import made_job, made_pool

BUDGET = 9_000


@pytest.fixture(scope="module")
def pool():
    return made_pool()


def drawn(pool, job, strategy, seed=0, places=None):
    places = np.arange(len(pool.doc_id)) if places is None else places
    asked = strategy_job(job, strategy, BUDGET, seed)
    clustered = cluster(asked, strategy, pool, places)
    return clustered, draw(asked, clustered, pool, places)


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_strategy_spends_the_budget_within_its_clip(pool, name):
    strategy = fit_to_pool(made_job(), STRATEGIES[name], len(pool.doc_id))
    _, found = drawn(pool, made_job(), strategy)
    lengths = pool.text.lengths
    assert abs(int(found.copies @ lengths) - BUDGET) <= lengths.max() / 2
    assert found.copies.max() <= strategy.parameters.get("sampling.clip", 10_000)
    assert np.array_equal(np.bincount(found.order, minlength=len(lengths)), found.copies)


@pytest.mark.parametrize("name", STRATEGIES)
def test_its_keys_can_be_taken_over_with_set(tmp_path, name):
    path = tmp_path / "job.yaml"
    path.write_text(yaml.safe_dump(made_job().model_dump(mode="json", include={"run_dir", "sources"})))
    strategy = STRATEGIES[name]
    taken = load_job(str(path), [f"{key}={value}" for key, value in strategy.parameters.items()])
    tried = strategy_job(made_job(clusters=100), strategy, 1, 0)
    assert taken.sampling.model_dump(exclude={"budget"}) == tried.sampling.model_dump(exclude={"budget"})
    assert (taken.blending, taken.clustering.clusters) == (tried.blending, tried.clustering.clusters)


def test_even_clusters_are_filled_up_to_the_clip(pool):
    clustered, found = drawn(pool, made_job(), STRATEGIES["cluster_clip_3"])
    lengths, label = pool.text.lengths, clustered.documents.cell // 3
    there, got = (np.bincount(label, weights) for weights in (lengths, lengths * found.copies))
    level = water_level(np.ones(3), 3.0 * there, BUDGET)
    assert np.abs(got - np.minimum(3 * there, level)).max() <= lengths.max()
    assert there.max() / there.min() > 4
    assert got.max() / got.min() < 1.6


def test_random_leaves_the_corpus_as_it_is(pool):
    _, found = drawn(pool, made_job(), STRATEGIES[BASELINE])
    lengths = pool.text.lengths
    there, got = (np.bincount(pool.domain, weights) for weights in (lengths, lengths * found.copies))
    assert np.abs(got / BUDGET - there / there.sum()).max() < 0.05
    assert found.copies.max() == 1


def test_seeds_draw_differently_and_one_seed_the_same(pool):
    first, again, other = (drawn(pool, made_job(), STRATEGIES["cluster_clip_5"], seed)[1] for seed in (0, 0, 1))
    assert np.array_equal(first.order, again.order)
    assert not np.array_equal(first.copies, other.copies)


def test_what_is_held_back_is_not_drawn(pool):
    places = np.flatnonzero(pool.domain != 1)
    _, found = drawn(pool, made_job(), STRATEGIES["unimax"], places=places)
    assert found.copies[pool.domain == 1].sum() == 0
    assert found.copies.sum() > 0


def test_the_default_ones_are_not_too_many_and_none_is_there_twice(pool):
    assert len(DEFAULT) <= 13
    found = chosen_strategies(made_job(clusters=30), None, 20_000, 0.25)
    assert [one.name for one in found] == [name for name in DEFAULT if name != "clusters_30"]
    assert found[0].name == BASELINE
    small = chosen_strategies(made_job(clusters=1000), None, 1_000, 0.25)
    assert {one.parameters["clustering.clusters"] for one in small if one.name.startswith("cluster_clip")} == {50}


@pytest.mark.parametrize("documents", range(60, 401, 20))
def test_the_default_ones_fit_a_pool_however_small_it_is(documents):
    found = {one.name: one for one in chosen_strategies(made_job(clusters=100), None, documents, 0.25)}
    levels = strategy_job(made_job(), found["levels"], 1, 0).clustering
    assert levels.fine == documents // 20
    assert len(levels.levels) >= 1
    assert len(strategy_job(made_job(), found["groups_30"], 1, 0).clustering.levels) == 1


def test_levels_that_a_small_pool_has_no_clusters_for_are_halves_of_those_below():
    fitted = {
        documents: fit_to_pool(made_job(), STRATEGIES["levels"], documents).parameters["clustering.clusters"]
        for documents in (60, 300, 320, 1_000, 20_000)
    }
    assert fitted[60] == [3, 1]
    assert fitted[300] == [15, 7, 3, 1]
    assert fitted[320] == [16, 8, 4, 2, 1]
    assert fitted[1_000] == [50, 45, 30, 20, 15]
    assert fitted[20_000] == [1000, 45, 30, 20, 15]


@pytest.mark.parametrize("documents", [60, 300])
def test_levels_draw_from_a_small_pool(pool, documents):
    job, places = made_job(), np.arange(len(pool.doc_id))[-documents:]
    strategy = fit_to_pool(job, STRATEGIES["levels"], documents)
    asked = strategy_job(job, strategy, 2_000, 0)
    found = draw(asked, cluster(asked, strategy, pool, places), pool, places)
    lengths = pool.text.lengths
    assert abs(int(found.copies @ lengths) - 2_000) <= lengths.max() / 2


def test_a_clip_below_the_epochs_is_left_out_or_refused():
    names = [one.name for one in chosen_strategies(made_job(), None, 20_000, 2.0)]
    assert "cluster_clip_1" not in names
    assert "cluster_clip_3" in names
    with pytest.raises(JobError, match="at clip 1"):
        chosen_strategies(made_job(), ["cluster_clip_1"], 20_000, 2.0)


def test_the_own_setting_is_tried_where_it_is_another_one():
    job = made_job().model_copy(update={"sampling": made_job().sampling.model_copy(update={"clip": 7})})
    assert OWN in [one.name for one in chosen_strategies(job, None, 20_000, 0.25)]
    assert own_strategy(job).parameters["sampling.clip"] == 7
    assert OWN not in [one.name for one in chosen_strategies(made_job(), None, 20_000, 0.25)]
    with_phases = job.model_copy(update={"phases": [{"budget": {"epochs": 1.0}}]})
    with pytest.raises(JobError, match="phases"):
        chosen_strategies(with_phases, [OWN], 20_000, 0.25)


@pytest.mark.parametrize(
    "keys",
    [
        {"sampling": {"method": "uniform", "clip": 5}},
        {"sampling": {"method": "unimax", "interleave": "even"}, "blending": {"weights": "none"}},
        {"sampling": {"method": "random", "order": "general_to_specific", "cluster_exponent": 0.0}},
        {"sampling": {"method": "temperature"}, "blending": {"temperature": 2.0}},
    ],
)
def test_the_own_setting_is_the_job_s_also_where_it_says_what_other_methods_would(keys):
    job = Job.model_validate(made_job().model_dump() | keys)
    tried = strategy_job(job, own_strategy(job), BUDGET, 0)
    assert tried.sampling.model_dump(exclude={"budget"}) == job.sampling.model_dump(exclude={"budget"})
    assert tried.blending == job.blending


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"sources": [source | {"clip": 2} for source in made_job().model_dump()["sources"]]}, "a clip of its own"),
        ({"blending": {"weights": "even", "when_short": "hold_ratio"}}, "when_short is hold_ratio"),
        (
            {"sampling": {"order": "curriculum", "prefer_quality": False}, "quality": {"column": "score"}},
            "order is curriculum",
        ),
    ],
)
def test_an_own_setting_that_a_probe_would_change_is_refused(keys, words):
    job = Job.model_validate(made_job().model_dump() | keys)
    with pytest.raises(JobError, match=words):
        chosen_strategies(job, [OWN], 20_000, 0.25)
    assert OWN not in [one.name for one in chosen_strategies(job, None, 20_000, 0.25)]


def test_a_domain_that_falls_short_changes_nothing_without_weights():
    job = Job.model_validate(made_job().model_dump() | {"blending": {"when_short": "strict"}})
    assert chosen_strategies(job, [OWN], 20_000, 0.25)[1].name == OWN


@pytest.mark.parametrize("bound", [{"max_cluster_share": 0.5}, {"min_cluster_share": 0.25}])
def test_bounds_of_a_cluster_s_share_take_clusters(pool, bound):
    job = Job.model_validate(made_job().model_dump() | {"sampling": {"method": "random", **bound}})
    [_, own] = chosen_strategies(job, [OWN], len(pool.doc_id), 0.25)
    clustered, found = drawn(pool, job, own)
    lengths, label = pool.text.lengths, clustered.documents.cell // 3
    share = np.bincount(label, lengths * found.copies) / BUDGET
    assert len(share) == 3
    assert share.max() <= bound.get("max_cluster_share", 1) + 0.02
    assert share.min() >= bound.get("min_cluster_share", 0) - 0.02


def test_an_own_setting_that_the_pool_has_too_few_clusters_for_is_left_out():
    job = made_job(clusters=100)
    job = Job.model_validate(job.model_dump() | {"sampling": {"max_cluster_share": 0.02}})
    assert OWN in [one.name for one in chosen_strategies(job, None, 1_000, 0.25)]
    assert OWN not in [one.name for one in chosen_strategies(job, None, 980, 0.25)]
    with pytest.raises(JobError, match=r"max_cluster_share is 0.02, and the pool has documents for 49 clusters"):
        chosen_strategies(job, [OWN], 980, 0.25)


def within(job, what):
    return job.model_copy(update={"clustering": job.clustering.model_copy(update={"within": what})})


def test_languages_are_clustered_apart_as_the_run_does(pool):
    job = within(made_job(), "language")
    languages = pa.array(np.where(pool.domain == 2, "de", "en"))
    places = np.flatnonzero(pool.domain != 1)
    clustered, _ = drawn(replace(pool, languages=languages), job, STRATEGIES["cluster_clip_5"], places=places)
    cluster_of = clustered.documents.cell // 3
    of = {name: set(cluster_of[pool.domain[places] == number].tolist()) for name, number in (("en", 0), ("de", 2))}
    assert not of["en"] & of["de"]


@pytest.mark.parametrize("name", DEFAULT)
def test_domains_that_are_clustered_apart_have_a_cluster_each(name):
    sources = [{"domain": f"d{number}", "path": f"{number}.jsonl"} for number in range(40)]
    job = within(Job(run_dir="run", sources=sources, clustering={"clusters": 100}), "domain")
    strategy = {one.name: one for one in chosen_strategies(job, [name], 400, 0.25)}[name]
    clustering = strategy_job(job, strategy, 1, 0).clustering
    assert clustering.fine == (40 if strategy.clustered else 100)
    assert clustering.within == "domain"


def test_an_unknown_strategy_is_refused_with_the_nearest_name():
    with pytest.raises(JobError, match="did you mean 'cluster_clip_5'"):
        check_names(["levels", "job", "clusterclip5"])


def test_plain_clusters_are_plain_whatever_the_run_groups_by():
    spectral = {"grouping": "spectral", "clusters": [300, 30]}
    job = made_job().model_copy(update={"clustering": made_job().clustering.model_copy(update=spectral)})
    found = {name: strategy_job(job, STRATEGIES[name], BUDGET, 0).clustering.grouping for name in STRATEGIES}
    assert {found[name] for name in ("clusters_30", "clusters_1000", "groups_30")} == {"ward"}
    assert (found["groups_kmeans"], found["levels"]) == ("kmeans", "spectral")
    assert (found["cluster_clip_5"], found["random"]) == ("spectral", "spectral")  # with the run's own levels
