"""What a feature is, and an excerpt read once for all features.

Every group of features needs the same few things of a text: its words, its sentences, how often each word stands in
it. So a text is read once, here, and the groups only sum. What a word and a sentence are is said once, too:

    text        as given, in Unicode normal form C
    word        a letter, then letters and combining marks (Unicode categories L and M, Basic Multilingual Plane); parts
                joined by an apostrophe are one word ("don't", "l'homme"), parts joined by a hyphen are two
    sentence    the words up to . ! ? ... before white space or a closing quote, to an ideographic full stop, or to a
                blank line; what is left at the end is a sentence if it holds a word

Languages that put no space between words (Chinese, Japanese, Thai) give long "words": their word features are
comparable among texts of one language only. Combining marks are in the expression because Python's class of word
characters leaves them out, which would cut every Hindi word in pieces.

Cost: one regular expression over the text, 0.15 ms for 2,048 characters.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from math import nan


@dataclass(frozen=True)
class Feature:
    """One number that is measured of every text."""

    name: str
    """Snake case, unique."""
    group: str
    """What it belongs to: "scripts", "readability", ..."""
    unit: str
    """What it is counted in: "per 1,000 words", "share of characters", ..."""
    formula: str
    """One sentence that says how it is computed."""
    source: str = ""
    """The paper that the formula or the idea is from; empty if there is none."""


@dataclass(frozen=True)
class WordList:
    """Words whose rate is a feature.

    Entries are separated by white space; an underscore joins the words of a phrase ("new_zealand").
    """

    feature: Feature
    words: str = ""
    """Lower-case entries; they count in any case."""
    names: str = ""
    """Entries that count only as they stand here or in capitals: "Turkey" and "TURKEY", not "turkey"."""


@dataclass(frozen=True)
class Excerpt:
    """A text, read."""

    text: str
    """Normal form C."""
    tokens: list[str]
    """The words in order, in the case of the text, apostrophes straight."""
    words: list[str]
    """The same in lower case."""
    counts: Counter[str]
    """How often each lower-case word stands in the text."""
    named: Counter[str]
    """How often each word that isn't lower case stands in the text, in that case."""
    lengths: list[int]
    """Words of each sentence, at least 1."""
    starts: list[str]
    """First word of each sentence, lower case."""
    ends: list[str]
    """What ended each sentence: its marks, a blank line, or nothing at the end of the text."""


def entries(text: str) -> frozenset[str]:
    """The entries of a list that is written as text."""
    return frozenset(text.split())


def characters_of(*categories: str) -> str:
    """The code points of the Basic Multilingual Plane of these major Unicode categories, as ranges of a set."""
    ranges: list[list[int]] = []
    for code in range(0x10000):
        if unicodedata.category(chr(code))[0] in categories:
            if ranges and code == ranges[-1][1] + 1:
                ranges[-1][1] = code
            else:
                ranges.append([code, code])
    return "".join(f"\\u{first:04x}-\\u{last:04x}" for first, last in ranges)


#: A letter, then letters and marks. Written out, the sets are found twice as fast as by classes of characters.
RUN = f"[{characters_of('L')}][{characters_of('L', 'M')}]*+"
#: The one expression that says what a word is.
WORD = f"{RUN}(?:['’]{RUN})*+"
#: The marks that end a sentence: before white space, before a closing quote or bracket, or anywhere.
BEFORE_SPACE, ANYWHERE = ".!?…।؟", "。！？"
SENTENCE_MARKS = BEFORE_SPACE + ANYWHERE
#: A word, or what ends a sentence; finds both in one pass. The look-behind keeps a run of marks from being tried again
#: from each of its marks.
PIECE = re.compile(
    rf"{WORD}"
    rf"|[{BEFORE_SPACE}](?<![{BEFORE_SPACE}]{{2}})[{BEFORE_SPACE}]*+(?=[\s\"'”’»)\]]|\Z)"
    rf"|[{ANYWHERE}]++|\n[^\S\n]*+\n\s*+"
)
ENDS = frozenset(SENTENCE_MARKS + "\n")


def read(text: str) -> Excerpt:
    """The excerpt that the groups of features measure.

    Args:
        text: any text; lone surrogates and control characters do no harm.
    """
    text = unicodedata.normalize("NFC", text)
    pieces = PIECE.findall(text)
    stops = [place for place, piece in enumerate(pieces) if piece[0] in ENDS]
    tokens: list[str] = []
    first: list[int] = []  # the first word of each sentence, by its place
    ends: list[str] = []
    begin = 0
    for stop, end in zip([*stops, len(pieces)], [*(pieces[stop] for stop in stops), ""], strict=True):
        if stop > begin:
            first.append(len(tokens))
            ends.append(end)
            tokens += pieces[begin:stop]
        begin = stop + 1
    if "’" in text:
        tokens = [token.replace("’", "'") for token in tokens]
    words = " ".join(tokens).lower().split(" ") if tokens else []
    named = Counter([token for token, word in zip(tokens, words, strict=True) if token != word])
    lengths = [after - before for before, after in pairwise([*first, len(tokens)])]
    return Excerpt(text, tokens, words, Counter(words), named, lengths, [words[place] for place in first], ends)


def per(count: float, base: float, scale: float = 1.0) -> float:
    """`scale * count / base`; NaN, for undefined, if the base is 0."""
    return scale * count / base if base else nan
