"""Counts by source, cluster and quality: as a plain loop counts them, however the rows are cut into splits."""

from __future__ import annotations

from dataclasses import astuple, fields

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from curation.report.record.use import DECILES, KINDS, SplitRows, Use, use_of

SOURCES, CLUSTERS = 3, 4


def rows_of(seed, count, source):
    """Documents of a split as a run can leave them: only kept ones are held out or drawn, and never both."""
    rng = np.random.default_rng(seed)
    readable = rng.random(count) < 0.9
    kept = readable & (rng.random(count) < 0.8)
    held = kept & (rng.random(count) < 0.2)
    draws = np.where(kept & ~held, rng.integers(0, 4, count), 0)
    quality = np.where(rng.random(count) < 0.7, rng.choice([0, 0.05, 0.1, 0.3, 0.999, 1], count), np.nan)
    cluster = np.where(kept, rng.integers(0, CLUSTERS, count), -1)
    tokens = np.where(readable, rng.integers(1, 2**31, count), 0)
    return SplitRows(source, tokens, readable, kept, held, draws, cluster, quality.astype(np.float32))


@given(st.integers(0, 2**32 - 1), st.integers(0, 40), st.integers(0, SOURCES - 1))
def test_counts_are_those_of_a_loop(seed, count, source):
    rows = rows_of(seed, count, source)
    use = use_of(rows, SOURCES, CLUSTERS)
    wanted = Use.none(SOURCES, CLUSTERS)
    without = 0
    for i in range(count):
        wanted.rejected[source] += not rows.readable[i]
        times = (rows.readable[i], rows.kept[i], rows.held[i], rows.draws[i] > 0, rows.draws[i])
        for column, number in enumerate(times):
            wanted.documents[source, column] += int(number)
            wanted.tokens[source, column] += int(number) * rows.tokens[i]
        if rows.draws[i]:
            wanted.used[rows.cluster[i]] += 1
            wanted.most[rows.cluster[i]] = max(wanted.most[rows.cluster[i]], rows.draws[i])
        if rows.kept[i] and np.isnan(rows.quality[i]):
            without += 1
        elif rows.kept[i]:
            tenth = min(DECILES - 1, int(float(rows.quality[i]) * DECILES))
            wanted.deciles[tenth] += [1, int(rows.draws[i] > 0), rows.draws[i]]
    assert len(KINDS) == len(times if count else KINDS)
    for field in fields(Use)[:-1]:
        assert np.array_equal(getattr(use, field.name), getattr(wanted, field.name)), field.name
    assert use.without == without


@given(st.lists(st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 20), st.integers(0, 2)), max_size=5), st.randoms())
def test_the_order_of_splits_can_not_matter(splits, random):
    def total(chosen):
        uses = [use_of(rows_of(*split), SOURCES, CLUSTERS) for split in chosen]
        return sum(uses, start=Use.none(SOURCES, CLUSTERS))

    shuffled = [*splits]
    random.shuffle(shuffled)
    pairs = zip(astuple(total(splits)), astuple(total(shuffled)), strict=True)
    assert all(np.array_equal(one, other) for one, other in pairs)
