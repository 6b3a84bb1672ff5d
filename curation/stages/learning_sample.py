"""The texts that mixtures are tried on: a pool to draw from, and validation texts that are never in it.

They are excerpts (the beginnings of a random sample of documents, of each domain at least 2,000), so that nothing of
the sources is read again. Of each domain or theme that the target names some are set apart for validation, half of
them to fit the weights on and half to check the fitted ones; of the others each unit gives what `trial_draws` says. All
choices are by random numbers of the documents, so neither splits nor tasks matter.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from curation.config import Job
from curation.counter_rng import keys
from curation.errors import JobError
from curation.sampling.grouping import stable_argsort
from curation.sampling.trial_draws import chosen, pool_sizes
from curation.stages.learning_units import Mixing
from curation.stages.splits import part_name
from curation.storage.store import Store

#: What a document of the sample is for.
POOL, FIT, CHECK = 0, 1, 2
#: Validation documents of a group: at most, of all groups together at most, and at most this share of what it has.
HELD, MOST_HELD, HELD_SHARE = 48, 2400, 0.2
#: Fewest validation documents of a group that counts: fewer say more of themselves than of their kind.
LEAST_HELD = 4
#: So a group that counts has at least so many documents.
LEAST_DOCUMENTS = round(LEAST_HELD / HELD_SHARE)


@dataclass(frozen=True, eq=False)
class Listed:
    """What some splits hold: tokens of the cells, and the excerpts of documents with a cluster."""

    cell_tokens: NDArray[np.int64]
    """int64[C, D]."""
    doc_id: NDArray[np.int64]
    split: NDArray[np.int32]
    cell: NDArray[np.int32]
    tokens: NDArray[np.float32]
    """Tokens of the excerpt: the document's, by its share of the bytes."""


@dataclass(frozen=True, eq=False)
class Sample:
    """The documents of the pool and of validation, ascending by doc_id; arrays of their number n."""

    doc_id: NDArray[np.int64]
    split: NDArray[np.int32]
    cell: NDArray[np.int32]
    unit: NDArray[np.int32]
    tokens: NDArray[np.float64]
    role: NDArray[np.int8]
    """POOL, FIT or CHECK."""
    group: NDArray[np.int32]
    """What a validation document stands for; -1 in the pool."""

    def only(self, which: NDArray[np.bool_]) -> Sample:
        """Some of the documents."""
        return Sample(**{name: array[which] for name, array in vars(self).items()})


def list_excerpts(splits: list[int], store: Store, clusters: int, domains: list[str]) -> Listed:
    """What some splits hold."""
    number = {domain: index for index, domain in enumerate(domains)}
    cell_tokens = np.zeros(clusters * len(domains), np.int64)
    found: list[tuple[NDArray[Any], ...]] = []
    there = store.list("excerpts")
    for split in splits:
        assigned = store.read_table(part_name("assignments", split), ["doc_id", "cluster"])
        if not assigned.num_rows:
            continue
        documents = store.read_table(part_name("documents", split), ["doc_id", "domain", "tokens", "bytes"])
        first = documents["doc_id"][0].as_py()
        doc_id = assigned["doc_id"].to_numpy()
        tokens, size = (documents[name].to_numpy()[doc_id - first] for name in ("tokens", "bytes"))
        cell = assigned["cluster"].to_numpy() * len(domains) + number[documents["domain"][0].as_py()]
        np.add.at(cell_tokens, cell, tokens.astype(np.int64))
        if part_name("excerpts", split) not in there:
            continue
        excerpts = store.read_table(part_name("excerpts", split))
        own = excerpts["doc_id"].to_numpy()
        place = np.searchsorted(doc_id, own)
        kept = doc_id[np.minimum(place, len(doc_id) - 1)] == own
        place = place[kept]
        read = pc.binary_length(excerpts["text"]).to_numpy()[kept]
        share = np.minimum(read / np.maximum(size[place], 1), 1.0)
        some = read > 0
        arrays = (own[kept], np.full(len(place), split), cell[place], tokens[place] * share)
        found.append(tuple(array[some] for array in arrays))
    columns = [np.concatenate([part[k] for part in found]) if found else np.zeros(0) for k in range(4)]
    types = (np.int64, np.int32, np.int32, np.float32)
    listed = [column.astype(kind) for column, kind in zip(columns, types, strict=True)]
    return Listed(cell_tokens.reshape(clusters, len(domains)), *listed)


