import re
import unicodedata
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.text.feature_types import read
from curation.text.features import FEATURES, describe_features, measure, profile
from curation.text.wordlists import LISTS

NAMES = [feature.name for feature in FEATURES]
SHARES = [place for place, feature in enumerate(FEATURES) if feature.unit.startswith("share of")]
ODD = {
    "nothing": "",
    "emoji": "😀🎉👍🏽" * 20,
    "a lone mark": "\u0301",
    "spaces": " " * 2048,
    "line feeds": "\n" * 2048,
    "full stops": "." * 2048 + "a",
    "one long word": "a" * 2048,
    "signs": "@a" * 500 + "_a" * 500 + "<a" * 500,
    "Chinese": "他说今天天气很好。我们去公园散步吧！" * 20,
    "Hindi": "यह एक हिन्दी वाक्य है। " * 20,
    "control characters": "\x00\x1b\x7f" * 100,
    "a lone surrogate": "a \ud800 b",
}
#: Pieces that the features look for, so that random texts meet the rules.
PIECES = [
    *[
        "the",
        "She",
        "isn't",
        "New",
        "Mexico",
        "U.S.",
        "3.5",
        "1999",
        "12:30",
        "2020-01-02",
        ". ",
        "!? ",
        "…",
        "’",
        "été",
    ],
    *[
        "\n",
        "\n\n",
        "\t",
        "  ",
        "- item",
        "| a | b |",
        "https://a.b",
        "x@y.zz",
        "#tag",
        "\\frac",
        "<br/>",
        "snake_case",
    ],
    *["Ελλάς", "日本語", "हिन्दी", "😀", "\u0301"],
]
texts = st.one_of(
    st.text(max_size=300),
    st.lists(st.sampled_from(PIECES), max_size=80).map(" ".join),
    st.sampled_from(sorted(ODD.values())),
)


def test_every_feature_is_documented_and_named_once():
    assert len(FEATURES) >= 147
    assert len(set(NAMES)) == len(NAMES)
    for feature in FEATURES:
        assert re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", feature.name)
        assert feature.group
        assert feature.unit
        assert feature.formula.endswith(".")
        if feature.name.endswith("_rate"):  # a rate says its denominator
            assert feature.unit.startswith("per 1,000")
            assert feature.unit in feature.formula
        if feature.name.endswith("_share"):
            assert feature.unit.startswith("share of")
    assert len({(feature.group, feature.formula) for feature in FEATURES}) == len(FEATURES)


def test_the_catalogue_is_a_table_with_a_row_a_feature():
    head, rule, *rows = describe_features().splitlines()
    columns = len(re.findall(r"(?<!\\)\|", head))
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in (rule, *rows)} == {columns}
    assert [row.split("`")[1] for row in rows] == NAMES


@given(texts)
def test_values_are_finite_or_undefined_and_shares_are_shares(text):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        values = measure([text])
    assert values.shape == (1, len(FEATURES))
    assert not np.isinf(values).any()
    shares = values[0, SHARES]
    assert ((shares >= 0) & (shares <= 1) | np.isnan(shares)).all(), dict(zip(NAMES, values[0], strict=True))
    rates = values[0, [name.endswith("_rate") for name in NAMES]]
    assert ((rates >= 0) | np.isnan(rates)).all()


@pytest.mark.parametrize("text", ODD.values(), ids=ODD.keys())
def test_odd_texts_are_measured_and_summed(text):
    values = measure([text])[0]
    assert np.isnan(values[NAMES.index("flesch_reading_ease")]) == (not read(text).words)
    assert np.isfinite(values[NAMES.index("characters")])
    assert np.array_equal(profile([text]).documents, (~np.isnan(values)).astype(int))


def test_an_empty_text_has_a_length_and_nothing_else():
    values = dict(zip(NAMES, measure([""])[0], strict=True))
    defined = {name: value for name, value in values.items() if not np.isnan(value)}
    assert defined == dict.fromkeys(["characters", "words", "sentences", "paragraphs", "lines"], 0.0)


@given(texts)
def test_composed_and_decomposed_letters_are_the_same_text(text):
    forms = [unicodedata.normalize(form, text) for form in ("NFC", "NFD")]
    composed, decomposed = measure(forms)
    assert np.array_equal(composed, decomposed, equal_nan=True)


@given(st.lists(texts, max_size=6), st.lists(texts, max_size=6))
@settings(max_examples=50)
def test_profiles_of_parts_add_up_to_the_profile_of_the_whole_in_any_order(some, others):
    parts, whole = profile(some) + profile(others), profile(others[::-1] + some[::-1])
    assert np.array_equal(parts.documents, whole.documents)
    assert np.allclose(parts.sums, whole.sums, rtol=1e-12)
    assert np.allclose(parts.squares, whole.squares, rtol=1e-12)


@given(st.lists(texts, min_size=1, max_size=12))
@settings(max_examples=50)
def test_mean_and_standard_error_are_those_of_the_values(several):
    seen, values = profile(several), measure(several)
    for column in range(len(FEATURES)):
        there = values[~np.isnan(values[:, column]), column]
        mean, error = seen.mean[column], seen.standard_error[column]
        assert np.isnan(mean) if len(there) == 0 else mean == pytest.approx(there.mean(), rel=1e-9, abs=1e-9)
        expected = there.std(ddof=1) / np.sqrt(len(there)) if len(there) > 1 else np.nan
        tolerance = 1e-6 * max(1.0, np.abs(there).max(initial=0))
        assert error == pytest.approx(expected, rel=1e-6, abs=tolerance, nan_ok=True)


def test_a_profile_is_summed_block_by_block():
    several = ["One word.", "Two words, or more?", ""] * 500
    seen, values = profile(several), measure(several)
    assert seen.documents[NAMES.index("words")] == 1500
    assert seen.documents[NAMES.index("flesch_reading_ease")] == 1000
    assert seen.mean[NAMES.index("words")] == pytest.approx(values[:, NAMES.index("words")].mean())


@given(st.lists(texts, max_size=5))
@settings(max_examples=30)
def test_a_text_has_the_same_values_in_any_company(several):
    alone = [measure([text])[0] for text in several]
    assert np.array_equal(measure(several), np.array(alone).reshape(-1, len(FEATURES)), equal_nan=True)


def test_every_entry_of_a_list_is_made_of_words_and_counts_for_it():
    """An entry that the reading would cut otherwise, or that another hides, could never count."""
    for each in LISTS:
        column = NAMES.index(each.feature.name)
        entries = sorted({*each.words.split(), *each.names.split()})
        values = measure([entry.replace("_", " ") for entry in entries])[:, column]
        assert [entry for entry, value in zip(entries, values, strict=True) if not value > 0] == []
        for entry in each.words.split():
            assert entry == unicodedata.normalize("NFC", entry).lower()
