from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from curation.diff.content import Texts, group_numbers, overlap

#: (hash, draws, domain, cluster) of documents; few hashes, so that copies and shared texts are common.
DOCUMENTS = st.lists(
    st.tuples(st.integers(0, 9), st.integers(0, 3), st.integers(0, 2), st.integers(-1, 3)), max_size=25
)


def texts(documents):
    hashes = np.array([[one % 3, one // 3] for one, *_ in documents], np.uint64).reshape(-1, 2)
    draws, domain, cluster = (np.array([one[at] for one in documents], np.int64) for at in (1, 2, 3))
    return Texts(hashes, draws, domain, cluster)


def by_hash(documents):
    found = {}
    for one, draws, domain, cluster in documents:
        own = found.setdefault(one, {"draws": 0, "domain": domain, "cluster": -1})
        own["draws"] += draws
        own["cluster"] = cluster if own["cluster"] < 0 else own["cluster"]
    return found


@given(DOCUMENTS, DOCUMENTS)
def test_the_overlap_is_that_of_dictionaries(left, right):
    found = overlap(texts(left), texts(right), (3, 3), (4, 4))
    a, b = by_hash(left), by_hash(right)
    both = a.keys() & b.keys()
    assert found.texts.tolist() == [len(a.keys() - b.keys()), len(both), len(b.keys() - a.keys())]
    removed = Counter(a[one]["domain"] for one in a.keys() - b.keys())
    added = Counter(b[one]["domain"] for one in b.keys() - a.keys())
    assert [found.removed.tolist(), found.added.tolist()] == [[c[d] for d in range(3)] for c in (removed, added)]
    pairs = [(a[one]["draws"], b[one]["draws"]) for one in both]
    undrawn = sum(one == other == 0 for one, other in pairs)
    assert found.draws.tolist() == [
        undrawn,
        sum(one == other for one, other in pairs) - undrawn,
        sum(one < other for one, other in pairs),
        sum(one > other for one, other in pairs),
        sum(one == 0 < other for one, other in pairs),
        sum(one > 0 == other for one, other in pairs),
    ]
    cells = Counter((a[one]["cluster"], b[one]["cluster"]) for one in both)
    assert found.clusters.tolist() == [[cells[k, m] for m in range(4)] for k in range(4)]


@given(DOCUMENTS, DOCUMENTS)
def test_buckets_add_up(left, right):
    whole = overlap(texts(left), texts(right), (3, 3), (4, 4))
    parts = [
        overlap(*(texts([one for one in side if one[0] % 2 == bucket]) for side in (left, right)), (3, 3), (4, 4))
        for bucket in (0, 1)
    ]
    summed = parts[0] + parts[1]
    for name, counts in vars(whole).items():
        assert np.array_equal(counts, getattr(summed, name)), name


def test_groups_are_numbered_by_both_halves_of_the_hash():
    numbers, count = group_numbers(np.array([[1, 2], [1, 3], [1, 2], [0, 2]], np.uint64))
    assert count == 3
    assert numbers[0] == numbers[2]
    assert len(set(numbers.tolist())) == 3
