"""The documents that mixtures are made of, compiled for an n-gram model's questions (`ngram`).

For each document of the pool its n-grams whose contexts the validation text has are listed as small integers. A mixture
is counted by one `bincount` over the lists of the documents drawn; sums over contexts are differences of a running
sum; no n-gram is looked up again. Of the n-grams that the whole pool has only once, which are most, those that are not
asked for need no counter: all they do is to add one to N(h) and their copies to c(h), so of them the context is listed.

Parts of the pool can be compiled apart (`part`) and joined; the result is the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from curation.language_model.encoding import Encoded, places
from curation.language_model.ngram import BITS, Counts, Questions, document_losses, ngrams


@dataclass(frozen=True, eq=False)
class Ragged:
    """Whole numbers of documents: those of document i are `values[starts[i]:starts[i + 1]]`, int32 and int64."""

    values: NDArray[np.int32]
    starts: NDArray[np.int64]

    def of(self, documents: NDArray[np.integer]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """The numbers of some documents, one after the other, and how many each has."""
        return self.values[places(self.starts, documents)], self.starts[documents + 1] - self.starts[documents]


@dataclass(frozen=True, eq=False)
class Part:
    """The n-grams of some documents whose contexts are asked for. Lists are by order, from bigrams on.

    Attributes:
        tokens: the documents' tokens.
        grams: uint64[g] each, the different n-grams, ascending.
        once: bool[g] each, whether they come once here.
        rows: the documents' n-grams, as places in `grams`.
    """

    tokens: Ragged
    grams: list[NDArray[np.uint64]]
    once: list[NDArray[np.bool_]]
    rows: list[Ragged]


@dataclass(frozen=True, eq=False)
class Answers:
    """The pool, compiled. Contexts and counters of all orders are numbered through, counters by context.

    Attributes:
        unigrams: the tokens of each document.
        counted: its n-grams that have a counter.
        alone: the contexts of its n-grams that have none.
        counter_ends: int64[c + 1], where the counters of each context begin.
        context: int64[t] for each order from bigrams on: the context of each token of the validation text.
        gram: int64[t] for each order: the counter of the n-gram that the token ends; one past the last where the pool
            has no such n-gram.
    """

    unigrams: Ragged
    counted: Ragged
    alone: Ragged
    counter_ends: NDArray[np.int64]
    context: list[NDArray[np.int64]]
    gram: list[NDArray[np.int64]]

    @property
    def lengths(self) -> NDArray[np.int64]:
        """int64[n]: tokens of each document of the pool."""
        return np.diff(self.unigrams.starts)


def part(asked: Questions, pool: Encoded) -> Part:
    """The n-grams of some documents that matter to the questions."""
    grams, once, rows = [], [], []
    document = np.repeat(np.arange(pool.documents), pool.lengths)
    for order, contexts in enumerate(asked.contexts, 2):
        keys = ngrams(pool, order)
        wanted = np.flatnonzero(_found(keys >> BITS, contexts) >= 0)
        different, place, times = np.unique(keys[wanted], return_inverse=True, return_counts=True)
        grams.append(different)
        once.append(times == 1)
        rows.append(_ragged(place, document[wanted], pool.documents))
    return Part(Ragged(pool.tokens.astype(np.int32), pool.starts), grams, once, rows)


def join(asked: Questions, parts: Sequence[Part]) -> Answers:
    """The pool of several parts, its documents in their order."""
    first_counter, first_context = 0, 0
    contexts, grams, sizes = [], [], []
    counted: list[list[Ragged]] = []
    alone: list[list[Ragged]] = []
    for level in range(len(asked.contexts)):
        keys, single, numbers = _merged(parts, level)
        keep = ~single | (_found(keys, asked.grams[level]) >= 0)
        counter = np.where(keep, first_counter + np.cumsum(keep) - 1, -1)
        context = _found(keys >> BITS, asked.contexts[level]).astype(np.int64)
        sizes.append(np.bincount(context[keep], minlength=len(asked.contexts[level])))
        place = _found(asked.grams[level], keys)
        grams.append(np.where(place >= 0, counter[place], -1)[asked.gram[level]])
        contexts.append(first_context + asked.context[level].astype(np.int64))
        rows = [(numbers[p][one.rows[level].values], one.rows[level].starts) for p, one in enumerate(parts)]
        counted.append([_kept(counter[values], starts, keep[values]) for values, starts in rows])
        alone.append([_kept(first_context + context[values], starts, ~keep[values]) for values, starts in rows])
        first_counter, first_context = first_counter + int(keep.sum()), first_context + len(asked.contexts[level])
    ends = np.concatenate([np.zeros(1, np.int64), np.cumsum(np.concatenate(sizes))])
    return Answers(
        _end_to_end([one.tokens for one in parts]),
        _side_by_side([_end_to_end(one) for one in counted]),
        _side_by_side([_end_to_end(one) for one in alone]),
        ends,
        contexts,
        [np.where(one >= 0, one, first_counter) for one in grams],
    )


def answers(asked: Questions, pool: Encoded) -> Answers:
    """The pool, compiled for the questions in one go."""
    return join(asked, [part(asked, pool)])


def losses(asked: Questions, pool: Answers, copies: NDArray[np.integer]) -> NDArray[np.float64]:
    """The loss on each validation document of a model trained on so many copies of each document of the pool.

    Args:
        asked: the questions.
        pool: the documents to train on, compiled for them.
        copies: integers[n], how often each is in the training text; at least one is.

    Returns:
        float64[validation documents]: mean negative log likelihood, nats a token.
    """
    drawn = np.flatnonzero(copies)
    if not len(drawn):
        raise ValueError("no document is drawn, so there is nothing to train on")
    times = copies[drawn]
    unigrams = _count(pool.unigrams, drawn, times, asked.vocabulary)
    counters = np.append(_count(pool.counted, drawn, times, int(pool.counter_ends[-1])), 0.0)
    ends = pool.counter_ends
    size = len(ends) - 1
    context, followers = (np.diff(_running(one)[ends]) for one in (counters[:-1], counters[:-1] > 0))
    alone, lengths = pool.alone.of(drawn)
    followers = followers + np.bincount(alone, minlength=size)
    context = context + np.bincount(alone, np.repeat(times, lengths), minlength=size)
    everywhere = np.ones(len(asked.tokens))
    found = Counts(
        [unigrams[asked.tokens], *(counters[place] for place in pool.gram)],
        [everywhere * unigrams.sum(), *(context[place] for place in pool.context)],
        [everywhere * np.count_nonzero(unigrams), *(followers[place] for place in pool.context)],
    )
    return document_losses(asked, found)


def _count(numbers: Ragged, drawn: NDArray[np.integer], times: NDArray[np.integer], size: int) -> NDArray[np.float64]:
    """float64[size]: how often each number comes in the documents drawn."""
    values, lengths = numbers.of(drawn)
    if (times == 1).all():
        return np.bincount(values, minlength=size).astype(np.float64)
    return np.asarray(np.bincount(values, np.repeat(times, lengths), size), np.float64)


def _running(values: NDArray[np.float64] | NDArray[np.bool_]) -> NDArray[np.float64]:
    """float64[n + 1]: sums of the first values; whole numbers, so they are exact."""
    return np.concatenate([np.zeros(1), np.cumsum(values, dtype=np.float64)])


def _found(keys: NDArray[np.uint64], among: NDArray[np.uint64]) -> NDArray[np.int32]:
    """int32: the place of each key in a list of different ones, -1 where it is not there."""
    found: NDArray[np.int32] = pc.fill_null(pc.index_in(pa.array(keys), pa.array(among)), -1).to_numpy()
    return found


def _merged(parts: Sequence[Part], level: int) -> tuple[NDArray[np.uint64], NDArray[np.bool_], list[NDArray[np.int64]]]:
    """The different n-grams of all parts, whether the pool has them once, and their places for each part's."""
    keys, place = np.unique(np.concatenate([one.grams[level] for one in parts]), return_inverse=True)
    times = np.bincount(place, np.where(np.concatenate([one.once[level] for one in parts]), 1, 2), len(keys))
    cuts = np.cumsum([len(one.grams[level]) for one in parts])[:-1]
    return keys, times == 1, np.split(place, cuts)


