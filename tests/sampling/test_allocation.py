import re

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from curation.errors import JobError
from curation.sampling.allocation import allocate
from curation.sampling.water_filling import fill, water_level

from .corpora import corpora, plan

clips = st.integers(1, 8)
shares = st.floats(0.01, 1)  # of what the clip lets be drawn
exponents = st.sampled_from([0.0, 0.3, 1.0])


def weights_of(seed, domains, zeros=0.0):
    rng = np.random.default_rng(seed)
    weights = 10.0 ** rng.uniform(-2, 2, domains)
    weights[rng.random(domains) < zeros] = 0.0
    return weights


@given(corpora, clips, shares, exponents)
def test_without_weights_the_budget_is_met_and_no_cell_passes_the_clip(corpus, clip, share, exponent):
    tokens, budget = corpus.cell_tokens, share * clip * float(corpus.tokens.sum())
    got = plan(corpus, share * clip, clip, exponent=exponent)
    assert got.target.sum() == pytest.approx(budget, rel=1e-12)
    assert got.total == pytest.approx(budget, rel=1e-12)
    assert (got.target <= clip * tokens).all()
    assert np.array_equal(got.clipped, (tokens > 0) & (got.target == clip * tokens))
    assert got.pace == pytest.approx(got.pace.sum() * got.preference)
    assert got.target == pytest.approx(np.minimum(clip * tokens, got.pace), rel=1e-12)
    assert got.domain_weights == pytest.approx(got.target.sum(axis=0) / budget)


@given(corpora, clips, shares)
def test_clusters_get_what_water_filling_over_clusters_gives(corpus, clip, share):
    """Domains of a cluster share as they are, so they reach the clip together: cells add up to clusters."""
    sizes = corpus.cell_tokens.sum(axis=1).astype(float)
    even, budget = (sizes > 0).astype(float), share * clip * sizes.sum()
    expected = fill(even, clip * sizes, water_level(even, clip * sizes, budget))
    assert plan(corpus, share * clip, clip).target.sum(axis=1) == pytest.approx(expected, rel=1e-9)


@given(corpora, clips, shares, st.floats(0, 1))
def test_a_larger_budget_is_less_for_no_cell(corpus, clip, share, part):
    assume(share * part > 1e-6)
    less, more = plan(corpus, share * part * clip, clip), plan(corpus, share * clip, clip)
    assert (less.target <= more.target * (1 + 1e-9)).all()


@given(corpora, clips, shares, st.integers(0, 2**32 - 1), exponents)
def test_hold_budget_meets_the_budget_and_relaxes_the_ratios_least(corpus, clip, share, seed, exponent):
    weights = weights_of(seed, corpus.domains, zeros=0.2)
    supply = clip * np.where(weights > 0, corpus.cell_tokens.sum(axis=0), 0).astype(float)
    assume(supply.any())
    budget = share * supply.sum()
    got = plan(corpus, budget / corpus.tokens.sum(), clip, domain_weights=weights, exponent=exponent)
    totals = got.target.sum(axis=0)
    assert totals.sum() == pytest.approx(budget, rel=1e-9)
    assert (totals[weights == 0] == 0).all()
    assert totals == pytest.approx(fill(weights, supply, water_level(weights, supply, budget)), rel=1e-9)
    cells_are_water_filled(corpus, clip, got)


@given(corpora, clips, st.floats(0.01, 5), st.integers(0, 2**32 - 1), exponents)
def test_hold_ratio_holds_the_ratios_and_draws_all_that_they_allow(corpus, clip, epochs, seed, exponent):
    weights = weights_of(seed, corpus.domains)
    got = plan(corpus, epochs, clip, domain_weights=weights, when_short="hold_ratio", exponent=exponent)
    domain_tokens = corpus.cell_tokens.sum(axis=0)
    ratios = np.where(domain_tokens > 0, weights, 0)
    ratios = ratios / ratios.sum()
    assert got.domain_weights == pytest.approx(ratios, rel=1e-9)
    some = ratios > 0
    reachable = (clip * domain_tokens[some] / ratios[some]).min()
    assert got.total == pytest.approx(min(epochs * corpus.tokens.sum(), reachable), rel=1e-9)
    cells_are_water_filled(corpus, clip, got)


def cells_are_water_filled(corpus, clip, got):
    """Within each domain the conditions of the least KL divergence hold (see test_water_filling)."""
    caps = (clip * corpus.cell_tokens).astype(float)
    assert (got.target <= caps).all()
    for d in range(corpus.domains):
        level = water_level(got.preference[:, d], caps[:, d], got.target[:, d].sum())
        assert got.target[:, d] == pytest.approx(fill(got.preference[:, d], caps[:, d], level), rel=1e-9)
        assert np.minimum(caps[:, d], got.pace[:, d]) == pytest.approx(got.target[:, d], rel=1e-9)


