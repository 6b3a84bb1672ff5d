import itertools

import numpy as np
import pytest

from curation.trace import exact
from curation.trace.exact import find_exact, measure
from curation.trace.index import index_texts
from curation.trace.words import BLOCK, cut


@pytest.fixture
def corpus(monkeypatch):
    """Makes `find_exact` look into these texts; returns the list of those that were read."""
    read = []

    def make(texts, splits=2):
        bounds = np.linspace(0, len(texts), splits + 1).astype(int)
        parts = [(low, *index_texts(texts[low:high])) for low, high in itertools.pairwise(bounds)]
        monkeypatch.setattr(exact, "parts_of", lambda store, index: iter(parts))

        def texts_of(store, job, doc_ids):
            read.extend(doc_ids)
            return {doc_id: texts[doc_id] for doc_id in doc_ids}

        monkeypatch.setattr(exact, "texts_of", texts_of)
        return read

    return make


def random_texts(count, words, seed=0, vocabulary=6):
    rng = np.random.default_rng(seed)
    return [" ".join(f"w{word}" for word in rng.integers(0, vocabulary, words)) for _ in range(count)]


def longest(query, text):
    """The words of the longest run that two texts share."""
    words, inside = query.split(), f" {text} "
    runs = (
        (stop - start, words[start:stop]) for start in range(len(words)) for stop in range(start + 1, len(words) + 1)
    )
    return max((length for length, run in runs if f" {' '.join(run)} " in inside), default=0)


@pytest.mark.parametrize("seed", range(5))
def test_what_is_proven_is_the_best_of_all(corpus, seed):
    texts = random_texts(60, 40, seed)
    corpus(texts)
    query = " ".join([*texts[7].split()[3:20], "other", *texts[41].split()[10:22], "words", *texts[3].split()[:10]])
    answer = find_exact(None, None, None, query, 5)
    best = sorted((longest(query, text) for text in texts), reverse=True)
    found = [hit["words"] for hit in answer["hits"]]
    assert answer["proven"] >= 1
    assert found[: answer["proven"]] == best[: answer["proven"]]
    assert answer["hits"][0]["doc_id"] == 7
    assert all(hit["words"] == longest(query, texts[hit["doc_id"]]) for hit in answer["hits"])
    assert all(hit["passage"] in texts[hit["doc_id"]] for hit in answer["hits"])


def test_no_more_texts_are_read_than_the_answer_may_need(corpus):
    texts = [f"{text} the common end of every single text in here" for text in random_texts(200, 30, vocabulary=1000)]
    read = corpus(texts)
    answer = find_exact(None, None, None, texts[5], 3)
    assert answer["hits"][0]["doc_id"] == 5
    assert answer["documents"] == 200
    assert answer["proven"] < 3
    assert len(read) == len(set(read)) == 6
    read.clear()
    assert find_exact(None, None, None, texts[5], 1)["proven"] == 1
    assert read == [5]


def test_a_short_hit_is_not_proven_since_as_short_ones_may_be_missed(corpus):
    corpus(["one two three four five six", "something else altogether here now"])
    answer = find_exact(None, None, None, "one two three four five", 3)
    assert [(hit["doc_id"], hit["words"]) for hit in answer["hits"]] == [(0, 5)]
    assert answer["proven"] == 0


def test_a_text_below_a_gram_has_no_passage(corpus):
    corpus(["one two three four"])
    assert find_exact(None, None, None, "one two three four", 3)["hits"] == []


def test_a_passage_is_measured_across_the_pieces_of_a_long_text():
    words = [f"w{number}" for number in range(BLOCK // 3)]
    query = words[len(words) // 2 : len(words) // 2 + 300]
    found = measure(cut([" ".join(query)]), " ".join(words))
    assert found == {"words": 300, "covered": 300, "passage": " ".join(query)}
