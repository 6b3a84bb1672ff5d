"""Which documents of a run a probe looks at: a pool to train on, and validation text that is never trained on.

The pool is a plain random sample, so that it is the corpus in small: whatever a strategy does to it, it would do to
the corpus. Validation text has another task: every domain and every cluster needs some of it, the rare ones too. So
it is stratified: of each domain, of each cluster and of the whole the documents with the lowest random numbers, the
same number for all three. What is in it stands for 1 / pi documents, with pi the largest of the three shares that
were taken; losses are weighted so, and the natural loss is that of the corpus and not that of the stratified sample.

A validation document leaves the pool, and with it every document of the same text or of the same group of near
duplicates. Numbers depend on the document and the seed alone, so any machine chooses the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curation.counter_rng import uniform
from curation.errors import JobError
from curation.sampling.grouping import blocks

#: Validation documents of a domain, of a cluster (or group of clusters), and of the whole, where there are enough.
A_DOMAIN, A_CLUSTER, NATURAL = 24, 12, 600
#: No stratum gives more than this share of its documents.
MOST_SHARE = 0.25
#: Validation documents, about, beyond which the strata give fewer each, and the fewest they give then.
MOST_DOCUMENTS, FEWEST = 6_000, 8
#: Documents that a probe needs.
LEAST_DOCUMENTS = 300


@dataclass(frozen=True, eq=False)
class Corpus:
    """What the choice is made from: n documents by ascending doc_id.

    Attributes:
        doc_id: integers[n].
        domain: integers[n].
        unit: integers[n], the cluster or group of clusters whose validation text is counted together.
        bytes: integers[n], of the text as far as it is read.
        usable: bool[n]: may be drawn.
        text: integers[n], equal where texts are (nearly) the same; None where no two are.
    """

    doc_id: NDArray[Any]
    domain: NDArray[Any]
    unit: NDArray[Any]
    bytes: NDArray[Any]
    usable: NDArray[np.bool_]
    text: NDArray[Any] | None = None


@dataclass(frozen=True, eq=False)
class Chosen:
    """Places in the corpus, int64 and ascending; `weight` float64[v]: documents that each of validation stands for."""

    pool: NDArray[np.int64]
    validation: NDArray[np.int64]
    weight: NDArray[np.float64]


def choose(corpus: Corpus, pool_bytes: float, fraction: float, seed: int) -> Chosen:
    """The pool and the validation documents.

    Args:
        corpus: the documents.
        pool_bytes: bytes of text that the pool is to have, about; all there are where there are fewer.
        fraction: the share of the corpus that the probe may look at at all, in (0, 1].
        seed: of the choice.

    Raises:
        JobError: there are fewer than LEAST_DOCUMENTS.
    """
    usable = corpus.usable.copy()
    if fraction < 1:
        for block in blocks(len(usable)):
            usable[block] &= uniform(seed, "probe.fraction", corpus.doc_id[block]) < fraction
    documents = int(np.count_nonzero(usable))
    if documents < LEAST_DOCUMENTS:
        part = "" if fraction == 1 else f" in a share of {fraction:g} of the corpus"
        raise JobError(
            f"probe: there are {documents:,} documents{part}, and fewer than {LEAST_DOCUMENTS} say nothing: "
            + ("probe a larger corpus" if fraction == 1 else "raise --fraction")
        )
    validation, weight = _validation(corpus, usable, seed)
    total = sum(float(corpus.bytes[block][usable[block]].sum(dtype=np.float64)) for block in blocks(len(usable)))
    share, usable[validation] = pool_bytes / max(total, 1.0), False
    for block in blocks(len(usable)) if share < 1 else ():
        usable[block] &= uniform(seed, "probe.pool", corpus.doc_id[block]) < share
    pool = np.flatnonzero(usable)
    if corpus.text is not None:
        pool = pool[~np.isin(corpus.text[pool], corpus.text[validation])]
    return Chosen(pool, validation, weight)


def _validation(corpus: Corpus, usable: NDArray[np.bool_], seed: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Places of the validation documents, and how many documents each stands for."""
    whole = np.zeros(len(usable), np.int8)
    columns = (corpus.domain, corpus.unit, whole)
    sizes = [np.bincount(column[usable], minlength=int(column.max()) + 1) for column in columns]
    wanted = [_quota(size, most) for size, most in zip(sizes, (A_DOMAIN, A_CLUSTER, NATURAL), strict=True)]
    # Far below its quota's share of the numbers a stratum has none, far above it can't need any: few are looked at.
    reach = [
        np.minimum(1.0, (quota + 6 * np.sqrt(quota) + 12) / np.maximum(size, 1))
        for quota, size in zip(wanted, sizes, strict=True)
    ]
    near = []
    for block in blocks(len(usable)):
        limit = np.max([limits[column[block]] for limits, column in zip(reach, columns, strict=True)], axis=0)
        low = uniform(seed, "probe.validation", corpus.doc_id[block]) < limit
        near.append(block.start + np.flatnonzero(low & usable[block]))
    place = np.concatenate(near)
    order = place[np.argsort(uniform(seed, "probe.validation", corpus.doc_id[place]), kind="stable")]
    chosen = np.zeros(len(order), np.bool_)
    share = np.zeros(len(order))
    for column, quota, size in zip(columns, wanted, sizes, strict=True):
        own = column[order]
        chosen |= _rank(own) < quota[own]
        share = np.maximum(share, quota[own] / size[own])
    found, weight = order[chosen], 1.0 / share[chosen]
    ascending = np.argsort(found)
    return found[ascending], weight[ascending]


def _quota(sizes: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """How many documents each stratum gives."""
    if len(sizes) * most > MOST_DOCUMENTS:
        most = min(most, max(FEWEST, MOST_DOCUMENTS // len(sizes)))
    found: NDArray[np.int64] = np.minimum(most, np.floor(MOST_SHARE * sizes)).astype(np.int64)
    return found


def _rank(stratum: NDArray[Any]) -> NDArray[np.int64]:
    """The number of each member in its stratum, in the order given, from 0."""
    order = np.argsort(stratum, kind="stable")
    grouped = stratum[order]
    first = np.maximum.accumulate(np.where(np.diff(grouped, prepend=-1) != 0, np.arange(len(order)), 0))
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order)) - first
    return rank
