"""Cuts a file of code or prose into documents for the demo.

A cutter takes a file's text and yields (name inside the file, text) pairs. Code is cut at functions and classes by
its syntax tree, everything else at blank lines: paragraphs are joined until a document is long enough or a heading
begins the next. Too short, too long and unwritable texts are dealt with in one place, `usable_documents`.
"""

from __future__ import annotations

import ast
import email
import re
import textwrap
import warnings
from collections.abc import Callable, Iterator

LONGEST = 4000
"""Characters of the longest document; what is longer is cut at the end of a line."""
LONG_ENOUGH = 1500
"""Characters at which a run of paragraphs becomes a document."""
SHORTEST = 200
"""Characters of the shortest document; what is shorter is left out."""

Pieces = Iterator[tuple[str, str]]
"""(name inside the file, text) of each document of a file."""
Cutter = Callable[[str], Pieces]


def usable_documents(cut: Cutter, text: str) -> dict[str, str]:
    """What the cutter makes of a text, by name; without what is too short, and shortened where it is too long."""
    return {name: _shortened(piece) for name, piece in cut(text) if _is_usable(piece)}


def by_code(source: str) -> Pieces:
    """Functions and classes; a class that is too long for a document gives its methods."""
    lines = source.split("\n")

    def pieces(body: list[ast.stmt], prefix: str) -> Pieces:
        for node in body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)]) - 1
                text = textwrap.dedent("\n".join(lines[first : node.end_lineno]))
                if isinstance(node, ast.ClassDef) and len(text) > LONGEST:
                    yield from pieces(node.body, f"{prefix}{node.name}.")
                else:
                    yield prefix + node.name, text

    yield from pieces(_parsed(source).body, "")


def by_docstrings(source: str) -> Pieces:
    """Docstrings of the module, its classes and functions."""

    def pieces(node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef, name: str) -> Pieces:
        yield name or "module", ast.get_docstring(node) or ""
        for child in node.body:
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                yield from pieces(child, f"{name}.{child.name}" if name else child.name)

    yield from pieces(_parsed(source), "")


def _parsed(source: str) -> ast.Module:
    """The syntax tree; an empty one where this Python can't read the source."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # invalid escapes in other people's strings
        try:
            return ast.parse(source)
        except (SyntaxError, ValueError, RecursionError):
            return ast.Module(body=[], type_ignores=[])


_HEADING = re.compile(r"#{1,6} |[^\n]+\n([=\-~^*\"'])\1{3,}[ \t]*(\n|$)")  # Markdown, reStructuredText


def by_paragraphs(text: str) -> Pieces:
    """Runs of whole paragraphs: a document ends where it is long enough, or before a heading."""
    number, run = 0, ""
    for paragraph in re.split(r"\n(?:[ \t]*\n)+", text):
        full = len(run) + len(paragraph) > LONG_ENOUGH
        if run and (full or (len(run) > SHORTEST and _HEADING.match(paragraph))):
            yield str(number), run
            number, run = number + 1, ""
        run = f"{run}\n\n{paragraph}" if run else paragraph
    yield str(number), run


def by_description(metadata: str) -> Pieces:
    """What stands under the headers of a METADATA file: the package's README."""
    yield from by_paragraphs(str(email.message_from_string(metadata).get_payload()))


def by_topics(source: str) -> Pieces:
    """The texts in the dictionary of strings that a module consists of."""
    for node in _parsed(source).body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict):
            for topic, text in ast.literal_eval(node.value).items():
                for number, piece in by_paragraphs(text):
                    yield f"{topic}.{number}", piece


def _is_usable(text: str) -> bool:
    """True for text of some length that can be written as UTF-8 (a literal can hold half a surrogate pair)."""
    return len(text.strip()) >= SHORTEST and not re.search("[\0\ud800-\udfff]", text)


def _shortened(text: str) -> str:
    """The text without blank lines round it, cut after the last line that ends before `LONGEST`."""
    text = text.strip("\n").rstrip()
    return text if len(text) <= LONGEST else text[: max(text.rfind("\n", SHORTEST, LONGEST), 0) or LONGEST]
