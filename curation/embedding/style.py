"""Style vectors: what kind of text a document is, rather than what it is about.

Language, genre, markup and programming language show in the commonest pieces of a text: short words, endings,
punctuation, white space. So a BPE is trained on a sample of the corpus, the tokens that are commonest there are counted
in each document, and the square roots of the counts, scaled to unit length, are a point on a sphere on which distance
is Hellinger's, between the distributions of the tokens. An SVD of the sample keeps the directions that carry most of
it; they are divided by the square roots of their strengths, so that the many documents of one kind, which make the
strongest directions, do not hide what sets the few of another apart.

Rare words are left out on purpose: what a text is about divides one kind of text into many clusters, and K-Means has
none left for the rare kinds. See `lexical` for vectors of subjects.

Same bits everywhere, as `lexical`: counts are integers, the fit runs on one BLAS thread, and a vector is a sum over the
document's own tokens in one fixed order.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from curation import config
from curation.bpe import VOCABULARY, token_ids, train_bpe
from curation.embedding.encoder import Encoded
from curation.embedding.lexical import CHARACTERS_PER_TOKEN, LexicalModel, strongest

#: Tokens whose frequencies make the style: the commonest.
TOKENS = 256
#: The power of a direction's strength that it is divided by.
WHITENING = 0.5
#: Texts of the sample, and characters of each, that the BPE is trained on.
BPE_TEXTS, BPE_CHARACTERS = 6_000, 1_500


@dataclass(frozen=True, eq=False)
class StyleModel(LexicalModel):
    """A fitted model; an `Encoder`.

    Attributes:
        features: int32[m], the tokens that are counted, ascending.
        weights: float32[m, dimensions], SVD component, whitened in part.
        bpe: the tokenizer, JSON.
    """

    bpe: str = ""
    packages: ClassVar[tuple[str, ...]] = (*LexicalModel.packages, "tokenizers")

    def encode(self, texts: list[str]) -> Encoded:
        """Encodes texts; `tokens` counts those of the BPE that were read. See `Encoder`."""
        ids = token_ids(self.bpe, [text[: self.limit] for text in texts])
        vectors = np.ascontiguousarray(_roots(ids, self.features) @ self.weights, dtype=np.float32)
        # Texts without any of the tokens (a single rare character, say) tell no kind: one direction is theirs alike.
        vectors[~vectors.any(axis=1)] = 1.0
        return self.encoded(texts, vectors, sum(len(one) for one in ids))

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """The model as plain arrays, for `np.savez`."""
        return {"bpe": np.frombuffer(self.bpe.encode(), np.uint8), **super().to_arrays()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> StyleModel:
        """The model that `to_arrays` gave."""
        max_tokens, max_chunks, asked = (int(value) for value in arrays["limits"])
        bpe = arrays["bpe"].tobytes().decode()
        return cls(arrays["features"], arrays["weights"], max_tokens, max_chunks, asked, bpe)


def fit_style(texts: list[str], embedding: config.Embedding, seed: int) -> StyleModel:
    """Fits a model on a sample of the corpus: about 0.2 core-seconds a thousand documents. See `fit_lexical`."""
    step = max(1, len(texts) // BPE_TEXTS)
    bpe = train_bpe((text[:BPE_CHARACTERS] for text in texts[::step]), VOCABULARY)
    limit = embedding.max_tokens * CHARACTERS_PER_TOKEN
    ids = token_ids(bpe, [text[:limit] for text in texts])
    frequency = np.bincount(_together(ids), minlength=TOKENS)
    commonest = np.argsort(-frequency, kind="stable")[:TOKENS]
    features = np.sort(commonest[frequency[commonest] > 0]).astype(np.int32)
    weights = _weights(_roots(ids, features), embedding.dimensions, seed)
    return StyleModel(features, weights, embedding.max_tokens, embedding.chunks, embedding.dimensions, bpe)


def _together(ids: list[list[int]]) -> NDArray[np.int64]:
    """The tokens of all texts, one after the other."""
    return np.concatenate([np.zeros(0, np.int64), *(np.array(one, np.int64) for one in ids)])


def _roots(ids: list[list[int]], features: NDArray[np.int32]) -> Any:
    """Square roots of the counts of the features, rows of unit length, as a CSR matrix float32[n, m]."""
    from scipy.sparse import csr_matrix

    lengths = np.fromiter((len(one) for one in ids), np.int64, len(ids))
    tokens = _together(ids)
    place = np.full(max(int(tokens.max(initial=0)), int(features.max(initial=0))) + 1, -1, np.int64)
    place[features] = np.arange(len(features))
    width = max(1, len(features))
    row = np.repeat(np.arange(len(ids)), lengths)
    counted = place[tokens] >= 0
    cell, count = np.unique(row[counted] * width + place[tokens][counted], return_counts=True)
    total = np.maximum(np.bincount(cell // width, count, len(ids)), 1)  # of squares of the roots
    values = np.sqrt(count / total[cell // width]).astype(np.float32)
    starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(np.bincount(cell // width, minlength=len(ids)))])
    return csr_matrix((values, cell % width, starts), shape=(len(ids), len(features)))


def _weights(roots: Any, dimensions: int, seed: int) -> NDArray[np.float32]:
    """What the roots are multiplied by: the strongest right singular vectors, whitened in part, float32[m, d]."""
    if not roots.nnz:
        return np.ones((roots.shape[1], 2), np.float32)
    strengths, components = strongest(roots, dimensions, seed, "embedding.style")
    scaled = components / ((strengths / strengths[0]) ** WHITENING)[:, None]
    missing = max(0, 2 - len(scaled))  # vectors of one dimension are only signs
    found: NDArray[np.float32] = np.pad(scaled.T, ((0, 0), (0, missing))).astype(np.float32, order="C")
    return found
