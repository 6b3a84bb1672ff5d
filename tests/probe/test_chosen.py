"""Which documents a probe looks at: nothing in both parts, every stratum asked about, weights that speak for all."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from curation.errors import JobError
from curation.probe.chosen import A_DOMAIN, LEAST_DOCUMENTS, MOST_SHARE, Corpus, choose


def made(documents=20_000, seed=0):
    rng = np.random.default_rng(seed)
    domain = np.searchsorted([0.7, 0.95, 0.99, 0.998], rng.random(documents)).astype(np.int16)
    unit = ((domain * 7 + rng.integers(0, 9, documents)) % 40).astype(np.int32)
    size = rng.integers(200, 3000, documents).astype(np.int32)
    return Corpus(np.arange(documents) * 3, domain, unit, size, rng.random(documents) < 0.97)


def test_nothing_is_in_both_parts_and_only_what_may_be_drawn():
    corpus = made()
    chosen = choose(corpus, 5e6, 1.0, 0)
    assert not set(chosen.pool.tolist()) & set(chosen.validation.tolist())
    assert corpus.usable[chosen.pool].all()
    assert corpus.usable[chosen.validation].all()


def test_the_pool_is_a_plain_sample_of_about_the_size_asked_for():
    corpus = made()
    chosen = choose(corpus, 5e6, 1.0, 0)
    assert abs(corpus.bytes[chosen.pool].sum() - 5e6) < 0.1 * 5e6
    share = np.bincount(corpus.domain[chosen.pool]) / len(chosen.pool)
    whole = np.bincount(corpus.domain[corpus.usable]) / corpus.usable.sum()
    assert np.abs(share - whole)[:3].max() < 0.03


def test_copies_of_validation_text_are_not_trained_on():
    corpus = made(2_000)
    text = np.arange(2_000) // 4
    chosen = choose(replace(corpus, text=text), 1e9, 1.0, 0)
    assert not set(text[chosen.pool].tolist()) & set(text[chosen.validation].tolist())
    assert len(chosen.pool) > 500


def test_every_domain_and_cluster_is_asked_about():
    corpus = made()
    chosen = choose(corpus, 5e6, 1.0, 0)
    sizes = np.bincount(corpus.domain[corpus.usable])
    asked = np.bincount(corpus.domain[chosen.validation])
    assert (asked >= np.minimum(A_DOMAIN, np.floor(MOST_SHARE * sizes))).all()
    units, asked = (np.bincount(part, minlength=40) for part in (corpus.unit, corpus.unit[chosen.validation]))
    assert (asked[units > 100] >= 12).all()


def test_weights_speak_for_the_corpus():
    corpus = made()
    found = []
    for seed in range(20):
        chosen = choose(corpus, 5e6, 1.0, seed)
        found.append(np.bincount(corpus.domain[chosen.validation], chosen.weight, 5))
    whole = np.bincount(corpus.domain[corpus.usable])
    off = np.abs(np.mean(found, axis=0) / whole - 1)
    assert off[whole > 100].max() < 0.1
    assert off.max() < 0.25


def test_a_fraction_is_all_that_is_looked_at():
    corpus = made()
    chosen = choose(corpus, 1e12, 0.1, 0)
    looked_at = len(chosen.pool) + len(chosen.validation)
    assert abs(looked_at - 0.1 * corpus.usable.sum()) < 200
    other = choose(corpus, 1e12, 0.1, 1)
    assert len(set(other.pool.tolist()) & set(chosen.pool.tolist())) < 0.3 * len(chosen.pool)


def test_the_choice_depends_on_documents_and_seed_alone():
    corpus = made()
    first, again = choose(corpus, 5e6, 0.5, 3), choose(made(), 5e6, 0.5, 3)
    assert all(np.array_equal(vars(first)[name], vars(again)[name]) for name in vars(first))


def test_too_few_documents_are_refused():
    with pytest.raises(JobError, match=f"fewer than {LEAST_DOCUMENTS}"):
        choose(made(200), 1e6, 1.0, 0)
    with pytest.raises(JobError, match="raise --fraction"):
        choose(made(2_000), 1e6, 0.01, 0)
