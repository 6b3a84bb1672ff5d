"""The caps hold, nothing else gives way that need not, and the answer is the nearest one there is."""

import re

import cvxpy
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from curation.errors import JobError
from curation.sampling.allocation import allocate
from curation.sampling.token_caps import Caps, Classes, keep_caps

clips = st.integers(1, 6)
seeds = st.integers(0, 2**32 - 1)


class Problem:
    """Cells of random classes: carriers of none, one or both of two tokens, of any length."""

    def __init__(self, seed, *, tokens=2, one_length=False, domains=None):
        rng = np.random.default_rng(seed)
        self.domains = domains or int(rng.integers(1, 4))
        shape = (int(rng.integers(1, 6)), self.domains, 2**tokens)
        self.documents = np.ceil(10 ** rng.uniform(0, 2, shape) * 10 ** rng.uniform(-2, 0, (1, 1, shape[2])))
        self.documents[rng.random(shape) < 0.2] = 0
        self.documents[:, :, 0] += 1
        self.length = np.full(shape, 50.0) if one_length else np.ceil(10 ** rng.uniform(0.5, 3, shape))
        self.tokens = self.documents * self.length
        self.carried = np.array([[m >> k & 1 for m in range(shape[2])] for k in range(tokens)], float)
        self.rng = rng

    def allocated(self, clip, share, **options):
        cells = self.tokens.sum(axis=2).astype(np.int64)
        defaults = {
            "exponent": 0.0,
            "clips": np.full(self.domains, clip),
            "domain_weights": None,
            "when_short": "hold_budget",
            "domain_names": [str(d) for d in range(self.domains)],
        }
        return allocate(cells, budget=share * clip * float(cells.sum()), **(defaults | options))

    def classes(self, clip):
        return Classes(self.tokens, self.tokens * clip, 1 / self.length, self.carried)

    def shares(self, target):
        draws = (target / self.length).sum(axis=(0, 1))
        return (self.carried * draws).sum(axis=1) / draws.sum()

    def split(self, allocation):
        """What the classes give without caps."""
        cells = self.tokens.sum(axis=2, keepdims=True)
        return allocation.target[:, :, None] * self.tokens / np.maximum(cells, 1)


def caps(*limits):
    return Caps(np.array(limits), [f"token {k}" for k in range(len(limits))], "sampling.token_caps", "sampling.budget")


def kept(problem, allocation, clip, *limits, weighted=False, when_short="hold_budget"):
    return keep_caps(allocation, problem.classes(clip), caps(*limits), weighted, when_short)


@settings(max_examples=15)
@given(seeds, clips, st.floats(0.01, 0.6), st.floats(0.01, 0.5), st.floats(0.01, 0.5))
def test_caps_budget_and_clip_hold(seed, clip, share, first, second):
    problem = Problem(seed)
    plain = problem.allocated(clip, share)
    try:
        got = kept(problem, plain, clip, first, second)
    except JobError:
        free = problem.tokens[:, :, 0].sum() * clip
        assert plain.total > 0.9 * free  # there are not documents enough that carry nothing
        return
    target = problem.split(plain) if got.target is None else got.target
    assert (problem.shares(target) <= np.array([first, second]) * (1 + 1e-3)).all()
    assert got.allocation.total == pytest.approx(plain.total, rel=1e-9)
    assert (target <= problem.tokens * clip * (1 + 1e-12)).all()
    assert got.allocation.target == pytest.approx(target.sum(axis=2), rel=1e-12)
    if got.target is not None:
        assert np.minimum(got.pace, problem.tokens * clip) == pytest.approx(got.target, rel=1e-9)
        assert ((got.pace > 0) == (problem.tokens > 0)).all()
        assert (got.factors < 1).any()


@settings(max_examples=15)
@given(seeds, clips, st.floats(0.01, 0.6))
def test_a_cap_that_holds_by_itself_changes_nothing(seed, clip, share):
    problem = Problem(seed)
    plain = problem.allocated(clip, share)
    limits = np.minimum(problem.shares(problem.split(plain)) * 1.01 + 1e-6, 1.0)
    got = kept(problem, plain, clip, *limits)
    assert got.allocation is plain
    assert got.target is None
    assert got.factors.tolist() == [1, 1]


@settings(max_examples=15)
@given(seeds, clips, st.floats(0.01, 0.4), st.floats(0.02, 0.9), st.floats(0.02, 0.98))
def test_a_tighter_cap_never_raises_the_share_and_costs_its_carriers_only(seed, clip, share, limit, tighter):
    problem = Problem(seed, tokens=1)
    plain = problem.allocated(clip, share)
    try:
        loose, tight = (kept(problem, plain, clip, one) for one in (limit, limit * tighter))
    except JobError:
        return
    wide, narrow = (problem.split(plain) if one.target is None else one.target for one in (loose, tight))
    assert problem.shares(narrow)[0] <= problem.shares(wide)[0] * (1 + 1e-6)
    assert (narrow[..., 1] <= wide[..., 1] * (1 + 1e-6) + 1e-9).all()
    assert (narrow[..., 0] >= wide[..., 0] * (1 - 1e-6) - 1e-9).all()


@settings(max_examples=15)
@given(seeds, clips, st.floats(0.01, 0.4), st.floats(0.05, 0.5))
def test_domains_keep_their_totals(seed, clip, share, limit):
    problem = Problem(seed)
    weights = problem.rng.random(problem.domains) + 0.1
    plain = problem.allocated(clip, share, domain_weights=weights)
    try:
        got = kept(problem, plain, clip, limit, 1.0, weighted=True, when_short="strict")
    except JobError:
        return
    assert got.allocation.target.sum(axis=0) == pytest.approx(plain.target.sum(axis=0), rel=1e-9)


