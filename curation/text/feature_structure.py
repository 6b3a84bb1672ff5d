"""How a text is laid out: its length, sentences, paragraphs and lines.

A paragraph is what stands between blank lines; a line ends at a line feed, and a feed at the very end opens no
further line. What a line is (list item, heading, part of a table) is told by its form, by the rules in the catalogue:
heuristics, the same for all texts.
"""

from __future__ import annotations

import re
from itertools import pairwise
from math import nan, sqrt

from curation.text.feature_types import SENTENCE_MARKS, Excerpt, Feature, per

STRUCTURE = "structure"


def lines_that(name: str, do: str, group: str = STRUCTURE) -> Feature:
    """The share of lines that do something, among those that are not blank."""
    formula = f"Lines that {do}, divided by all lines that are not blank."
    return Feature(name, group, "share of lines that are not blank", formula)


FEATURES = (
    Feature("characters", STRUCTURE, "characters", "Code points of the text in normal form C."),
    Feature("words", STRUCTURE, "words", "Words of the text."),
    Feature("sentences", STRUCTURE, "sentences", "Sentences of the text that hold a word."),
    Feature("paragraphs", STRUCTURE, "paragraphs", "Runs of lines that are not blank."),
    Feature("lines", STRUCTURE, "lines", "Lines of the text, blank ones too."),
    Feature("mean_sentence_length", STRUCTURE, "words", "Words divided by sentences."),
    Feature("sentence_length_spread", STRUCTURE, "words", "Standard deviation of the words of a sentence (divisor n)."),
    Feature("longest_sentence", STRUCTURE, "words", "Words of the longest sentence."),
    Feature("mean_paragraph_length", STRUCTURE, "words", "Words divided by paragraphs."),
    Feature("mean_line_length", STRUCTURE, "characters", "Characters, line feeds left out, divided by lines."),
    Feature("blank_line_share", STRUCTURE, "share of lines", "Lines of white space or nothing, divided by all lines."),
    lines_that(
        "list_line_share", "begin with a bullet (- * + • ·), or with a number or one letter and a full stop or bracket"
    ),
    lines_that(
        "heading_line_share",
        "have at most 60 characters, are no list items, and begin with # to ###### and a space, or with a capital "
        "while they end in a letter or digit",
    ),
    lines_that("indented_line_share", "begin with a tab or with two spaces"),
    lines_that("table_line_share", "hold two tabs, or two vertical bars after their first sign"),
    lines_that("duplicate_line_share", "stood in the text before, white space at their ends aside"),
    lines_that("line_end_semicolon_share", "end in a semicolon or a brace, as code does", "technical"),
    lines_that("unfinished_line_share", f"end in none of the marks {SENTENCE_MARKS} of sentences"),
)
LIST_ITEM = re.compile(r"[-*+•·]\s|(?:\d{1,3}|[a-zA-Z])[.)]\s")
HEADING = re.compile(r"#{1,6} ")
HEADING_LENGTH = 60


def is_heading(line: str) -> bool:
    """Whether a line that is no list item, without white space at its ends, looks like a heading."""
    return len(line) <= HEADING_LENGTH and (
        (line[0].isupper() and line[-1].isalnum()) or (line[0] == "#" and HEADING.match(line) is not None)
    )


def line_shares(lines: list[str], bare: list[str]) -> list[float]:
    """Shares of lines: blank, list, heading, indented, table, duplicate, ending in a semicolon, unfinished.

    Args:
        lines: the lines as they stand.
        bare: those that are not blank, without white space at their ends.
    """
    n = len(bare)
    items = [LIST_ITEM.match(line) is not None for line in bare]
    indented = sum(line.startswith(("\t", "  ")) and not line.isspace() for line in lines)
    return [
        per(len(lines) - n, len(lines)),
        per(sum(items), n),
        per(sum(is_heading(line) for line, item in zip(bare, items, strict=True) if not item), n),
        per(indented, n),
        per(sum(line.count("\t") >= 2 or line.count("|", 1) >= 2 for line in bare), n),
        per(n - len(set(bare)), n),
        per(sum(line.endswith((";", "{", "}")) for line in bare), n),
        per(sum(line[-1] not in SENTENCE_MARKS for line in bare), n),
    ]


def measure(excerpt: Excerpt) -> list[float]:
    """Values in the order of `FEATURES`; counts are 0 for an empty text, means of nothing are NaN."""
    text, lengths = excerpt.text, excerpt.lengths
    lines = text.removesuffix("\n").split("\n") if text else []
    stripped = [line.strip() for line in lines]
    bare = [line for line in stripped if line]
    paragraphs = sum(bool(line) and not before for before, line in pairwise(["", *stripped]))
    words, sentences = len(excerpt.words), len(lengths)
    mean = per(words, sentences)
    variance = per(sum((length - mean) ** 2 for length in lengths), sentences)
    return [
        float(len(text)),
        float(words),
        float(sentences),
        float(paragraphs),
        float(len(lines)),
        mean,
        sqrt(variance),
        float(max(lengths)) if lengths else nan,
        per(words, paragraphs),
        per(len(text) - text.count("\n"), len(lines)),
        *line_shares(lines, bare),
    ]
