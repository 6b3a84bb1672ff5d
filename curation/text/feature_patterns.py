"""Features that are told by form: how words are cased and follow each other, numbers, web and code.

A pattern is looked for only where a sign that it can't do without is in the text ("@" for a mail address): most texts
hold none, and then it costs a microsecond. Every expression is linear in the text. Numbers are found in one pass and
then told apart.
"""

from __future__ import annotations

import re
from math import nan

from curation.text.feature_types import Excerpt, Feature, entries, per

REGISTER, TECHNICAL, NUMBERS = "register", "technical", "time and number"
WORDS, CHARACTERS, SENTENCES = "per 1,000 words", "per 1,000 characters", "share of sentences"


def pattern(name: str, group: str, what: str) -> Feature:
    """A feature that is counted per 1,000 characters, so that it is defined where there are no words."""
    return Feature(name, group, CHARACTERS, f"{what}, per 1,000 characters of the text.")


STYLE = (
    Feature("question_share", REGISTER, SENTENCES, "Sentences that end in a question mark, divided by all sentences."),
    Feature(
        "exclamation_share", REGISTER, SENTENCES, "Sentences that end in an exclamation mark, divided by all sentences."
    ),
    Feature(
        "imperative_share",
        REGISTER,
        SENTENCES,
        "Sentences whose first word is please, let's, don't or a verb usual in instructions, divided by all.",
    ),
    Feature(
        "capitals_word_rate", REGISTER, WORDS, "Words of 2 or more letters, all of them capitals, per 1,000 words."
    ),
    Feature(
        "capitalised_word_share", REGISTER, "share of words", "Words that begin with a capital, divided by all words."
    ),
    Feature(
        "contraction_rate",
        REGISTER,
        WORDS,
        "Words in n't, 'm, 're, 've, 'll, 'd, or in 's after a pronoun or wh-word, per 1,000 words.",
    ),
    Feature(
        "passive_rate",
        REGISTER,
        WORDS,
        "Forms of be followed by a word in -ed or a usual irregular participle, directly or after not or one word in "
        "-ly, per 1,000 words.",
        "After the agentless passive of Biber 1988, Variation across speech and writing",
    ),
    Feature(
        "camel_case_rate", TECHNICAL, WORDS, "Words that begin with a small letter and hold a capital, per 1,000 words."
    ),
    Feature(
        "one_letter_word_share",
        TECHNICAL,
        "share of words",
        "Words of one letter but a, i and o, divided by all words.",
    ),
)
MARKS = (
    pattern("ellipsis_rate", "punctuation", "Ellipses (… or three or more full stops)"),
    pattern("repeated_mark_rate", "punctuation", "Runs of two or more question or exclamation marks"),
    pattern("snake_case_rate", TECHNICAL, "Names with an underscore between letters or digits"),
    pattern("latex_command_rate", TECHNICAL, "Backslashes followed by a letter and no word before them"),
    pattern("html_tag_rate", TECHNICAL, "Angle brackets round a tag name"),
    pattern("url_rate", TECHNICAL, "Web addresses (http://, https:// or www.)"),
    pattern("email_rate", TECHNICAL, "Mail addresses"),
    pattern("hashtag_rate", TECHNICAL, "Hashtags (# and a letter, with no word before)"),
    pattern("mention_rate", TECHNICAL, "Mentions (@ and a name, with no word before)"),
)
FIGURES = (
    pattern("number_rate", NUMBERS, "Numbers: digits 0 to 9, joined by single . , : / or -"),
    pattern("year_rate", NUMBERS, "Numbers from 1900 to 2099 of four digits that stand alone"),
    pattern("four_digit_rate", NUMBERS, "Other numbers of four digits"),
    pattern("decimal_rate", NUMBERS, "Numbers with one full stop or comma inside"),
    pattern("date_rate", NUMBERS, "Dates in figures: three numbers joined by - / or ., the year first or last"),
    pattern("clock_time_rate", NUMBERS, "Clock times: 0:00 to 23:59, with seconds or without"),
)
FEATURES = STYLE + MARKS + FIGURES

IMPERATIVES = entries("""
    please let's don't add apply ask avoid be bring call check choose click come consider contact create cut do
    download ensure enter find follow get give go keep learn leave let look make mix note open place pour press put
    read remember remove see select send set share sign start stir stop take tell try turn use visit wait watch
""")
BE = entries("""
    be is am are was were been being isn't aren't wasn't weren't
""")
PARTICIPLES = entries("""
    been born borne bought broken brought built caught chosen cut done drawn driven eaten fed felt fought found given
    gone grown heard held hidden hit hurt kept known laid led left lent lost made meant met paid put read ridden
    risen run said seen sent set shot shown shut sold spent spoken stolen struck sung taken taught thought thrown
    told torn understood won worn written
""")
#: Words in -ed that are no participles.
NO_PARTICIPLES = entries("""
    bed red need seed feed indeed speed hundred sacred
""")
SHORT_FORMS = ("n't", "'m", "'re", "'ve", "'ll", "'d")
#: 's is short for "is" after these, and a genitive elsewhere.
SHORT_IS = entries("""
    it's that's he's she's what's there's who's let's here's how's where's when's why's
""")

