"""How hard a text is to read, by the classic formulas; and what the form of its words tells.

The formulas were fitted to English school texts: on other languages, or on code, they are numbers to compare texts by,
not grades. Syllables are counted by rule, without a dictionary: the groups of neighbouring vowels, less one for a
final silent e ("make", not "table"), at least one. A word without Latin vowels has one syllable.

What depends on a word alone (syllables, suffixes) is looked up in a cache: most words of a corpus are the same few
thousand, and the rules cost more than all else here.
"""

from __future__ import annotations

import re
from functools import lru_cache
from math import nan, sqrt

from curation.text.feature_types import Excerpt, Feature, entries, per

READABILITY, REGISTER = "readability", "register"
#: Words, sentences, characters of words, syllables: the letters in the formulas.
WHERE = "with W words, S sentences, C characters of words, Y syllables"
FEATURES = (
    Feature("syllables_per_word", READABILITY, "syllables", "Y / W, syllables by the rule of vowel groups."),
    Feature("polysyllable_share", READABILITY, "share of words", "Words of 3 or more syllables, divided by W."),
    Feature(
        "flesch_reading_ease",
        READABILITY,
        "points",
        f"206.835 - 1.015 * W / S - 84.6 * Y / W, {WHERE}.",
        "Flesch 1948, A new readability yardstick",
    ),
    Feature(
        "flesch_kincaid_grade",
        READABILITY,
        "school years",
        f"0.39 * W / S + 11.8 * Y / W - 15.59, {WHERE}.",
        "Kincaid et al. 1975, Derivation of new readability formulas",
    ),
    Feature(
        "gunning_fog",
        READABILITY,
        "school years",
        "0.4 * (W / S + 100 * P / W), with P words of 3 or more syllables.",
        "Gunning 1952, The technique of clear writing",
    ),
    Feature(
        "smog",
        READABILITY,
        "school years",
        "1.0430 * sqrt(30 * P / S) + 3.1291, with P words of 3 or more syllables.",
        "McLaughlin 1969, SMOG grading: a new readability formula",
    ),
    Feature(
        "coleman_liau",
        READABILITY,
        "school years",
        f"5.88 * C / W - 29.6 * S / W - 15.8, {WHERE}.",
        "Coleman and Liau 1975, A computer readability formula designed for machine scoring",
    ),
    Feature(
        "automated_readability",
        READABILITY,
        "school years",
        f"4.71 * C / W + 0.5 * W / S - 21.43, {WHERE}.",
        "Senter and Smith 1967, Automated readability index",
    ),
    Feature(
        "lix",
        READABILITY,
        "points",
        "W / S + 100 * L / W, with L words of more than 6 characters.",
        "Björnsson 1968, Läsbarhet",
    ),
    Feature(
        "rix",
        READABILITY,
        "words per sentence",
        "L / S, with L words of more than 6 characters.",
        "Anderson 1983, Lix and Rix: variations on a little-known readability index",
    ),
    Feature(
        "nominalisation_rate",
        REGISTER,
        "per 1,000 words",
        "Words of 6 or more letters that end in -tion, -ment, -ness or -ity, or their plurals, per 1,000 words.",
        "Biber 1988, Variation across speech and writing",
    ),
    Feature(
        "ly_adverb_rate",
        REGISTER,
        "per 1,000 words",
        "Words of 5 or more letters that end in -ly, but for usual ones that are no adverbs, per 1,000 words.",
    ),
    Feature(
        "elongated_word_rate",
        REGISTER,
        "per 1,000 words",
        'Words with one letter thrice running ("sooo"), but for www, xxx and Roman numerals, per 1,000 words.',
    ),
)
VOWELS = re.compile("[aeiouyàáâãäåæèéêëìíîïòóôõöøœùúûüýÿāēīōū]+")
SILENT_E = re.compile(r"[^aeiouyàáâãäåæèéêëìíîïòóôõöøœùúûüýÿ]e$")
SPOKEN_LE = re.compile(r"[^aeiouylr]le$")
NOUN_ENDINGS = ("tion", "tions", "ment", "ments", "ness", "nesses", "ity", "ities")
NO_ADVERBS = entries("""
    ally anomaly apply assembly belly bully butterfly comply costly curly daily deadly early elderly family friendly
    hilly holy homely imply italy jelly july likely lively lonely lovely monthly multiply only orderly rally rely reply
    silly smelly supply ugly unlikely weekly yearly
""")
THRICE = re.compile(r"([^\W\d_])\1\1")
NOT_ELONGATED = re.compile(r"w{3}|x{3}|[ivxlcdm]+")
LONG = 6


@lru_cache(maxsize=1 << 16)
def form(word: str) -> tuple[int, bool, bool, bool]:
    """Syllables of a lower-case word; whether it is a nominalisation, an adverb in -ly, elongated.

    Example:
        >>> form("make"), form("table")[0], form("information")[:2]
        ((1, False, False, False), 2, (4, True))
    """
    syllables = len(VOWELS.findall(word))
    if syllables > 1 and SILENT_E.search(word) and not SPOKEN_LE.search(word):
        syllables -= 1
    return (
        max(1, syllables),
        len(word) >= 6 and word.endswith(NOUN_ENDINGS),
        len(word) >= 5 and word.endswith("ly") and word not in NO_ADVERBS,
        THRICE.search(word) is not None and NOT_ELONGATED.fullmatch(word) is None,
    )


def measure(excerpt: Excerpt) -> list[float]:
    """Values in the order of `FEATURES`; all NaN for a text without words."""
    words, sentences = len(excerpt.words), len(excerpt.lengths)
    if not words:
        return [nan] * len(FEATURES)
    syllables = polysyllables = long = characters = nouns = adverbs = elongated = 0
    for word, count in excerpt.counts.items():
        spoken, noun, adverb, stretched = form(word)
        syllables += spoken * count
        characters += len(word) * count
        polysyllables += count if spoken >= 3 else 0
        long += count if len(word) > LONG else 0
        nouns += noun * count
        adverbs += adverb * count
        elongated += stretched * count
    length, spoken_length = words / sentences, syllables / words
    return [
        spoken_length,
        polysyllables / words,
        206.835 - 1.015 * length - 84.6 * spoken_length,
        0.39 * length + 11.8 * spoken_length - 15.59,
        0.4 * (length + 100 * polysyllables / words),
        1.0430 * sqrt(30 * polysyllables / sentences) + 3.1291,
        5.88 * characters / words - 29.6 / length - 15.8,
        4.71 * characters / words + 0.5 * length - 21.43,
        length + 100 * long / words,
        long / sentences,
        per(nouns, words, 1000),
        per(adverbs, words, 1000),
        per(elongated, words, 1000),
    ]
