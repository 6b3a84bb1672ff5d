"""The quality of a text as one number in [0, 1], from rules of thumb that others filter the web with.

The rules are those of Gopher (Rae et al. 2021, arXiv 2112.11446, appendix A.1.1: quality and repetition) and of C4
(Raffel et al. 2020, arXiv 1910.10683, section 2.2), without C4's list of bad words. `RULES` is the table: what is
measured, how, what the paper accepts, and where we give it up. `words` says what a word, a letter and a line are;
`repetition` what counts as said again. Only the first 20,000 bytes of a text are read.

The papers throw a page out at a threshold. Ranking needs a slope, so a rule gives 1 in the accepted range and falls
linearly to 0 at a limit outside. The limits are ours: about where a page is surely worthless. Rules that alone should
not condemn a page have a limit that can't be reached.

Rules that measure one fault in several ways are a group, and the least of a group counts; counting all of them would
weigh a fault by the number of its measures. The score is the geometric mean of the four groups, since faults don't
make up for each other: a table of numbers is worthless however little it repeats itself, and an arithmetic mean would
leave it three quarters of its score. The mean is two square roots, which are the same bits on every machine.

It is a scorer of English: other languages in Latin letters lose a little for want of English stop words. Rules that
make no sense for other scripts fade out as Latin words get rare: they apply in full where half of the words that have
a letter have a Latin one, and not at all where a quarter has.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curation.text.repetition import TOP, duplicate_shares, ngram_shares, share
from curation.text.words import BLOCK_BYTES, FIRST_BYTES, Block, blocks

STOP_WORDS = ("the", "be", "to", "of", "and", "that", "have", "with")


@dataclass(frozen=True)
class Rule:
    """A line of the table."""

    name: str
    """The part that it measures."""
    unit: str
    formula: str
    group: str
    """words, prose, markup or repetition."""
    accepted: tuple[float, float]
    """Least and most that give 1."""
    limits: tuple[float, float]
    """Values below and above at which it gives 0; infinite where nothing is too low or too high."""
    source: str
    """Gopher quality, Gopher repetition or C4; "by page" where C4 drops single lines and we measure the page."""
    latin: bool = False
    """Whether it is only for Latin script."""


def _at_most(most: float, limit: float) -> tuple[tuple[float, float], tuple[float, float]]:
    return (-inf, most), (-inf, limit)


def _at_least(least: float, limit: float) -> tuple[tuple[float, float], tuple[float, float]]:
    return (least, inf), (limit, inf)


_QUALITY, _REPETITION, _C4 = "Gopher quality", "Gopher repetition", "C4"
# fmt: off
RULES: tuple[Rule, ...] = (
    # Gopher's upper bound, 100,000 words, is more than is read.
    # The share of lines with terminal punctuation that a page needs is FineWeb's (Penedo et al. 2024, arXiv
    # 2406.17557): prose with hard line breaks has no more.
    Rule("words", "words", "words", "words", *_at_least(50, 0), _QUALITY),
    Rule("mean_word_length", "characters", "characters of words / words", "words", (3, 10), (1, 20), _QUALITY, True),
    Rule("alphabetic_word_share", "share", "words with a letter / words", "words", *_at_least(0.8, 0.3), _QUALITY),
    Rule("stop_words", "different words of 8", "how many of STOP_WORDS occur", "prose", *_at_least(2, -1), _QUALITY,
         True),
    Rule("sentences", "sentences", "words that end in . ! or ?, also before a quote or bracket", "prose",
         *_at_least(3, -2), _C4, True),
    Rule("terminal_punctuation_line_share", "share", "lines that end in . ! ? or a double quote / lines", "prose",
         *_at_least(0.12, -0.12), "C4 by page", True),
    Rule("hash_word_ratio", "per word", "# / words", "markup", *_at_most(0.1, 0.5), _QUALITY),
    Rule("ellipsis_word_ratio", "per word", "(runs of 3 dots or more, and …) / words", "markup", *_at_most(0.1, 0.5),
         _QUALITY),
    Rule("bullet_line_share", "share", "lines that start with - * • or ‣ / lines", "markup", *_at_most(0.9, 1.1),
         _QUALITY),
    Rule("ellipsis_line_share", "share", "lines that end in ... or … / lines", "markup", *_at_most(0.3, 1), _QUALITY),
    Rule("curly_braces", "per 1,000 characters", "1000 * ({ and }) / characters", "markup", *_at_most(0, 50), _C4),
    Rule("lorem_ipsum", "per 1,000 words", '1000 * "lorem ipsum" / words', "markup", *_at_most(0, 10), _C4),
    Rule("javascript", "per 1,000 words", '1000 * "javascript" / words', "markup", *_at_most(0, 50), "C4 by page"),
    Rule("duplicate_line_share", "share", "duplicate lines / lines", "repetition", *_at_most(0.3, 0.7), _REPETITION),
    Rule("duplicate_line_character_share", "share", "characters of duplicate lines / characters of words",
         "repetition", *_at_most(0.2, 0.6), _REPETITION),
    Rule("duplicate_paragraph_share", "share", "duplicate paragraphs / paragraphs", "repetition",
         *_at_most(0.3, 0.7), _REPETITION),
    Rule("duplicate_paragraph_character_share", "share", "characters of duplicate paragraphs / characters of words",
         "repetition", *_at_most(0.2, 0.6), _REPETITION),
    *(Rule(f"top_{n}gram_character_share", "share", f"characters of the top {n}-gram / characters of words",
           "repetition", *_at_most(most, 3 * most), _REPETITION) for n, most in ((2, 0.2), (3, 0.18), (4, 0.16))),
    *(Rule(f"duplicate_{n}gram_character_share", "share", f"characters in duplicate {n}-grams / characters of words",
           "repetition", *_at_most(most, 0.6), _REPETITION) for n, most in ((5, 0.15), (10, 0.1))),
)
# fmt: on
_GROUPS = ("words", "prose", "markup", "repetition")

#: The parts, in order: the rules, and the share that says whether those for Latin script apply.
PARTS: tuple[str, ...] = (*(rule.name for rule in RULES), "latin_word_share")

_DOUBLE_QUOTE_END = "”".encode()
_ELLIPSIS = "…".encode()
_BULLETS = ("•".encode(), "‣".encode())
_ENDS = np.isin(np.arange(256), list(b".!?"))
_CLOSES = np.isin(np.arange(256), list(b"\"')]"))


def heuristic_quality(
    texts: pa.Array | pa.ChunkedArray, block_bytes: int = BLOCK_BYTES
) -> tuple[NDArray[np.float32], dict[str, NDArray[np.float32]]]:
    """Scores texts by the rules above; a text's score depends on its first 20,000 bytes and nothing else.

    Args:
        texts: n texts, string or large_string; null where a row was rejected.
        block_bytes: about how many bytes are looked at together; changes the speed, not the result.

    Returns:
        The score, float32[n] in [0, 1], 1 the best, and {part: float32[n]} for each of PARTS, in the units of RULES:
        what was measured, not what the rule made of it. A ratio of a text without words is 0, and so is its score.
        All are NaN where the text is null.
    """
    measured = [_measured(block) for block in blocks(texts, block_bytes)]
    parts = {name: np.concatenate([np.zeros(0), *(part[name] for part in measured)]) for name in PARTS}
    score = _score(parts)
    columns = {name: values.astype(np.float32) for name, values in parts.items()}
    if texts.null_count:
        absent = np.asarray(texts.is_null())
        for column in (score, *columns.values()):
            column[absent] = np.nan
    return score, columns


def _score(parts: dict[str, NDArray[np.float64]]) -> NDArray[np.float32]:
    """The geometric mean of the groups' least sub-scores. float32[n]."""
    applies = np.clip((parts["latin_word_share"] - 0.25) / 0.25, 0.0, 1.0)
    least = {group: np.ones(len(applies)) for group in _GROUPS}
    for rule in RULES:
        value = _sub_score(rule, parts[rule.name])
        if rule.latin:
            value = 1.0 - applies * (1.0 - value)
        least[rule.group] = np.minimum(least[rule.group], value)
    product = least["words"] * least["prose"] * least["markup"] * least["repetition"]
    return np.sqrt(np.sqrt(product)).astype(np.float32)


