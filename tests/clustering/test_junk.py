import numpy as np
import pytest

from curation.clustering.describe import ClusterSums
from curation.clustering.junk import junk_warnings
from curation.clustering.terms import occurrences, shared_words

ENGLISH, GERMAN = ["the", "of", "and", "to", "in"], ["der", "die", "und", "den", "zu"]
LANGUAGES = {"english": frozenset(ENGLISH), "german": frozenset(GERMAN)}
TERMS = ["oven", "flour", "bread", "yeast", "dough"]


def sums(documents, similarity, coherence):
    documents = np.array(documents, np.int64)
    fixed = [np.rint(np.multiply(values, documents) * 2.0**30).astype(np.int64) for values in (similarity, coherence)]
    return ClusterSums(documents, *fixed)


def warnings(odd, clusters=10, shared=0.2, terms=None):
    """What is said of a cluster among ordinary ones: (documents, similarity, coherence)."""
    documents, similarity, coherence = (np.array([value, *[usual] * (clusters - 1)]) for value, usual in odd)
    found = junk_warnings(
        sums(documents, similarity, coherence),
        np.array([shared, *[0.2] * (clusters - 1)]),
        [terms or TERMS, *[TERMS] * (clusters - 1)],
        LANGUAGES,
    )
    assert found[1:] == [None] * (clusters - 1)
    return found[0]


def like(documents=100, similarity=0.6, coherence=0.3):
    return (documents, 100), (similarity, 0.6), (coherence, 0.3)


def test_an_ordinary_cluster_has_none():
    assert warnings(like()) is None
    assert junk_warnings(sums([0, 0], [0, 0], [0, 0]), np.full(2, np.nan), [[], []], LANGUAGES) == [None, None]


def test_a_template():
    told = warnings(like(1234, 0.981), shared=0.9)
    assert told == "one repeated template: 1,234 documents, mean similarity 0.98, 90% of their words in common"
    assert warnings(like(15, 0.99), shared=0.9) is None  # few
    assert warnings(like(100, 0.9), shared=0.9) is None  # not close
    assert warnings(like(100, 0.99), shared=0.3) is None  # other words
    assert warnings(like(100, 0.99), shared=np.nan) is None  # no excerpt


def test_stop_words_of_one_language():
    german = ["die", "der", "zu", "brot", "und"]
    assert warnings(like(), terms=german) == "one language's stop words: 4 of its 5 terms are of German"
    assert warnings(like(), terms=["die", "der", "the", "of", "brot"]) is None  # of two
    assert warnings(like(), terms=german[:3]) is None


def test_no_theme():
    told = warnings(like(150, 0.5, 0.1))
    assert told == "no theme: coherence 0.10 where the median is 0.30, in 150 documents"
    assert warnings(like(90, 0.5, 0.1)) is None  # small
    assert warnings(like(150, 0.5, 0.2)) is None
    assert warnings(like(150, 0.5, 0.1), clusters=5) is None  # too few to have a median


def test_words_in_common():
    texts = ["one two", "one two", "alpha beta", "gamma delta", "one two", "one six", "alone"]
    found = shared_words(occurrences(texts), np.array([0, 0, 1, 1, 2, 2, 3], np.int32), 5)
    assert found[:3].tolist() == [1.0, 0.0, 0.5]
    assert np.isnan(found[3:]).all()


@pytest.mark.parametrize("seed", range(3))
def test_words_in_common_are_a_chance(seed):
    rng = np.random.default_rng(seed)
    sets = [set(rng.choice(list("abcdefghij"), rng.integers(1, 8))) for _ in range(6)]
    texts = [" ".join(letter * 3 for letter in letters) for letters in sets]
    chances = [letter in other for i, mine in enumerate(sets) for letter in mine
               for j, other in enumerate(sets) if i != j]  # fmt: skip
    assert shared_words(occurrences(texts), np.zeros(6, np.int32), 1)[0] == pytest.approx(np.mean(chances))
