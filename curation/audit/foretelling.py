"""How well the rest of a text tells whether a word is in it.

A word of a subject, or of a way of writing, comes with others of its kind: `func` with `def`. A name that was strewn
over everything comes with nothing in particular. So the other words of a text are made to foretell it, by naive Bayes
on which common words are there, and the accuracy is Somers' D = 2 AUC - 1 (Somers 1962, American Sociological Review
27): of a text with the word and one without, how much more often than not the first is the likelier one. 0: nothing
foretells it, 1: the rest tells it exactly. Unlike a dispersion over clusters it hangs on no number of them.

Each of FOLDS parts of the texts is judged with weights learned on the others. A word that mostly comes with the
foretold one (in COMPANION of its texts) is left out: the first and the last name foretell each other.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

#: Share of a word's texts with the foretold word, from which on it does not count.
COMPANION = 0.5
#: Texts that are looked at, spread evenly; words foretold at a time.
TEXTS, _BLOCK = 20_000, 64
#: Parts of the texts.
FOLDS = 8
#: Texts added to both sides, in the proportions of all.
SMOOTHING = 2.0


def foretold(words: scipy.sparse.csr_array, tokens: scipy.sparse.csr_array) -> NDArray[np.float64]:
    """Somers' D of each token, in [0, 1]: float64[tokens].

    Args:
        words: 0 and 1, [words, texts], which text has which common word.
        tokens: 0 and 1, [tokens, texts], likewise those that are to be foretold.
    """
    step = -(-words.shape[1] // TEXTS) or 1
    have, wanted = words[:, ::step].tocsr().astype(np.float64), tokens[:, ::step].tocsr().astype(np.float64)
    number = have.shape[1]
    fold = np.arange(number) % FOLDS
    found = np.zeros(tokens.shape[0])
    for start in range(0, tokens.shape[0], _BLOCK):
        some = wanted[start : start + _BLOCK]
        scores = np.zeros((some.shape[0], number))
        for judged in range(FOLDS):
            mine = fold == judged
            weights = _weights(have[:, ~mine], some[:, ~mine])
            scores[:, mine] = (have[:, mine].T @ weights.T).T
        found[start : start + _BLOCK] = _advantages(scores, some.toarray() > 0)
    return np.clip(found, 0.0, 1.0)


def standard_error(documents: NDArray[np.float64], share: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of D where nothing foretells a token: float64[n]. With m documents that have it and n that have not,
    sqrt((m + n) / (3 m n)), the error of Mann and Whitney's statistic (1947, Annals of Mathematical Statistics 18).

    Args:
        documents: float64[n], of the sample that have the token.
        share: float64[n], about their share.
    """
    mine = np.minimum(documents, np.maximum(1.0, TEXTS * share))
    return np.asarray(np.sqrt(1 / (3 * np.maximum(1.0, mine) * np.maximum(1e-9, 1 - share))), np.float64)


def _weights(have: scipy.sparse.csr_array, wanted: scipy.sparse.csr_array) -> NDArray[np.float64]:
    """The log-odds that each word speaks for each token: float64[tokens, words]."""
    both = np.asarray((wanted @ have.T).todense(), np.float64)
    alone = np.asarray(have.sum(axis=1)).ravel()
    own = np.asarray(wanted.sum(axis=1)).ravel()[:, None]
    share = alone / max(1, have.shape[1])
    with_it = (both + SMOOTHING * share) / (own + SMOOTHING)
    without = (alone - both + SMOOTHING * share) / (have.shape[1] - own + SMOOTHING)
    weights = np.zeros(both.shape)
    known = (alone > 0) & (both < COMPANION * np.maximum(1, alone))
    weights[known] = (np.log(np.where(known, with_it, 1.0)) - np.log(np.where(known, without, 1.0)))[known]
    return weights


def _advantages(scores: NDArray[np.float64], has: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Somers' D of rows of scores, equal ones counted half; 0 where all texts have the token, or none has."""
    found = np.zeros(len(scores))
    for row, (score, own) in enumerate(zip(scores, has, strict=True)):
        positive, negative = np.sort(score[own]), np.sort(score[~own])
        if len(positive) and len(negative):
            below = np.searchsorted(negative, positive, "left").sum()
            above = (len(negative) - np.searchsorted(negative, positive, "right")).sum()
            found[row] = (below - above) / (len(positive) * len(negative))
    return found
