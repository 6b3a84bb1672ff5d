"""Arithmetic over named columns: a document's quality from several numbers that are there already.

    0.7 * edu + 0.3 * min(upvotes, 100) / 100

An expression comes from a job file, so it is parsed here and never handed to Python: there is nothing in it but
numbers, columns, `+ - * / **`, minus, parentheses and the functions in `FUNCTIONS`. Binding is as in Python
(`-x**2` is `-(x**2)`, `2**3**2` is `2**9`). A column whose name is no identifier, or that of a function, stands in
backquotes: `` `edu score` ``.

The parser climbs precedences and writes steps in postfix order. So evaluation is a loop over a stack, long sums
nest nothing, and only real nesting (parentheses, calls, minus, powers) uses Python's stack, which `MAX_DEPTH` bounds.

Every step must have a finite value, or the document has none: with 0 views `clip(likes / views, 0, 1)` is nothing,
and not the best quality there is.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce
from math import isfinite
from typing import Any, NamedTuple, NoReturn

import numpy as np
from numpy.typing import NDArray

MAX_LENGTH, MAX_DEPTH = 10_000, 100

#: How many values each function takes, at least and at most.
FUNCTIONS: dict[str, tuple[int, float]] = {
    "min": (2, float("inf")),
    "max": (2, float("inf")),
    "clip": (3, 3),
    "log1p": (1, 1),
    "log": (1, 1),
    "exp": (1, 1),
    "sqrt": (1, 1),
    "abs": (1, 1),
}

_MINUS = "minus"
_COMPUTE: dict[str, Callable[..., Any]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
    "**": np.power,
    _MINUS: np.negative,
    "min": lambda *values: reduce(np.minimum, values),
    "max": lambda *values: reduce(np.maximum, values),
    "clip": lambda value, low, high: np.minimum(np.maximum(value, low), high),
    "log1p": np.log1p,
    "log": np.log,
    "exp": np.exp,
    "sqrt": np.sqrt,
    "abs": np.abs,
}

#: How tightly an operator binds; a minus in front of a value lies between `*` and `**`.
_BINDING = {"+": 1, "-": 1, "*": 2, "/": 2, "**": 4}
_MINUS_BINDING = 3

_TOKEN = re.compile(
    r"""\s*(?: (?P<number>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)
             | (?P<name>[^\W\d]\w*)
             | `(?P<quoted>[^`]+)`
             | (?P<sign>\*\*|[-+*/(),])
             | (?P<end>$) )""",
    re.VERBOSE,
)


class Call(NamedTuple):
    """A step that takes so many values from the stack and puts one there."""

    name: str
    values: int


@dataclass(frozen=True)
class Expression:
    """A parsed expression. `str` gives its text."""

    text: str
    names: tuple[str, ...]
    """The columns that it reads, in the order in which they appear, each once."""
    steps: tuple[float | str | Call, ...]
    """Postfix: a number, a column by its name, or a call."""

    def __str__(self) -> str:
        return self.text

    def evaluate(self, columns: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float64]:
        """The value of every document.

        Args:
            columns: float64[N] by name, at least those in `names`; NaN where a document has no value.

        Returns:
            float64[N]; NaN where a column is not finite or a step has no finite value (division by 0, the logarithm
            of a negative number, an overflow).

        Raises:
            KeyError: a column is not there.

        Example:
            >>> parse("edu / 5 + min(votes, 10)").evaluate({"edu": np.array([5.0, 1]), "votes": np.array([99, np.nan])})
            array([11., nan])
        """
        unknown = np.zeros(len(columns[self.names[0]]), dtype=np.bool_)
        stack: list[Any] = []
        with np.errstate(all="ignore"):
            for step in self.steps:
                if isinstance(step, Call):
                    value = _COMPUTE[step.name](*stack[-step.values :])
                    del stack[-step.values :]
                else:
                    value = columns[step] if isinstance(step, str) else np.float64(step)
                unknown |= ~np.isfinite(value)  # here, as a later step can make it finite: 1 / inf, nan ** 0
                stack.append(value)
        return np.where(unknown, np.nan, stack[0])


def parse(text: str) -> Expression:
    """Reads an expression.

    Raises:
        ValueError: the text is no expression, reads no column, is longer than `MAX_LENGTH` characters or nested
            deeper than `MAX_DEPTH`. The message says what is wrong, at which character (from 1), and what may be.

    Example:
        >>> parse("min(votes, 10) + `edu score`").names
        ('votes', 'edu score')
    """
    if len(text) > MAX_LENGTH:
        raise ValueError(f"an expression has at most {MAX_LENGTH} characters, this one {len(text)}")
    steps = _Parser(_tokens(text)).parse()
    names = tuple(dict.fromkeys(step for step in steps if isinstance(step, str)))
    if not names:
        raise ValueError("the expression reads no column, so it would give all documents the same: name one")
    return Expression(text, names, tuple(steps))


class _Token(NamedTuple):
    kind: str  # number, name, quoted, sign, end
    text: str
    at: int  # character of the text, from 1


def _tokens(text: str) -> list[_Token]:
    """The text cut into tokens; the last one is of the kind `end`."""
    tokens: list[_Token] = []
    at = 0
    while not tokens or tokens[-1].kind != "end":
        match = _TOKEN.match(text, at)
        if match is None:
            at += len(text[at:]) - len(text[at:].lstrip())
            known = "numbers, columns, + - * / **, parentheses, commas and functions"
            if text[at] == "`":
                _refuse(at + 1, "the backquote opens a name and is never closed, or holds none")
            _refuse(at + 1, f"{text[at]!r} means nothing here: an expression has {known}; other names in backquotes")
        kind = match.lastgroup or ""
        found = match[kind]
        place = match.start(kind) + (kind != "quoted")  # of a quoted name, that of the backquote
        if kind == "number" and not isfinite(float(found)):
            _refuse(place, "the number is too large, above 1.8e308")
        tokens.append(_Token(kind, found, place))
        at = match.end()
    return tokens


