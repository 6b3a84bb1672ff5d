import numpy as np
import pyarrow as pa
import pytest

from curation.text.repetition import duplicate_shares, ngram_shares
from curation.text.words import READ_BYTES, blocks


def only(*documents):
    (block,) = blocks(pa.array(documents, pa.large_string()))
    return block


def test_the_first_of_equal_lines_is_no_duplicate():
    block = only("one two\nthree\n one  two\r\nfour\none two", "three\nfour", "")
    lines, characters = duplicate_shares(block)["line"]
    assert lines.tolist() == [2 / 5, 0, 0]
    assert characters.tolist() == [12 / 27, 0, 0]


def test_paragraphs_are_compared_whole():
    block = only("a b\nc\n\nd\n\na b\nc\n\na b\n\nc")
    shares = duplicate_shares(block)
    assert shares["paragraph"][0].tolist() == [1 / 5]
    assert shares["line"][0].tolist() == [4 / 7]


def test_of_the_most_frequent_ngrams_the_longest_counts():
    """Both pairs occur twice; the longer has 8 of 24 characters each time."""
    assert ngram_shares(only("aa b - xxxx yyyy + aa b xxxx yyyy"))[2].tolist() == [16 / 24]


def test_an_ngram_that_overlaps_itself_holds_no_more_than_the_text():
    shares = ngram_shares(only("a a a a a a a a a a a a"))
    assert [float(shares[n][0]) for n in (2, 3, 4)] == [1.0, 1.0, 1.0]


def test_what_duplicate_ngrams_cover_counts_once():
    first = "a b c d e f g"
    shares = ngram_shares(only(f"{first} . {first}", f"{first} . {first[1:]}", first))
    assert shares[5].tolist() == [7 / 15, 6 / 14, 0]
    assert shares[10].tolist() == [0, 0, 0]


def test_ngrams_end_with_their_text():
    shares = ngram_shares(only("a b c d e", "a b c d e", "f a b", "c d e"))
    assert all((values == 0).all() for values in shares.values())


@pytest.mark.parametrize("n", [2, 3, 4, 5, 10])
def test_as_many_words_as_a_text_can_have(n):
    """The places of 10,000 words fit the keys; 3,000 different numbers repeat nothing."""
    assert ngram_shares(only("a " * READ_BYTES))[n][0] == pytest.approx(1.0, abs=0.01)
    rng = np.random.default_rng(0)
    different = " ".join(str(number) for number in rng.permutation(3_000))
    assert ngram_shares(only(different))[n][0] == 0.0
