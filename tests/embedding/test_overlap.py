"""Two threads in one encoder: one prepares while the other computes, and neither is in the other's way."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from tests.embedding.test_transformer import TEXTS, tiny

PATIENCE = 20  # seconds


def test_texts_are_prepared_while_others_are_computed(tiny_bert, monkeypatch):
    encoder = tiny(tiny_bert)
    alone = [encoder.encode(texts).vectors for texts in (TEXTS, TEXTS[::-1])]
    both_prepared, computing = threading.Semaphore(0), threading.Lock()
    prepare, vectors = encoder.prepare, type(encoder.network).vectors
    seen = []

    def prepared(texts):
        ready = prepare(texts)
        both_prepared.release()
        return ready

    def computed(network, features):
        if not seen:  # the first batch waits until the texts of both are prepared, and only then goes on
            seen.append(all(both_prepared.acquire(timeout=PATIENCE) for _ in range(2)))
        assert computing.acquire(blocking=False), "two batches at a time"
        try:
            return vectors(network, features)
        finally:
            computing.release()

    monkeypatch.setattr(encoder, "_pool", None)  # as on a GPU
    monkeypatch.setattr(encoder, "prepare", prepared)
    monkeypatch.setattr(type(encoder.network), "vectors", computed)
    with ThreadPoolExecutor(2) as threads:
        found = list(threads.map(encoder.encode, (TEXTS, TEXTS[::-1])))
    assert seen == [True]
    for one, other in zip(found, alone, strict=True):
        np.testing.assert_array_equal(one.vectors, other)


def test_many_threads_get_their_own_texts_back(tiny_bert):
    encoder = tiny(tiny_bert, batch_tokens=128)
    lists = [[text[:length] for text in TEXTS] for length in range(10, 34)]
    alone = [encoder.encode(texts).vectors for texts in lists]
    with ThreadPoolExecutor(4) as threads:
        for found, expected in zip(threads.map(encoder.encode, lists), alone, strict=True):
            np.testing.assert_array_equal(found.vectors, expected)


def test_an_error_of_the_tokeniser_arrives_as_itself_and_the_encoder_goes_on(tiny_bert):
    encoder = tiny(tiny_bert)
    with ThreadPoolExecutor(2) as threads:
        bad, good = threads.submit(encoder.encode, ["sun", None]), threads.submit(encoder.encode, ["moon"])
        with pytest.raises(TypeError):
            bad.result(PATIENCE)
        assert good.result(PATIENCE).vectors.shape == (1, 32)
    assert encoder.encode(["star"]).tokens == 3
