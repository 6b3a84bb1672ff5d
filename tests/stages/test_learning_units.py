"""Units of learned weights: a mixture's cells are those that the plan draws, and what can't be learned is told."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from curation.errors import JobError
from curation.stages.clusters import load_groups
from curation.stages.eligible import Cells, left_out
from curation.stages.learned_weights import Learned
from curation.stages.learning_units import guarded, mixing_of
from curation.stages.phases import decide, phases_of
from tests.stages.learning_store import DOMAINS, learning_job, learning_store

TOKENS = np.array([[900, 0, 0], [700, 0, 0], [300, 250, 0], [0, 100, 160]])
LEARNED = {"weights": "learned"}


@pytest.fixture
def store(tmp_path):
    return learning_store(tmp_path, DOMAINS)


def cells(job):
    return Cells(np.zeros_like(TOKENS), TOKENS, left_out(job, len(TOKENS)))


@pytest.mark.parametrize("balance", ["clusters", "groups", "tree", "levels"])
def test_cells_of_a_mixture_of_domains_are_those_of_the_plan(store, balance):
    clustering = {"clusters": [4, 2]}
    sampling = {"budget": {"tokens": 1500}, "balance": balance, "cluster_exponent": 0.3, "group_exponent": 0.6}
    job = learning_job(store, DOMAINS, blending=LEARNED, clustering=clustering, sampling=sampling)
    mixing = mixing_of(job, store, cells(job))
    weights = np.array([0.3, 0.3, 0.4])
    found = replace(cells(job), groups=load_groups(store, job), learned=Learned("domains", weights, None, {}))
    [request] = phases_of(job)
    plan = decide(job, request, found, None, None, None, None).allocation.target
    assert mixing.cell_tokens(weights) == pytest.approx(plan.ravel())
    assert (balance == "levels") == (mixing.level_exponent == 0.6)


def test_a_last_group_that_may_not_be_drawn_gets_nothing(store):
    exclude = [{"cluster": 3, "reason": "x"}]
    sampling = {"budget": {"tokens": 1500}, "cluster_weights": "learned", "exclude": exclude}
    job = learning_job(store, DOMAINS, sampling=sampling)
    mixing = mixing_of(job, store, cells(job))
    assert mixing.names == ["0", "1", "2"]
    target = mixing.cell_tokens(np.array([0.5, 0.3, 0.2])).reshape(TOKENS.shape)
    assert target.sum(axis=1) == pytest.approx([750, 450, 300, 0])


def test_phases_that_ask_for_the_weights_count_together(store):
    phases = [
        {"budget": {"tokens": 500}, "clip": 2, "cluster_exponent": 0.5},
        {"budget": {"tokens": 700}, "clip": 3},
        {"budget": {"tokens": 900}, "clip": 9, "weights": "none"},
    ]
    of_domains = mixing_of(job := learning_job(store, DOMAINS, blending=LEARNED, phases=phases), store, cells(job))
    assert (of_domains.budget, of_domains.clips.tolist(), of_domains.exponent) == (1200, [3, 3, 3], 0.5)
    sampling = {"cluster_weights": "learned"}
    of_clusters = mixing_of(job := learning_job(store, DOMAINS, sampling=sampling, phases=phases), store, cells(job))
    assert (of_clusters.budget, of_clusters.clips.tolist()) == (2100, [9, 9, 9])


def test_under_strict_a_weight_keeps_below_what_its_domain_can_give(store):
    for when_short in ("hold_budget", "strict"):
        blending = LEARNED | {"when_short": when_short}
        job = learning_job(store, DOMAINS, blending=blending, sampling={"budget": {"tokens": 2200}, "clip": 1})
        upper = mixing_of(job, store, cells(job)).space.upper
        if when_short == "hold_budget":
            assert upper.tolist() == (TOKENS.sum(axis=0) / 2200).tolist()
        else:
            assert (np.round(upper, 9) < TOKENS.sum(axis=0) / 2200).all()
            assert upper == pytest.approx(TOKENS.sum(axis=0) / 2200, rel=2e-6)


def test_what_no_validation_text_speaks_for_is_not_taken_away(store):
    job = learning_job(store, DOMAINS, blending=LEARNED, sampling={"budget": {"tokens": 2000}})
    mixing = mixing_of(job, store, cells(job))
    space = mixing.space
    heard = guarded(mixing, np.eye(3)).space
    assert np.array_equal(heard.lower, space.lower)
    some = guarded(mixing, np.array([[1.0, 0.25, 0.0]])).space
    assert some.lower == pytest.approx(space.natural * [0.1, 0.75, 1.0])
    with pytest.raises(JobError, match="leave no choice"):
        guarded(mixing, np.zeros((1, 3)))


@pytest.mark.parametrize(
    ("sections", "told"),
    [
        (
            {"sampling": {"cluster_weights": "learned", "exclude": [{"cluster": c, "reason": "x"} for c in (0, 1, 3)]}},
            "sampling.cluster_weights is learned, and there is only one group of clusters to draw from",
        ),
        (
            {"blending": LEARNED, "sampling": {"exclude": [{"cluster": c, "reason": "x"} for c in (2, 3)]}},
            "blending.weights is learned, and there is only domain 'common' to draw from",
        ),
        (
            {"blending": LEARNED, "sampling": {"budget": {"tokens": 99_999}}},
            "99,999 tokens, and the clip lets 12,050 be drawn: lower sampling.budget or raise sampling.clip",
        ),
        (
            {"blending": LEARNED, "phases": [{"budget": {"tokens": n}, "clip": 2} for n in (9_000, 99)]},
            "lower phases.0.budget and phases.1.budget or raise phases.0.clip and phases.1.clip",
        ),
        (
            {"blending": LEARNED, "phases": [{"budget": {"tokens": 4820}, "clip": 2}]},
            "lower learning.floor or phases.0.budget, or raise phases.0.clip",
        ),
    ],
)
def test_what_can_not_be_learned_is_told_with_its_keys(store, sections, told):
    job = learning_job(store, DOMAINS, **sections)
    with pytest.raises(JobError) as caught:
        mixing_of(job, store, cells(job))
    assert told in str(caught.value)
