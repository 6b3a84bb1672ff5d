import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.trace.index import found_grams, index_texts
from curation.trace.passages import (
    GRAM,
    GUARANTEED,
    distinct,
    gram_hashes,
    kept_grams,
    longest_bounds,
    longest_run,
    shared_words,
)
from curation.trace.words import BLOCK, cut

#: Few different words, so that passages repeat.
WORDS = st.lists(st.integers(0, 3), max_size=40)


def hashed(words):
    return cut([" ".join(f"w{word}" for word in words)]).hashes


def longest_common(one, other):
    """The length of the longest common run, by a table."""
    best = 0
    table = np.zeros((len(one) + 1, len(other) + 1), int)
    for i, a in enumerate(one):
        for j, b in enumerate(other):
            table[i + 1, j + 1] = table[i, j] + 1 if a == b else 0
            best = max(best, table[i + 1, j + 1])
    return best


@given(WORDS, WORDS)
def test_longest_run_is_the_longest(one, other):
    length, start, there = longest_run(hashed(one), hashed(other))
    assert length == longest_common(one, other)
    assert one[start : start + length] == other[there : there + length]


@given(WORDS, WORDS)
def test_shared_words_stand_in_a_gram_of_both(one, other):
    grams = {tuple(other[at : at + GRAM]) for at in range(len(other) - GRAM + 1)}
    wanted = [False] * len(one)
    for at in range(len(one) - GRAM + 1):
        if tuple(one[at : at + GRAM]) in grams:
            wanted[at : at + GRAM] = [True] * GRAM
    assert shared_words(hashed(one), hashed(other)).tolist() == wanted


@given(st.lists(WORDS, min_size=1, max_size=4))
def test_the_grams_kept_of_a_text_do_not_depend_on_its_neighbours(texts):
    words = cut([" ".join(f"w{word}" for word in text) for text in texts])
    grams, text = kept_grams(words.hashes, words.text)
    for number, one in enumerate(texts):
        alone, _ = kept_grams(hashed(one), np.zeros(len(one), np.int64))
        assert np.array_equal(grams[text == number], alone)
        assert len(alone) > 0 or len(one) < GRAM
        assert set(alone) <= set(gram_hashes(hashed(one)))


@settings(max_examples=200)
@given(WORDS, WORDS, st.lists(st.integers(4, 30), min_size=GUARANTEED, max_size=GUARANTEED), WORDS, WORDS)
def test_a_guaranteed_passage_is_always_found(before, after, passage, left, right):
    text = " ".join(f"w{word}" for word in [*before, *passage, *after])
    query = hashed([*left, *passage, *right])
    row, place, whole = found_grams(*index_texts([text]), gram_hashes(query), 1 << 20)
    assert whole
    assert any(len(left) <= at <= len(left) + GUARANTEED - GRAM for at in place.tolist())
    assert set(row.tolist()) == {0}


@given(WORDS, st.lists(WORDS, min_size=1, max_size=5))
def test_the_bound_holds_for_every_text_and_a_text_without_a_bound_shares_no_guaranteed_passage(query, texts):
    index = index_texts([" ".join(f"w{word}" for word in text) for text in texts])
    row, place, _ = found_grams(*index, gram_hashes(hashed(query)), 1 << 20)
    rows, bounds, found = longest_bounds(row, place, len(query))
    bound_of = dict(zip(rows.tolist(), bounds.tolist(), strict=True))
    assert np.array_equal(rows, np.unique(row))
    assert [len(set(place[row == one].tolist())) for one in rows] == found.tolist()
    for number, text in enumerate(texts):
        longest = longest_common(query, text)
        assert longest <= bound_of.get(number, GUARANTEED - 1)


def test_grams_in_too_many_documents_are_passed_over_and_that_is_told():
    common, rare = "the same five words everywhere", "one of a kind is"
    index = index_texts([f"{common} {rare}", *[common] * 50])
    query = cut([f"{common} {rare}"]).hashes
    row, _, whole = found_grams(*index, gram_hashes(query), 10)
    assert not whole
    assert set(row.tolist()) == {0}


def test_passages_of_a_text_longer_than_a_block_are_found_across_the_pieces():
    words = [f"w{number}" for number in range(2 * BLOCK // 6)]
    hashes, rows = index_texts(["short one", " ".join(words)])
    for start in range(0, len(words) - 40, 37):
        query = cut([" ".join(words[start : start + GUARANTEED])]).hashes
        row, _, _ = found_grams(hashes, rows, gram_hashes(query), 1 << 20)
        assert 1 in row


@given(st.lists(st.integers(-5, 5)))
def test_distinct(numbers):
    assert distinct(np.array(numbers, np.int64)).tolist() == sorted(set(numbers))
