"""Hashed word counts against a plain loop over the characters."""

import itertools
import unicodedata
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.embedding.hashing import FEATURES, _kinds, count_words

SCRIPTS = st.text(st.sampled_from("ab c_1.,\n-éß“”—天地玄黄あア한글กนमानкя\u0301\U00020000😀İ\x00\ud800"), max_size=40)


def counted(text: str, most: int = 10_000) -> Counter:
    counts = count_words([text], most)
    return Counter(dict(zip(counts.features.tolist(), counts.counts.tolist(), strict=True)))


def words(text: str) -> list[str]:
    """The words one by one: runs of two and more letters; single characters and pairs where there are no spaces."""
    kinds = _kinds()
    found, run = [], ""
    for character in text.lower() + "\n":
        if kinds[ord(character)] == 1:
            run += character
            continue
        found += [run] * (len(run) > 1)
        run = ""
    unspaced = [character if kinds[ord(character)] == 2 else None for character in text.lower()] + [None]
    found += [character for character in unspaced if character]
    return found + [a + b for a, b in itertools.pairwise(unspaced) if a and b]


@settings(deadline=None)
@given(SCRIPTS)
def test_a_text_counts_as_its_words_alone(text):
    expected = sum(
        (counted(word) if len(word) > 1 and _kinds()[ord(word[0])] == 1 else Counter() for word in words(text)),
        Counter(),
    )
    actual = counted(text)
    assert actual.total() == len(words(text))
    assert not expected - actual


@settings(deadline=None)
@given(st.lists(SCRIPTS, max_size=300), st.integers(1, 30))
def test_a_document_is_counted_alike_alone_and_among_others(texts, most):
    together = count_words(texts, most)
    assert len(together.starts) == len(texts) + 1
    for row, text in enumerate(texts):
        part = slice(together.starts[row], together.starts[row + 1])
        alone = count_words([text], most)
        np.testing.assert_array_equal(together.features[part], alone.features)
        np.testing.assert_array_equal(together.counts[part], alone.counts)
        assert (np.diff(together.features[part]) > 0).all()


def test_words_of_many_scripts_are_kept_whole_or_cut_into_characters():
    assert counted("Straße, STRASSE straße").total() == 3
    assert len(counted("don’t — “quoted” words…")) == 3  # don, quoted, words; a single t is no word
    assert counted("हिन्दी").total() == 1
    assert counted("한국어 문서").total() == 2
    assert counted("天地玄黄").total() == 4 + 3
    assert counted("ภาษาไทย").total() == 7 + 6
    assert counted("!? ... ☃ a") == Counter()


def test_hashes_spread_and_never_change():
    texts = [f"word{number}" for number in range(20_000)]
    features = count_words(texts, 100).features
    expected = FEATURES * (1 - np.exp(-len(texts) / FEATURES))
    assert abs(len(np.unique(features)) / expected - 1) < 0.01
    assert features.min() >= 0
    assert features.max() < FEATURES
    assert counted("hello world") == Counter([114730, 151901])


def test_every_code_point_has_a_kind():
    assert len(_kinds()) == 0x110000
    assert {_kinds()[ord(c)] for c in "aZ9_é\u0301"} == {1}
    assert unicodedata.category("、") == "Po"
    assert _kinds()[ord("、")] == 0


def test_no_documents():
    assert count_words([], 10).starts.tolist() == [0]


@pytest.mark.parametrize("length", [0, 1, 2, 5])
def test_only_the_beginning_is_read(length):
    assert counted("abcde", length).total() == (length > 1)