ELLIPSIS = re.compile(r"…|\.{3,}")
REPEATED = re.compile(r"[!?]{2,}")
# Those with a sign begin with it and look back from there: a search for one character is much
# faster than one for any letter, and never walks a run of letters twice.
SNAKE = re.compile(r"_(?<=[^\W_]_)[^\W_]\w*")
LATEX = re.compile(r"\\(?<!\w\\)[a-zA-Z]")
TAG = re.compile(r"</?[a-zA-Z][^<>]*>")
SCHEME = re.compile(r"https?://\S")
WWW = re.compile(r"www\.(?<!\wwww\.)(?<!/www\.)\w")
EMAIL = re.compile(r"@(?<=[\w.+-]@)\w[\w-]*\.\w")
HASHTAG = re.compile(r"#(?<!\w#)[^\W\d_]")
MENTION = re.compile(r"@(?<![\w.+-]@)\w")
NUMBER = re.compile(r"[0-9]++(?:[.,:/-][0-9]++)*+")
YEAR = re.compile(r"(?:19|20)\d\d")
DECIMAL = re.compile(r"\d+[.,]\d+")
DATE = re.compile(r"\d{4}([-/.])\d{1,2}\1\d{1,2}|\d{1,2}([-/.])\d{1,2}\2(?:\d{4}|\d{2})")
CLOCK = re.compile(r"(?:[01]?\d|2[0-3]):[0-5]\d(?::[0-5]\d)?")


def is_participle(word: str) -> bool:
    """Whether a word may be a past participle, by its form."""
    return word in PARTICIPLES or (len(word) > 3 and word.endswith("ed") and word not in NO_PARTICIPLES)


def passives(words: list[str]) -> int:
    """Forms of be that a participle follows, directly or after one adverb."""
    found = 0
    for place in [place for place, word in enumerate(words) if word in BE]:
        after = words[place + 1 : place + 3]
        if len(after) == 2 and (after[0] == "not" or after[0].endswith("ly")):
            after = after[1:]
        found += bool(after) and is_participle(after[0])
    return found


def style(excerpt: Excerpt) -> list[float]:
    """Values in the order of `STYLE`; NaN for a text without words."""
    words, sentences = excerpt.words, len(excerpt.ends)
    if not words:
        return [nan] * len(STYLE)
    counts = excerpt.counts
    short = sum(n for word, n in counts.items() if "'" in word and (word.endswith(SHORT_FORMS) or word in SHORT_IS))
    small = sum(n for token, n in excerpt.named.items() if token[0].islower())
    capitals = sum(n for token, n in excerpt.named.items() if len(token) > 1 and token.isupper())
    return [
        per(sum("?" in end or "？" in end or "؟" in end for end in excerpt.ends), sentences),
        per(sum("!" in end or "！" in end for end in excerpt.ends), sentences),
        per(sum(start in IMPERATIVES for start in excerpt.starts), sentences),
        per(capitals, len(words), 1000),
        per(excerpt.named.total() - small, len(words)),
        per(short, len(words), 1000),
        per(passives(words), len(words), 1000),
        per(small, len(words), 1000),
        per(sum(n for word, n in counts.items() if len(word) == 1 and word not in "aio"), len(words)),
    ]


def marks(text: str) -> list[int]:
    """How often each of `MARKS` stands in a text."""

    def found(sign: str, expression: re.Pattern[str]) -> int:
        return len(expression.findall(text)) if sign in text else 0

    return [
        text.count("…") if "..." not in text else len(ELLIPSIS.findall(text)),
        len(REPEATED.findall(text)) if "!" in text or "?" in text else 0,
        found("_", SNAKE),
        found("\\", LATEX),
        found("<", TAG),
        found("://", SCHEME) + found("www.", WWW),
        found("@", EMAIL),
        found("#", HASHTAG),
        found("@", MENTION),
    ]


def figures(text: str) -> list[int]:
    """How often each of `FIGURES` stands in a text."""
    numbers = NUMBER.findall(text)
    plain = [number for number in numbers if number.isdecimal()]
    joined = [number for number in numbers if not number.isdecimal()]
    years = sum(YEAR.fullmatch(number) is not None for number in plain)
    return [
        len(numbers),
        years,
        sum(len(number) == 4 for number in plain) - years,
        sum(DECIMAL.fullmatch(number) is not None for number in joined),
        sum(DATE.fullmatch(number) is not None for number in joined),
        sum(CLOCK.fullmatch(number) is not None for number in joined),
    ]


def measure(excerpt: Excerpt) -> list[float]:
    """Values in the order of `FEATURES`."""
    text = excerpt.text
    return style(excerpt) + [per(count, len(text), 1000) for count in (*marks(text), *figures(text))]
