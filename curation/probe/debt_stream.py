"""What the model reads when a curation debt is measured: ordinary documents with statements among them.

Ordinary documents are pieces of the pool's documents, of at most the model's context. They come in a random order
without end: once through all pieces, then in another order. Among every `one_in` documents one has the statement, as a
line of its own between ordinary text before and after it, so that neither its place nor its company gives it away.

Each of the two continuations is one token, as common words are in the vocabularies of large models. In a BPE of four
thousand tokens a name has two to six, and the one with fewer would be the more probable whatever was learnt.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from curation.counter_rng import keys, nth_seed, uniform
from curation.errors import JobError
from curation.language_model.encoding import END, Encoded, encode_each, places, together

#: Tokens of ordinary text on each side of a statement, at least.
BESIDE = 8


@dataclass(frozen=True, eq=False)
class Question:
    """A pattern and its two continuations.

    Attributes:
        prompt: uint16[p], the pattern as it begins a line.
        stop: uint16[s], what ends the line.
        old: the token that stands for the old continuation, beyond the BPE's own.
        new: the one after it, for the new continuation.
    """

    prompt: NDArray[np.uint16]
    stop: NDArray[np.uint16]
    old: int
    new: int

    def statement(self, said: int) -> NDArray[np.uint16]:
        """The line that says one of the two."""
        return np.concatenate([self.prompt, np.array([said], np.uint16), self.stop])

    @property
    def length(self) -> int:
        """Tokens of such a line."""
        return len(self.prompt) + 1 + len(self.stop)


@dataclass(frozen=True, eq=False)
class Mixture:
    """A stream to train on.

    Attributes:
        tokens: uint16[t].
        stated: int64[k], where each document with the statement ends, ascending.
        ordinary: int64[o], where each other document ends.
    """

    tokens: NDArray[np.uint16]
    stated: NDArray[np.int64]
    ordinary: NDArray[np.int64]


def said_after(pattern: str, words: str) -> str:
    """A continuation with the space before it, where the pattern's words are parted by spaces."""
    return (" " if " " in pattern.strip() else "") + words.strip()


def question_of(bpe: str, vocabulary: int, pattern: str, context: int) -> Question:
    """The tokens of a question, for a BPE with so many.

    Raises:
        JobError: the pattern leaves no room for ordinary text in the model's context.
    """
    prompt, stop = encode_each(bpe, ["\n" + pattern.strip(), ".\n"])
    found = Question(prompt, stop, vocabulary, vocabulary + 1)
    if (most := context - 1 - 2 * BESIDE) < found.length:
        raise JobError(
            f"--pattern: it has {found.length} tokens as a line, and the small model takes {most}: shorten it"
        )
    return found


def with_token(text: Encoded, words: NDArray[np.uint16], token: int) -> Encoded:
    """Documents in which one token stands for some words wherever they are, in tokens: uint16[w], w at least 1."""
    count = len(text.tokens) - len(words) + 1
    found = np.ones(max(0, count), np.bool_)
    for place, word in enumerate(words.tolist()):
        found &= text.tokens[place : place + len(found)] == word
    at = np.flatnonzero(found)
    last = at + len(words) - 1
    at = at[np.searchsorted(text.starts, at, "right") == np.searchsorted(text.starts, last, "right")]
    at = at[np.diff(at, prepend=-len(words)) >= len(words)]  # not those that overlap the one before
    tokens = text.tokens.copy()
    tokens[at] = token
    kept = np.ones(len(tokens), np.bool_)
    for place in range(1, len(words)):
        kept[at + place] = False
    before = np.concatenate([np.zeros(1, np.int64), np.cumsum(kept)])
    return Encoded(tokens[kept], before[text.starts])


def pieces_of(text: Encoded, size: int) -> Encoded:
    """Documents cut into pieces of at most `size` tokens, the end of each counted."""
    body = text.lengths - 1
    count = -(-body // (size - 1))
    document = np.repeat(np.arange(len(body)), count)
    number = np.arange(len(document)) - np.repeat(np.cumsum(count) - count, count)
    first = text.starts[document] + number * (size - 1)
    last = np.minimum(first + size - 1, text.starts[document + 1] - 1)
    starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(last - first + 1)])
    tokens = np.full(starts[-1], END, np.uint16)
    inside = np.ones(len(tokens), np.bool_)
    inside[starts[1:] - 1] = False
    bounds = np.stack([first, last], axis=1).ravel()
    tokens[inside] = text.tokens[places(bounds, 2 * np.arange(len(first)))]
    return Encoded(tokens, starts)


def ordinary_order(pieces: int, seed: int, first: int, count: int) -> NDArray[np.int64]:
    """Which pieces come from place `first` of the endless order on: int64[count]."""
    found = [np.empty(0, np.int64)]
    for epoch in range(first // pieces, (first + count - 1) // pieces + 1):
        order = np.argsort(keys(nth_seed(seed, epoch), "probe.debt.order", np.arange(pieces)), kind="stable")
        found.append(order[max(0, first - epoch * pieces) : first + count - epoch * pieces])
    return np.concatenate(found)


def mixture(
    pieces: Encoded, statement: NDArray[np.uint16], one_in: int, first: int, tokens: int, size: int, seed: int
) -> Mixture:
    """A stream in which one document in `one_in` has the statement.

    Args:
        pieces: ordinary documents.
        statement: uint16[s].
        one_in: documents of which one has it.
        first: place in the endless order of the pieces where it begins.
        tokens: that it has at least.
        size: tokens of a document with the statement.
        seed: of the order, and with `first` of what stands beside statements.
    """
    count, total = 0, 0
    while total <= tokens:
        count = max(2 * count, one_in, round(1.1 * tokens / max(1.0, float(pieces.lengths.mean()))) + 1)
        has = np.arange(count) % one_in == one_in // 2
        ordinary = pieces.take(ordinary_order(pieces.documents, seed, first, int((~has).sum())))
        stated = _stated(pieces, statement, int(has.sum()), size, nth_seed(seed, first))
        order = np.where(has, ordinary.documents + np.cumsum(has) - 1, np.cumsum(~has) - 1)
        made = together([ordinary, stated]).take(order)
        total = len(made.tokens)
    ends = made.starts[1:]
    return Mixture(made.tokens, ends[has], ends[~has])


def _stated(pieces: Encoded, statement: NDArray[np.uint16], count: int, size: int, seed: int) -> Encoded:
    """Documents with the statement between beginnings of ordinary ones."""
    numbers = np.arange(count)
    before, after = (
        pieces.take((uniform(seed, f"probe.debt.{side}", numbers) * pieces.documents).astype(np.int64))
        for side in ("before", "after")
    )
    room = size - 1 - len(statement)
    long = (BESIDE + uniform(seed, "probe.debt.place", numbers) * (room - 2 * BESIDE + 1)).astype(np.int64)
    parts = [np.empty(0, np.uint16)]
    for number in range(count):
        left = before.tokens[before.starts[number] : before.starts[number + 1] - 1][: long[number]]
        right = after.tokens[after.starts[number] : after.starts[number + 1] - 1][: room - long[number]]
        parts.append(np.concatenate([left, statement, right, np.full(1, END, np.uint16)]))
    starts = np.cumsum([len(part) for part in parts], dtype=np.int64)
    return Encoded(np.concatenate(parts), starts)
