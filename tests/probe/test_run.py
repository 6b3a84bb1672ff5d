"""What a probe is asked for against what a run can answer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from curation.config import Budget
from curation.errors import JobError
from curation.probe.asked import EPOCHS, Asked
from curation.probe.figures import scope_of
from curation.probe.run import budget_of, folds_of, own_left_out, repeats_less, target_of
from curation.probe.trials import Fold
from tests.probe.pools import TOPICS, made_job, made_pool


@pytest.fixture(scope="module")
def pool():
    return made_pool()


def asked(**changed):
    default = Asked(None, {"ngram": 5}, None, None, None, 1.0, None, None, 0)
    return replace(default, **changed)


def test_folds_are_named_domains_or_families_in_turn():
    job = made_job()
    assert folds_of(job, None, True) == (Fold(),)
    assert folds_of(job, ["law", "cooking"], False) == (Fold((0, 2)),)
    assert folds_of(job, ["each"], False) == (Fold((0,)), Fold((1,)), Fold((2,)))
    sources = [source.model_copy(update={"facts": {"family": "home"}}) for source in job.sources[:2]]
    families = job.model_copy(update={"sources": [*sources, job.sources[2]]})
    assert folds_of(families, ["each"], False) == (Fold((0, 1)), Fold((2,)))


@pytest.mark.parametrize(
    ("hold_back", "with_gpt", "words"),
    [
        (["lau"], False, "did you mean 'law'"),
        (TOPICS, False, "nothing is left to train on"),
        (["each"], True, "small GPT would be trained for each"),
    ],
)
def test_what_can_t_be_held_back_is_refused(hold_back, with_gpt, words):
    with pytest.raises(JobError, match=words):
        folds_of(made_job(), hold_back, with_gpt)


def test_one_family_can_t_be_held_back_in_turn():
    job = made_job()
    alone = job.model_copy(update={"sources": job.sources[:1]})
    with pytest.raises(JobError, match="nothing else to train on"):
        folds_of(alone, ["each"], False)


def test_the_budget_is_a_share_of_what_the_smallest_fold_has(pool):
    lengths = pool.text.lengths
    assert budget_of(pool, (Fold(),), asked()) == int(EPOCHS * lengths.sum())
    assert budget_of(pool, (Fold(),), asked(tokens=5_000)) == 5_000
    without = lengths[pool.domain != 0].sum()
    assert budget_of(pool, (Fold((0,)), Fold((1,))), asked(epochs=0.5)) == int(0.5 * without)
    with pytest.raises(JobError, match="the pool has"):
        budget_of(pool, (Fold(),), asked(tokens=10**9))
    with pytest.raises(JobError, match="raise --tokens"):
        budget_of(pool, (Fold(),), asked(tokens=100))
    with pytest.raises(JobError, match="probe a larger corpus"):
        budget_of(pool, (Fold(),), asked(epochs=0.001))


def test_only_a_budget_that_nobody_asked_for_is_cut(pool, monkeypatch):
    monkeypatch.setattr("curation.probe.run.MOST_TOKENS", 4_000)
    there = pool.text.lengths.sum()
    assert budget_of(pool, (Fold(),), asked()) == 4_000
    assert budget_of(pool, (Fold(),), asked(epochs=2.0)) == 2 * there
    assert budget_of(pool, (Fold(),), asked(epochs=EPOCHS)) == int(EPOCHS * there)


def test_domains_are_judged_where_there_are_several_and_else_clusters(pool):
    assert target_of(None, scope_of(pool, TOPICS, None)) == "domain"
    alone = scope_of(pool, TOPICS, [0])
    assert target_of(None, replace(alone, clusters=scope_of(pool, TOPICS, None).clusters)) == "cluster"
    with pytest.raises(JobError, match="choose another target"):
        target_of("domain", alone)
    nothing = np.full(len(pool.validation.domain), 9, np.int32)
    held = replace(pool, validation=replace(pool.validation, domain=np.zeros_like(nothing)))
    with pytest.raises(JobError, match="no domain has"):
        target_of(None, scope_of(held, TOPICS, [1]))


def test_a_job_that_repeats_more_than_the_probe_is_told_of(pool):
    job = made_job()
    assert "--epochs 1 asks" in repeats_less(job, pool, 0.25)
    assert repeats_less(job, pool, 0.9) is None
    tokens = Budget(tokens=int(pool.domain_tokens.sum() * 3))
    more = job.model_copy(update={"sampling": job.sampling.model_copy(update={"budget": tokens})})
    assert "the job 3 of the corpus" in repeats_less(more, pool, 1.0)


def test_a_setting_of_the_job_that_is_not_tried_is_told_of_unless_others_are_asked_for():
    job = made_job(clusters=100)
    capped = job.model_copy(update={"sampling": job.sampling.model_copy(update={"max_cluster_share": 0.02})})
    assert "sampling.max_cluster_share is 0.02" in own_left_out(capped, asked(), 980)
    assert own_left_out(capped, asked(), 1_000) is None
    assert own_left_out(capped, asked(strategies=["unimax"]), 980) is None
