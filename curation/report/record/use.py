"""What became of the documents: counts by source, by cluster and by quality, summed split by split.

Plain sums of whole numbers, so the order in which splits come can't matter.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: What is counted of a source: documents that are ..., and their tokens.
KINDS = ("available", "kept", "validation", "unique_used", "used_with_repeats")
#: Bins of quality, from 0 to 1.
DECILES = 10


@dataclass(frozen=True)
class SplitRows:
    """The documents of a split, which are all of one source; all arrays have their length n.

    Attributes:
        source: its number.
        tokens: int64.
        readable, kept, held: bool; could be read, is no dropped copy, is held out for validation.
        draws: int64, for training.
        cluster: int64; -1 where it has none.
        quality: float32; NaN where it has none.
    """

    source: int
    tokens: NDArray[np.int64]
    readable: NDArray[np.bool_]
    kept: NDArray[np.bool_]
    held: NDArray[np.bool_]
    draws: NDArray[np.int64]
    cluster: NDArray[np.int64]
    quality: NDArray[np.float32]


@dataclass(frozen=True)
class Use:
    """Counts of some splits.

    Attributes:
        rejected: int64[S], rows that can't be used, by source.
        documents, tokens: int64[S, 5], by source and KINDS.
        used: int64[K], documents that are drawn at least once, by cluster.
        most: int64[K], the most draws of a document, by cluster.
        deciles: int64[DECILES, 3], kept documents, drawn ones, draws, by quality.
        without: kept documents without a quality.
    """

    rejected: NDArray[np.int64]
    documents: NDArray[np.int64]
    tokens: NDArray[np.int64]
    used: NDArray[np.int64]
    most: NDArray[np.int64]
    deciles: NDArray[np.int64]
    without: int

    @classmethod
    def none(cls, sources: int, clusters: int) -> Use:
        """Of no split."""
        by_source, by_cluster = (sources, len(KINDS)), np.zeros((2, clusters), np.int64)
        counts = (np.zeros(sources, np.int64), np.zeros(by_source, np.int64), np.zeros(by_source, np.int64))
        return cls(*counts, by_cluster[0], by_cluster[1], np.zeros((DECILES, 3), np.int64), 0)

    def __add__(self, other: Use) -> Use:
        """Of all splits of both."""
        return Use(
            self.rejected + other.rejected,
            self.documents + other.documents,
            self.tokens + other.tokens,
            self.used + other.used,
            np.maximum(self.most, other.most),
            self.deciles + other.deciles,
            self.without + other.without,
        )


def use_of(rows: SplitRows, sources: int, clusters: int) -> Use:
    """The counts of one split."""
    use = Use.none(sources, clusters)
    drawn = rows.draws > 0
    use.rejected[rows.source] = np.count_nonzero(~rows.readable)
    times = (rows.readable, rows.kept, rows.held, drawn, rows.draws)  # as KINDS
    use.documents[rows.source] = [int(one.sum()) for one in times]
    use.tokens[rows.source] = [int((rows.tokens * one).sum()) for one in times]
    use.used[:] = np.bincount(rows.cluster[drawn], minlength=clusters)
    np.maximum.at(use.most, rows.cluster[drawn], rows.draws[drawn])
    known = rows.kept & np.isfinite(rows.quality)
    tenth = np.minimum(DECILES - 1, (rows.quality[known].astype(np.float64) * DECILES).astype(np.int64))
    for column, one in enumerate((None, drawn[known], rows.draws[known])):
        use.deciles[:, column] = np.bincount(tenth, None if one is None else one.astype(np.float64), DECILES)
    without = int(np.count_nonzero(rows.kept & ~known))
    return Use(use.rejected, use.documents, use.tokens, use.used, use.most, use.deciles, without)
