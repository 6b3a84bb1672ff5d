"""Learned mixtures: which mixtures are tried, and which one the trials speak for.

Nothing here knows what a trial is: losses of groups of validation texts come from outside, for mixtures that come from
here. Two methods are joined. RegMix (Liu et al. 2024, arXiv 2407.01492) tries random mixtures round the natural one,
fits a regression, and takes the mean of the best predicted. CLIMB (Diao et al. 2025, arXiv 2504.13161) does that in
rounds, each of which samples round the mixtures that the rounds before predict to be best, so that most trials are
spent where they matter.

Round 0 spans the space: each mixture lies at a random place on the way from natural to even, and every unit is
then scaled by a log-normal factor. (RegMix samples a Dirichlet distribution; with tens of units most of its shares are
next to nothing, which the floor forbids anyway.) A later round descends the fitted target by a cross-entropy
search in the logarithms of the shares, and samples round what it finds, less and less far. Everything is drawn from a
generator keyed by seed and round: the same trials give the same proposals.

Cost: a round takes some tenths of a second for 50 units and 50 groups.
"""

from __future__ import annotations

import numpy as np

from curation.counter_rng import keys
from curation.sampling.mixture_fit import Fit, Floats, Measure, Trials, fit_losses, target_of
from curation.sampling.mixture_space import MixtureSpace, within

#: Spread of the log-normal factors of round 0, and what is left of it in each further round.
SPREAD, NARROWER = 0.8, 0.6
#: The search: mixtures a turn, the best of which the next turn is drawn from, and turns.
CLOUD, BEST, TURNS = 512, 32, 30
#: How far the search starts out, and the least it keeps, in the logarithm of a share.
REACH, LEAST_REACH = 0.5, 0.02
#: Best measured trials whose mean is proposed at the end.
TOP = 8
#: Decimals of a proposed mixture: the last bits of a solver differ from processor to processor.
DECIMALS = 9


def first_mixtures(space: MixtureSpace, count: int, seed: int) -> Floats:
    """The mixtures of round 0: float64[count, U]. The first is the natural one, the second the even one."""
    random = _generator(seed, 0)
    way = random.uniform(0.0, 1.0, (count, 1))
    way[:2, 0] = (0.0, 1.0)[:count]
    spread = np.full((count, 1), SPREAD)
    spread[:2] = 0.0
    logs = (1 - way) * np.log(space.start) + way * np.log(space.even)
    return _rounded(np.exp(logs + spread * random.standard_normal(logs.shape)), space)


def next_mixtures(space: MixtureSpace, trials: Trials, measure: Measure, number: int, count: int, seed: int) -> Floats:
    """The mixtures of a later round, sampled round the best predicted one: float64[count, U]; it is the first of them.

    Args:
        space: the bounds.
        trials: all trials of the rounds before.
        measure: how the target is computed of the losses of the groups.
        number: of the round, from 1.
        count: mixtures to propose.
        seed: of the job.
    """
    random = _generator(seed, number)
    best = best_predicted(space, trials, measure, random)
    # Half of them between the best predicted and the best measured, where either may be wrong.
    measured = _mean_of_best(trials, measure)
    way = np.where(np.arange(count) % 2 == 0, 0.0, random.uniform(0.0, 1.0, count))[:, None]
    spread = np.full((count, 1), SPREAD * NARROWER**number)
    way[0], spread[0] = 0.0, 0.0
    logs = (1 - way) * np.log(best) + way * np.log(measured)
    return _rounded(np.exp(logs + spread * random.standard_normal(logs.shape)), space)


def last_mixtures(space: MixtureSpace, trials: Trials, measure: Measure, number: int, seed: int) -> Floats:
    """What is left to be tried at the end: float64[3, U].

    The best predicted mixture; the mean of the best measured ones; and the middle between the two.
    """
    best = best_predicted(space, trials, measure, _generator(seed, number))
    measured = _mean_of_best(trials, measure)
    return _rounded(np.stack([best, measured, np.sqrt(best * measured)]), space)


def best_predicted(space: MixtureSpace, trials: Trials, measure: Measure, random: np.random.Generator) -> Floats:
    """The mixture within the bounds that the regression predicts to be best: float64[U].

    A cross-entropy search: a cloud of mixtures is drawn round the best measured one, its best ones say where and how
    wide the next cloud is drawn, and so on; the mean of the last best ones is what RegMix takes.
    """
    fit = fit_losses(trials)
    centre, reach = np.log(_mean_of_best(trials, measure)), np.full(len(space.natural), REACH)
    for _ in range(TURNS):
        cloud = within(np.exp(centre + reach * random.standard_normal((CLOUD, len(centre)))), space)
        logs = np.log(cloud[np.argsort(_target(fit, cloud, measure), kind="stable")[:BEST]])
        centre, reach = logs.mean(axis=0), np.maximum(logs.std(axis=0), LEAST_REACH)
    found: Floats = within(np.exp(centre)[None], space)[0]
    return found


def _target(fit: Fit, mixtures: Floats, measure: Measure) -> Floats:
    return target_of(fit.losses(mixtures), measure)


def _mean_of_best(trials: Trials, measure: Measure) -> Floats:
    """The mean, in logarithms, of the best measured mixtures."""
    order = np.argsort(target_of(trials.losses, measure), kind="stable")[:TOP]
    found: Floats = np.exp(np.log(trials.mixtures[order]).mean(axis=0))
    return found


def _rounded(mixtures: Floats, space: MixtureSpace) -> Floats:
    """Within the bounds, to DECIMALS; never 0, of which there is no logarithm."""
    found: Floats = np.maximum(np.round(within(mixtures, space), DECIMALS), 10.0**-DECIMALS)
    return found


def _generator(seed: int, number: int) -> np.random.Generator:
    return np.random.default_rng(keys(seed, "learning.mixtures", np.array([number])))
