import ast
import math
import pickle
import warnings

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from curation.expression import MAX_DEPTH, MAX_LENGTH, Call, parse

#: What each function is, one value at a time.
BY_HAND = {
    "min": min,
    "max": max,
    "clip": lambda value, low, high: min(max(value, low), high),
    "log1p": math.log1p,
    "log": math.log,
    "exp": math.exp,
    "sqrt": math.sqrt,
    "abs": abs,
}
COUNTS = {"min": [2, 3], "max": [2, 5], "clip": [3]}


def larger(inner):
    """Texts of the next size, with no parentheses but those that a call needs: how they bind is for the parser."""
    calls = [
        st.lists(inner, min_size=count, max_size=count).map(lambda values, name=name: f"{name}({', '.join(values)})")
        for name in BY_HAND
        for count in COUNTS.get(name, [1])
    ]
    signs = st.sampled_from(["+", "-", " * ", "/", "**", " **"])
    return st.one_of(
        st.tuples(inner, signs, inner).map("".join), inner.map("-{}".format), inner.map("( {})".format), *calls
    )


texts = st.recursive(st.sampled_from(["a", "b", "größe", "0.5", "2", ".25", "1e-3", "3."]), larger, max_leaves=12)
values = st.one_of(st.floats(-10, 10), st.sampled_from([0.0, 1.0, -1.0, 1e300, math.nan, math.inf, -math.inf]))


def names_in(text):
    found = sorted((node.col_offset, node.id) for node in ast.walk(ast.parse(text, mode="eval")) if is_column(node))
    return tuple(dict.fromkeys(name for _, name in found))


def is_column(node):
    return isinstance(node, ast.Name) and node.id not in BY_HAND


def parenthesised(steps):
    """The steps as Python, nothing left to how operators bind."""
    stack = []
    for step in steps:
        if not isinstance(step, Call):
            stack.append(repr(step) if isinstance(step, float) else step)
            continue
        taken = [stack.pop() for _ in range(step.values)][::-1]
        if step.name == "minus":
            stack.append(f"(-{taken[0]})")
        elif step.name in BY_HAND:
            stack.append(f"{step.name}({', '.join(taken)})")
        else:
            stack.append(f"({taken[0]} {step.name} {taken[1]})")
    return stack[0]


def shape(text):
    tree = ast.parse(text, mode="eval")
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant):
            node.value = float(node.value)
    return ast.dump(tree)


@given(texts)
@example("-a**2")
@example("2**-a**-b * 3")
@example("a - b - 1 / b / a")
def test_operators_bind_as_in_python(text):
    names = names_in(text)
    if names:
        expression = parse(text)
        assert shape(text) == shape(parenthesised(expression.steps))
        assert expression.names == names
    else:
        with pytest.raises(ValueError, match="reads no column"):
            parse(text)


@given(texts.filter(names_in), st.lists(st.tuples(values, values, values), max_size=6))
def test_a_document_has_the_value_of_its_own_row_or_none(text, rows):
    expression = parse(text)
    columns = dict(zip(("a", "b", "größe"), np.array(rows, dtype=float).reshape(-1, 3).T, strict=True))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = expression.evaluate(columns)
    wanted = [by_hand(expression, {name: columns[name][row] for name in columns}) for row in range(len(rows))]
    assert result.dtype == np.float64
    assert result == pytest.approx(np.array(wanted), rel=1e-9, abs=1e-300, nan_ok=True)


def by_hand(expression, row):
    """The value of one row in Python's own arithmetic; NaN as soon as a step has none that is finite."""
    stack = []
    for step in expression.steps:
        if isinstance(step, Call):
            taken = [stack.pop() for _ in range(step.values)][::-1]
            stack.append(step_by_hand(step.name, taken))
        else:
            stack.append(float(row[step]) if isinstance(step, str) else step)
        if not math.isfinite(stack[-1]):
            return math.nan
    return stack[0]


def step_by_hand(name, taken):
    operators = {"+": "__add__", "-": "__sub__", "*": "__mul__", "/": "__truediv__"}
    try:
        if name in operators:
            return getattr(taken[0], operators[name])(taken[1])
        if name in ("**", "minus"):
            return math.pow(*taken) if name == "**" else -taken[0]
        return float(BY_HAND[name](*taken))
    except (ZeroDivisionError, ValueError, OverflowError):
        return math.nan


