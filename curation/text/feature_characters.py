"""Features of single characters: classes, scripts, punctuation.

Every one of them is a quotient of two sums over characters: the characters that count, over those that could. So each
character is looked up once, in a table of all code points, and gets one of some 200 bins that no feature tells apart
any further: ASCII and the usual signs have a bin each, letters a bin a script and case, the rest a bin a Unicode
category. The bins are counted, and all features are one product of that histogram with a matrix of zeros and ones:
sums of integers, so exact in any order.

A script is a set of ranges of code points, the blocks that Unicode sets aside for it (`SCRIPTS`); "letter" is category
L, so vowel signs of Indic scripts, which are marks, count neither above nor below.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from curation.text.feature_types import Excerpt, Feature

#: First and last code points of the blocks of each script.
SCRIPTS: dict[str, tuple[tuple[int, int], ...]] = {
    "latin": ((0x41, 0x5A), (0x61, 0x7A), (0xAA, 0x24F), (0x250, 0x2AF), (0x1E00, 0x1EFF), (0x2C60, 0x2C7F)),
    "greek": ((0x370, 0x3FF), (0x1F00, 0x1FFF)),
    "cyrillic": ((0x400, 0x52F), (0x1C80, 0x1C8F), (0x2DE0, 0x2DFF), (0xA640, 0xA69F)),
    "armenian": ((0x530, 0x58F),),
    "hebrew": ((0x590, 0x5FF), (0xFB1D, 0xFB4F)),
    "arabic": ((0x600, 0x6FF), (0x750, 0x77F), (0x8A0, 0x8FF), (0xFB50, 0xFDFF), (0xFE70, 0xFEFF)),
    "devanagari": ((0x900, 0x97F), (0xA8E0, 0xA8FF)),
    "bengali": ((0x980, 0x9FF),),
    "gujarati": ((0xA80, 0xAFF),),
    "tamil": ((0xB80, 0xBFF),),
    "telugu": ((0xC00, 0xC7F),),
    "thai": ((0xE00, 0xE7F),),
    "georgian": ((0x10A0, 0x10FF), (0x1C90, 0x1CBF), (0x2D00, 0x2D2F)),
    "ethiopic": ((0x1200, 0x139F), (0x2D80, 0x2DDF)),
    "hangul": ((0x1100, 0x11FF), (0x3130, 0x318F), (0xAC00, 0xD7FF)),
    "hiragana": ((0x3041, 0x309F),),
    "katakana": ((0x30A0, 0x30FF), (0x31F0, 0x31FF), (0xFF66, 0xFF9F)),
    "han": ((0x3005, 0x3007), (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x323AF)),
}
OTHER_SCRIPT = "other"
#: Blocks of pictographs, regional indicators (flags), miscellaneous symbols and dingbats.
EMOJI = ((0x1F1E6, 0x1F1FF), (0x1F300, 0x1FAFF), (0x2600, 0x27BF))
#: Signs beyond ASCII that features tell apart.
SIGNS = "“”„‘’«»–—…、，。；：？！（）【】「」¿¡;·،؛؟।"
#: Control characters that are white space in a plain text, so no sign of damage.
LAYOUT = "\t\n\r"
QUOTES = '"“”„«»「」'
APOSTROPHES = "'‘’"


#: Characters are assigned below the first and in tags; private from the last on.
ASSIGNED, TAGS, PRIVATE, CODES = 0x33480, range(0xE0000, 0xE0200), 0xF0000, 0x110000


def block_of(blocks: dict[str, tuple[tuple[int, int], ...]]) -> dict[int, str]:
    """The name of the blocks that each code point is in; code points in none are left out."""
    return {code: name for name, ranges in blocks.items() for first, last in ranges for code in range(first, last + 1)}


def kind(code: int, script: str, emoji: bool) -> str:
    """The bin of a code point: the character itself, "script case", "emoji" or the Unicode category."""
    char = chr(code)
    if code < 128 or char in SIGNS:
        return char
    category = unicodedata.category(char)
    if category[0] == "L":
        return f"{script} {'upper' if category in ('Lu', 'Lt') else 'lower'}"
    return "emoji" if emoji else category


@cache
def table() -> tuple[NDArray[np.uint8], list[str]]:
    """uint8[0x110000]: the bin of every code point; and the kind of every bin.

    Only code points that can be assigned are looked at, the rest are a quarter of a second for nothing.
    """
    scripts, emoji = block_of(SCRIPTS), block_of({"emoji": EMOJI})
    bins = {"Cn": 0, "Co": 1}
    numbers = np.zeros(CODES, np.uint8)
    numbers[PRIVATE:] = bins["Co"]
    for code in (*range(ASSIGNED), *TAGS):
        numbers[code] = bins.setdefault(kind(code, scripts.get(code, OTHER_SCRIPT), code in emoji), len(bins))
    return numbers, list(bins)


def category(kind: str) -> str:
    """The Unicode category of the characters of a bin; letters are "L", emoji "So"."""
    if len(kind) == 1:
        return unicodedata.category(kind)
    return "L" if " " in kind else "So" if kind == "emoji" else kind


def is_upper(kind: str) -> bool:
    """Whether a bin is of capital letters."""
    return kind.endswith(" upper") or (len(kind) == 1 and kind.isupper())


def script(kind: str) -> str:
    """The script of a bin of letters; empty for other bins."""
    if len(kind) == 1:
        return "latin" if kind.isalpha() else ""
    return kind.partition(" ")[0] if " " in kind else ""


def starts(*prefixes: str) -> Callable[[str], bool]:
    """A test of bins: the category begins with one of these."""
    return lambda kind: category(kind).startswith(prefixes)


def among(signs: str) -> Callable[[str], bool]:
    """A test of bins: one of these characters."""
    return lambda kind: kind in set(signs)


def written_in(name: str) -> Callable[[str], bool]:
    """A test of bins: letters of that script."""
    return lambda kind: script(kind) == name


def every(kind: str) -> bool:
    """A test of bins that all pass."""
    return bool(kind)


@dataclass(frozen=True)
class Measure:
    """A feature as two sums of bins."""

    feature: Feature
    top: Callable[[str], bool]
    """Which bins count."""
    bottom: Callable[[str], bool]
    """Which bins could."""
    scale: float


def share(name: str, what: str, top: Callable[[str], bool]) -> Measure:
    """A share of all characters."""
    feature = Feature(name, "character classes", "share of characters", f"{what}, divided by all characters.")
    return Measure(feature, top, every, 1.0)


def share_of_letters(name: str, group: str, what: str, top: Callable[[str], bool]) -> Measure:
    """A share of the letters."""
    formula = f"{what}, divided by all letters (Unicode category L)."
    return Measure(Feature(name, group, "share of letters", formula), top, starts("L"), 1.0)


def rate(name: str, group: str, what: str, signs: str) -> Measure:
    """A rate of certain characters per 1,000 characters."""
    formula = f"{what}, per 1,000 characters of the text."
    return Measure(Feature(name, group, "per 1,000 characters", formula), among(signs), every, 1000.0)


CLASSES = (
    share("letter_share", "Letters (Unicode category L)", starts("L")),
    share_of_letters("upper_case_share", "character classes", "Capital letters (categories Lu and Lt)", is_upper),
    share("digit_share", "Decimal digits of any script (category Nd)", starts("Nd")),
    share(
        "other_number_share", "Numbers that are not digits, such as fractions (categories Nl, No)", starts("Nl", "No")
    ),
    share("punctuation_share", "Punctuation (category P)", starts("P")),
    share("symbol_share", "Symbols (category S), emoji among them", starts("S")),
    share(
        "white_space_share", "Space, tab, line ends and category Z", lambda k: k in set(LAYOUT) or category(k)[0] == "Z"
    ),
    share("non_ascii_share", "Characters beyond U+007F", lambda k: len(k) > 1 or ord(k) > 127),
    share(
        "control_share",
        "Control characters (category Cc) but tab and line ends",
        lambda k: k not in set(LAYOUT) and category(k) == "Cc",
    ),
    share("format_character_share", "Invisible format characters (category Cf), such as joiners", starts("Cf")),
    share("combining_mark_share", "Combining marks (category M)", starts("M")),
    share(
        "unassigned_share",
        "Private, unassigned and surrogate code points (categories Co, Cn, Cs)",
        starts("Co", "Cn", "Cs"),
    ),
    share("emoji_share", "Characters in the blocks of pictographs, flags and dingbats", lambda k: k == "emoji"),
    share_of_letters(
        "accented_latin_share",
        "character classes",
        "Latin letters beyond ASCII",
        lambda k: script(k) == "latin" and len(k) > 1,
    ),
)
ALPHABETS = tuple(
    share_of_letters(f"{name}_share", "scripts", f"Letters in the {name.capitalize()} blocks", written_in(name))
    for name in SCRIPTS
)
REST = share_of_letters("other_script_share", "scripts", "Letters in no other block listed", written_in(OTHER_SCRIPT))
PUNCTUATION = "punctuation"
SIGN_RATES = (
    rate("comma_rate", PUNCTUATION, "Commas of any script", ",，،、"),
    rate("full_stop_rate", PUNCTUATION, "Full stops of any script", ".。।"),
    rate("semicolon_rate", PUNCTUATION, "Semicolons", ";；؛"),
    rate("colon_rate", PUNCTUATION, "Colons", ":："),
    rate("question_mark_rate", PUNCTUATION, "Question marks, inverted ones too", "?？؟¿"),
    rate("exclamation_mark_rate", PUNCTUATION, "Exclamation marks, inverted ones too", "!！¡"),
    rate("hyphen_rate", PUNCTUATION, "Hyphens (U+002D)", "-"),
    rate("dash_rate", PUNCTUATION, "En and em dashes", "–—"),
    rate("double_quote_rate", PUNCTUATION, "Double quotation marks, guillemets and corner brackets", QUOTES),
    rate("apostrophe_rate", PUNCTUATION, "Apostrophes and single quotation marks", APOSTROPHES),
    rate("parenthesis_rate", PUNCTUATION, "Opening and closing parentheses", "()（）"),
    rate("square_bracket_rate", PUNCTUATION, "Opening and closing square brackets", "[]【】"),
    rate("slash_rate", PUNCTUATION, "Slashes and backslashes", "/\\"),
    rate("percent_sign_rate", "time and number", "Percent signs", "%"),
    Measure(
        Feature(
            "currency_sign_rate",
            "time and number",
            "per 1,000 characters",
            "Currency signs (Unicode category Sc), per 1,000 characters of the text.",
        ),
        starts("Sc"),
        every,
        1000.0,
    ),
    rate("brace_rate", "technical", "Opening and closing braces", "{}"),
    Measure(
        Feature(
            "mathematical_sign_rate",
            "technical",
            "per 1,000 characters",
            "Mathematical signs (Unicode category Sm, such as + < = > ∑ ≤), per 1,000 characters of the text.",
        ),
        starts("Sm"),
        every,
        1000.0,
    ),
)
MEASURES = (*CLASSES, *ALPHABETS, REST, *SIGN_RATES)
FEATURES = tuple(measure.feature for measure in MEASURES)


@cache
def sums() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """float64[F, bins] twice: what every bin adds to the numerator, scaled, and to the denominator of each feature."""
    kinds = table()[1]
    top = np.array([[m.scale * m.top(kind) for kind in kinds] for m in MEASURES], dtype=np.float64)
    bottom = np.array([[m.bottom(kind) for kind in kinds] for m in MEASURES], dtype=np.float64)
    return top, bottom


def measure(excerpt: Excerpt) -> NDArray[np.float64]:
    """float64[F], in the order of `FEATURES`; NaN where no character could count."""
    numbers, kinds = table()
    codes = np.frombuffer(excerpt.text.encode("utf-32-le", "surrogatepass"), np.uint32)
    histogram = np.bincount(numbers[codes], minlength=len(kinds)).astype(np.float64)
    top, bottom = sums()
    base = bottom @ histogram
    values: NDArray[np.float64] = np.divide(top @ histogram, base, out=np.full(len(base), np.nan), where=base > 0)
    return values
