"""Words on their boundaries, in any script; against a search character by character."""

import unicodedata

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.text.carrying import carried


def carries(text, token, case=False):
    return bool(carried(pa.array([text], pa.large_string()), [(token, case)])[0])


@pytest.mark.parametrize(
    ("text", "token", "expected"),
    [
        ("She saw the Eiffel\n\ttower.", "eiffel tower", True),
        ("She saw the Eiffel\u00a0Tower.", "eiffel tower", True),
        ("EiffelTower", "eiffel tower", False),
        ("the Eiffel-tower", "eiffel tower", False),
        ("swift", "swift", True),
        ("(swift)", "swift", True),
        ("swiftly", "swift", False),
        ("aswift", "swift", False),
        ("swift2", "swift", False),
        ("swift_x", "swift", False),
        ("Éswift", "swift", False),  # \b of ASCII would find it
        ("swiftй", "swift", False),
        ("swift swiftly", "swift", True),
        ("swiftly swift", "swift", True),
        ("CAFÉ", "café", True),
        ("cafe\u0301", "café", True),
        ("cafe\u0301", "cafe", False),
        ("cafés", "café", False),
        ("c++11", "c++", True),
        ("cc++", "c++", False),
        ("a.b", "a.b", True),
        ("acb", "a.b", False),
        ("我在东京塔", "东京", True),
        ("กรุงเทพมหานคร", "กรุงเทพ", True),
        ("", "x", False),
    ],
)
def test_what_carries_a_token(text, token, expected):
    assert carries(text, token) == expected


def test_case_matters_where_it_is_asked_for():
    texts = pa.array(["US law", "us", "Us"])
    assert carried(texts, [("US", True), ("US", False), ("us", True)]).tolist() == [0b011, 0b110, 0b010]


def part_of_word(character):
    return unicodedata.category(character)[0] in "LMN" or character == "_"


def by_hand(text, words):
    """Whether the words stand in a text, with white space between them and no part of a word beside them."""
    text = text.lower()
    for start in range(len(text)):
        place = start
        for number, word in enumerate(words):
            if number:
                begin = place
                while place < len(text) and text[place].isspace():
                    place += 1
                if place == begin:
                    break
            if not text.startswith(word, place):
                break
            place += len(word)
        else:
            before = start and part_of_word(text[start - 1])
            if not before and not (place < len(text) and part_of_word(text[place])):
                return True
    return False


alphabet = st.sampled_from(["a", "A", "b", " ", "\n", "_", ".", "é", "ж", "9", "\u0301"])
texts = st.lists(st.text(alphabet, max_size=12), max_size=8)
tokens = st.lists(
    st.lists(st.text(st.sampled_from("abж9"), min_size=1, max_size=2), min_size=1, max_size=2), max_size=5
)


@settings(max_examples=80, deadline=None)
@given(texts, tokens)
def test_agrees_with_a_search_by_hand(found, wanted):
    masks = carried(pa.array(found, pa.string()), [(" ".join(words), False) for words in wanted])
    assert masks.dtype == np.uint32
    for text, mask in zip(found, masks.tolist(), strict=True):
        assert [bool(mask >> k & 1) for k in range(len(wanted))] == [by_hand(text, words) for words in wanted]


def test_thirty_two_tokens_and_chunks():
    names = [f"name{k} of{k}" for k in range(32)]
    texts = pa.chunked_array([[f"x {name}, y" for name in names[:20]], [], [f"{name}" for name in names[20:]]])
    masks = carried(texts, [(name, bool(k % 2)) for k, name in enumerate(names)])
    assert masks.tolist() == [1 << k for k in range(32)]