@given(st.text(st.sampled_from("aé1.9 +-*/(),`%<\n"), max_size=30) | st.text(max_size=8))
def test_any_other_text_is_refused_in_one_line(text):
    try:
        expression = parse(text)
    except ValueError as error:
        message = str(error)
        assert "\n" not in message
        assert message.startswith(("at character", "the expression reads no column"))
    else:
        assert expression.names


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"at character 1: expected a number, a column, a function, '-' or '\(', found the end"),
        ("edu +", "at character 6: expected a number.* found the end"),
        ("edu * * 2", "at character 7: .* found '\\*'"),
        ("2 edu", "at character 3: expected an operator .* found 'edu'"),
        ("(edu", r"at character 5: expected '\)' for the '\(' at character 1, found the end"),
        ("edu)", r"at character 4: expected an operator .* found '\)'"),
        ("min(edu, )", r"at character 10: .* found '\)'"),
        ("min(edu)", "at character 1: min takes 2 or more values, not 1"),
        ("1 + clip(edu, 1)", "at character 5: clip takes 3 values, not 2"),
        ("log(edu, 2)", "at character 1: log takes 1 value, not 2"),
        ("edu + mim(1, 2)", "at character 7: there is no function 'mim': did you mean min"),
        ("__import__('os')", 'at character 12: "\'" means nothing here'),
        ("eval(edu)", "at character 1: there is no function 'eval': there are min, max, clip"),
        ("log + 1", "at character 1: 'log' is a function: write log.*, or `log` for a column"),
        ("edu.score", r"at character 4: '.' means nothing here: .*other names in backquotes"),
        ("edu > 3", "at character 5: '>' means nothing here"),
        ("edu + `votes", "at character 7: the backquote opens a name and is never closed"),
        ("edu * 1e999", "at character 7: the number is too large"),
        ("0.5 * 2", "reads no column"),
        ("+edu", r"at character 1: .* found '\+'"),
    ],
)
def test_messages(text, message):
    with pytest.raises(ValueError, match=message):
        parse(text)


def test_other_names_stand_in_backquotes():
    expression = parse("`edu score` / `log` + `a.b`*x + x")
    assert expression.names == ("edu score", "log", "a.b", "x")
    columns = {name: np.array([float(place)]) for place, name in enumerate(expression.names, 1)}
    assert expression.evaluate(columns).tolist() == [0.5 + 12 + 4]


@pytest.mark.parametrize("level", ["(", "-", "abs(", "min(x, ", "x**", "x + x*(", "x/(x - x*"])
def test_only_nesting_is_limited(level):
    closing = ")" * level.count("(")
    assert parse(level * MAX_DEPTH + "x" + closing * MAX_DEPTH).names == ("x",)
    for levels in (MAX_DEPTH + 1, MAX_LENGTH // (2 * len(level) + 1)):
        with pytest.raises(ValueError, match=r"at character .*nested deeper than 100 levels"):
            parse(level * levels + "x" + closing * levels)
    chain = "x" + "+x" * (MAX_LENGTH // 2 - 1)
    assert parse(chain).evaluate({"x": np.array([1.0])}).tolist() == [MAX_LENGTH // 2]
    with pytest.raises(ValueError, match="at most 10000 characters"):
        parse(chain + "+ x")


def test_a_step_without_a_value_is_not_made_good_by_a_later_one():
    columns = {"likes": np.array([3.0, 1.0, 0.0]), "views": np.array([4.0, 0.0, 0.0])}
    assert parse("clip(likes / views, 0, 1)").evaluate(columns).tolist() == pytest.approx(
        [0.75] + 2 * [np.nan], nan_ok=True
    )
    assert np.isnan(parse("(likes - 9) ** 0.5 ** 0 + log(-likes) ** 0").evaluate(columns)).all()
    assert np.isnan(parse("likes ** 0").evaluate({"likes": np.array([np.nan, np.inf])})).all()


def test_it_travels():
    expression = parse("0.7*edu + 0.3*min(upvotes, 100)/100")
    assert str(expression) == "0.7*edu + 0.3*min(upvotes, 100)/100"
    again = pickle.loads(pickle.dumps(expression))
    assert again == expression
    columns = {"edu": np.array([1.0, 0.5]), "upvotes": np.array([1000.0, 50.0])}
    assert again.evaluate(columns) == pytest.approx([1.0, 0.5])
    assert columns["edu"].tolist() == [1.0, 0.5]
