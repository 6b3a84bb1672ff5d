"""The parts against a plain Python reading of the table of rules, and what the score must and must not depend on."""

import re
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.text.heuristics import PARTS, RULES, STOP_WORDS, describe_rules, heuristic_quality
from curation.text.words import READ_BYTES

SPACE = " \t\n\v\f\r"
UNSPACED = "\u3000-\u9fff\uf000-\uffff"  # characters that begin with the bytes E3 to E9 or EF
PROSE = (
    "The river was low that summer, and the ferry had stopped running weeks before we came. My aunt, who did not\n"
    'like to be kept waiting, walked up and down the landing with a parasol in her hand. "They will have to row us\n'
    'over," she said at last. Nobody answered. A boy sat on an upturned bucket, mending a net; he looked at her once\n'
    "and went back to his knots. Beyond him the water moved slowly, brown and quiet.\n\n"
    "We crossed in the evening, when the wind had dropped. Two men took the oars, and the boy came along to bail.\n"
    "On the other bank stood a house with green shutters, where lamps were being lit. It was, I learned much later,\n"
    "the house in which my grandfather had been born, though none of us thought of that as we climbed the steps.\n"
)
HAND_MADE = [
    "",
    " ",
    "\n\r\n\t",
    "word",
    "The",
    "... !!! ??? ---",
    "\n\n.\n\n#\n\n",
    PROSE,
    PROSE.replace("\n", "\r\n"),
    PROSE * 3,
    "same line here\n" * 9,
    "same line here\n\nsame line here\n\n\nother one\nsame line here\n",
    "1 2 3\n4 5 6\n7 8 9\n",
    "a a a a a a",
    "a b a b a b a b a b a b a b",
    "河水很低,渡船几周前就停了。河水很低,渡船几周前就停了。\n我的姑姑不喜欢等人。",
    "フェリーは止まった。The ferry stopped! 川 は low",
    "Река была низкой, и паром не ходил уже несколько недель…\nМы переправились вечером.",
    "แม่น้ำแห้ง เรือหยุดวิ่ง",
    "🎉🎉 party … 🎉",
    "x" * 5000,
    ("x" * 300 + " ") * 60,
    "é" * (READ_BYTES // 2 - 1) + "x漢字",  # a character across the last byte that is read
    "x " * READ_BYTES,
    "漢" * READ_BYTES,
    "Lorem ipsum dolor\nLOREM IPSUM\nlorem\nipsum lorem  ipsum lorem ipsumlorem ipsum",
    "Enable JavaScript! javascriptjavascript javascrip",
    "{a: {b}} }{ [|]",
    "- one\n* two\n• three\n‣ four\n• five...\n six…\nseven ....\n.. … ...\n….",
    'He said "no." (Really!) [yes?] no.’ end.) .) ) "\n”\nhe said “no”\nx"',
    "a\x00 a \x00a a\x00\x00",
    "The THE the TO Be of AND That HAVE with\x14 th\x05",
]
LETTERS = [
    "a",
    "b",
    "the",
    "The",
    "of",
    "to",
    " ",
    "  ",
    " \t",
    "\n",
    "\n\n",
    "\r\n",
    ".",
    "...",
    "!",
    "?",
    '"',
    "”",
    "#",
]
RARE = ["…", "•", "- ", "{", "}", "é", "漢", "、", "ж", "🎉", "7", "javascript", "Lorem ipsum", "abcdefgh", "abcdefghi"]
alphabet = st.sampled_from([*LETTERS, " ", " ", " ", *RARE])
texts = st.one_of(
    st.lists(alphabet, max_size=150).map("".join),
    st.lists(st.sampled_from(["a ", "b ", "c\n", "d\n\n"]), max_size=80).map("".join),
    st.text(max_size=60),
    st.sampled_from(HAND_MADE),
)


def measure(documents, block_bytes=1 << 18, dtype=None):
    return heuristic_quality(pa.array(documents, dtype or pa.large_string()), block_bytes)


def reference(text):
    """The parts of one text, in Python's strings."""
    text = text.encode()[:READ_BYTES].decode(errors="ignore")
    lines = [words for line in text.split("\n") if (words := cut(line))]
    raw_lines = [line.strip(SPACE) for line in text.split("\n") if line.strip(SPACE)]
    paragraphs = [cut(part) for part in re.split(rf"\n[{SPACE}]*\n", text) if cut(part)]
    words = cut(text)
    n, latin = len(words), [word for word in words if re.search("[A-Za-z]", word)]
    lettered = [word for word in words if re.search("[A-Za-z\x80-\U0010ffff]", word)]
    total = size(words)
    parts = {
        "words": n,
        "mean_word_length": per(sum(map(len, words)), n),
        "alphabetic_word_share": per(len(lettered), n),
        "latin_word_share": len(latin) / len(lettered) if lettered else 1,
        "stop_words": sum(stop in {word.lower() for word in words if word.isascii()} for stop in STOP_WORDS),
        "sentences": sum(bool(re.search(r"""[.!?]["')\]]?\Z""", word)) for word in words),
        "terminal_punctuation_line_share": per(sum(line[-1] in '.!?"”' for line in raw_lines), len(lines)),
        "hash_word_ratio": per(text.count("#"), n),
        "ellipsis_word_ratio": per(len(re.findall(r"\.{3,}|…", text)), n),
        "bullet_line_share": per(sum(line[0] in "-*•‣" for line in raw_lines), len(lines)),
        "ellipsis_line_share": per(sum(line.endswith(("...", "…")) for line in raw_lines), len(lines)),
        "curly_braces": 1000 * per(text.count("{") + text.count("}"), len(text)),
        "lorem_ipsum": 1000 * per(len(re.findall("lorem ipsum", text, re.I | re.A)), n),
        "javascript": 1000 * per(len(re.findall("javascript", text, re.I | re.A)), n),
    }
    for name, items in (("line", lines), ("paragraph", paragraphs)):
        later = [item for i, item in enumerate(items) if item in items[:i]]
        parts[f"duplicate_{name}_share"] = per(len(later), len(items))
        parts[f"duplicate_{name}_character_share"] = per(sum(map(size, later)), total)
    for k in (2, 3, 4):
        counts = Counter(ngrams(words, k))
        top = max(((count, size(gram)) for gram, count in counts.items() if count > 1), default=(0, 0))
        parts[f"top_{k}gram_character_share"] = min(1, per(top[0] * top[1], total))
    for k in (5, 10):
        seen, covered = set(), set()
        for i, gram in enumerate(ngrams(words, k)):
            covered |= set(range(i, i + k)) if gram in seen else set()
            seen.add(gram)
        parts[f"duplicate_{k}gram_character_share"] = per(size([words[i] for i in covered]), total)
    return parts


def cut(text):
    spaced = re.sub(f"([{UNSPACED}])", r" \1", text)
    return tuple(word for word in re.split(f"[{SPACE}]+", spaced) if word)


def ngrams(words, n):
    return [words[i : i + n] for i in range(len(words) - n + 1)]


def size(words):
    return sum(len(word.encode()) for word in words)


def per(part, whole):
    return part / whole if whole else 0


def assert_equal(documents, parts):
    for i, text in enumerate(documents):
        for name, value in reference(text).items():
            assert parts[name][i] == np.float32(value), (name, text[:200])


def test_parts_are_what_a_plain_reading_says():
    _, parts = measure(HAND_MADE)
    assert tuple(parts) == PARTS
    assert set(PARTS) == set(reference(""))
    assert_equal(HAND_MADE, parts)


@given(st.lists(texts, min_size=1, max_size=8))
@settings(max_examples=150, deadline=None)
def test_parts_of_any_text_are_what_a_plain_reading_says(documents):
    assert_equal(documents, measure(documents)[1])


@given(st.lists(st.one_of(texts, st.none()), min_size=1, max_size=12), st.sampled_from([1, 300, 1 << 20]), st.randoms())
@settings(max_examples=100, deadline=None)
def test_a_text_does_not_depend_on_its_neighbours_or_its_block(documents, block_bytes, random):
    score, parts = measure(documents)
    order = random.sample(range(len(documents)), len(documents))
    shuffled, shuffled_parts = measure([documents[i] for i in order], block_bytes)
    assert np.array_equal(score[order], shuffled, equal_nan=True)
    for name in PARTS:
        assert np.array_equal(parts[name][order], shuffled_parts[name], equal_nan=True)


@given(st.lists(texts, min_size=1, max_size=8))
@settings(deadline=None)
def test_scores_are_in_the_unit_interval(documents):
    score, parts = measure(documents)
    assert ((score >= 0) & (score <= 1)).all()
    assert all(np.isfinite(values).all() for values in parts.values())
    assert all((values <= 1).all() for name, values in parts.items() if name.endswith("_share"))


def test_many_short_texts_fill_more_than_one_block():
    documents = [f"a b {i % 7} a b" for i in range(5000)]
    _, parts = measure(documents)
    assert (parts["words"] == 5).all()
    assert parts["top_2gram_character_share"] == pytest.approx(0.8)


def test_slices_chunks_and_small_offsets_are_read_alike():
    documents = [*HAND_MADE, None]
    score, parts = measure(documents)
    array = pa.array([None, "before", *documents, "behind"], pa.large_string()).slice(2, len(documents))
    chunked = pa.chunked_array([array.slice(0, 4), array.slice(4, 0), array.slice(4)])
    for other in (array, chunked, pa.array(documents, pa.string())):
        other_score, other_parts = heuristic_quality(other)
        assert np.array_equal(score, other_score, equal_nan=True)
        for name in PARTS:
            assert np.array_equal(parts[name], other_parts[name], equal_nan=True)


def test_null_is_nan_and_no_texts_are_no_scores():
    score, parts = measure([None, PROSE, None])
    for column in (score, *parts.values()):
        assert column.dtype == np.float32
        assert np.isnan(column).tolist() == [True, False, True]
    assert len(measure([])[0]) == 0
    assert len(heuristic_quality(pa.chunked_array([], pa.large_string()))[0]) == 0
    assert np.isnan(measure([None])[0]).all()


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        (PROSE, 0.95, 1.0),
        (PROSE.replace("\n", "\r\n"), 0.95, 1.0),
        ("Buy now and save!\n" * 40, 0.0, 0.05),
        ("\n".join(f"{i} {i * i} {i**3 % 977} 0.{i}" for i in range(60)), 0.0, 0.05),
        ("lorem ipsum dolor sit amet " * 20, 0.0, 0.05),
        ("", 0.0, 0.0),
        (PROSE[:200], 0.5, 0.95),
        ("function f(a) { return {b: [a, {c: 1}]}; }\n" + PROSE[:300], 0.3, 0.9),
    ],
    ids=["prose", "CRLF", "repeated line", "table of numbers", "lorem ipsum", "empty", "short", "code and prose"],
)
def test_scores_of_kinds_of_text(text, low, high):
    score = float(measure([text])[0][0])
    assert low <= score <= high


