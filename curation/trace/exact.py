"""The documents that share the longest passages with a text.

The index gives for every document that has a gram of the query a bound on the passage that the two can share. The
documents are read in the order of their bounds, and what they share is measured on their texts, until the best that
are asked for are as long as any bound that is left, or enough texts were read. Beside the longest passage counts how
many of the query's words are covered by shared grams: that tells a text that was changed here and there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curation.config import Job
from curation.storage.store import Marker, Store
from curation.trace.index import OVERLAP, found_grams, parts_of
from curation.trace.passages import GRAM, GUARANTEED, gram_hashes, longest_bounds, longest_run, shared_words
from curation.trace.places import texts_of
from curation.trace.words import BLOCK, Words, blocks, composed, cut

#: Pairs of a gram and a document that are looked at in a part; texts read for each that is asked for.
MOST_PAIRS, READ_FOR_ONE = 10_000_000, 2


@dataclass(frozen=True, eq=False)
class Candidates:
    """Documents that have grams of the query, those that may share the most first.

    Attributes:
        doc_id: int64[n].
        bound: int64[n], words that the shared passage has at most.
        found: int64[n], places of the query that are found in the document.
        total: documents that have a gram of the query, listed or not.
        whole: every gram was looked up in every part, so that the bounds hold.
    """

    doc_id: NDArray[np.int64]
    bound: NDArray[np.int64]
    found: NDArray[np.int64]
    total: int
    whole: bool


def find_exact(store: Store, job: Job, index: Marker, text: str, top: int) -> dict[str, Any]:
    """The documents that share the longest passages with a text, JSON-able.

    Returns:
        `words` of the query, `least_words`: no shared passage of so many is missed, `documents` that have a gram of
        it, `proven`: so many of the first hits are known to be the best, and `hits`: `doc_id`, `words` of the longest
        passage, `covered` words of the query, and the `passage` as it stands in the document.
    """
    query = cut([composed(text)])
    words = len(query.hashes)
    answer = {"words": words, "least_words": GUARANTEED, "documents": 0, "proven": 0, "hits": []}
    if words < GRAM:
        return answer
    limit = READ_FOR_ONE * top
    candidates = find_candidates(store, index, query, limit + 1)
    hits: list[dict[str, Any]] = []
    proven = 0
    for start in range(0, min(len(candidates.doc_id), limit), top):
        chosen = candidates.doc_id[start : min(start + top, limit)].tolist()
        for doc_id, read in texts_of(store, job, chosen).items():
            hits.append({"doc_id": doc_id, **measure(query, composed(read))})
        hits.sort(key=lambda hit: (-hit["words"], -hit["covered"], hit["doc_id"]))
        left = candidates.bound[start + len(chosen) :]
        # A document that is no candidate may share a passage that is shorter than the guaranteed one.
        other = max(int(left.max(initial=0)), GUARANTEED - 1)
        proven = sum(hit["words"] >= other for hit in hits[:top]) if candidates.whole else 0
        if proven == top:
            break
    hits = [hit for hit in hits[:top] if hit["words"] >= GRAM]
    return answer | {"documents": candidates.total, "proven": min(proven, len(hits)), "hits": hits}


def find_candidates(store: Store, index: Marker, query: Words, most: int) -> Candidates:
    """The documents that may share the longest passages, at most so many."""
    grams, words = gram_hashes(query.hashes), len(query.hashes)
    best: NDArray[np.int64] = np.empty((3, 0), np.int64)
    total, whole = 0, True
    for first, hashes, rows in parts_of(store, index):
        row, place, all_looked_at = found_grams(hashes, rows, grams, MOST_PAIRS)
        texts, bound, found = longest_bounds(row, place, words)
        total, whole = total + len(texts), whole and all_looked_at
        best = np.concatenate([best, np.stack([first + texts, bound, found])], axis=1)
        best = best[:, np.lexsort((best[0], -best[2], -best[1]))[:most]]
    return Candidates(best[0], best[1], best[2], total, whole)


def measure(query: Words, text: str) -> dict[str, Any]:
    """What a text in NFC shares with a query: `words` of the longest run, the `passage`, and `covered` words."""
    best, passage = 0, ""
    covered = np.zeros(len(query.hashes), np.bool_)
    # A run that is longer than what two pieces have in common may be cut: so they have more in common than the query.
    overlap = max(OVERLAP, 2 * int(query.ends[-1]))
    for _, [piece, *more] in blocks([text], overlap, max(BLOCK, 4 * overlap)):
        assert not more, "one text fills a block with one piece"
        words = cut([piece])
        covered |= shared_words(query.hashes, words.hashes)
        length, _, start = longest_run(query.hashes, words.hashes)
        if length > best:
            best, passage = length, piece[words.starts[start] : words.ends[start + length - 1]]
    return {"words": best, "covered": int(covered.sum()), "passage": passage}
