"""A made-up pool of a few domains, without a run."""

from __future__ import annotations

import numpy as np

from curation.config import Job
from curation.language_model.bpe import encode, train_bpe
from curation.probe.pool import Pool, Validation
from tests.corpus import texts

TOPICS = ["cooking", "space", "law"]
SIZES = [300, 80, 40]


def made_job(clusters=3):
    """A job of the domains."""
    sources = [{"domain": topic, "path": f"{topic}.jsonl"} for topic in TOPICS]
    return Job(run_dir="run", sources=sources, clustering={"clusters": clusters})


def made_pool(held=12):
    """A pool whose vectors tell the domains apart; `held` documents of each are for validation."""
    rng = np.random.default_rng(0)
    directions = np.linalg.qr(rng.normal(size=(8, 8)))[0][: len(TOPICS)]
    own = [texts(size, number, [topic]) for number, (size, topic) in enumerate(zip(SIZES, TOPICS, strict=True))]
    bpe = train_bpe([text for some in own for text in some], 400)
    parts = [(number, text, at < held) for number, some in enumerate(own) for at, text in enumerate(some)]
    domain = np.array([number for number, _, _ in parts], np.int32)
    asked = np.array([one for _, _, one in parts])
    encoded = encode(bpe, [text for _, text, _ in parts])
    vectors = directions[domain] + rng.normal(size=(len(parts), 8)) * 0.1
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    places, questions = np.flatnonzero(~asked), np.flatnonzero(asked)
    weight = np.array(SIZES, np.float64)[domain[questions]] / held
    language = np.where(domain[questions] == 2, "de", "en")
    validation = Validation(domain[questions], domain[questions] % 2, language, weight, encoded.take(questions))
    tokens = np.bincount(domain, encoded.lengths).astype(np.int64)
    text = encoded.take(places)
    return Pool("made", bpe, places, domain[places], text, vectors[places].astype(np.float16), validation, tokens)
