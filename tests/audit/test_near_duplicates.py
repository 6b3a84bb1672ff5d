"""MinHash: what counts as the same, how well similarity is estimated, and that every near-copy is found once."""

from __future__ import annotations

import itertools

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.audit import near_duplicates as nd
from curation.audit import shingles
from curation.audit.shingles import SIZE, shingle_blocks
from curation.stages.near_duplicates import signature_table


def sets_of(texts):
    """The set of shingles of each text."""
    found = []
    for numbers, first in shingle_blocks(pa.array(texts, pa.large_string())):
        found += [set(numbers[a:b].tolist()) for a, b in itertools.pairwise(first.tolist())]
    return found


def test_case_punctuation_and_white_space_do_not_matter_and_words_do():
    same = ["The cat sat on the mat.", "the CAT\n sat — on “the” mat!!", "the\u00a0cat, sat on the  mat"]
    one, two, three = sets_of(same)
    assert one == two == three
    assert len(one) == 2
    assert sets_of(["the cats at on the mat"])[0].isdisjoint(one)
    assert sets_of(["École élève été état étude"]) == sets_of(["ÉCOLE, ÉLÈVE, ÉTÉ, ÉTAT, ÉTUDE"])
    assert [len(found) for found in sets_of(["", "one two three four", "一二三四五六"])] == [0, 0, 2]


@given(st.lists(st.text("ab é一-.\n", max_size=40), max_size=12), st.integers(1, 60))
@settings(deadline=None)
def test_a_text_has_the_shingles_of_its_words_whatever_stands_beside_it(texts, block):
    def words(text):
        for sign in "-.\n":
            text = text.replace(sign, " ")
        return text.replace("一", " 一").split()

    def is_cut_alike(text):  # a letter right after a character of Han goes with it
        return not any(a == "一" and b in "abé" for a, b in itertools.pairwise(text))

    texts = [text for text in texts if is_cut_alike(text)]
    before = shingles.BLOCK_BYTES
    shingles.BLOCK_BYTES = block
    try:
        found = sets_of(texts)
    finally:
        shingles.BLOCK_BYTES = before
    known = {}
    for text, numbers in zip(texts, found, strict=True):
        own = words(text)
        expected = {tuple(own[i : i + SIZE]) for i in range(len(own) - SIZE + 1)}
        assert len(numbers) == len(expected)
        assert known.setdefault(frozenset(expected), numbers) == numbers


def test_the_text_behind_the_limit_is_not_read(monkeypatch):
    monkeypatch.setattr(shingles, "LONGEST", 30)
    one, two = sets_of(["aa bb cc dd ee ff gg hh ii jj kk", "aa bb cc dd ee ff gg hh ii jj xx yy"])
    assert one == two
    assert len(one) == 6


def made_texts(rng, count, words=150):
    return [" ".join(f"w{n}" for n in rng.integers(0, 10**6, words)) for _ in range(count)]


def signed(texts):
    table = signature_table(np.arange(len(texts)), pa.chunked_array([pa.array(texts, pa.large_string())]))
    bands = np.stack([table[f"band_{band:02}"].to_numpy() for band in range(nd.BANDS)], axis=1)
    column = table["signature"].combine_chunks()
    return table["doc_id"].to_numpy(), bands, np.frombuffer(column.buffers()[1], np.uint8).reshape(len(texts), -1)


def found_groups(texts):
    doc_id, bands, signature = signed(texts)
    left, right = [], []
    for band in range(nd.BANDS):
        chosen = nd.candidates(bands[:, band])
        found = nd.links(doc_id[chosen], bands[chosen, band], signature[chosen])
        left.append(found[0])
        right.append(found[1])
    members, group = nd.groups(np.concatenate(left), np.concatenate(right))
    return dict(zip(members.tolist(), group.tolist(), strict=True))


def test_the_estimate_is_the_jaccard_similarity_up_to_its_error():
    rng = np.random.default_rng(0)
    pairs = []
    for base in made_texts(rng, 300):
        words = base.split()
        changed = rng.choice(len(words), rng.integers(0, 12), replace=False)
        pairs += [base, " ".join("changed" if i in changed else word for i, word in enumerate(words))]
    sets = sets_of(pairs)
    true = np.array([len(a & b) / len(a | b) for a, b in zip(sets[::2], sets[1::2], strict=True)])
    signature = signed(pairs)[2]
    found = nd.similarities(signature[::2], signature[1::2])
    assert abs(np.mean(found - true)) < 0.01
    assert np.sqrt(np.mean((found - true) ** 2)) < 1.2 * np.sqrt(np.mean(true * (1 - true)) / nd.PERMUTATIONS) + 0.002


def test_near_copies_are_found_and_nothing_else():
    rng = np.random.default_rng(1)
    texts = made_texts(rng, 200)
    changed = []
    for text in texts[:60]:
        words = text.split()
        words[int(rng.integers(len(words)))] = "changed"
        changed.append(" ".join(words))
    groups = found_groups([*texts, *changed])
    assert groups == {doc: doc % 200 for doc in [*range(60), *range(200, 260)]}


def test_a_template_is_one_group_named_by_its_first_document():
    rng = np.random.default_rng(2)
    [template] = made_texts(rng, 1)
    texts = [*made_texts(rng, 5), *(f"{template} page {n}" for n in range(500)), *made_texts(rng, 5)]
    assert found_groups(texts) == dict.fromkeys(range(5, 505), 5)


def test_texts_too_short_for_a_shingle_have_no_signature():
    table = signature_table(np.array([7, 9, 11]), pa.chunked_array([["too short", "one two three four five", ""]]))
    assert table["doc_id"].to_pylist() == [9]


@given(st.lists(st.tuples(st.integers(0, 15), st.integers(0, 15)), max_size=20))
def test_groups_are_what_is_linked_directly_or_over_others(pairs):
    lowest = {doc: doc for pair in pairs for doc in pair}
    for _ in lowest:
        for a, b in pairs:
            lowest[a] = lowest[b] = min(lowest[a], lowest[b])
    left, right = (np.array([pair[side] for pair in pairs], np.int64) for side in range(2))
    members, group = nd.groups(left, right)
    assert dict(zip(members.tolist(), group.tolist(), strict=True)) == lowest
    assert (np.diff(members) > 0).all()


@pytest.mark.parametrize("band", [0, 13])
def test_a_band_is_shared_where_all_its_functions_agree(band):
    rng = np.random.default_rng(3)
    lowest = rng.integers(0, 2**32, (2, nd.PERMUTATIONS), dtype=np.uint64).astype(np.uint32)
    own = slice(band * nd.ROWS, (band + 1) * nd.ROWS)
    lowest[1, own] = lowest[0, own]
    hashes = nd.band_hashes(lowest)
    assert (hashes[0] == hashes[1]).tolist() == [each == band for each in range(nd.BANDS)]