@given(corpora, clips, st.floats(0.01, 5), st.integers(0, 2**32 - 1))
def test_strict_is_exact_or_names_what_would_do(corpus, clip, epochs, seed):
    weights, budget = weights_of(seed, corpus.domains), epochs * float(corpus.tokens.sum())
    domain_tokens = corpus.cell_tokens.sum(axis=0)
    ratios = np.where(domain_tokens > 0, weights, 0)
    ratios = ratios / ratios.sum()
    strict = {"domain_weights": weights, "when_short": "strict"}
    try:
        got = plan(corpus, epochs, clip, **strict)
    except JobError as error:
        message = str(error).replace(",", "")
        named, given_clip, total, needed = re.search(
            r"domain 'd(\d+)'.*sampling.clip (\d+) lets.* weights (\d+) tokens.* sampling.clip to (\d+)", message
        ).groups()
        worst = max(np.flatnonzero(ratios), key=lambda d: budget * ratios[d] / (clip * domain_tokens[d]))
        assert int(named) == worst
        assert int(given_clip) == clip
        assert budget * ratios[worst] > clip * domain_tokens[worst]
        reachable = clip * domain_tokens[worst] / ratios[worst]
        assert int(total) == int(reachable)
        assert plan(corpus, epochs, int(needed), **strict).total == pytest.approx(budget, rel=1e-9)
        with pytest.raises(JobError):
            plan(corpus, epochs, int(needed) - 1, **strict)
        if int(total):
            assert plan(corpus, int(total) / corpus.tokens.sum(), clip, **strict).total == pytest.approx(int(total))
    else:
        assert got.target.sum(axis=0) == pytest.approx(budget * ratios, rel=1e-9)
        assert (got.target <= clip * corpus.cell_tokens).all()


@given(corpora, clips, st.floats(1.001, 5), st.booleans())
def test_a_budget_that_the_clip_forbids_names_what_would_do(corpus, clip, excess, weighted):
    epochs = clip * excess
    options = {"domain_weights": np.ones(corpus.domains)} if weighted else {}
    assume(epochs * corpus.tokens.sum() > clip * corpus.tokens.sum() + 1e-6)
    with pytest.raises(JobError, match=r"sampling\.budget asks.* raise sampling\.clip") as caught:
        plan(corpus, epochs, clip, **options)
    reachable, needed = re.search(r" (\d+) can be drawn.* to (\d+)$", str(caught.value).replace(",", "")).groups()
    assert int(reachable) == clip * corpus.tokens.sum()
    plan(corpus, epochs, int(needed), **options)
    plan(corpus, clip, clip, **options)
    with pytest.raises(JobError):
        plan(corpus, epochs, int(needed) - 1, **options)


@pytest.mark.parametrize("sizes", [np.array([[8, 16]]), np.array([[8, 0], [0, 16]])], ids=["one cluster", "two"])
@pytest.mark.parametrize(
    ("when_short", "clip", "expected"),
    [
        ("hold_ratio", 1, [8, 8]),
        ("hold_ratio", 2, [12, 12]),
        ("hold_budget", 1, [8, 16]),
        ("hold_budget", 2, [12, 12]),
        ("strict", 1, None),
        ("strict", 2, [12, 12]),
    ],
)
def test_the_three_policies(sizes, when_short, clip, expected):
    def got():
        return allocate(
            sizes,
            budget=24,
            clips=np.array([clip, clip]),
            exponent=0.0,
            domain_weights=np.array([1.0, 1.0]),
            when_short=when_short,
            domain_names=["small", "large"],
        )

    if expected is None:
        with pytest.raises(JobError, match=r"'small'.* 12 tokens.* give 8\..* 16 tokens can.* sampling\.clip to 2"):
            got()
    else:
        assert got().target.sum(axis=0).tolist() == expected


def test_all_there_is_within_the_clip_is_each_cell_to_the_bit():
    sizes = np.array([[3, 0], [7, 11], [1, 10**12 + 7]])
    got = allocate(
        sizes,
        budget=5 * float(sizes.sum()),
        clips=np.array([5, 5]),
        exponent=0.5,
        domain_weights=None,
        when_short="strict",
        domain_names=["a", "b"],
    )
    assert np.array_equal(got.target, 5 * sizes)
    assert np.array_equal(got.clipped, sizes > 0)


def one(**options):
    arguments = {
        "budget": 10,
        "clips": np.ones(2, np.int64),
        "exponent": 0.0,
        "domain_weights": None,
        "when_short": "hold_budget",
        "domain_names": ["a", "b"],
    }
    return allocate(np.array([[10, 0], [10, 0]]), **(arguments | options))


