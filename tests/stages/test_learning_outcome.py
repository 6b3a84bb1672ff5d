"""What trials come to: a check that keeps by chance what is no better no oftener than it says, and what it says."""

from __future__ import annotations

import io

import numpy as np
import pytest

from curation.config import Job
from curation.progress import Reporter
from curation.sampling.mixture_fit import Trials
from curation.sampling.mixture_space import mixture_space
from curation.stages import learning_outcome, learning_texts
from curation.stages.context import Run
from curation.stages.learning_outcome import (
    DRAWS,
    LEAST_CHECKED,
    check_of,
    kept_by,
    outcome,
    texts_of,
    why_natural,
)
from curation.stages.learning_sample import CHECK, FIT, POOL, Sample
from curation.stages.learning_trials import Checks, Setting, group_losses
from curation.stages.learning_units import Mixing
from curation.storage.store import Store


def check(sizes, rng, gain=0.0, measure="mean", of_draws=0.3, of_texts=1.0):
    """A check of groups of so many texts; the fitted mixture is better by `gain`, and by chance."""
    group = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)
    natural = rng.normal(5, 1, len(group)) + np.zeros((DRAWS, 1))
    chance = of_texts * rng.normal(size=len(group)) + of_draws * rng.normal(size=(DRAWS, 1))
    found = np.stack([natural, natural + 1, natural + chance - gain])
    return check_of(found, group, rng.uniform(10, 100, len(group)), measure, int(rng.integers(1 << 30)))


def falsely_kept(sizes, times, **settings):
    rng = np.random.default_rng(7)
    return np.mean(
        [kept_by(check(sizes, rng, **settings), settings.get("measure", "mean")) == "learned" for _ in range(times)]
    )


@pytest.mark.parametrize("sizes", [[1], [2], [24, 2, 2], [2] * 10, [20]])
def test_weights_that_are_no_better_are_seldom_kept(sizes):
    """Of 300, a rate of 5 % gives more than 27 once in a thousand times."""
    assert falsely_kept(sizes, 300) <= 0.09


def test_the_draws_are_part_of_the_chance():
    """What the draws alone make better on all texts at once is no gain."""
    assert falsely_kept([40], 200, of_texts=0.01, of_draws=0.5) <= 0.13


def test_a_gain_is_seen():
    rng = np.random.default_rng(0)
    found = check([12] * 5, rng, gain=1.0)
    assert kept_by(found, "mean") == "learned"
    assert found["difference"] == pytest.approx(found["fitted"] - found["natural"])
    assert found["low"] < found["difference"] < found["high"] < 0
    assert found["even"] == pytest.approx(found["natural"] + 1)
    assert found["draws"] == DRAWS
    assert kept_by(check([12] * 5, rng, gain=-1.0), "mean") == "natural"


def test_texts_are_counted_by_what_they_say_of_the_target():
    losses = np.array([[1.0, 2.0], [3.0, 2.5]])
    assert texts_of(losses, np.zeros(7, np.int32), "mean") == 7
    assert texts_of(losses, np.repeat([4, 9], 12).astype(np.int32), "mean") == pytest.approx(24)
    assert texts_of(losses, np.array([0] * 30 + [1], np.int32), "mean") < 4
    assert texts_of(losses, np.array([0] * 5 + [1] * 30, np.int32), "worst") == 5  # the worst under the fitted weights
    assert texts_of(losses[:1], np.array([0] * 5 + [1] * 30, np.int32), "worst") == 30


@pytest.mark.parametrize("measure", ["mean", "worst"])
def test_too_few_texts_keep_the_natural_weights_and_are_said_to_be_why(measure):
    least = LEAST_CHECKED[measure]
    few, enough = ({"high": -1.0, "texts": float(texts)} for texts in (least - 1, least))
    assert kept_by(few, measure) == "natural"
    assert f"as few as {least - 1} of one group; {least} are needed" in why_natural(few, measure)
    assert kept_by(enough, measure) == "learned"
    worse = {"high": 0.1, "texts": 50.0}
    assert kept_by(worse, measure) == "natural"
    assert why_natural(worse, measure).startswith("the fitted weights are no better")


