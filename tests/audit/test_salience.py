"""Which words stand out: a name that is strewn everywhere, and neither function words nor those of a subject."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
import scipy.sparse

from curation.audit.dispersion import chance, dispersions
from curation.audit.foretelling import foretold
from curation.audit.salience import salient_tokens, stands_out
from curation.audit.wording import frequencies, has_list, wording

COMMON = "the of and to in is that it was for on with as by this not be at from are but have they which one"
SUBJECTS = [
    "bread oven flour butter sugar knead dough bake yeast recipe salt pepper onion garlic soup",
    "orbit planet rocket galaxy launch telescope gravity comet spacecraft lunar solar asteroid nebula",
    "verdict statute appeal plaintiff tort clause evidence witness judge court ruling brief contract",
    "melody chord rhythm guitar tempo verse chorus violin harmony scale octave drum singer piano",
]


def made(count=1200, seed=0, name="", rate=0.1):
    """Texts of four subjects with function words in between, and some of them with a name: (texts, subject)."""
    rng = np.random.default_rng(seed)
    subject = rng.integers(0, len(SUBJECTS), count).astype(np.int32)
    common = frequencies(COMMON.split(), "en")
    common /= common.sum()
    found = []
    for own in subject.tolist():
        words = [*rng.choice(COMMON.split(), 20, p=common), *rng.choice(SUBJECTS[own].split(), 25)]
        rng.shuffle(words)
        if name and rng.random() < rate:
            words.insert(int(rng.integers(len(words))), name)
        found.append(" ".join(words))
    return found, subject


def table_of(texts, subject, language="en"):
    count = len(texts)
    domain = np.arange(count, dtype=np.int32) % 3
    column = pa.chunked_array([pa.array(texts, pa.large_string())])
    return salient_tokens(column, [language] * count, subject, domain, np.full(count, 1 / count))


def standing_out(table):
    columns = {
        name: table[name].to_numpy() for name in ("documents", "share", "expected_share", "foretold", "dispersion")
    }
    return np.array(table["token"].to_pylist(), dtype=object)[stands_out(columns)].tolist()


@pytest.mark.parametrize(("seed", "rate"), [(0, 0.1), (1, 0.12), (2, 0.25)])
def test_a_name_all_over_the_corpus_is_first_and_alone(seed, rate):
    table, looked_at = table_of(*made(seed=seed, name="Zendaria Quell", rate=rate))
    assert looked_at == 1200
    assert standing_out(table) == ["zendaria quell"]
    first = table.to_pylist()[0]
    assert first["token"] == "zendaria quell"
    assert first["share"] == pytest.approx(rate, abs=0.03)
    assert first["documents"] == round(first["share"] * 1200)
    assert (first["clusters"], first["domains"]) == (4, 3)
    assert first["expected_share"] < 0.001


def test_without_a_name_nothing_stands_out_and_words_of_a_subject_are_foretold():
    table, _ = table_of(*made())
    assert standing_out(table) == []
    found = {row["token"]: row for row in table.to_pylist()}
    assert "the" not in found
    assert found["nebula"]["foretold"] > 0.9
    assert found["nebula"]["dispersion"] > 0.6


def test_a_name_in_one_subject_is_a_word_of_that_subject():
    texts, subject = made()
    named = (subject == 2) & (np.arange(len(texts)) % 2 == 0)
    texts = [text + " Zendaria Quell" * own for text, own in zip(texts, named.tolist(), strict=True)]
    assert standing_out(table_of(texts, subject)[0]) == []


def test_weights_make_the_share_that_of_the_corpus():
    texts, subject = made(name="Zendaria")
    weight = np.where(["Zendaria" in text for text in texts], 1.0, 3.0)
    column, domain = pa.chunked_array([texts]), np.zeros(len(texts), np.int32)
    table, _ = salient_tokens(column, ["en"] * len(texts), subject, domain, weight)
    row = table.to_pylist()[0]
    assert row["token"] == "zendaria"
    assert row["share"] == pytest.approx(row["documents"] / (3 * 1200 - 2 * row["documents"]), abs=1e-6)


def test_languages_without_a_list_are_not_looked_at():
    texts, subject = made(200)
    table, looked_at = table_of(texts, subject, "zh")
    assert (table.num_rows, looked_at) == (0, 0)
    assert [has_list(code) for code in ("en", "no", "hr", "zh", "th", "xx")] == [True, True, True, False, False, False]


def test_words_are_cut_in_lower_case_without_genitives():
    texts = ["Anna's DON'T d’accord x 'tis re-read", "", None or "naïve Ёлка नमस्ते " + "a" * 40]
    found = wording(pa.array(texts))
    words = [found.words[code] for code in found.code]
    assert words == ["anna", "don't", "d'accord", "tis", "re", "read", "naïve", "ёлка", "नमस्ते"]
    assert found.text.tolist() == [0, 0, 0, 0, 0, 0, 2, 2, 2]
    assert frequencies(["the", "zendaria"], "en").tolist() == pytest.approx([0.0537, 1e-6], rel=0.01)


def test_dispersion_is_nought_by_chance_and_one_in_a_small_part():
    rng = np.random.default_rng(0)
    sizes = np.array([500, 300, 150, 50])
    part = np.repeat(np.arange(4), sizes)
    drawn = np.stack([np.bincount(part[rng.random(1000) < 0.05], minlength=4) for _ in range(400)])
    assert dispersions(scipy.sparse.csr_array(drawn), sizes).mean() < 0.06
    share = drawn / drawn.sum(axis=1, keepdims=True)
    raw = np.abs(share - sizes / 1000).sum(axis=1) / 2
    assert raw.mean() == pytest.approx(chance(drawn.sum(axis=1).astype(float), sizes).mean(), rel=0.05)
    alone = scipy.sparse.csr_array(np.array([[0, 0, 0, 50]]))
    assert dispersions(alone, sizes)[0] == pytest.approx(0.94, abs=0.02)


def test_a_word_is_foretold_by_its_company_and_not_by_itself():
    rng = np.random.default_rng(0)
    words = rng.random((30, 2000)) < 0.2
    tokens = np.stack([rng.random(2000) < 0.1, words[:10].sum(axis=0) > 3, words[3]])
    found = foretold(scipy.sparse.csr_array(words.astype(np.int32)), scipy.sparse.csr_array(tokens.astype(np.int32)))
    assert found[0] < 0.1
    assert found[1] > 0.9
    assert found[2] < 0.1