def together(parts: Iterable[Listed]) -> Listed:
    """The same of several parts, of which only the sums of the cells are kept one by one."""
    total, columns = None, []
    for part in parts:
        total = part.cell_tokens if total is None else total + part.cell_tokens
        columns.append((part.doc_id, part.split, part.cell, part.tokens))
    assert total is not None, "a run has at least one split"
    found = [np.concatenate(column) for column in zip(*columns, strict=True)]
    order = np.argsort(found[0], kind="stable")
    return Listed(total, *(column[order] for column in found))


def trial_scale(job: Job, mixing: Mixing, listed: Listed) -> float:
    """What a trial draws, as a share of what the job does: no more than the sample can stand for."""
    open_ = mixing.unit[listed.cell] >= 0
    there = float(listed.tokens[open_].sum(dtype=np.float64)) / float(mixing.tokens.sum())
    return min(job.learning.trial_tokens / mixing.budget, 1.0, there)


def choose_sample(job: Job, mixing: Mixing, listed: Listed, group_of_cell: NDArray[np.int32] | None) -> Sample:
    """Who is in the pool and who is for validation.

    Args:
        job: the job.
        mixing: the units.
        listed: all excerpts.
        group_of_cell: int32[C x D], what a validation document stands for; None: validation texts come from elsewhere.

    Raises:
        JobError: no group has enough documents to set some apart.
    """
    unit = mixing.unit[listed.cell]
    doc_id, open_ = listed.doc_id, unit >= 0
    role = np.where(open_, np.int8(POOL), np.int8(-1))
    group = np.full(len(doc_id), -1, np.int32)
    if group_of_cell is not None:
        wanted = group_of_cell[listed.cell]
        rank, most = _ranks(job.seed, doc_id, np.where(open_, wanted, -1))
        held = rank < most
        if not held.any():
            raise JobError(
                f"learning.target is {job.learning.target}, and none of {np.unique(wanted[open_]).size} domains or "
                f"groups has {LEAST_DOCUMENTS} documents with an excerpt, too few to set {LEAST_HELD} apart for "
                "validation: give texts of your own in learning.validation (target: validation), or learn no weights"
            )
        role[held], group[held] = np.where(rank[held] % 2 == 0, FIT, CHECK), wanted[held]
    pool = role == POOL
    units = len(mixing.names)
    tokens = listed.tokens.astype(np.float64)
    available = np.asarray(np.bincount(unit[pool], tokens[pool], units), np.float64)
    wanted_tokens = np.asarray(mixing.unit_tokens * trial_scale(job, mixing, listed), np.float64)
    sizes = pool_sizes(available, wanted_tokens, job.learning.pool_tokens)
    places = np.flatnonzero(pool)
    order = stable_argsort(keys(job.seed, "learning.pool", doc_id[places]))
    role[places[~chosen(order, unit[places], tokens[places], sizes)]] = -1
    sample = Sample(doc_id, listed.split, listed.cell, unit, tokens, role.astype(np.int8), group)
    return sample.only(role >= 0)


def _ranks(seed: int, doc_id: NDArray[np.int64], group: NDArray[np.int32]) -> tuple[NDArray[Any], NDArray[Any]]:
    """By chance, the rank of each document in its group, and how many of its group are for validation: int64[n] each.

    A group of -1 has none.
    """
    groups = int(group.max(initial=-1)) + 1
    sizes = np.bincount(group[group >= 0], minlength=max(groups, 1))
    present = max(1, int(np.count_nonzero(sizes)))
    most = np.minimum(min(HELD, max(LEAST_HELD, MOST_HELD // present)), (HELD_SHARE * sizes).astype(np.int64))
    most = np.where(most >= LEAST_HELD, most, 0)
    order = np.lexsort((keys(seed, "learning.validation", doc_id), group))
    rank = np.empty(len(group), np.int64)
    rank[order] = np.arange(len(group)) - np.searchsorted(group[order], group[order])
    return rank, np.where(group >= 0, most[group], 0)
