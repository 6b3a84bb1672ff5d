import os
import random
import subprocess
import sys

import numpy as np

from curation.clustering.terms import CHARACTERS, occurrences, salient_terms, words

THEMES = {
    "cooking": "oven butter flour simmer onion garlic recipe",
    "sailing": "mast rudder keel harbour anchor tide mainsail",
    "law": "court plaintiff statute appeal verdict counsel clause",
}
COMMON = ["the", "of", "and", "to", "in", "that", "with", "for", "was", "are", "this", "from", "which", "have"]


def corpus(documents=60, seed=0):
    rng = random.Random(seed)
    texts, cluster = [], []
    for number, theme in enumerate(THEMES.values()):
        for _ in range(documents):
            drawn = (
                rng.choices(theme.split(), k=12)
                + rng.choices(COMMON, k=30)
                + [f"rare{rng.random()}".translate(LETTERS)]
            )
            rng.shuffle(drawn)
            texts.append(" ".join(drawn).capitalize())
            cluster.append(number)
    return texts, np.array(cluster, np.int32)


LETTERS = str.maketrans("0123456789.", "abcdefghijk")


def test_the_terms_are_those_of_the_theme():
    texts, cluster = corpus()
    found = salient_terms(occurrences(texts), cluster, 3, top=7)
    for theme, terms in zip(THEMES.values(), found, strict=True):
        assert set(terms) == set(theme.split())


def test_terms_occur_in_two_documents_unless_there_is_one():
    texts = ["alpha alpha alpha beta", "beta gamma", "delta delta epsilon"]
    found = salient_terms(occurrences(texts), np.array([0, 0, 2], np.int32), 4)
    assert found[0] == ["beta"]
    assert found[1] == found[3] == []
    assert found[2] == ["delta", "epsilon"]  # a word counts once a document, so they tie


def test_ties_are_alphabetical_and_cut_at_top():
    texts = ["zeta eta theta iota", "theta iota zeta eta", "one two", "one two"]
    cluster = np.array([0, 0, 1, 1], np.int32)
    assert salient_terms(occurrences(texts), cluster, 2, top=3) == [["eta", "iota", "theta"], ["one", "two"]]


def test_one_cluster_gives_its_most_frequent_terms():
    texts = ["common word", "common word here", "common thing here"]
    assert salient_terms(occurrences(texts), np.zeros(3, np.int32), 1) == [["common", "here", "word"]]


def test_texts_without_words():
    assert salient_terms(occurrences(["", "12 34 !", "x"]), np.array([0, 1, 1], np.int32), 2) == [[], []]
    assert salient_terms(occurrences([]), np.zeros(0, np.int32), 2) == [[], []]
    assert salient_terms(occurrences(["word", "word"]), np.array([0, 1], np.int32), 2) == [["word"], ["word"]]


def test_the_same_in_any_order_and_in_another_process():
    texts, cluster = corpus(20)
    expected = salient_terms(occurrences(texts), cluster, 3)
    order = np.random.default_rng(0).permutation(len(texts))
    assert salient_terms(occurrences([texts[i] for i in order]), cluster[order], 3) == expected
    program = (
        "import numpy as np; from curation.clustering.terms import occurrences as o, salient_terms as s;"
        f"print(s(o({texts!r}), np.array({cluster.tolist()!r}, np.int32), 3))"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "12345"}
    printed = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    assert printed.stdout.strip() == str(expected)


def test_words_of_many_scripts():
    assert words("Don't stop: x 2nd ÉCOLE Straße snake_case ab12cd") == [
        "don", "stop", "nd", "école", "straße", "snake", "case", "ab", "cd",
    ]  # fmt: skip
    assert words("plain ASCII, 2 b ab1") == ["plain", "ascii", "ab"]
    assert words("हिन्दी में नमस्ते") == ["हिन्दी", "में", "नमस्ते"]
    assert words("日本語、中文 mixed") == ["mixed", "日本", "本語", "中文"]
    assert words("ไทยๆ") == ["ไท", "ทย", "ยๆ"]
    assert words("한국어 텍스트") == ["한국어", "텍스트"]
    assert words("q" * 31 + " " + "é" * 31 + " fine") == ["fine"]
    assert words("a" * 20 + " " * CHARACTERS + "late") == ["a" * 20]
