from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.integrate import quad

from curation.errors import JobError
from curation.sampling import grouping
from curation.sampling.quality import STEEPEST, Curve, curve_values, dolma3_curve, domain_means, percentiles

KINDS = ["identity", "threshold", "power", "dolma3"]
dolma3s = st.builds(
    Curve,
    kind=st.just("dolma3"),
    power=st.sampled_from([0.0, 1.0, 4.0, 100.0]) | st.floats(0, 8),
    cut=st.sampled_from([0.0, 0.4, 0.94]) | st.floats(0, 0.94),
    most=st.floats(0.1, 20),
    bucket=st.sampled_from([0.05, 0.5, 1.0]),
)
curves = st.builds(Curve, kind=st.sampled_from(KINDS[:3]), threshold=st.floats(0, 1), power=st.floats(0, 5)) | dolma3s
epochs_wanted = st.floats(0.01, 5)


@st.composite
def corpora(draw):
    """Qualities with many ties or none, some missing; tokens; domains, some without any document."""
    n = draw(st.integers(1, 60))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    quality = rng.integers(0, draw(st.sampled_from([1, 4, 1000])), n, endpoint=True).astype(float)
    quality = (quality / max(1.0, quality.max())).astype(draw(st.sampled_from([np.float32, np.float64])))
    quality[rng.random(n) < draw(st.sampled_from([0.0, 0.3, 1.0]))] = np.nan
    tokens = rng.integers(1, draw(st.sampled_from([2, 10**6])), n)
    n_domains = draw(st.integers(1, 5))
    return quality, tokens, rng.integers(0, n_domains, n), n_domains


def f_at(x, C, rate, curve):
    return C * (x - curve.cut) ** curve.power * np.exp(rate * (x - curve.cut))


def integral(start, C, rate, curve):
    points = [1 - (1 - start) / (10.0**k) for k in range(1, 4)]
    return quad(f_at, start, 1, (C, rate, curve), epsabs=0, epsrel=1e-12, limit=200, points=points)[0]


@given(dolma3s, epochs_wanted)
def test_the_integral_of_dolma3_is_the_epochs(curve, epochs):
    C, rate, top_mean = dolma3_curve(epochs, curve)
    assert integral(curve.cut, C, rate, curve) == pytest.approx(epochs, rel=1e-9)
    top = integral(max(curve.cut, 1 - curve.bucket), C, rate, curve) / curve.bucket
    assert top_mean == pytest.approx(top, rel=1e-9)


@given(dolma3s, epochs_wanted)
def test_the_best_bucket_never_passes_most_and_the_rate_is_the_largest_that_does_not(curve, epochs):
    _, rate, top_mean = dolma3_curve(epochs, curve)
    assert 0 <= rate <= STEEPEST
    if rate == 0:
        return  # even that may be too steep, see below
    assert top_mean <= curve.most
    if rate < STEEPEST:
        assert top_mean == pytest.approx(curve.most, rel=1e-6)
    same = Curve("dolma3", power=curve.power, cut=curve.cut, most=curve.most, bucket=curve.bucket, rate=rate)
    assert dolma3_curve(epochs, same)[1] == rate  # a recorded rate can be given back


def test_dolma3_by_published_figures():
    """Epochs 0.55 and lambda 1: top means of the notes on Dolma 3."""
    assert dolma3_curve(0.55, Curve("dolma3", power=1.0, rate=1.0))[2] == pytest.approx(2.07, abs=5e-3)
    assert dolma3_curve(0.55, Curve("dolma3", power=4.0, rate=1.0))[2] == pytest.approx(4.17, abs=5e-3)


def test_dolma3_by_hand():
    """Lambda 0 and p = 1 is a triangle: C L^2 / 2 = epochs."""
    C, rate, top_mean = dolma3_curve(0.5, Curve("dolma3", cut=0.5, bucket=0.1, rate=0.0))
    assert (C, rate, top_mean) == pytest.approx((4.0, 0.0, 4.0 * 0.45))
    assert dolma3_curve(3.0, Curve("dolma3", power=4.0))[1:] == pytest.approx((0.0, 3 * 20 * (1 - (55 / 60) ** 5)))


def test_a_rate_that_is_too_steep_is_refused_with_one_that_is_not():
    with pytest.raises(JobError, match=r"quality\.curve\.rate 50 .*quality\.curve\.most is 7: .* would do is 18\.3089"):
        dolma3_curve(0.55, Curve("dolma3", rate=50.0))
    assert dolma3_curve(0.55, Curve("dolma3", rate=18.3089))[2] <= 7.0
    with pytest.raises(JobError, match=r"no rate would do; lower quality\.curve\.power"):
        dolma3_curve(3.0, Curve("dolma3", rate=0.0))


@pytest.mark.parametrize("wrong", [{"cut": 1.0}, {"bucket": 0.0}, {"power": -1.0}, {"most": 0.0}, {"rate": 101.0}])
def test_parameters_out_of_range(wrong):
    with pytest.raises(ValueError, match="curve"):
        Curve("dolma3", **wrong)
    with pytest.raises(ValueError, match="epochs"):
        dolma3_curve(0.0, Curve("dolma3"))


