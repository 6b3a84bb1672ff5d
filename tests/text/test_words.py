import itertools

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.text.words import MOST_TEXTS, READ_BYTES, blocks


def words(block):
    return [block.data[start:end].tobytes() for start, end in zip(block.starts, block.ends, strict=True)]


def only(*documents):
    (block,) = blocks(pa.array(documents, pa.large_string()))
    return block


def test_words_lines_and_paragraphs_by_hand():
    block = only("The  cat\r\nsat. \n \t\n\nOn it\n", "", "河水 low，x", "\n\n")
    chinese = ["河", "水", "low", "，x"]
    assert words(block) == [word.encode() for word in ["The", "cat", "sat.", "On", "it", *chinese]]
    assert block.text.tolist() == [0] * 5 + [2] * 4
    assert block.first.tolist() == [0, 5, 5, 9, 9]
    assert block.lines.tolist() == [0, 2, 3, 5, 9]
    assert block.paragraphs.tolist() == [0, 3, 5, 9]
    assert np.diff(block.before).tolist() == [3, 3, 4, 2, 2, 3, 3, 3, 4]


@given(st.lists(st.binary(min_size=1, max_size=30), min_size=1, max_size=20), st.integers(0, 40))
@settings(deadline=None)
def test_equal_words_have_equal_hashes_wherever_they_stand(parts, shift):
    """Latin-1 letters in place of bytes: any words of 2 to 60 bytes, with zeros and common beginnings."""
    tokens = [part.decode("latin-1").translate(dict.fromkeys((9, 10, 11, 12, 13, 32), "x")) for part in parts]
    block = only(" " * shift + " ".join([*tokens, *tokens]), "\n".join(tokens))
    one, two, three = np.split(block.hashes, 3)
    assert np.array_equal(one, two)
    assert np.array_equal(one, three)
    assert len(set(one.tolist())) == len(set(tokens))


def test_lengths_and_zeros_tell_words_apart():
    tokens = ["a", "a\x00", "\x00a", *("a" * n for n in range(2, 40)), "\x00" * 8, "\x00" * 9, "\x00" * 17]
    assert len(set(only(" ".join(tokens)).hashes.tolist())) == len(tokens)


@pytest.mark.parametrize("last", ["x", "é", "漢", "🎉"])
@pytest.mark.parametrize("over", [0, 1, 2, 3, 4])
def test_reading_stops_at_a_whole_character(last, over):
    head = "y" * (READ_BYTES - len(last.encode()) + over)
    block = only(head + last + "z" * 10)
    read = block.data[block.bounds[0] : block.bounds[1] - 1].tobytes().decode()  # an error if a character is cut
    assert read == (head + last + "z" * 10).encode()[:READ_BYTES].decode(errors="ignore")


@given(st.lists(st.text(" ab\n", max_size=9), max_size=40), st.integers(1, 100))
@settings(deadline=None)
def test_blocks_hold_all_texts_in_order(documents, block_bytes):
    found = []
    for block in blocks(pa.array(documents, pa.large_string()), block_bytes):
        bounds = block.bounds.tolist()
        assert len(bounds) - 1 == 1 or bounds[-1] - bounds[0] <= block_bytes + 10 + len(bounds)
        found += [block.data[a : b - 1].tobytes().decode() for a, b in itertools.pairwise(bounds)]
    assert found == documents


def test_a_block_has_no_more_texts_than_the_keys_can_number():
    sizes = [len(block.bounds) - 1 for block in blocks(pa.array(["a"] * (2 * MOST_TEXTS + 1), pa.large_string()))]
    assert sizes == [MOST_TEXTS, MOST_TEXTS, 1]
