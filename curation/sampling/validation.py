"""Which documents are held out for validation: a share of every cell, exact copies always together.

A random number that depends on the text alone is the text's key, so copies have one key, wherever they are. How many
documents a cell gives is its quota (`quotas`). The texts are gone through in the order of their keys, and one is held
out, with all its copies in all cells, if every cell that has one can give as many within its quota. So a document
without copies is held out if its key is among the lowest of its cell; copies that would go beyond a quota are passed
over. Where only those are left and a cell has given less than its least, a second round takes them, those with the
fewest copies first, as long as no cell gives more than half of its documents.

Going through texts one by one is a loop over millions, and nothing is lost by deciding many at once: what fits even
if all before it are taken is taken; what does not fit although none of them is, is passed over; the first text that is
left is always one of the two. A few rounds of array operations decide all.

Only documents with low keys can be held out, so the others are not even looked at: a cell with N documents and a quota
of q looks at about q + 6 sqrt(q) + 12 of them, and at all where those were not enough. Cost: one pass that computes
keys and compares them, two where there are copies. Memory: some 50 bytes for each document that is looked at.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curation.counter_rng import keys
from curation.sampling.grouping import blocks

#: A cell looks at so many documents more than its quota: the first times its root, plus the second.
SPARE = (6.0, 12.0)

#: Bits of a key after its first 53, which a float64 holds, and after its first 24.
_CUT, _REST = np.uint64(11), np.uint64(40)


def quotas(documents: NDArray[np.int64], fraction: float, min_documents: int) -> NDArray[np.int64]:
    """How many documents each cell is to give.

    The fraction of its documents, rounded so that all cells together are off by less than one; at least
    `min_documents` where it has more than that many; and never all.

    Args:
        documents: int64[cells], documents of each cell.
        fraction: in (0, 0.5].
        min_documents: at least 0.

    Returns:
        int64[cells], below `documents` where there are any.

    Example:
        >>> quotas(np.array([1000, 300, 20, 5, 0]), fraction=0.01, min_documents=5).tolist()
        [10, 5, 5, 0, 0]
    """
    share = np.diff(np.floor(fraction * np.cumsum(documents) + 0.5), prepend=0.0).astype(np.int64)
    quota = np.where(documents > min_documents, np.maximum(share, min_documents), share)
    below_all: NDArray[np.int64] = np.minimum(quota, np.maximum(documents - 1, 0))
    return below_all


def limits(documents: NDArray[np.int64], quota: NDArray[np.int64]) -> NDArray[np.int64]:
    """The most that each cell gives, int64[cells]: its quota, or half of its documents where only copies are left."""
    return np.maximum(quota, documents // 2)


def held_out(
    doc_id: NDArray[Any],
    cell: NDArray[Any],
    documents: NDArray[np.int64],
    fraction: float,
    min_documents: int,
    seed: int,
    content: NDArray[np.uint64] | None = None,
) -> NDArray[np.int64]:
    """The documents that are held out.

    Args:
        doc_id: integers[N], each once.
        cell: integers[N].
        documents: int64[cells], documents of each cell; 0 for a cell that is to give nothing, whose documents are
            then as if they were not there.
        fraction: see `quotas`.
        min_documents: see `quotas`.
        seed: the job's seed.
        content: uint64[N], equal for equal texts. None: there are no two documents of one text.

    Returns:
        int64, ascending indices of `doc_id`: of a text all or none. A cell gives its quota, or less where what is left
        in it are copies that would make this or another cell give more; at least min(quota, `min_documents`) where
        that is possible within `limits`. Another order of the documents gives the same texts.

    Example:
        >>> ids, cells = np.arange(8), np.zeros(8, int)
        >>> len(held_out(ids, cells, np.array([8]), fraction=0.25, min_documents=1, seed=0))
        2
    """
    quota = quotas(documents, fraction, min_documents)
    identity = doc_id if content is None else content
    bound = np.minimum(1.0, (quota + SPARE[0] * np.sqrt(quota) + SPARE[1]) / np.maximum(documents, 1))
    bound[quota == 0] = 0.0
    while True:
        limit = (bound * 2.0**53).astype(np.uint64)
        place, key = _below(identity, cell, limit, seed)
        if content is not None:
            place, key = _same_text(identity, cell, documents > 0, key, seed)
        texts, parts = _texts(key, cell[place], len(documents))
        _take(parts, quota, quota, texts)
        # A text that is not looked at lies above all its cells' bounds, so it must be those below that fill a cell.
        below = texts.taken[texts.number] & ((key >> _CUT) < limit[cell[place]])
        short = (np.bincount(cell[place[below]], minlength=len(quota)) < quota) & (bound < 1.0)
        if not short.any():
            break
        bound[short] = 1.0
    least = np.where(documents > min_documents, min_documents, 0)
    if (texts.given < least).any():
        _take(_fewest_first(parts, texts), least, limits(documents, quota), texts)
    return np.sort(place[texts.taken[texts.number]])


@dataclass(frozen=True)
class _Texts:
    """The texts that are looked at, in the order of their keys, and what was decided so far; arrays change in place."""

    number: NDArray[np.int64]
    """int64[documents looked at]: which text each is."""
    taken: NDArray[np.bool_]
    """bool[texts]."""
    given: NDArray[np.int64]
    """int64[cells]: documents that each cell gives."""


@dataclass(frozen=True)
class _Parts:
    """A row for each text and each cell that has it, sorted by cell, then by the rank of the text; int64 each."""

    text: NDArray[np.int64]
    cell: NDArray[np.int64]
    count: NDArray[np.int64]
    """Copies of the text in the cell."""


def _below(
    identity: NDArray[Any], cell: NDArray[Any], limit: NDArray[np.uint64], seed: int
) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
    """The documents whose key's first 53 bits are below the limit of their cell: their indices and keys."""
    places, found = [np.zeros(0, np.int64)], [np.zeros(0, np.uint64)]
    for block in blocks(len(cell)):
        key = keys(seed, "sampling.validation", identity[block])
        near = np.flatnonzero((key >> _CUT) < limit[cell[block]])
        places.append(near + block.start)
        found.append(key[near])
    return np.concatenate(places), np.concatenate(found)