def projection(problem, preference, room, total, by_domain, limits):
    """The least sum a log(a / p) by an interior point method, in units of the total."""
    some = preference.ravel() > 0
    a = cvxpy.Variable(int(some.sum()), nonneg=True)
    index = np.flatnonzero(some)
    _, domains, classes = preference.shape
    conditions = [a <= room.ravel()[some] / total, cvxpy.sum(a) == 1]
    if by_domain is not None:
        conditions += [cvxpy.sum(a[index // classes % domains == d]) == by_domain[d] / total for d in range(domains)]
    for k, limit in enumerate(limits):
        weight = problem.carried[k][index % classes]
        conditions.append(weight @ a <= limit)
    found = cvxpy.Problem(cvxpy.Minimize(cvxpy.sum(cvxpy.kl_div(a, preference.ravel()[some]))), conditions)
    found.solve(solver=cvxpy.CLARABEL, tol_gap_abs=1e-10, tol_gap_rel=1e-10, tol_feas=1e-10)
    if found.status not in ("optimal", "optimal_inaccurate"):
        return None
    result = np.zeros(preference.size)
    result[some] = a.value.clip(0) * total
    return result.reshape(preference.shape)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("seed", range(12))
def test_it_is_the_nearest_allocation_within_the_caps(seed, weighted):
    """Documents of one length: then the share of documents is that of tokens, and the problem is convex."""
    problem = Problem(seed, one_length=True)
    clip, limits = int(problem.rng.integers(1, 5)), problem.rng.uniform(0.02, 0.3, 2)
    weights = problem.rng.random(problem.domains) + 0.2 if weighted else None
    plain = problem.allocated(clip, problem.rng.uniform(0.02, 0.5), domain_weights=weights)
    cells = np.maximum(problem.tokens.sum(axis=2, keepdims=True), 1)
    preference = plain.preference[:, :, None] * problem.tokens / cells
    by_domain = plain.target.sum(axis=0) if weighted else None
    expected = projection(problem, preference, problem.tokens * clip, plain.total, by_domain, limits)
    try:
        got = kept(problem, plain, clip, *limits, weighted=weighted, when_short="strict")
    except JobError:
        assert expected is None or (problem.shares(expected) > limits * 0.999).any()
        return
    target = problem.split(plain) if got.target is None else got.target
    assert expected is not None
    assert target / plain.total == pytest.approx(expected / plain.total, abs=3e-5)


def two_domains(carriers):
    """Two domains of one cluster, 100 documents of 10 tokens each; so many of each carry the token."""
    tokens = np.array([[[10.0 * (100 - n), 10.0 * n] for n in carriers]])
    problem = Problem(0, tokens=1, domains=2)
    problem.tokens, problem.length = tokens, np.full(tokens.shape, 10.0)
    return problem


@pytest.mark.parametrize(
    ("when_short", "expected"),
    [("hold_budget", True), ("hold_ratio", True), ("strict", None)],
)
def test_what_gives_when_a_domain_is_full_of_a_token(when_short, expected):
    """Half of the draws shall be of a domain whose documents nearly all carry the token, and a quarter may."""
    problem = two_domains([80, 0])
    plain = problem.allocated(1, 0.4, domain_weights=np.ones(2))
    assert plain.target.sum(axis=0).tolist() == [400, 400]

    def got():
        return kept(problem, plain, 1, 0.2, weighted=True, when_short=when_short)

    if expected is None:
        with pytest.raises(
            JobError, match=r"^sampling\.token_caps: 'token 0' may be in 0\.2 of .* but 66[567] can"
        ) as told:
            got()
        needed = float(re.search(r"max_share to ([0-9.]+)", str(told.value))[1])
        kept(problem, plain, 1, needed, weighted=True, when_short="strict")
        return
    if when_short == "hold_ratio":
        assert got().allocation.domain_weights == pytest.approx([0.5, 0.5])
        assert got().allocation.total == pytest.approx(200 / 0.3, rel=2e-3)
    else:
        assert got().allocation.total == pytest.approx(800)
        assert got().target[..., 1].sum() <= 0.2 * 800 * (1 + 1e-6)


def test_a_budget_that_documents_without_the_token_cannot_fill_says_what_can_be_drawn():
    problem = two_domains([50, 50])
    plain = problem.allocated(1, 0.9)
    with pytest.raises(JobError, match=r"1,800 tokens can't be drawn so, but 1,2[45][0-9] can: lower sampling\.budget"):
        kept(problem, plain, 1, 0.2)
    kept(problem, problem.allocated(1, 1249 / 2000), 1, 0.2)


def test_a_token_that_is_everywhere_is_refused():
    problem = two_domains([100, 100])
    with pytest.raises(JobError, match="every document that can be drawn carries it"):
        kept(problem, problem.allocated(1, 0.1), 1, 0.5)


def test_a_class_of_rare_combinations_counts_by_the_share_of_its_documents():
    problem = two_domains([40, 40])
    plain = problem.allocated(1, 0.3)
    classes = problem.classes(1)
    mixed = Classes(classes.tokens, classes.room, classes.draws, np.array([[0.0, 0.5]]))
    got = keep_caps(plain, mixed, caps(0.1), False, "hold_budget")
    assert 0.5 * got.target[..., 1].sum() / 600 == pytest.approx(0.1, rel=1e-5)


@settings(max_examples=15)
@given(seeds, st.floats(0.01, 0.3))
def test_without_the_cap_carriers_would_give_what_is_told(seed, limit):
    problem = Problem(seed, tokens=1)
    plain = problem.allocated(3, 0.2)
    try:
        got = kept(problem, plain, 3, limit)
    except JobError:
        assume(False)
    assert got.uncapped[0] == pytest.approx(problem.split(plain)[..., 1].sum(), rel=1e-9)