class _Parser:
    """Turns tokens into postfix steps."""

    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._next = 0
        self._depth = 0
        self._steps: list[float | str | Call] = []

    def parse(self) -> list[float | str | Call]:
        """The steps of all tokens."""
        self._sum(binding=1)
        token = self._take()
        if token.kind != "end":
            _refuse(token.at, f"expected an operator (+ - * / **) or the end, found {_shown(token)}")
        return self._steps

    def _take(self) -> _Token:
        self._next += 1
        return self._tokens[self._next - 1]

    def _is_next(self, sign: str) -> bool:
        return self._tokens[self._next][:2] == ("sign", sign)

    def _sum(self, binding: int) -> None:
        """Reads a value and what follows it with operators that bind at least so tightly."""
        self._value()
        while self._tokens[self._next].kind == "sign":
            operator = self._tokens[self._next].text
            if _BINDING.get(operator, 0) < binding:
                return
            token = self._take()
            if operator == "**":
                self._nested(token, _MINUS_BINDING)  # what stands right of it goes first: 2**3**2, 2**-x
            else:
                self._sum(_BINDING[operator] + 1)
            self._steps.append(Call(operator, 2))

    def _nested(self, token: _Token, binding: int) -> None:
        """Reads what lies one level deeper."""
        self._depth += 1
        if self._depth > MAX_DEPTH:
            _refuse(token.at, f"nested deeper than {MAX_DEPTH} levels")
        self._sum(binding)
        self._depth -= 1

    def _value(self) -> None:
        """Reads a number, a column, a call, a negated value or a parenthesis."""
        token = self._take()
        if token.kind == "number":
            self._steps.append(float(token.text))
        elif token.kind == "quoted":
            self._steps.append(token.text)
        elif token.kind == "name" and (self._is_next("(") or token.text in FUNCTIONS):
            self._call(token)
        elif token.kind == "name":
            self._steps.append(token.text)
        elif token.text == "-":
            self._nested(token, _MINUS_BINDING)
            self._steps.append(Call(_MINUS, 1))
        elif token.text == "(":
            self._nested(token, 1)
            self._close(token)
        else:
            _refuse(token.at, f"expected a number, a column, a function, '-' or '(', found {_shown(token)}")

    def _call(self, name: _Token) -> None:
        """Reads the values of a function."""
        if name.text not in FUNCTIONS:
            near = difflib.get_close_matches(name.text, FUNCTIONS, n=1)
            hint = f"did you mean {near[0]}?" if near else "there are " + ", ".join(FUNCTIONS)
            _refuse(name.at, f"there is no function {name.text!r}: {hint}")
        if not self._is_next("("):
            _refuse(name.at, f"{name.text!r} is a function: write {name.text}(...), or `{name.text}` for a column")
        opening = self._take()
        values = 1
        self._nested(opening, 1)
        while self._is_next(","):
            self._nested(self._take(), 1)
            values += 1
        self._close(opening)
        least, most = FUNCTIONS[name.text]
        if not least <= values <= most:
            wanted = f"{least}" if least == most else f"{least} or more"
            _refuse(name.at, f"{name.text} takes {wanted} {'value' if wanted == '1' else 'values'}, not {values}")
        self._steps.append(Call(name.text, values))

    def _close(self, opening: _Token) -> None:
        token = self._take()
        if token.text != ")" or token.kind != "sign":
            _refuse(token.at, f"expected ')' for the '(' at character {opening.at}, found {_shown(token)}")


def _shown(token: _Token) -> str:
    return "the end" if token.kind == "end" else repr(token.text)


def _refuse(at: int, what: str) -> NoReturn:
    raise ValueError(f"at character {at}: {what}")
