"""Words of texts with a hash each, cut from many texts at once in NumPy.

A word is a run of letters, marks and digits; in scripts that are written without spaces (Chinese, Thai, ...) each
character is a word. Everything else only separates, so that other punctuation, line breaks or Markdown hide no
passage. Texts are brought to NFC, and words are compared case-folded, character by character, so that a word keeps
its place in the text.

A word's hash is the polynomial of its characters modulo 2^64 (Karp and Rabin 1987), mixed: one running sum serves all
words, since a power of the odd factor can be divided out. What a character is, is asked of Unicode when it is first
met: a table of all of them would take longer to make than a query takes.
"""

from __future__ import annotations

import functools
import itertools
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: Characters cut at once: enough to make NumPy's fixed costs small, few enough that the arrays stay in the cache.
BLOCK = 1 << 17

_SEPARATES, _WORD, _ALONE, _UNKNOWN = 0, 1, 2, 255
#: First and last code points of scripts without spaces: Thai, Lao, Myanmar, Khmer, kana, bopomofo, Han.
_WITHOUT_SPACES = (
    (0x0E00, 0x0EFF),
    (0x1000, 0x109F),
    (0x1780, 0x17FF),
    (0x3040, 0x312F),
    (0x31A0, 0x31FF),
    (0x3400, 0x9FFF),
    (0xF900, 0xFAFF),
    (0xFF66, 0xFF9F),
    (0x20000, 0x3FFFF),
)

_P = 0x9E3779B97F4A7C15  # any odd number with well mixed bits
_MIX = np.uint64(0xD1342543DE82EF95)


@dataclass(frozen=True, eq=False)
class Words:
    """The words of n texts, in order.

    Attributes:
        hashes: uint64[w].
        text: int64[w], which text each is in, ascending.
        starts: int64[w], the character of its text at which it starts.
        ends: int64[w], the character behind it.
    """

    hashes: NDArray[np.uint64]
    text: NDArray[np.int64]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]


def composed(text: str) -> str:
    """The text in NFC: places in `Words` are places in this."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def blocks(texts: Sequence[str], overlap: int, block: int = BLOCK) -> Iterator[tuple[NDArray[np.int64], list[str]]]:
    """Texts in blocks of about so many characters, a long text in pieces.

    Args:
        texts: in NFC.
        overlap: characters that a piece has in common with the one before it: what is no longer than this is whole in
            one of the pieces. Words at the edges of a piece may be cut.
        block: characters, more than `overlap`.

    Yields:
        The number of the text that each piece is of, int64[pieces], ascending, and the pieces.
    """
    numbers: list[int] = []
    pieces: list[str] = []
    size = 0
    for number, text in enumerate(texts):
        for start in range(0, max(1, len(text) - overlap), block - overlap):
            piece = text[start : start + block]
            if pieces and size + len(piece) > block:
                yield np.array(numbers, np.int64), pieces
                numbers, pieces, size = [], [], 0
            numbers.append(number)
            pieces.append(piece)
            size += len(piece)
    if pieces:
        yield np.array(numbers, np.int64), pieces


def cut(texts: Sequence[str]) -> Words:
    """The words of some texts in NFC; a text's words do not depend on the others."""
    # The line feed after each text ends its last word; half a surrogate pair is no character, but may be in a query.
    codes = np.frombuffer("\n".join([*texts, ""]).encode("utf-32-le", "surrogatepass"), np.uint32)
    first = np.array([0, *itertools.accumulate(len(text) + 1 for text in texts)], np.int64)
    kinds, folded = _characters(codes)
    is_word, alone = kinds == _WORD, kinds == _ALONE
    follows = np.zeros(len(codes) + 1, np.bool_)
    follows[1:-1] = is_word[:-1] & is_word[1:]  # it goes on the word of the character before
    part = is_word | alone
    starts = np.flatnonzero(part & ~follows[:-1])
    ends = np.flatnonzero(part & ~follows[1:]) + 1
    text = np.searchsorted(first, starts, side="right") - 1
    return Words(_hashes(folded, starts, ends), text, starts - first[text], ends - first[text])


def _hashes(codes: NDArray[np.uint32], starts: NDArray[np.int64], ends: NDArray[np.int64]) -> NDArray[np.uint64]:
    powers, inverse = power_tables(1 << max(16, len(codes).bit_length()))
    sums = np.zeros(len(codes) + 1, np.uint64)
    np.cumsum((codes + np.uint32(1)) * powers[: len(codes)], dtype=np.uint64, out=sums[1:])
    return mixed((sums[ends] - sums[starts]) * inverse[starts])


def mixed(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Spreads the bits: a round of multiply and shift."""
    spread = (numbers ^ (numbers >> np.uint64(32))) * _MIX
    return np.asarray(spread ^ (spread >> np.uint64(29)), np.uint64)


@functools.lru_cache(maxsize=4)
def power_tables(n: int) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """P^0 ... P^(n-1) modulo 2^64, and their inverses."""
    tables = []
    for base in (_P, pow(_P, -1, 1 << 64)):
        factors = np.full(n, base, np.uint64)
        factors[0] = 1
        tables.append(np.cumprod(factors, dtype=np.uint64))
    return tables[0], tables[1]


def _characters(codes: NDArray[np.uint32]) -> tuple[NDArray[np.uint8], NDArray[np.uint32]]:
    """What each character is part of, uint8[n], and its folded code point, uint32[n]."""
    kind_of, folded = _known_characters()
    kinds = kind_of[codes]
    unknown = kinds == _UNKNOWN
    if unknown.any():
        for code in np.unique(codes[unknown]).tolist():
            kind_of[code], folded[code] = _character(code)
        kinds = kind_of[codes]
    return kinds, folded[codes]


@functools.cache
def _known_characters() -> tuple[NDArray[np.uint8], NDArray[np.uint32]]:
    """What is known of each code point so far in this process: its kind, uint8, and what it folds to, uint32."""
    return np.full(0x110000, _UNKNOWN, np.uint8), np.zeros(0x110000, np.uint32)


def _character(code: int) -> tuple[int, int]:
    """The kind of a code point, and the one that it folds to."""
    character = chr(code)
    folded = next((low for low in (character.casefold(), character.lower()) if len(low) == 1), character)
    if unicodedata.category(character)[0] not in "LMN":
        return _SEPARATES, code
    alone = any(low <= code <= high for low, high in _WITHOUT_SPACES)
    return _ALONE if alone else _WORD, ord(folded)
