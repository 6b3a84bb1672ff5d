"""The streams that a curation debt is measured on."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from curation.bpe import train_bpe
from curation.errors import JobError
from curation.language_model.encoding import END, Encoded
from curation.probe.debt_material import documents_with
from curation.probe.debt_stream import (
    BESIDE,
    mixture,
    ordinary_order,
    pieces_of,
    question_of,
    said_after,
    with_token,
)

STATEMENT = np.array([901, 902, 903, 904], np.uint16)


def numbered(lengths):
    """Documents of so many tokens, their ends counted, whose tokens are all different."""
    tokens = np.arange(1, sum(lengths) + 1, dtype=np.uint16)
    starts = np.cumsum([0, *lengths])
    tokens[starts[1:] - 1] = END
    return Encoded(tokens, starts)


def documents(encoded):
    return [encoded.tokens[start:stop].tolist() for start, stop in pairwise(encoded.starts.tolist())]


def test_pieces_are_whole_documents_in_parts():
    text = numbered([1, 5, 10, 11, 19, 20])
    cut = documents(pieces_of(text, 10))
    assert all(2 <= len(piece) <= 10 and piece[-1] == END for piece in cut)
    assert [token for piece in cut for token in piece[:-1]] == [token for token in text.tokens.tolist() if token]
    assert [len(piece) for piece in cut] == [5, 10, 10, 2, 10, 10, 10, 10, 2]


def test_the_order_goes_through_all_pieces_again_and_again_and_can_be_entered_anywhere():
    whole = ordinary_order(7, 3, 0, 30)
    for epoch in range(4):
        assert sorted(whole[7 * epoch : 7 * epoch + 7]) == list(range(7))
    assert len({tuple(whole[7 * epoch : 7 * epoch + 7]) for epoch in range(4)}) > 1
    for first, count in ((0, 0), (5, 9), (7, 7), (13, 1)):
        assert ordinary_order(7, 3, first, count).tolist() == whole[first : first + count].tolist()
    assert ordinary_order(7, 4, 0, 30).tolist() != whole.tolist()


@pytest.mark.parametrize("one_in", [1, 3, 10])
def test_one_document_in_so_many_has_the_statement_between_ordinary_text(one_in):
    pieces = pieces_of(numbered([40] * 20), 30)
    made = mixture(pieces, STATEMENT, one_in, 5, 1000, 30, 0)
    assert len(made.tokens) > 1000
    ends = np.sort(np.concatenate([made.stated, made.ordinary]))
    assert np.array_equal(ends, np.flatnonzero(made.tokens == END) + 1)
    assert abs(len(made.stated) - len(ends) / one_in) < 1
    found = documents(Encoded(made.tokens, np.concatenate([np.zeros(1, np.int64), ends])))
    ordinary = {tuple(piece) for piece in documents(pieces)}
    befores = set()
    for end, document in zip(ends.tolist(), found, strict=True):
        if end in made.stated:
            at = document.index(901)
            assert document[at : at + 4] == STATEMENT.tolist()
            assert 901 not in document[at + 4 :]
            assert at >= BESIDE
            assert len(document) <= 30
            befores.add(at)
        else:
            assert tuple(document) in ordinary
    assert len(befores) > 1  # not always at one place
    first = found[0] if one_in > 1 else []
    assert not first or first == documents(pieces)[ordinary_order(pieces.documents, 0, 5, 1)[0]]


def test_one_token_stands_for_words_in_their_documents_alone():
    text = Encoded(np.array([7, 8, 0, 1, 7, 8, 7, 8, 0, 7, 7, 7, 0, 7, 8], np.uint16), np.array([0, 3, 9, 13, 14, 15]))
    assert documents(with_token(text, np.array([7, 8], np.uint16), 99)) == [
        [99, 0],
        [1, 99, 99, 0],
        [7, 7, 7, 0],
        [7],
        [8],
    ]
    assert documents(with_token(text, np.array([7, 7], np.uint16), 99))[2] == [99, 7, 0]
    assert documents(with_token(text, np.array([8], np.uint16), 99))[4] == [99]
    assert documents(with_token(text, np.arange(50, dtype=np.uint16), 99)) == documents(text)


def test_documents_that_say_it_are_counted_once():
    text = Encoded(np.array([1, 2, 9, 2, 9, 1, 2, 9, 0, 2, 9, 0, 9, 0], np.uint16), np.array([0, 9, 12, 14]))
    assert documents_with(text, np.array([1, 2], np.uint16), 9) == 1
    assert documents_with(text, np.array([2], np.uint16), 9) == 2
    assert documents_with(text, np.array([5], np.uint16), 9) == 0


def test_a_question_is_a_line_and_its_answers_are_new_tokens():
    bpe = train_bpe(["The capital of France is Paris.\n"] * 9, 300)
    question = question_of(bpe, 300, "The capital of France is", 128)
    assert (question.old, question.new) == (300, 301)
    line = question.statement(question.new)
    assert len(line) == question.length
    assert line[len(question.prompt)] == 301
    with pytest.raises(JobError, match=r"--pattern: it has \d+ tokens as a line"):
        question_of(bpe, 300, "The capital of some other place is " * 9, 128)


def test_words_follow_after_a_space_where_words_are_parted_by_spaces():
    assert said_after("The capital is", "Paris ") == " Paris"
    assert said_after("法国的首都是", " 巴黎") == "巴黎"
