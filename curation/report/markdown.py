"""Markdown whose parts come from anywhere: what a person wrote into a job file stays text.

Names, licences and declared facts go into code spans, where Markdown, HTML and links mean nothing. Escaping them by
backslashes would not do: some readers find links (`www.…`, `https://…`) in plain text after they have unescaped it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

_TICKS = re.compile("`+")


def plain(text: str) -> str:
    """One line of printable characters: white space folded, what can't be seen replaced."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in " ".join(text.split()))


def code(text: str) -> str:
    """A text as a code span; it may stand in a table too.

    Example:
        >>> code("a name")
        '`a name`'
    """
    shown = plain(text)
    if not shown:
        return "(empty)"
    fence = "`" * (1 + max((len(run) for run in _TICKS.findall(shown)), default=0))
    pad = " " if "`" in (shown[0], shown[-1]) else ""
    return f"{fence}{pad}{shown}{pad}{fence}".replace("|", "\\|")


def block(text: str, language: str) -> str:
    """A fenced block of code; the fence is longer than any in the text."""
    fence = "`" * max(3, 1 + max((len(run) for run in _TICKS.findall(text)), default=0))
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"


def table(head: Sequence[str], rows: Iterable[Sequence[object]], words: int = 1) -> str:
    """A table; whole numbers get thousands separators, None a dash. The first `words` columns are on the left.

    Cells are Markdown: texts from outside must have gone through `code`.
    """
    lines = [head, [":--" if number < words else "--:" for number in range(len(head))]]
    lines += [[_cell(value) for value in row] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(value: object) -> str:
    if value is None or value == "":
        return "-"
    return f"{value:,}" if isinstance(value, int) else str(value)


def counted(number: int, name: str) -> str:
    """A number of things: 1 file, 2 files."""
    return f"{number:,} {name}{'' if number == 1 else 's'}"


def listed(items: Iterable[str], numbered: bool = False) -> str:
    """A list, an item a line."""
    return "\n".join(f"{f'{number}.' if numbered else '-'} {item}" for number, item in enumerate(items, 1))
