"""Rates of words of the lists: all lists in one pass over a text.

The lists stand beside what they are about (`feature_languages`, `feature_grammar`, `feature_register`,
`feature_people`, `feature_places`). Here they are turned round, once: a dictionary from a word to the features it
counts for. A text then costs one look-up for each of its different words, whatever the number of lists.

    entry of a list          counts where
    "often"                  the word stands in any case
    "of_course"              the words follow each other in any case
    "Turkey" (a name)        it stands so, or in capitals; not "turkey"
    "New_Mexico" (a name)    the names follow each other so; "Mexico" inside it then does not count, nor
                             does a phrase that begins inside it

A word with an apostrophe counts for the lists that hold it, and for those that hold what stands before the apostrophe:
"Germany's" as "Germany", "I'm" as a form of be and as "I". An entry in several lists counts for each. So rates of
groups overlap, and are no partition of the words.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise
from math import nan

from curation.text import feature_grammar, feature_languages, feature_people, feature_places, feature_register
from curation.text.feature_types import Excerpt, WordList

LISTS: tuple[WordList, ...] = (
    *feature_languages.LISTS,
    *feature_grammar.LISTS,
    *feature_register.LISTS,
    *feature_people.LISTS,
    *feature_places.LISTS,
)
FEATURES = tuple(each.feature for each in LISTS)
#: What a rate is multiplied by, by its unit.
SCALE = {"per 1,000 words": 1000.0, "share of words": 1.0}
SCALES = [SCALE[feature.unit] for feature in FEATURES]


@dataclass(frozen=True)
class Index:
    """The lists, turned round; of lower-case words, or of names as they are written."""

    takes_back: bool
    """Whether a word inside a phrase counts for the phrase only."""
    words: dict[str, tuple[int, ...]] = field(default_factory=dict)
    """The features that a word counts for."""
    phrases: dict[tuple[str, str], tuple[tuple[tuple[str, ...], int], ...]] = field(default_factory=dict)
    """By the first two words of a phrase: the whole phrase, and the feature it counts for."""
    starts: set[str] = field(default_factory=set)
    """The first words of all phrases."""

    def add(self, entry: str, feature: int) -> None:
        """Let a word, or a phrase joined by underscores, count for a feature."""
        parts = tuple(entry.split("_"))
        if len(parts) == 1:
            self.words[entry] = (*self.words.get(entry, ()), feature)
        else:
            start = parts[0], parts[1]
            self.starts.add(parts[0])
            self.phrases[start] = (*self.phrases.get(start, ()), (parts, feature))

    def hits(self, word: str) -> tuple[int, ...]:
        """The features a word counts for, by itself and by what stands before its apostrophe."""
        found = self.words.get(word, ())
        if "'" not in word:
            return found
        return tuple({*found, *self.words.get(word.partition("'")[0], ())})

    def count_words(self, counts: dict[str, int], totals: list[int]) -> None:
        """Add to the totals of the features what the words count."""
        listed = self.words
        for word, count in counts.items():
            if word in listed or "'" in word:
                for feature in self.hits(word):
                    totals[feature] += count

    def count_phrases(self, words: list[str], totals: list[int]) -> None:
        """Add to the totals what the phrases count, and take back what their words counted alone."""
        phrases, end = self.phrases, 0
        for place in [place for place, pair in enumerate(pairwise(words)) if pair in phrases]:
            if self.takes_back and place < end:  # or a word of two overlapping phrases would be taken back twice
                continue
            for parts, feature in phrases[words[place], words[place + 1]]:
                if tuple(words[place : place + len(parts)]) == parts:
                    totals[feature] += 1
                    end = max(end, place + len(parts))
            for inner in [inner for word in words[place:end] if self.takes_back for inner in self.hits(word)]:
                totals[inner] -= 1


@cache
def indexes() -> tuple[Index, Index]:
    """Of the words of all lists, and of the names of all lists."""
    words, names = Index(takes_back=False), Index(takes_back=True)
    for feature, each in enumerate(LISTS):
        for entry in set(each.words.split()):
            words.add(entry, feature)
        for entry in {form for name in each.names.split() for form in (name, name.upper())}:
            names.add(entry, feature)
    return words, names


def without_genitive(words: list[str]) -> list[str]:
    """The words without 's at their ends: "New Zealand's" holds the phrase "New Zealand"."""
    return [word.removesuffix("'s").removesuffix("'S") for word in words]


def measure(excerpt: Excerpt) -> list[float]:
    """Values in the order of `FEATURES`; all NaN for a text without words."""
    n = len(excerpt.words)
    if not n:
        return [nan] * len(FEATURES)
    words, names = indexes()
    totals = [0] * len(FEATURES)
    words.count_words(excerpt.counts, totals)
    names.count_words(excerpt.named, totals)
    genitives = "'" in excerpt.text or "’" in excerpt.text
    words.count_phrases(without_genitive(excerpt.words) if genitives else excerpt.words, totals)
    if not names.starts.isdisjoint(excerpt.named):
        names.count_phrases(without_genitive(excerpt.tokens) if genitives else excerpt.tokens, totals)
    return [scale * total / n for scale, total in zip(SCALES, totals, strict=True)]
