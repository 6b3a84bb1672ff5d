"""Trials in tasks: a mixture, the documents that it draws, and what an n-gram model trained on them loses.

A batch of trials is a task on one core, some tenths of a second each, and commits a table of its own. What a round
tries hangs on the rounds before, so a round is waited for; a run that died goes on from the batches that are there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curation import tables
from curation.errors import JobError
from curation.language_model.ngram_pool import losses
from curation.sampling.mixture_space import Floats
from curation.sampling.trial_draws import copies, random_places
from curation.stages.learning_sample import CHECK, FIT, POOL, Sample
from curation.stages.learning_texts import Compiled, load_compiled
from curation.stages.learning_units import Mixing
from curation.storage.store import Store

#: Trials of a task.
BATCH = 8
#: Decimals of a loss that are kept: sums differ in their last bits from processor to processor.
DECIMALS = 9


@dataclass(frozen=True, eq=False)
class Setting:
    """What all trials of a run have in common."""

    mixing: Mixing
    scale: float
    """Tokens of a trial, as a share of the job's budget."""
    seed: int
    vocabulary: int
    digest: str
    """Of the compiled pool."""


@dataclass(frozen=True, eq=False)
class Round:
    """Mixtures to be tried by one task."""

    number: int
    """Of the round."""
    first: int
    """Place in the round of the first mixture."""
    mixtures: Floats
    """float64[n, U]."""

    @property
    def name(self) -> str:
        """The file of what comes out."""
        return f"learned/round-{self.number:02}-{self.first:05}.parquet"


def batches_of(number: int, mixtures: Floats) -> list[Round]:
    """The batches of a round."""
    return [Round(number, first, mixtures[first : first + BATCH]) for first in range(0, len(mixtures), BATCH)]


def try_batch(batch: Round, store: Store, setting: Setting) -> None:
    """Commits what the trials of a batch lose."""
    compiled = load_compiled(store, setting.digest, setting.vocabulary)
    held, groups, weight = held_documents(compiled)
    found = np.stack([document_losses(compiled, setting, mixture, 0) for mixture in batch.mixtures])
    halves = [group_losses(found[:, held == half], groups[held == half], weight[held == half]) for half in (FIT, CHECK)]
    store.write_table(batch.name, trials_table(batch, *halves))


def try_checks(mixtures: Floats, store: Store, setting: Setting, draws: int) -> Floats:
    """The losses on every validation document of some mixtures, each drawn anew so many times.

    Returns:
        float64[mixtures, validation documents]: means over the draws, none of which the trials had.
    """
    compiled = load_compiled(store, setting.digest, setting.vocabulary)
    found = [
        [document_losses(compiled, setting, mixture, draw) for draw in range(1, draws + 1)] for mixture in mixtures
    ]
    means: Floats = np.mean(found, axis=1)
    return means


def document_losses(compiled: Compiled, setting: Setting, mixture: Floats, draw: int) -> Floats:
    """Nats a token on each validation document, of a model trained on what a mixture draws."""
    mixing, pool = setting.mixing, compiled.sample.only(compiled.sample.role == POOL)
    target = mixing.cell_tokens(mixture)
    uses = np.divide(target, mixing.tokens.ravel(), out=np.zeros_like(target), where=target > 0)
    there = mixing.unit >= 0
    give = np.asarray(np.bincount(mixing.unit[there], target[there], len(mixing.names)) * setting.scale, np.float64)
    place = random_places(setting.seed, draw, pool.doc_id, pool.unit)
    drawn = copies(uses, pool.cell, pool.unit, pool.tokens, give, place)
    if not drawn.any():
        raise JobError(
            f"a trial of learned weights draws {give.sum():,.0f} tokens of {len(mixing.names)} domains or groups, less "
            f"than half a document of each: raise {mixing.keys.budget}, or learning.trial_tokens where it is the less"
        )
    return losses(compiled.asked, compiled.pool, drawn)


def held_documents(compiled: Compiled) -> tuple[NDArray[np.int8], NDArray[np.int32], Floats]:
    """Half, group and tokens of each validation document."""
    sample: Sample = compiled.sample.only(compiled.sample.role >= FIT)
    tokens = compiled.held.lengths.astype(np.float64)
    if len(sample.doc_id):
        return sample.role, sample.group, tokens
    turns = np.arange(len(tokens)) % 2  # texts that the job names
    return np.where(turns == 0, FIT, CHECK).astype(np.int8), np.zeros(len(tokens), np.int32), tokens


def group_losses(found: Floats, group: NDArray[np.int32], weight: Floats) -> Floats:
    """Losses by group, by tokens: float64[N, G] from float64[N, documents]; groups are numbered by their order."""
    _, place = np.unique(group, return_inverse=True)
    belongs = np.zeros((len(group), int(place.max()) + 1))
    belongs[np.arange(len(group)), place] = weight
    means: Floats = found @ (belongs / belongs.sum(axis=0))
    return np.round(means, DECIMALS)


def trials_table(batch: Round, fit: Floats, check: Floats) -> pa.Table:
    """The `trials` table of a batch."""
    count = len(batch.mixtures)
    arrays = [
        pa.array(np.full(count, batch.number, np.int16)),
        pa.array(np.arange(batch.first, batch.first + count, dtype=np.int32)),
        *(pa.array(list(values), pa.list_(pa.float64())) for values in (batch.mixtures, fit, check)),
    ]
    return pa.table(arrays, schema=tables.TRIALS)