@given(corpora(), st.sampled_from([1, 3, 7, grouping.BLOCK]))
def test_percentiles_are_token_weighted_mid_ranks(corpus, block):
    quality, tokens, _, _ = corpus
    with patch.object(grouping, "BLOCK", block):
        ranks = percentiles(quality, tokens)
    known = ~np.isnan(quality)
    total = tokens[known].sum()
    assert np.array_equal(np.isnan(ranks), ~known)
    for i in np.flatnonzero(known):
        below, same = tokens[quality < quality[i]].sum(), tokens[quality == quality[i]].sum()
        assert ranks[i] == np.float32((below + same / 2) / total)


@given(corpora(), curves, epochs_wanted, st.sampled_from([5, grouping.BLOCK]))
def test_values_follow_their_formula_and_the_missing_are_neutral(corpus, curve, epochs, block):
    quality, tokens, domain, n_domains = corpus
    with patch.object(grouping, "BLOCK", block):
        values = curve_values(quality, tokens, curve, epochs, domain, n_domains)
        means = domain_means(values, tokens, domain, n_domains)
    known = ~np.isnan(quality)
    assert values.dtype == np.float32
    assert values[known] == pytest.approx(formula(quality, tokens, curve, epochs)[known], rel=1e-5, abs=1e-30)
    everywhere = np.average(values[known], weights=tokens[known]) if known.any() else 1.0
    for d in range(n_domains):
        mine = known & (domain == d)
        wanted = np.average(values[mine], weights=tokens[mine]) if mine.any() else everywhere
        assert means[d] == pytest.approx(wanted if (domain == d).any() else 0.0, rel=1e-6, abs=1e-30)
        assert values[~known & (domain == d)] == pytest.approx(wanted, rel=1e-6, abs=1e-30)


def formula(quality, tokens, curve, epochs):
    if curve.kind == "threshold":
        return (quality >= quality.dtype.type(curve.threshold)).astype(float)
    if curve.kind != "dolma3":
        return quality.astype(float) ** (curve.power if curve.kind == "power" else 1.0)
    x = percentiles(quality, tokens).astype(float)
    C, rate, _ = dolma3_curve(epochs, curve)
    return np.where(x >= curve.cut, f_at(np.maximum(x, curve.cut), C, rate, curve), 0.0)


@given(corpora(), curves, epochs_wanted, st.integers(2, 1000))
def test_better_is_never_less_equal_is_equal_and_the_scale_of_tokens_does_not_matter(corpus, curve, epochs, scale):
    quality, tokens, domain, n_domains = corpus
    assume(not np.isnan(quality).all())
    values = curve_values(quality, tokens, curve, epochs, domain, n_domains)
    known = np.flatnonzero(~np.isnan(quality))
    known = known[np.argsort(quality[known])]
    assert (np.diff(values[known]) >= 0).all()
    assert (np.diff(values[known])[np.diff(quality[known]) == 0] == 0).all()
    again = curve_values(quality, tokens * scale, curve, epochs, domain, n_domains)
    assert again == pytest.approx(values, rel=1e-4, abs=1e-30)


@given(st.integers(0, 2**32 - 1), st.sampled_from([0.0, 1.0, 3.0]), st.floats(0.1, 2))
def test_many_documents_are_drawn_as_the_curve_promises(seed, power, epochs):
    rng = np.random.default_rng(seed)
    quality, tokens = rng.random(20_000), rng.integers(1, 100, 20_000)
    curve, domain = Curve("dolma3", power=power), np.zeros(20_000, dtype=np.int8)
    values = curve_values(quality, tokens, curve, epochs, domain, 1)
    assert domain_means(values, tokens, domain, 1)[0] == pytest.approx(epochs, rel=2e-3)
    top = percentiles(quality, tokens) >= 0.95
    assert np.average(values[top], weights=tokens[top]) <= max(curve.most, dolma3_curve(epochs, curve)[2]) * 1.01


def test_a_threshold_is_as_precise_as_the_quality():
    tokens, domain = np.array([1, 1, 1]), np.zeros(3, dtype=int)
    for type_ in (np.float32, np.float64):
        quality = np.array([0.7, 0.69999, np.nan], dtype=type_)
        values = curve_values(quality, tokens, Curve("threshold", threshold=0.7), 1.0, domain, 1)
        assert values.tolist() == [1.0, 0.0, 0.5]


def test_no_documents_and_no_tokens():
    none = np.zeros(0, dtype=int)
    for kind in KINDS:
        assert curve_values(np.zeros(0), none, Curve(kind), 1.0, none, 2).shape == (0,)
        values = curve_values(np.array([0.5, np.nan]), np.zeros(2, dtype=int), Curve(kind), 1.0, np.array([0, 1]), 2)
        assert values[1] == 1.0
    assert domain_means(np.zeros(0, np.float32), none, none, 2).tolist() == [0.0, 0.0]


@pytest.mark.parametrize("wrong", [-0.1, 1.1, np.inf])
def test_a_quality_out_of_range_is_refused(wrong):
    with pytest.raises(ValueError, match=r"quality must lie in \[0, 1\]"):
        curve_values(np.array([wrong]), np.ones(1, dtype=int), Curve(), 1.0, np.zeros(1, dtype=int), 1)
