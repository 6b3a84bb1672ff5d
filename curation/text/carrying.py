r"""Which texts carry which tokens: words and phrases, found on the boundaries of words.

Each token becomes a regular expression for RE2, which `pyarrow.compute` runs over a whole column in one pass without
back-tracking. Three passes, each over fewer texts: an expression of all tokens' letters, without boundaries, finds the
texts that have any of them; these are asked for each token's letters; and those for the token on its boundaries. One
expression of all tokens with their boundaries would have more states than RE2 keeps, and crawl: 0.1 MB a second for
32 tokens, against some 20.

What counts as what:

    boundary     the token's first and last character, where they are part of a word, have no other part of a word
                 beside them. RE2's own \b knows ASCII alone, so the neighbour is spelled out
    part of a    a letter, mark or digit of any script, and the underscore; but for the scripts that are written
    word         without spaces (Han, kana, Thai, Lao, Khmer, Myanmar): a token that ends in one may stand anywhere
    white space  between the words of a phrase: one or more blanks, tabs, line ends or separators of Unicode
    case         folded one character at a time, as RE2 does it: `É` is `é`, but `ß` is not `ss`
    accents      both ways in which Unicode writes them (NFC and NFD)
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from unicodedata import normalize

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

_PART = r"\p{L}\p{M}\p{N}_"
_UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
_GAP = r"[\s\p{Z}]+"


def carried(texts: pa.Array | pa.ChunkedArray, tokens: Sequence[tuple[str, bool]]) -> NDArray[np.uint32]:
    """Which of some tokens each text carries.

    Args:
        texts: string or large_string, without nulls.
        tokens: at most 32: the token, its words parted by single blanks, and whether case matters.

    Returns:
        uint32[texts]: bit k is 1 where the text carries token k.

    Example:
        >>> carried(pa.array(["Eiffel  Tower", "towers"]), [("eiffel tower", False), ("tower", False)]).tolist()
        [3, 0]
    """
    found = np.zeros(len(texts), np.uint32)
    if not len(texts) or not tokens:
        return found
    letters = [_expression(token, case, bounded=False) for token, case in tokens]
    some = np.flatnonzero(_matches(texts, "|".join(letters)))
    left = texts.take(pa.array(some))
    for bit, (token, case) in enumerate(tokens):
        near = np.flatnonzero(_matches(left, letters[bit]))
        is_there = _matches(left.take(pa.array(near)), _expression(token, case, bounded=True))
        found[some[near[is_there]]] |= np.uint32(1 << bit)
    return found


def _expression(token: str, case: bool, *, bounded: bool) -> str:
    """RE2's regular expression for a token, in both forms of its accents."""
    forms = dict.fromkeys(normalize(form, token) for form in ("NFC", "NFD"))
    written = [_on_boundaries(form) if bounded else _words(form) for form in forms]
    return f"(?{'' if case else 'i'}:{'|'.join(written)})"


def _words(token: str) -> str:
    return _GAP.join(map(re.escape, token.split(" ")))


def _on_boundaries(token: str) -> str:
    before = f"(?:^|[^{_PART}])" if _needs_boundary(token[0]) else ""
    after = f"(?:[^{_PART}]|$)" if _needs_boundary(token[-1]) else ""
    return before + _words(token) + after


def _needs_boundary(character: str) -> bool:
    edge = pa.array([character])
    return bool(_matches(edge, f"[{_PART}]")[0]) and not _matches(edge, f"[{_UNSPACED}]")[0]


def _matches(texts: pa.Array | pa.ChunkedArray, pattern: str) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = pc.match_substring_regex(texts, pattern).to_numpy(zero_copy_only=False)
    return found
