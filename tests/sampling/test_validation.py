"""What is held out: whole texts, each cell's quota, the same whatever the order of the documents."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.counter_rng import keys
from curation.sampling import validation
from curation.sampling.validation import held_out, limits, quotas

counts = st.lists(st.integers(0, 5000), min_size=1, max_size=30).map(lambda sizes: np.array(sizes, np.int64))
fractions = st.floats(1e-4, 0.5)


@given(counts, fractions, st.integers(0, 50))
def test_quotas_are_the_fraction_and_the_least_and_empty_no_cell(documents, fraction, least):
    quota = quotas(documents, fraction, least)
    assert (quota >= 0).all()
    assert (quota < np.maximum(documents, 1)).all()
    large = documents > least
    assert (quota[large] >= np.minimum(least, documents[large] - 1)).all()
    share = np.maximum(fraction * documents, np.where(large, least, 0))
    assert (np.abs(quota - np.minimum(share, np.maximum(documents - 1, 0))) <= 1).all()
    alone = quotas(documents, fraction, 0)
    if (alone < np.maximum(documents - 1, 0)).all():
        assert abs(alone.sum() - fraction * documents.sum()) < 1


def random_documents(seed, documents, cells, texts):
    rng = np.random.default_rng(seed)
    content = rng.integers(0, texts, documents).astype(np.uint64) * np.uint64(2**63 // texts)
    cell = np.minimum(rng.geometric(0.3, documents) - 1, cells - 1).astype(np.int32)
    held = np.bincount(cell, minlength=cells)
    held[rng.random(cells) < 0.1] = 0
    return content, cell, held


worlds = st.builds(
    random_documents, st.integers(0, 2**32), st.integers(1, 200), st.integers(1, 9), st.sampled_from([2, 20, 150, 3000])
)


def one_by_one(key, cell, documents, fraction, least):
    """The rule as a loop: the texts that are held out."""
    quota = quotas(documents, fraction, least)
    members = {}
    for number, place in zip(key.tolist(), cell.tolist(), strict=True):
        if documents[place]:
            members.setdefault(number, []).append(place)
    given_, taken = np.zeros(len(documents), np.int64), set()

    def go(order, want, most):
        for number in order:
            mine = np.bincount(members[number], minlength=len(documents))
            has = mine > 0
            if number not in taken and (given_ + mine <= most)[has].all() and (given_ < want)[has].any():
                taken.add(number)
                given_[:] += mine

    go(sorted(members), quota, quota)
    by_copies = sorted(members, key=lambda number: (len(members[number]), number))
    go(by_copies, np.where(documents > least, least, 0), limits(documents, quota))
    return taken


@given(worlds, fractions, st.integers(0, 6), st.integers(0, 3))
def test_the_same_as_going_through_the_texts_one_by_one(world, fraction, least, seed):
    content, cell, documents = world
    found = held_out(np.arange(len(cell)), cell, documents, fraction, least, seed, content)
    key = keys(seed, "sampling.validation", content)
    texts = one_by_one(key, cell, documents, fraction, least)
    expected = [i for i in range(len(cell)) if int(key[i]) in texts and documents[cell[i]]]
    assert found.tolist() == expected


@given(worlds, fractions, st.integers(0, 6))
def test_a_text_is_on_one_side_and_no_cell_is_emptied(world, fraction, least):
    content, cell, documents = world
    found = held_out(np.arange(len(cell)), cell, documents, fraction, least, 0, content)
    is_held = np.isin(np.arange(len(cell)), found)
    is_open = documents[cell] > 0
    assert not is_held[~is_open].any()
    assert not set(content[is_held].tolist()) & set(content[is_open & ~is_held].tolist())
    gives = np.bincount(cell[found], minlength=len(documents))
    assert (gives <= limits(documents, quotas(documents, fraction, least))).all()
    assert (gives < np.maximum(documents, 1)).all()


@given(worlds, fractions, st.integers(0, 6))
def test_without_copies_each_cell_gives_its_quota_whatever_the_order_of_the_documents(world, fraction, least):
    _, cell, documents = world
    doc_id = np.arange(len(cell)) * 3
    found = held_out(doc_id, cell, documents, fraction, least, 5)
    assert np.bincount(cell[found], minlength=len(documents)).tolist() == quotas(documents, fraction, least).tolist()
    order = np.random.default_rng(0).permutation(len(cell))
    again = held_out(doc_id[order], cell[order], documents, fraction, least, 5)
    assert sorted(doc_id[order][again].tolist()) == doc_id[found].tolist()


@pytest.mark.parametrize("spare", [(0.0, 0.0), (0.0, 1.0), (1e9, 1e9)])
@given(world=worlds, fraction=fractions)
def test_how_many_documents_are_looked_at_first_changes_nothing(spare, world, fraction):
    content, cell, documents = world
    doc_id = np.arange(len(cell))
    wanted = [held_out(doc_id, cell, documents, fraction, 2, 1, texts).tolist() for texts in (None, content)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(validation, "SPARE", spare)
        found = [held_out(doc_id, cell, documents, fraction, 2, 1, texts).tolist() for texts in (None, content)]
    assert found == wanted


def test_a_cell_of_nothing_but_copies_gives_one_text_and_keeps_half():
    """Every text twice, in small cells: within a quota of one nothing fits, so the second round has to."""
    content = np.repeat(np.arange(40, dtype=np.uint64), 2)
    cell = np.repeat(np.arange(10), 8)
    documents = np.bincount(cell)
    found = held_out(np.arange(80), cell, documents, 0.005, 1, 0, content)
    assert np.bincount(cell[found]).tolist() == [2] * 10
    one_text = np.zeros(8, np.uint64)
    assert not len(held_out(np.arange(8), np.zeros(8, int), np.array([8]), 0.3, 1, 0, one_text))


def test_the_fewest_copies_are_taken_where_a_quota_has_to_be_passed():
    content = np.repeat(np.arange(4, dtype=np.uint64), [30, 20, 3, 40])
    found = held_out(np.arange(93), np.zeros(93, int), np.array([93]), 0.005, 1, 0, content)
    assert content[found].tolist() == [2, 2, 2]


def test_every_document_has_the_same_chance():
    doc_id, cell = np.arange(400), np.repeat([0, 1], [300, 100])
    chosen = np.zeros(400)
    for seed in range(400):
        chosen[held_out(doc_id, cell, np.array([300, 100]), 0.1, 1, seed)] += 1
    assert chosen.sum() == 400 * 40
    # 400 draws with a chance of 0.1: six standard deviations of a document's count are 36.
    assert np.abs(chosen - 40).max() < 36
