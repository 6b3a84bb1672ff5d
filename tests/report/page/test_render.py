"""The page holds its data whatever texts are in them, and asks nobody for anything."""

from __future__ import annotations

import hashlib
import json
import re
from html.parser import HTMLParser

import pytest

from curation.report.page.render import SCRIPTS, STYLES, asset, embedded, page_html, policy
from tests.report.made import HOSTILE
from tests.report.page.made import PLANTED, made_page


class Elements(HTMLParser):
    """The elements of a page as a browser cuts them, with the text of scripts and styles."""

    def __init__(self, text):
        super().__init__(convert_charrefs=False)
        self.found = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.found.append([tag, dict(attributes), ""])

    def handle_endtag(self, tag):
        self.found.append([f"/{tag}", {}, ""])

    def handle_data(self, text):
        if self.found:
            self.found[-1][2] += text


@pytest.fixture(scope="module")
def data():
    return made_page(clusters=60, domains=40, groups=5)


@pytest.fixture(scope="module")
def elements(data):
    return [element for element in Elements(page_html(data)).found if element[0][0] != "/"]


def test_the_data_come_back_as_they_were_put_in(data, elements):
    [text] = [text for tag, attributes, text in elements if attributes.get("id") == "data"]
    assert json.loads(text) == json.loads(json.dumps(data))
    assert not set("<>&\u2028\u2029") & set(text)


def test_no_text_of_the_corpus_becomes_an_element(elements):
    tags = [tag for tag, _, _ in elements]
    assert tags.count("script") == 4
    assert {"img", "svg", "a", "iframe", "object"}.isdisjoint(tags)
    assert not [name for _, attributes, _ in elements for name in attributes if name.startswith("on")]


@pytest.mark.parametrize("text", [*PLANTED, *HOSTILE, "]]>", "<!-- <script>", "\ud7ff\ue000\U0010ffff"])
def test_any_text_is_escaped_and_comes_back(text):
    held = embedded({"title": text})
    assert json.loads(held) == {"title": text}
    assert "<" not in held


def test_only_what_the_policy_names_may_run(elements):
    [content] = [attributes["content"] for _, attributes, _ in elements if "http-equiv" in attributes]
    scripts = [text for tag, attributes, text in elements if tag == "script" and "type" not in attributes]
    styles = [text for tag, _, text in elements if tag == "style"]
    assert content == policy(scripts, styles)
    assert content.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in content


def test_nothing_on_the_page_has_an_address(elements):
    addresses = [
        value
        for _, attributes, _ in elements
        for name, value in attributes.items()
        if name in {"src", "href", "srcset"}
    ]
    assert addresses == ["data:,"]
    for name in SCRIPTS:
        assert "http" not in asset(f"{name}.js")
    for name in STYLES:
        assert not re.search(r"url\(|@import", asset(f"{name}.css"))


def test_a_run_that_was_not_probed_has_a_page_all_the_same():
    data = made_page(clusters=20, domains=3, groups=0, probed=False)
    [text] = [text for _, attributes, text in Elements(page_html(data)).found if attributes.get("id") == "data"]
    assert (json.loads(text)["probe"], json.loads(text)["debt"]) == (None, None)


def test_our_scripts_never_make_markup_from_text():
    for name in (*SCRIPTS, "head"):
        found = re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function", asset(f"{name}.js")
        )
        assert found is None, name


def test_the_library_is_the_one_that_its_readme_names():
    told = asset("README.md", "vendor")
    text = asset("echarts.common.min.js", "vendor").encode()
    assert re.search(r"sha256 +(\w+)", told)[1] == hashlib.sha256(text).hexdigest()
    assert re.search(r"bytes +(\d+)", told)[1] == str(len(text))
    assert b"</script" not in text
    assert b"<!--" not in text


def test_the_same_data_give_the_same_page(data):
    assert page_html(data) == page_html(made_page(clusters=60, domains=40, groups=5))


def test_a_page_of_2000_clusters_is_light():
    assert len(page_html(made_page()).encode()) < 3_000_000
