import unicodedata

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.trace.words import blocks, composed, cut

TEXTS = st.text(alphabet="aAbzßİ é\u0301_-.7\n河水ไทｱ😀\U00020000", max_size=30)


def words_of(text):
    """The words of a text, character by character."""
    found, word = [], ""
    for character in text + " ":
        is_word = unicodedata.category(character)[0] in "LMN"
        alone = is_word and character in "河水ไทｱ\U00020000"
        if word and (alone or not is_word):
            found.append(word)
            word = ""
        if alone:
            found.append(character)
        elif is_word:
            word += character
    return found


def folded(word):
    lowered = [(c.casefold(), c.lower(), c) for c in word]
    return "".join(next(low for low in options if len(low) == 1) for options in lowered)


@given(st.lists(TEXTS, max_size=6))
def test_words_are_those_that_a_loop_over_the_characters_finds(raw):
    texts = [composed(text) for text in raw]
    found = cut(texts)
    expected = [(number, word) for number, text in enumerate(texts) for word in words_of(text)]
    places = zip(found.text.tolist(), found.starts.tolist(), found.ends.tolist(), strict=True)
    assert [(number, texts[number][start:end]) for number, start, end in places] == expected
    for one, hash_one in zip(expected, found.hashes, strict=True):
        for other, hash_other in zip(expected, found.hashes, strict=True):
            assert (hash_one == hash_other) == (folded(one[1]) == folded(other[1]))


def test_case_punctuation_and_unicode_form_do_not_count():
    plain, marked = (cut([composed(text)]).hashes for text in ("the naïve fox ran", "The *NAI\u0308VE*—fox,\n\nran!"))
    assert np.array_equal(plain, marked)


def test_half_a_surrogate_pair_in_a_query_is_no_word():
    assert len(cut(["a \ud83d b"]).hashes) == 2


@settings(deadline=None)
@given(st.lists(st.integers(0, 50).map("x".__mul__), max_size=8), st.integers(0, 5))
def test_pieces_give_the_texts_back_and_overlap(texts, overlap):
    whole = dict.fromkeys(range(len(texts)), "")
    for numbers, pieces in blocks(texts, overlap, 12):
        assert len(pieces) == 1 or sum(map(len, pieces)) <= 12
        for number, piece in zip(numbers.tolist(), pieces, strict=True):
            assert len(piece) <= 12
            whole[number] += piece[overlap if whole[number] else 0 :]
    assert [whole[number] for number in range(len(texts))] == texts