def test_weights_of_empty_domains_go_to_the_others():
    got = one(domain_weights=np.array([1.0, 99.0]), when_short="strict")
    assert got.target.tolist() == [[5, 0], [5, 0]]
    assert got.domain_weights.tolist() == [1, 0]


def test_domains_of_weight_nought_give_nothing_even_in_need():
    def got(budget):
        sizes = np.array([[10, 30]])
        return allocate(
            sizes,
            budget=budget,
            clips=np.array([2, 2]),
            exponent=0.0,
            domain_weights=np.array([1.0, 0.0]),
            when_short="hold_budget",
            domain_names=["a", "b"],
        )

    assert got(20).target.tolist() == [[20, 0]]
    with pytest.raises(JobError, match=r"there are 10, .* 20 can be drawn.* to 3$"):
        got(25)


def test_weights_without_tokens_are_an_error_of_the_job():
    with pytest.raises(JobError, match=r"blending\.weights.*empty"):
        one(domain_weights=np.array([0.0, 1.0]))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"clips": np.zeros(2, np.int64)}, "clip"),
        ({"clips": np.ones(3, np.int64)}, "clip"),
        ({"budget": 0}, "budget"),
        ({"budget": float("nan")}, "budget"),
        ({"domain_names": ["a"]}, "names"),
        ({"domain_weights": np.array([1.0])}, "domain weights"),
        ({"domain_weights": np.array([1.0, -1.0])}, "domain weights"),
        ({"domain_weights": np.array([1.0, np.nan])}, "domain weights"),
    ],
)
def test_values_that_no_job_file_leads_to(options, message):
    with pytest.raises(ValueError, match=message):
        one(**options)


def test_messages_name_the_keys_of_phases_and_of_domains():
    keys = {"budget_key": "phases.1.budget", "clip_keys": ["phases.1.clip", "sources.1.clip"]}
    with pytest.raises(
        JobError, match=r"^phases\.1\.budget asks for 50.*with phases\.1\.clip 1 and sources\.1\.clip 1 20 can"
    ):
        one(budget=50, **keys)
    left = {"room": np.array([[0, 0], [9, 0]]), "used": np.array([11, 0])}  # of 20 tokens 11 are used
    with pytest.raises(JobError, match=r"after the phases before, 9 can be drawn.* to 2$"):
        one(budget=15, **left, domain_weights=np.array([1.0, 0.0]), **keys)
    much = {
        "room": np.zeros((2, 2), np.int64),
        "used": np.array([60, 0]),
    }  # three epochs: clips of 2 and 3 give nothing
    with pytest.raises(JobError, match=r", 0 can be drawn: raise .* to 4$"):
        one(budget=15, **much)


def test_a_clip_that_is_high_enough_is_not_to_be_raised():
    clips = {"clips": np.array([2, 8]), "clip_keys": ["sampling.clip", "sources.1.clip"]}
    sizes = np.array([[10, 5]])
    with pytest.raises(
        JobError, match=r"with sampling\.clip 2 and sources\.1\.clip 8 60 can .* raise sampling\.clip to 6$"
    ):
        allocate(
            sizes,
            budget=95,
            exponent=0.0,
            domain_weights=None,
            when_short="hold_budget",
            domain_names=["a", "b"],
            **clips,
        )


@pytest.mark.parametrize("seed", range(100))
def test_an_infeasible_strict_names_domain_total_and_clip(seed):
    """Against brute force over clips and totals, in whole numbers."""
    rng = np.random.default_rng(seed)
    domains = int(rng.integers(2, 8))
    tokens = rng.integers(1, 1000, domains)
    weights, clip = rng.integers(1, 20, domains), int(rng.integers(1, 5))
    # Whole numbers: the total T is reachable where T * w_d <= clip * S_d * sum(w) for every domain.
    reach = min(clip * s * weights.sum() // w for s, w in zip(tokens.tolist(), weights.tolist(), strict=True))
    budget = int(reach * rng.uniform(1.05, 6)) + 2
    with pytest.raises(JobError, match="strict") as caught:
        allocate(
            tokens[None, :],
            budget=budget,
            clips=np.full(domains, clip),
            exponent=0.0,
            domain_weights=weights.astype(float),
            when_short="strict",
            domain_names=[f"d{i}" for i in range(domains)],
        )
    named, total, needed = re.search(
        r"domain 'd(\d+)'.* weights (\d+) tokens.*raise sampling.clip to (\d+)", str(caught.value).replace(",", "")
    ).groups()
    shortage = [w / s for w, s in zip(weights.tolist(), tokens.tolist(), strict=True)]
    assert shortage[int(named)] == max(shortage)
    assert int(total) == reach
    enough = next(
        c
        for c in range(1, 10**6)
        if all(budget * w <= c * s * weights.sum() for s, w in zip(tokens.tolist(), weights.tolist(), strict=True))
    )
    assert int(needed) == enough