def _sub_score(rule: Rule, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 in the accepted range, 0 at the limits and beyond, linear between. float64[n]."""
    result = np.ones(len(values))
    for accepted, limit in zip(rule.accepted, rule.limits, strict=True):
        if np.isfinite(limit):
            result = np.minimum(result, (values - limit) / (accepted - limit))
    return np.maximum(result, 0.0)


def _measured(block: Block) -> dict[str, NDArray[np.float64]]:
    """Every part of the texts of a block. {part: float64[n]}."""
    words = np.diff(block.first)
    continuing = block.count(np.flatnonzero(block.data.view(np.int8) < -64))  # bytes 10xxxxxx of UTF-8
    characters = np.diff(block.bounds) - 1 - continuing
    marks = np.flatnonzero((block.data == ord("#")) | (block.data == ord("{")) | (block.data == ord("}")))
    is_hash = block.data[marks] == ord("#")
    alphabetic, latin = _lettered_words(block)
    return {
        "words": words.astype(np.float64),
        "mean_word_length": share(np.diff(block.before[block.first]) - continuing, words),
        "alphabetic_word_share": share(alphabetic, words),
        "latin_word_share": np.where(alphabetic > 0, share(latin, alphabetic), 1.0),
        "stop_words": _stop_words(block).astype(np.float64),
        "sentences": _sentences(block).astype(np.float64),
        "hash_word_ratio": share(block.count(marks[is_hash]), words),
        "ellipsis_word_ratio": share(_ellipses(block), words),
        "curly_braces": 1000 * share(block.count(marks[~is_hash]), characters),
        "lorem_ipsum": 1000 * share(_mentions(block, b"lorem ipsum", b"p"), words),
        "javascript": 1000 * share(_mentions(block, b"javascript", b"j"), words),
        **_line_shares(block),
        **_repetition(block),
    }


def _lettered_words(block: Block) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Words with a letter, and words with a Latin letter. int64[n] each."""
    data = block.data
    kinds = ((data | 0x20) - np.uint8(ord("a")) < 26).view(np.uint8) | (data >> 7 << 1)
    found = kinds[block.starts]
    unsure = np.flatnonzero(found != 1)  # most words begin with a Latin letter
    if len(unsure):
        edges = np.stack([block.starts[unsure], block.ends[unsure]], axis=1).ravel()
        found[unsure] = np.bitwise_or.reduceat(kinds, edges)[::2]
    return _per_text(found > 0, block.first), _per_text(found & 1 > 0, block.first)


def _stop_words(block: Block) -> NDArray[np.int64]:
    """How many of the stop words occur, in upper or lower case. int64[n]."""
    lengths = block.ends - block.starts
    short = np.flatnonzero(lengths <= max(map(len, STOP_WORDS)))
    # Setting bit 5 makes letters small, and makes a small letter of nothing else.
    word = block.eights[block.starts[short]] | _number(b" " * 8)
    word &= FIRST_BYTES[lengths[short]]
    occurs = np.zeros((len(block.first) - 1, len(STOP_WORDS)), np.bool_)
    for i, stop_word in enumerate(STOP_WORDS):
        occurs[block.text[short[word == _number(stop_word.encode())]], i] = True
    count: NDArray[np.int64] = np.count_nonzero(occurs, axis=1)
    return count


def _sentences(block: Block) -> NDArray[np.int64]:
    """Words that end a sentence. int64[n]."""
    last, before = block.data[block.ends - 1], block.data[block.ends - 2]
    return _per_text(_ENDS[last] | (_CLOSES[last] & _ENDS[before]), block.first)


def _ellipses(block: Block) -> NDArray[np.int64]:
    """Runs of three dots or more, and ellipsis characters. int64[n]."""
    dot = block.data == ord(".")
    runs = np.flatnonzero(dot[1:-2] & dot[2:-1] & dot[3:] & ~dot[:-3]) + 1
    last = np.flatnonzero(block.data == _ELLIPSIS[-1])
    return block.count(runs) + block.count(last[_stands(block, last - 2, _ELLIPSIS)])


def _mentions(block: Block, phrase: bytes, rare: bytes) -> NDArray[np.int64]:
    """How often a phrase of 8 to 16 small letters and blanks occurs, in upper or lower case. int64[n].

    `rare` is the letter of the phrase to look for first, one that occurs in it once.
    """
    at = np.flatnonzero((block.data | 0x20) == ord(rare)) - phrase.index(rare)
    at = at[at > 0]
    for offset in (0, len(phrase) - 8):
        eight = phrase[offset : offset + 8]
        case = _number(bytes(0 if byte == ord(" ") else 0x20 for byte in eight))
        at = at[block.eights[at + offset] | case == _number(eight)]
    return block.count(at)


def _line_shares(block: Block) -> dict[str, NDArray[np.float64]]:
    """What lines begin and end with."""
    begin, last = block.starts[block.lines[:-1]], block.ends[block.lines[1:] - 1] - 1
    edges = np.searchsorted(block.lines[:-1], block.first)
    dots = _stands(block, last - 2, b"...") | _stands(block, last - 2, _ELLIPSIS)
    bullet = np.isin(block.data[begin], np.frombuffer(b"-*", np.uint8))
    for mark in _BULLETS:
        bullet |= _stands(block, begin, mark)
    final = block.data[last]
    ends = _ENDS[final] | (final == ord('"')) | _stands(block, last - 2, _DOUBLE_QUOTE_END)
    shares = {"bullet_line_share": bullet, "ellipsis_line_share": dots, "terminal_punctuation_line_share": ends}
    return {name: share(_per_text(mask, edges), np.diff(edges)) for name, mask in shares.items()}


def _repetition(block: Block) -> dict[str, NDArray[np.float64]]:
    """The repetition measures of Gopher."""
    parts = {f"{'top' if n in TOP else 'duplicate'}_{n}gram_character_share": v for n, v in ngram_shares(block).items()}
    for thing, (things, characters) in duplicate_shares(block).items():
        parts |= {f"duplicate_{thing}_share": things, f"duplicate_{thing}_character_share": characters}
    return parts


def _stands(block: Block, places: NDArray[np.int64], character: bytes) -> NDArray[np.bool_]:
    """Whether these bytes stand at a place."""
    result = np.ones(len(places), np.bool_)
    for i, byte in enumerate(character):
        result &= block.data[places + i] == byte
    return result


def _per_text(mask: NDArray[np.bool_], edges: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many are true of each text, whose first one is at its edge. int64[n]."""
    return np.diff(np.searchsorted(np.flatnonzero(mask), edges))


def _number(eight: bytes) -> np.uint64:
    """Up to eight bytes as `Block.eights` reads them."""
    return np.uint64(int.from_bytes(eight, "little"))


def describe_rules() -> str:
    """The rules as a Markdown table."""
    lines = ["| part | unit | formula | accepted | worthless beyond | source |", "|---|---|---|---|---|---|"]
    for rule in RULES:
        ranges = (f"{low:g} to {high:g}" for low, high in (rule.accepted, rule.limits))
        lines.append(f"| `{rule.name}` | {rule.unit} | {rule.formula} | {' | '.join(ranges)} | {rule.source} |")
    return "\n".join(lines)