def test_the_worst_group_is_judged_by_its_own_texts():
    """One group of few texts that is worse than the others by far."""
    assert falsely_kept([4], 300, measure="worst") == 0
    assert falsely_kept([5], 300, measure="worst") <= 0.1


def test_losses_of_groups_are_means_by_tokens():
    found = np.array([[1.0, 2.0, 4.0], [3.0, 3.0, 5.0]])
    by_group = group_losses(found, np.array([8, 3, 8], np.int32), np.array([1.0, 7.0, 3.0]))
    assert by_group.tolist() == [[2.0, 3.25], [3.0, 4.5]]


@pytest.fixture
def told(tmp_path, monkeypatch):
    """What is told of trials that are noise; the compiled pool is nowhere, so that the driver can't read it."""
    store = Store.open(str(tmp_path / "run"))
    (tmp_path / "texts.jsonl").write_text('{"text": "x"}\n')
    tokens = np.array([[900, 80, 20]])
    space = mixture_space(tokens[0], 5 * tokens[0], 500.0, 0.1)
    sample = Sample(
        *(np.arange(6, dtype=kind) for kind in (np.int64, np.int32, np.int32, np.int32, np.float64)),
        *(np.full(6, value, kind) for value, kind in ((POOL, np.int8), (-1, np.int32))),
    )
    store.write_arrays(learning_texts.SETTLED, vars(sample))
    store.write_arrays(learning_texts.GIVEN, {"digest": np.array("of what was read")})
    names, unit = ["a", "b", "c"], np.arange(3, dtype=np.int32)
    mixing = Mixing("domains", names, np.arange(3), unit, tokens, None, space, 500.0, np.full(3, 5), 1.0, (0, 1), names)
    sources = [{"domain": name, "path": "x"} for name in names]
    learning = {"target": "validation", "validation": {"path": str(tmp_path / "texts.jsonl")}}
    job = Job.model_validate({"run_dir": "r", "sources": sources, "learning": learning})
    rng = np.random.default_rng(3)

    def checked(items, work, *shared):
        half = np.tile(np.array([FIT, CHECK], np.int8), 40)
        noise = 4 + rng.normal(0, 0.1, (3, DRAWS, 80))
        yield items[0], Checks(noise, half, np.zeros(80, np.int32), np.full(80, 50.0))

    monkeypatch.setattr(learning_outcome, "map_items", checked)
    mixtures = rng.dirichlet(np.full(3, 3.0), 40)
    trials = Trials(mixtures, rng.normal(4, 0.1, (40, 1)))
    return outcome(Run(job, store, Reporter(io.StringIO())), Setting(mixing, 1.0, 0, 512, ""), trials), trials


def test_noise_keeps_the_natural_weights(told):
    (found, stats), _ = told
    assert found["kept"] == stats["kept"] == "natural"
    assert (
        [unit["weight"] for unit in found["units"]] == [unit["natural"] for unit in found["units"]] == [0.9, 0.08, 0.02]
    )
    assert found["pool"] == {"documents": 6, "tokens": 15}
    assert found["validation"] == {"fit": 40, "check": 40}
    assert found["check"]["texts"] == 40


def test_the_digest_is_that_of_the_texts_that_were_read(told):
    (_, stats), _ = told
    assert stats["validation_files"] == "of what was read"


def test_the_prediction_is_by_the_other_trials(told):
    (found, _), trials = told
    best = int(trials.losses[:, 0].argmin())
    others = trials.only(np.arange(40) != best)
    expected = learning_outcome.fit_losses(others).losses(trials.mixtures[[best]])[0, 0]
    assert found["fit"]["predicted"] == pytest.approx(expected, abs=1e-8)
    assert found["fit"]["predicted"] > found["fit"]["fitted"]
