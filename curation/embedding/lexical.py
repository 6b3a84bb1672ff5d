"""The lexical encoder: hashed TF-IDF and a truncated SVD (latent semantic analysis) fitted on a sample.

Words are hashed to 2^18 features (`hashing`), counts are damped (1 + ln tf) and weighted by the smoothed inverse
document frequency of the sample, rows are scaled to unit length, and a randomised SVD (Halko, Martinsson, Tropp
2011; scikit-learn's) finds the directions that carry most of the sample: Deerwester et al., "Indexing by Latent
Semantic Analysis", 1990. A document's vector is its weighted counts times one matrix. On a CPU that is hundreds of
times faster than a transformer, and on the corpus at hand it groups as well.

Same bits everywhere: hashing is integer arithmetic; the fit runs on one BLAS thread; a vector is a sum over the
document's own words in one fixed order, so neither threads nor the size of the list can change it.

A document in which the sample knows no word (only punctuation, or words seen nowhere else) gets the sum of random
directions of its character trigrams instead: a unit vector that is far from the words' and close to that of a
document with the same characters.

`long_documents: mean_of_chunks` reads a longer beginning: in a bag of words the mean of the chunks is that of the
whole. The model is fitted on as much of each text as without it, so documents that fit keep their very vectors.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from curation import config, counter_rng
from curation.embedding.encoder import Encoded, EncoderSpec, normalised
from curation.embedding.hashing import FEATURES, WordCounts, count_words

CHARACTERS_PER_TOKEN = 8
#: Most features that are kept, the most common ones: bounds the model (32 MiB at 128 dimensions) and the fit.
MOST_FEATURES = 1 << 16
#: Vectors of one dimension are only signs; a model has at least two.
_FEWEST_DIMENSIONS = 2
#: Components weaker than this share of the strongest are float32 noise.
_NOISE = 1e-5


@dataclass(frozen=True, eq=False)
class LexicalModel:
    """A fitted model; an `Encoder`.

    Attributes:
        features: int32[m], the hashed features that are kept, ascending.
        weights: float32[m, dimensions], inverse document frequency times SVD component.
        max_tokens: tokens of a chunk, 8 characters each.
        max_chunks: chunks of a document that are read.
        asked: dimensions that the job file asked for.
    """

    features: NDArray[np.int32]
    weights: NDArray[np.float32]
    max_tokens: int
    max_chunks: int
    asked: int
    packages: ClassVar[tuple[str, ...]] = ("numpy", "scipy", "scikit-learn")
    """That compute the model and its vectors."""

    @property
    def dimensions(self) -> int:
        """Length of a vector."""
        return int(self.weights.shape[1])

    @property
    def limit(self) -> int:
        """Characters of a document that are read."""
        return self.max_tokens * self.max_chunks * CHARACTERS_PER_TOKEN

    @property
    def taken(self) -> dict[str, Any]:
        """Nothing depends on the hardware."""
        return {}

    def encode(self, texts: list[str]) -> Encoded:
        """Encodes texts; `tokens` counts the words read. See `Encoder`."""
        limit = self.limit
        counts = count_words(texts, limit)
        matrix = _damped(counts, self._place_of_feature, len(self.features), limit)
        vectors = np.ascontiguousarray(matrix @ self.weights, dtype=np.float32)
        for row in np.flatnonzero(~vectors.any(axis=1)):
            vectors[row] = _trigram_vector(texts[row][:limit], self.dimensions)
        return self.encoded(texts, vectors, int(counts.counts.sum()))

    def encoded(self, texts: list[str], vectors: NDArray[np.float32], read: int) -> Encoded:
        """The vectors of texts, float32[n, dimensions] of any length, and what they cost: so many tokens were read."""
        lengths = np.array([len(text) for text in texts], np.float64)
        share = np.minimum(1, self.limit / np.maximum(lengths, 1)).astype(np.float32)
        return Encoded(normalised(vectors), read, read, int((lengths > self.limit).sum()), share, 0)

    @functools.cached_property
    def _place_of_feature(self) -> NDArray[np.int32]:
        return _places(self.features)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """The model as plain arrays, for `np.savez`."""
        limits = np.array([self.max_tokens, self.max_chunks, self.asked], np.int64)
        return {"features": self.features, "weights": self.weights, "limits": limits}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> LexicalModel:
        """The model that `to_arrays` gave."""
        return cls(arrays["features"], arrays["weights"], *(int(value) for value in arrays["limits"]))

    @property
    def spec(self) -> EncoderSpec:
        """The record of this very model, with the hash of its arrays."""
        notes = []
        if self.dimensions != self.asked:
            notes.append(f"{self.dimensions} dimensions instead of {self.asked}: the sample has no more to tell apart")
        digest = hashlib.sha256(str((self.weights.shape, self.max_tokens, self.max_chunks)).encode())
        for name, array in self.to_arrays().items():
            if name != "limits":
                digest.update(np.ascontiguousarray(array).tobytes())
        told = (digest.hexdigest(), tuple(notes), self.packages)
        return lexical_spec(self.dimensions, self.max_tokens, self.max_chunks, *told)


def lexical_spec(
    dimensions: int,
    max_tokens: int,
    max_chunks: int,
    sha256: str = "",
    notes: tuple[str, ...] = (),
    packages: tuple[str, ...] = LexicalModel.packages,
) -> EncoderSpec:
    """The record of a lexical model; without a hash, of one that is still to be fitted."""
    return EncoderSpec(
        kind="lexical",
        name="lexical",
        origin="sample",
        location="",
        weights_sha256=sha256,
        dimensions=dimensions,
        max_tokens=max_tokens,
        max_chunks=max_chunks,
        precision="float32",
        libraries={name: importlib.metadata.version(name) for name in packages},
        notes=notes,
    )


def fit_lexical(texts: list[str], embedding: config.Embedding, seed: int) -> LexicalModel:
    """Fits a model on a sample of the corpus: about 0.4 core-seconds a thousand documents.

    Args:
        texts: the sample, in an order that does not depend on workers.
        embedding: `dimensions`, `max_tokens` and `chunks` of the job file. Fewer dimensions are made when the sample
            has no more different directions; the model's `spec` says so.
        seed: the job's seed; decides the start of the randomised SVD.

    Returns:
        The model: the same bits for any number of threads.
    """
    limit = embedding.max_tokens * CHARACTERS_PER_TOKEN
    counts = count_words(texts, limit)
    frequency = np.bincount(counts.features, minlength=FEATURES)
    features = _kept_features(frequency, embedding.dimensions)
    idf = np.log((1 + len(texts)) / (1 + frequency[features])) + 1
    if not len(features):
        weights = np.zeros((0, embedding.dimensions), np.float32)
    else:
        matrix = _damped(counts, _places(features), len(features), limit)
        components = _components(matrix, idf, embedding.dimensions, seed)
        weights = (components * idf).T.astype(np.float32, order="C")
    missing = min(_FEWEST_DIMENSIONS, embedding.dimensions) - weights.shape[1]
    weights = np.pad(weights, ((0, 0), (0, max(0, missing))))
    return LexicalModel(features, weights, embedding.max_tokens, embedding.chunks, embedding.dimensions)


def _kept_features(frequency: NDArray[np.int64], dimensions: int) -> NDArray[np.int32]:
    """The features that stand in at least two documents of the sample, at most MOST_FEATURES, ascending.

    A feature of one document ties it to no other. Only a tiny sample, which would be left with less than it needs,
    keeps them.
    """
    shared = np.flatnonzero(frequency >= 2)
    if len(shared) < dimensions:
        shared = np.flatnonzero(frequency)
    commonest = np.argsort(-frequency[shared], kind="stable")[:MOST_FEATURES]
    return np.sort(shared[commonest]).astype(np.int32)


def _places(features: NDArray[np.int32]) -> NDArray[np.int32]:
    """For each hashed feature its row in the weights, or -1. int32[FEATURES]."""
    places = np.full(FEATURES, -1, np.int32)
    places[features] = np.arange(len(features), dtype=np.int32)
    return places


def _damped(counts: WordCounts, places: NDArray[np.int32], width: int, limit: int) -> Any:
    """The counts of the kept features as a CSR matrix float32[n, width] of 1 + ln count."""
    from scipy.sparse import csr_matrix

    columns = places[counts.features]
    kept = columns >= 0
    starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(kept)])[counts.starts]
    values = _damping(limit)[counts.counts[kept]]
    return csr_matrix((values, columns[kept], starts), shape=(len(starts) - 1, width))


@functools.lru_cache(maxsize=2)
def _damping(most: int) -> NDArray[np.float32]:
    """1 + ln count for every count up to `most`: a table, since a vectorised logarithm may differ by machine."""
    return np.array([0.0] + [1 + math.log(count) for count in range(1, most + 1)], np.float32)


def _components(matrix: Any, idf: NDArray[np.float64], dimensions: int, seed: int) -> NDArray[np.float32]:
    """The strongest right singular vectors of the weighted, row-normalised matrix. float32[at most dimensions, m]."""
    from scipy.sparse import diags
    from sklearn.preprocessing import normalize

    weighted = normalize((matrix @ diags(idf)).tocsr().astype(np.float32), copy=False)
    return strongest(weighted, dimensions, seed, "embedding.lexical")[1]


def strongest(matrix: Any, dimensions: int, seed: int, purpose: str) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The strongest singular values of a CSR matrix float32[n, m], falling, and their right singular vectors.

    Args:
        matrix: n, m >= 1.
        dimensions: how many at most; fewer where the others are noise.
        seed: the job's seed.
        purpose: that the random start of the SVD is drawn for.

    Returns:
        float32[d], float32[d, m]: the same bits for any number of threads.
    """
    from sklearn.utils.extmath import randomized_svd  # before the limit, which holds for libraries that are loaded
    from threadpoolctl import threadpool_limits

    start = int(counter_rng.keys(seed, purpose, np.zeros(1, np.int64))[0] >> np.uint64(32))
    wanted = min(dimensions, *matrix.shape)
    with threadpool_limits(limits=1):
        _, strengths, components = randomized_svd(
            matrix, wanted, n_iter=4, power_iteration_normalizer="QR", random_state=start
        )
    kept = strengths > _NOISE * strengths[0]
    return strengths[kept], components[kept]


def _trigram_vector(text: str, dimensions: int) -> NDArray[np.float32]:
    """The sum of a random +1/-1 direction for each different character trigram of a text. float32[dimensions]."""
    trigrams = sorted({text[at : at + 3] for at in range(max(1, len(text) - 2))})
    hashes = np.array([zlib.crc32(trigram.encode("utf-8", "surrogatepass")) for trigram in trigrams], np.int64)
    places = hashes[:, None] * dimensions + np.arange(dimensions)
    signs = 1 - 2 * (counter_rng.keys(0, "embedding.trigrams", places) >> np.uint64(63)).astype(np.int64)
    total = signs.sum(axis=0)
    direction: NDArray[np.int64] = total if total.any() else signs[0]
    return direction.astype(np.float32)
