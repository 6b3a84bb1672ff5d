"""What the stages take that find weights: features of texts (`profiles`), and trials of mixtures (`learned`)."""

from __future__ import annotations

from curation.estimate.rates import Rates
from curation.estimate.work import TURN, StageTime, Work

#: Tokens a second of a slot: encoded, compiled for the n-gram model, and trained on in a trial.
ENCODED_TOKENS, COMPILED_TOKENS, TRIED_TOKENS = 5e5, 6e5, 1.2e7
#: Seconds of a slot for each trial beside that: the plan in small, and scoring the validation texts.
SCORED = 0.1
#: Seconds of the driver for a round, in which the next mixtures are searched for; excerpts listed a second.
SEARCHED, LISTED = 1.5, 5e5


def profiles_time(work: Work, rates: Rates, slots: float) -> StageTime:
    """Features are measured of the excerpts of each domain."""
    if not work.weighs_texts:
        return StageTime("profiles", TURN / 4, note="not asked for")
    measuring = work.excerpts / rates.profiled_texts
    return StageTime("profiles", TURN, work=measuring, slots=slots, note="features of texts")


def learned_time(work: Work, rates: Rates, cpus: float, slots: float) -> StageTime:
    """A vocabulary and the pool are one task each; encoding is shared by splits, and trials by batches."""
    if not work.trials:
        return StageTime("learned", TURN / 4, note="not asked for")
    encoding = work.pool_tokens / ENCODED_TOKENS + work.excerpts / LISTED
    trying = work.trials * (work.trial_tokens / TRIED_TOKENS + SCORED)
    shared = encoding / slots + trying / cpus
    fixed = rates.starts.process + rates.starts.code + rates.starts.torch
    serial = work.pool_tokens / COMPILED_TOKENS + SEARCHED * work.rounds
    total = encoding + trying
    note = f"{work.trials} trials of {work.trial_tokens:,.3g} tokens"
    return StageTime("learned", fixed, serial, total, total / shared, spared=fixed - TURN, note=note)