def _same_text(
    identity: NDArray[Any], cell: NDArray[Any], is_open: NDArray[np.bool_], wanted: NDArray[np.uint64], seed: int
) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
    """All documents in open cells that have one of these keys: their indices and keys."""
    begins = np.zeros(1 << 64 - int(_REST), np.bool_)  # most keys are ruled out by their first bits alone
    begins[wanted >> _REST] = True
    places, found = [np.zeros(0, np.int64)], [np.zeros(0, np.uint64)]
    for block in blocks(len(cell)):
        key = keys(seed, "sampling.validation", identity[block])
        near = np.flatnonzero(begins[key >> _REST] & is_open[cell[block]])
        places.append(near + block.start)
        found.append(key[near])
    place, key = np.concatenate(places), np.concatenate(found)
    same = np.isin(key, wanted)
    return place[same], key[same]


def _texts(key: NDArray[np.uint64], cell: NDArray[Any], cells: int) -> tuple[_Texts, _Parts]:
    """The texts of some documents, of which nothing is decided, and their parts."""
    order = np.lexsort((cell, key))
    key, cell = key[order], cell[order].astype(np.int64)
    new_text = np.diff(key, prepend=key[:1]) != 0
    rank = np.cumsum(new_text)
    new_part = new_text | (np.diff(cell, prepend=-1) != 0)
    start = np.flatnonzero(new_part)
    number = np.empty_like(rank)
    number[order] = rank
    texts = _Texts(number, np.zeros(int(rank.max(initial=-1)) + 1, np.bool_), np.zeros(cells, np.int64))
    return texts, _by_cell(rank[start], cell[start], np.diff(start, append=len(key)))


def _by_cell(text: NDArray[np.int64], cell: NDArray[np.int64], count: NDArray[np.int64]) -> _Parts:
    """Parts that come in the order of their texts' ranks."""
    order = np.argsort(cell, kind="stable")
    return _Parts(text[order], cell[order], count[order])


def _fewest_first(parts: _Parts, texts: _Texts) -> _Parts:
    """The parts in an order in which texts with fewer copies come first, in equal numbers by key."""
    size = np.bincount(texts.number, minlength=len(texts.taken))
    order = np.lexsort((parts.text, size[parts.text]))
    return _by_cell(parts.text[order], parts.cell[order], parts.count[order])


def _take(parts: _Parts, want: NDArray[np.int64], most: NDArray[np.int64], texts: _Texts) -> None:
    """Takes texts in order, as if one by one: if a cell that has one gives less than `want`, and none more than `most`.

    Args:
        parts: of all texts; those of the texts that are taken already are passed over.
        want: int64[cells].
        most: int64[cells].
        texts: what was decided so far; changes.
    """
    live = ~texts.taken[parts.text]
    text, cell, count = parts.text, parts.cell, parts.count

    def any_of(which: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """bool[texts]: whether it is so for any part of a text."""
        found = np.zeros(len(texts.taken), np.bool_)
        found[text[which]] = True
        return found

    while live.any():
        text, cell, count = text[live], cell[live], count[live]
        given, before = texts.given[cell], _before(cell, count)
        refused = any_of(given + count > most[cell]) | ~any_of(given < want[cell])
        sure = any_of(given + before < want[cell]) & ~any_of(given + before + count > most[cell])
        mine = sure[text]
        texts.taken[text[mine]] = True
        np.add.at(texts.given, cell[mine], count[mine])
        live = ~(sure | refused)[text]


def _before(cell: NDArray[np.int64], count: NDArray[np.int64]) -> NDArray[np.int64]:
    """What the parts before each one in its cell count together."""
    sums = np.cumsum(count) - count
    first = np.flatnonzero(np.diff(cell, prepend=-1))
    return sums - np.repeat(sums[first], np.diff(first, append=len(cell)))
