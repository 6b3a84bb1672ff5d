"""Fuzzes the JSONL reader.

Whole files, of good rows among damaged lines, under any compression and cut anywhere: each good row comes out once,
in its place, with its text, and each bad one is listed with its reason. Damaged files: an answer or one of our
errors, in a process that neither dies nor hangs; and a whole line that no damage touched is never lost.
"""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.damage import OPERATIONS, QUICK, RELAXED, SECONDS, damaged, run_for
from tests.sources.reference import SUFFIX, pack, small_blocks

from .child import read_all

_TEXTS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=60).filter(lambda text: text.strip())
_NEWLINES = st.sampled_from(["\n", "\r\n", "\n\n", "\n \t\r\n"])


@st.composite
def _good(draw) -> tuple[bytes, str]:
    """A line with a text, and the text."""
    text = draw(_TEXTS)
    row = {
        "text": text,
        "n": draw(st.one_of(st.none(), st.integers(-(2**63), 2**63), st.floats(allow_nan=False, allow_infinity=False))),
    }
    if draw(st.booleans()):
        row |= {draw(st.text(max_size=5)): draw(st.one_of(_TEXTS, st.lists(st.booleans(), max_size=3))), "text": text}
    line = json.dumps(row, ensure_ascii=draw(st.booleans()))
    odd = draw(st.sampled_from(["", "", "surrogate", "twice", "spaces", "mark", "deep"]))
    if odd == "surrogate":
        line = line[:-1] + ', "y": "\\ud83d cut"}'
    elif odd == "twice":
        line = '{"text": 5, ' + line[1:]
    elif odd == "spaces":
        line = f" \t {line} \r"
    elif odd == "mark":
        line = "\ufeff" + line
    elif odd == "deep":
        line = line[:-1] + ', "z": ' + "[" * 500 + "]" * 500 + "}"
    return line.encode("utf-8", "surrogatepass"), text


_BAD = st.sampled_from(
    [
        *(
            b"{",
            b"}",
            b"[]",
            b"null",
            b'"text"',
            b"5",
            b"\0",
            b"\xff\xfe",
            b"{'text': 1}",
            b"\xef\xbb\xbf\xef\xbb\xbf{}",
        ),
        *(b'{"text": null}', b'{"text": ""}', b'{"text": " \\n\\u2028"}', b'{"text": 7}', b'{"text": ["a"]}'),
        *(b'{"txt": "a"}', b'{"text": "a"', b'{"text": "\\ud800"}', b'{"text": "\xed\xa0\x80"}', b'{"text": "\\x"}'),
        *(
            b'{"text": "a"} {"text": "b"}',
            b'{"text": "a", "n": NaN}',
            b'{"text": "a", "n": 1e999}',
            b'{"text": "a\0b"}',
        ),
        *(b'{"text": "a", "n": ' + b"9" * 500 + b"}", b'{"text": "' + b"x" * 3000 + b'"}'),
        b'{"text": "a", "z": ' + b"[" * 5000 + b"]" * 5000 + b"}",
    ]
)
_LINES = st.lists(st.one_of(_good(), _good(), _BAD.map(lambda line: (line, None))), max_size=25)
_FORMATS = st.sampled_from(["jsonl", "jsonl.gz", "jsonl.zst"])


@given(lines=_LINES, newline=_NEWLINES, format=_FORMATS, members=st.integers(1, 4), split_bytes=st.integers(1, 3000),
       block=st.integers(3, 5000), last=st.booleans(), mark=st.booleans())  # fmt: skip
@RELAXED
def whole_files(folder, reader, lines, newline, format, members, split_bytes, block, last, mark):
    raw = newline.encode().join(line for line, _ in lines) + newline.encode() * last
    path = folder / f"whole{SUFFIX[format]}"
    path.write_bytes(pack(b"\xef\xbb\xbf" * mark + raw, format, members))
    lines = [(line, text) for line, text in lines if line.strip(b" \t\n\r\x0b\x0c")]
    with small_blocks(block):
        found = read_all(str(path), "text", split_bytes, False, 2500)
    assert found["texts"] == [text for _, text in lines]
    assert all(reason for reason in found["rejected"].values())


@given(lines=st.lists(_good(), min_size=1, max_size=40), format=_FORMATS, operations=OPERATIONS,
       truncated=st.booleans(), split_bytes=st.integers(1, 3000))  # fmt: skip
@RELAXED
def damaged_files(folder, reader, lines, format, operations, truncated, split_bytes):
    whole = b"".join(line + b"\n" for line, _ in lines)
    raw = damaged(pack(whole, format), operations)
    path = folder / f"damaged{SUFFIX[format]}"
    path.write_bytes(raw)
    found = reader(path, truncated=truncated, split_bytes=split_bytes)
    if "error" in found:
        assert path.name in found["error"]
        assert format != "jsonl", "its lines can be read, whatever is in them"
        assert not truncated, "the lines before the damage can be read"
    elif format == "jsonl":
        here = raw.split(b"\n")
        untouched = [text for line, text in lines if line in here]
        assert sorted(untouched) == sorted(text for text in untouched if text in found["texts"])


CHECKS = [whole_files, damaged_files]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_no_good_row_is_lost(check, tmp_path, reader):
    check(tmp_path, reader)


@pytest.mark.slow
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_jsonl_for_a_while(check, tmp_path, reader):
    rounds = run_for(SECONDS / len(CHECKS), check, tmp_path, reader)
    print(f"{check.__name__}: {rounds * QUICK:,} files")
    assert rounds