def _ragged(values: NDArray[np.integer], document: NDArray[np.integer], documents: int) -> Ragged:
    """Values by document, from the document of each, ascending."""
    sizes = np.bincount(document, minlength=documents)
    return Ragged(values.astype(np.int32), np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)]))


def _kept(values: NDArray[np.int64], starts: NDArray[np.int64], keep: NDArray[np.bool_]) -> Ragged:
    """Those of the values that are kept."""
    before = np.concatenate([np.zeros(1, np.int64), np.cumsum(keep)])
    return Ragged(values[keep].astype(np.int32), before[starts])


def _end_to_end(parts: Sequence[Ragged]) -> Ragged:
    """The documents of several parts, one after the other."""
    ends = np.cumsum([0, *(len(one.values) for one in parts)])
    starts = [one.starts[:-1] + end for one, end in zip(parts, ends, strict=False)]
    return Ragged(np.concatenate([one.values for one in parts]), np.concatenate([*starts, ends[-1:]]))


def _side_by_side(orders: Sequence[Ragged]) -> Ragged:
    """The numbers of all orders of the same documents."""
    documents = len(orders[0].starts) - 1
    document = np.concatenate([np.repeat(np.arange(documents), np.diff(one.starts)) for one in orders])
    order = np.argsort(document, kind="stable")
    return _ragged(np.concatenate([one.values for one in orders])[order], document[order], documents)
