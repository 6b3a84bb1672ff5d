import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from curation.report.markdown import block, code, counted, listed, plain, table

PARSER = MarkdownIt("commonmark").enable("table")


def inline(text):
    return [child for token in PARSER.parse(text) for child in token.children or []]


@given(st.text().filter(lambda text: plain(text).strip() == plain(text) != ""))
def test_a_code_span_holds_the_text(text):
    [span] = inline(f"x {code(text)}")[1:]
    assert span.type == "code_inline"
    assert span.content == plain(text).replace("|", "\\|")  # outside a table a backslash stands there too


@given(st.text().filter(lambda text: plain(text).strip() == plain(text) != ""))
def test_a_cell_holds_the_text(text):
    cells = [child.content for child in inline(table(("head",), [(code(text),)]))]
    assert cells == ["head", plain(text)]


@given(st.text(st.sampled_from("`~ \nab<>"), max_size=40))
def test_a_block_holds_the_text(text):
    [fence] = PARSER.parse(block(text, "yaml"))
    assert fence.type == "fence"
    assert fence.content.rstrip() == text.rstrip()


def test_what_cannot_be_seen_is_replaced():
    assert plain(" a\t b\n\nc ") == "a b c"
    assert plain("a\u202eb\x00c") == "a\ufffdb\ufffdc"
    assert code(" \n") == "(empty)"


def test_a_table():
    text = table(("name", "n", "m"), [("`a`", 1_234_567, None), ("`b`", "5%", "")])
    assert text.split("\n") == [
        "| name | n | m |",
        "| :-- | --: | --: |",
        "| `a` | 1,234,567 | - |",
        "| `b` | 5% | - |",
    ]


@pytest.mark.parametrize(("number", "wanted"), [(0, "0 files"), (1, "1 file"), (1_000, "1,000 files")])
def test_counts(number, wanted):
    assert counted(number, "file") == wanted


def test_lists():
    assert listed(["a", "b"]) == "- a\n- b"
    assert listed(["a", "b"], numbered=True) == "1. a\n2. b"