def test_other_scripts_are_not_punished_for_what_only_english_has():
    russian = (
        "Река тем летом обмелела, и паром не ходил уже несколько недель. Тётка, не любившая ждать, ходила взад и "
        "вперёд по причалу с зонтиком в руке. Никто ей не отвечал. Мальчик сидел на ведре и чинил сеть; он взглянул на "
        "неё и вернулся к своим узлам. За ним медленно двигалась бурая вода.\nМы переправились вечером, когда ветер "
        "стих. Двое взялись за вёсла, а мальчик вычерпывал воду. На другом берегу стоял дом с зелёными ставнями."
    )
    chinese = (
        "那年夏天河水很低，渡船几周前就停了。姑妈不喜欢等人，拿着阳伞在码头上走来走去。"
        "没有人回答她。一个男孩坐在桶上补网。"
    )
    score, parts = measure([russian, chinese])
    assert (parts["stop_words"] == 0).all()
    assert score.tolist() == [1.0, 1.0]


def test_what_is_behind_the_first_bytes_is_not_read():
    filler = "".join(f"Sentence {i} of the many that have to be read with care. " for i in range(1000))
    score, parts = measure([filler, filler[:READ_BYTES], filler[:READ_BYTES] + "{" * 9999])
    assert len(filler) > READ_BYTES
    assert len(set(score.tolist())) == 1
    assert (parts["curly_braces"] == 0).all()


def test_a_worse_part_is_a_worse_score():
    """Along the slope of a rule: one more copy of a line, one more brace."""
    repeated = measure([PROSE + "It was late, and nobody had the key to the gate.\n" * n for n in range(30)])[0]
    braces = measure([PROSE + "{" * n for n in range(0, 100, 5)])[0]
    for score in (repeated, braces):
        assert (np.diff(score) <= 0).all()
        assert score[0] > 0.95
        assert len(np.unique(score)) > 5


def test_every_rule_says_what_it_accepts():
    assert len({rule.name for rule in RULES}) == len(RULES)
    for rule in RULES:
        (least, most), (below, above) = rule.accepted, rule.limits
        assert below < least or below == least == -np.inf
        assert most < above or most == above == np.inf


def test_every_rule_is_described():
    printed = describe_rules().splitlines()
    assert len(printed) == 2 + len(RULES)
    assert all(f"`{rule.name}`" in line for rule, line in zip(RULES, printed[2:], strict=True))
