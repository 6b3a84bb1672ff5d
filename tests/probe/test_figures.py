"""From losses to figures: macro means count strata alike, the natural one counts tokens."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from curation.probe.figures import difference_errors, draw_figures, loss_figures, scope_of
from tests.probe.pools import TOPICS, made_pool


@pytest.fixture(scope="module")
def pool():
    return made_pool()


def test_macro_losses_count_strata_alike_and_the_natural_one_tokens(pool):
    losses = np.array([1.0, 2.0, 6.0])[pool.validation.domain]
    found = loss_figures(scope_of(pool, TOPICS, None), losses)
    share = pool.domain_tokens / pool.domain_tokens.sum()
    assert found["by_domain"] == {"cooking": 1.0, "space": 2.0, "law": 6.0}
    assert found["losses"]["macro_domain"] == 3.0
    assert found["losses"]["natural"] == pytest.approx(share @ [1, 2, 6], abs=1e-5)
    assert (found["losses"]["worst_domain"], found["worst_name"]) == (6.0, "law")
    assert found["losses"]["p90_domain"] == pytest.approx(np.percentile([1, 2, 6], 90))
    german, english = 6.0, loss_of_english(pool, losses)
    assert found["losses"]["macro_language"] == pytest.approx((german + english) / 2, abs=1e-5)


def loss_of_english(pool, losses):
    held = pool.validation
    mine = held.language == "en"
    return np.average(losses[mine], weights=(held.weight * held.text.lengths)[mine])


def test_what_was_held_back_is_all_that_is_scope_of(pool):
    losses = np.array([1.0, 2.0, 6.0])[pool.validation.domain]
    found = loss_figures(scope_of(pool, TOPICS, [0, 1]), losses)
    share = pool.domain_tokens[:2] / pool.domain_tokens[:2].sum()
    assert found["losses"]["macro_domain"] == 1.5
    assert found["losses"]["natural"] == pytest.approx(share @ [1, 2], abs=1e-5)
    assert found["losses"]["macro_language"] is None


def test_domains_with_little_validation_text_count_in_the_natural_loss_alone(pool):
    held = pool.validation
    kept = np.flatnonzero((held.domain != 2) | (np.cumsum(held.domain == 2) <= 3))
    columns = {name: getattr(held, name)[kept] for name in ("domain", "unit", "language", "weight")}
    few = replace(pool, validation=replace(held, text=held.text.take(kept), **columns))
    losses = np.array([1.0, 2.0, 6.0])[few.validation.domain]
    found = loss_figures(scope_of(few, TOPICS, None), losses)
    assert list(found["by_domain"]) == ["cooking", "space"]
    assert found["losses"]["natural"] > 1.5


def test_the_error_by_the_choice_of_validation_text_is_that_of_drawing_it_again(pool):
    asked, rng = scope_of(pool, TOPICS, None), np.random.default_rng(0)
    level, found = np.array([0.1, -0.4, 0.2])[pool.validation.domain], {"macro_domain": [], "natural": []}
    errors = []
    for _ in range(400):
        differences = level + rng.normal(size=len(level)) * 0.3
        losses = loss_figures(asked, differences)["losses"]
        errors.append(difference_errors(asked, differences))
        for name, values in found.items():
            values.append(losses[name])
    for name, values in found.items():
        told = np.sqrt(np.mean([one[name] ** 2 for one in errors]))
        assert told == pytest.approx(np.std(values), rel=0.12)
    assert set(errors[0]) == {"macro_domain", "macro_cluster", "macro_language", "natural"}


def test_what_was_drawn():
    found = draw_figures(
        np.array([0, 1, 3, 1], np.int16), np.array([10, 20, 30, 110]), np.array([2, 1, 1, 3], np.int32)
    )
    assert found == {
        "tokens": 220,
        "unique_tokens": 160,
        "documents": 3,
        "largest_copies": 3,
        "repeated_share": round(60 / 220, 6),
        "effective_domains": 2.0,
    }
