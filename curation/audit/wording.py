"""The words of many texts as numbers, in their order, and how common each is in general text.

Arrow cuts and numbers them, so no Python step is made per word. A word is a run of letters and accents, with
apostrophes inside it; in lower case, without a genitive 's. Words of one letter and of more than LONGEST are left out
(of the second kind is encoded data). Languages that are written without spaces can't be cut so; their texts have no
words here.

General text is wordfreq's lists for some 40 languages (Speer 2022): books, subtitles, news, encyclopedias, web and
social media until 2021, so from before machines wrote much of the web. They are frozen since, which suits a yardstick.
The `small` ones are taken, which end at RAREST: a word that is not there counts as that common.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

#: Letters of the longest word.
LONGEST = 30
#: Frequency of the rarest words of the lists.
RAREST = 1e-6
#: Languages whose list has another name.
_NAMED = {"no": "nb", "tl": "fil", "hr": "sh", "sr": "sh", "bs": "sh"}
#: Languages that are written without spaces.
UNSPACED = frozenset({"zh", "ja", "th", "lo", "my", "km", "bo", "dz", "yue", "wuu"})

#: Texts that are cut at a time.
_BLOCK = 4096
_EDGES = r"[^\p{L}\p{M}']+"


@dataclass(frozen=True, eq=False)
class Wording:
    """The words of n texts.

    Attributes:
        words: the different ones.
        code: int32[t], index into `words` of each word of each text, in order.
        text: int32[t], the text it is in, ascending.
    """

    words: list[str]
    code: NDArray[np.int32]
    text: NDArray[np.int32]


def wording(texts: pa.Array | pa.ChunkedArray) -> Wording:
    """The words of texts (strings without nulls)."""
    numbers: dict[str, int] = {}
    codes, owners = [np.zeros(0, np.int32)], [np.zeros(0, np.int32)]
    for start in range(0, len(texts), _BLOCK):
        words, code, text = _cut(texts[start : start + _BLOCK])
        known = np.array([numbers.setdefault(word, len(numbers)) for word in words], np.int32)
        usable = np.array([1 < len(word) <= LONGEST for word in words], np.bool_)
        kept = usable[code] if len(code) else np.zeros(0, np.bool_)
        codes.append(known[code[kept]])
        owners.append(text[kept] + np.int32(start))
    return Wording(list(numbers), np.concatenate(codes), np.concatenate(owners))


def _cut(texts: pa.Array | pa.ChunkedArray) -> tuple[list[str], NDArray[np.int32], NDArray[np.int32]]:
    """The different words of some texts, and of each word its number and its text."""
    column = texts.combine_chunks() if isinstance(texts, pa.ChunkedArray) else texts
    lower = pc.replace_substring(pc.utf8_lower(column.cast(pa.string())), "\u2019", "'")
    lists = pc.split_pattern_regex(lower, _EDGES)
    encoded = lists.flatten().dictionary_encode()
    bare = pc.utf8_trim(pc.replace_substring_regex(pc.utf8_trim(encoded.dictionary, "'"), r"'s$", ""), "'")
    merged = bare.dictionary_encode()
    code = merged.indices.to_numpy()[encoded.indices.to_numpy()].astype(np.int32)
    text = pc.list_parent_indices(lists).to_numpy().astype(np.int32)
    return merged.dictionary.to_pylist(), code, text


def has_list(language: str) -> bool:
    """Whether it is known how common the words of a language are."""
    return language not in UNSPACED and _NAMED.get(language, language) in _languages()


def frequencies(words: Sequence[str], language: str) -> NDArray[np.float64]:
    """The share of each word among all words of general text of a language: float64[n], RAREST at least."""
    listed = _list(_NAMED.get(language, language))
    return np.maximum(RAREST, np.array([listed.get(word, 0.0) for word in words], np.float64))


@cache
def _languages() -> frozenset[str]:
    from wordfreq import available_languages

    return frozenset(available_languages("small"))


@cache
def _list(language: str) -> dict[str, float]:
    from wordfreq import get_frequency_dict

    found: dict[str, float] = get_frequency_dict(language, "small")
    return found
