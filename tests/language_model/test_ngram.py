"""The compiled n-gram model against one that counts with dictionaries, as the formula is written."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from numpy.typing import NDArray

from curation.language_model.encoding import Encoded, together
from curation.language_model.ngram import DISCOUNT, ngrams, questions
from curation.language_model.ngram_pool import answers, join, losses, part

VOCABULARY = 12


def documents(count: int, seed: int, longest: int = 30) -> Encoded:
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, longest, count)
    starts = np.concatenate([[0], np.cumsum(lengths)])
    tokens = (rng.integers(1, VOCABULARY, starts[-1]) * rng.random(starts[-1]) + 1).astype(np.uint16) % VOCABULARY
    tokens[starts[1:] - 1] = 0
    return Encoded(tokens, starts)


def texts(encoded: Encoded) -> list[list[int]]:
    return [encoded.take(np.array([i])).tokens.tolist() for i in range(encoded.documents)]


def by_the_book(validation: Encoded, pool: Encoded, copies: NDArray[np.int64], order: int) -> list[float]:
    """The formula, token by token."""
    grams: Counter[tuple[int, ...]] = Counter()
    for text, times in zip(texts(pool), copies.tolist(), strict=True):
        padded = [0] * (order - 1) + text
        for end in range(order - 1, len(padded)):
            for length in range(1, order + 1):
                grams[tuple(padded[end - length + 1 : end + 1])] += times
    grams = Counter({gram: count for gram, count in grams.items() if count})
    context: Counter[tuple[int, ...]] = Counter()
    followers: Counter[tuple[int, ...]] = Counter()
    for gram, count in grams.items():
        context[gram[:-1]] += count
        followers[gram[:-1]] += 1
    found = []
    for text in texts(validation):
        padded, total = [0] * (order - 1) + text, 0.0
        for end in range(order - 1, len(padded)):
            p = 1 / VOCABULARY
            for length in range(1, order + 1):
                gram = tuple(padded[end - length + 1 : end + 1])
                h = gram[:-1]
                if context[h]:
                    p = max(grams[gram] - DISCOUNT, 0) / context[h] + DISCOUNT * followers[h] / context[h] * p
            total -= math.log(p)
        found.append(total / len(text))
    return found


@pytest.mark.parametrize("order", [2, 3, 4])
@pytest.mark.parametrize("seed", range(4))
def test_losses_are_those_of_the_formula(order: int, seed: int) -> None:
    validation, pool = documents(9, seed), documents(40, seed + 100)
    copies = np.random.default_rng(seed).integers(0, 4, pool.documents)
    asked = questions(validation, order, VOCABULARY)
    found = losses(asked, answers(asked, pool), copies)
    np.testing.assert_allclose(found, by_the_book(validation, pool, copies, order), rtol=1e-12)


def test_parts_make_the_same_whole() -> None:
    validation, pools = documents(9, 1), [documents(11, 2), documents(0, 3), documents(25, 4)]
    asked = questions(validation, 4, VOCABULARY)
    copies = np.random.default_rng(0).integers(0, 3, 36)
    one = losses(asked, answers(asked, together(pools)), copies)
    assert (losses(asked, join(asked, [part(asked, pool) for pool in pools]), copies) == one).all()


def test_copies_are_documents_that_come_again() -> None:
    validation, pool = documents(5, 1), documents(20, 2)
    copies = np.random.default_rng(0).integers(0, 4, pool.documents)
    asked = questions(validation, 3, VOCABULARY)
    again = pool.take(np.repeat(np.arange(pool.documents), copies))
    once = losses(asked, answers(asked, again), np.ones(again.documents, np.int64))
    np.testing.assert_allclose(losses(asked, answers(asked, pool), copies), once, rtol=1e-12)


def test_ngrams_stay_in_their_document() -> None:
    encoded = Encoded(np.array([5, 0, 0, 7, 8, 9, 0], np.uint16), np.array([0, 2, 3, 7]))
    split = [[int(key) >> shift & 0xFFFF for shift in (32, 16, 0)] for key in ngrams(encoded, 3)]
    assert split == [[0, 0, 5], [0, 5, 0], [0, 0, 0], [0, 0, 7], [0, 7, 8], [7, 8, 9], [8, 9, 0]]


def test_likelihoods_of_all_tokens_sum_to_one() -> None:
    pool, copies = documents(30, 3), np.full(30, 2)
    for context in ([3, 2, 1], [11, 11, 11]):
        every = [Encoded(np.array([*context, token], np.uint16), np.array([0, 4])) for token in range(VOCABULARY)]
        validation = together(every)
        asked = questions(validation, 4, VOCABULARY)
        whole = losses(asked, answers(asked, pool), copies) * 4
        shorter = together([Encoded(one.tokens[:3], np.array([0, 3])) for one in every])
        asked = questions(shorter, 4, VOCABULARY)
        assert np.exp(losses(asked, answers(asked, pool), copies) * 3 - whole).sum() == pytest.approx(1)


def test_nothing_drawn_is_refused() -> None:
    validation, pool = documents(5, 1), documents(20, 2)
    asked = questions(validation, 3, VOCABULARY)
    with pytest.raises(ValueError, match="no document is drawn"):
        losses(asked, answers(asked, pool), np.zeros(20, np.int64))
    with pytest.raises(ValueError, match="2 to 4"):
        questions(validation, 5)
