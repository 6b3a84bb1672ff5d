"""Words and names that stand in far more documents than they would in general text, wherever in the corpus one looks.

One celebrity's name in every tenth page is such a word: a model learns it beyond its worth, and no balance of
clusters mends that, since the name is in all of them. Three things tell it apart:

- its share of the documents, SALIENT_SHARE or more;
- what that share would be in general text: with f the word's frequency there (`wording`) and n_i the words of
  document i, the mean of 1 - (1 - f)^n_i over the documents, each with the list of its language. A function word is
  everywhere, as it should be, and does not stand out. Log-odds with an informative Dirichlet prior (Monroe, Colaresi
  and Quinn 2008, Fightin' Words, Political Analysis 16(4)) of the y of N documents against y' of N' = REFERENCE, with
  the prior a of PRIOR documents, both as general text has them:

      d = ln((y + a) / (N + PRIOR - y - a)) - ln((y' + a) / (N' + PRIOR - y' - a)),   z = d / sqrt(1/(y+a) + 1/(y'+a))

- that nothing else foretells it (`foretelling`), and that it is not all in a few clusters or domains (`dispersion`, the
  larger of the two): a word of a subject comes with others of that subject and is in its clusters, and evening out
  the clusters deals with it.

Words that mostly stand beside each other are one name. What it can't see: words of texts in languages that have no
list or no spaces between words, words beyond the excerpts, a name that is as common in general text, and a name that
keeps to some subjects or domains, however large.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import scipy.sparse
from numpy.typing import NDArray

from curation import tables
from curation.audit.dispersion import dispersions
from curation.audit.foretelling import foretold, standard_error
from curation.audit.wording import Wording, frequencies, has_list, wording

#: Share of the documents, and number of them, that a word must be in to be looked at.
MIN_SHARE, MIN_DOCUMENTS = 0.01, 10
#: A token stands out from this share and number of documents on, if its share is so many times that in general text
#: and it is foretold (up to a standard error) and dispersed no more than this. In parts of the demo's corpus, of 700 to
#: 5,000 texts and code for the most part, a name put into 100 texts and more is foretold at 0 to 0.22 and dispersed by
#: 0 to 0.04; a word of code is foretold at 0.25 and more or dispersed by 0.13 and more. In fewer texts the two overlap.
SALIENT_SHARE, SALIENT_DOCUMENTS, SALIENT_RATIO, FORETOLD, EVEN = 0.02, 100, 20.0, 0.2, 0.08
#: A word's share over that in general text, at least, for it to be listed; and words listed.
LISTED_RATIO, LISTED = 2.0, 200
#: Documents of general text that the lists stand for, and those of the prior.
REFERENCE, PRIOR = 1e7, 100.0
#: Share of the documents with either of two words in which they must be neighbours to be one name, and words of a name.
BESIDE, NAME_WORDS = 0.8, 4

#: Of all figures: an exponential or a logarithm differs in the last bits between processors.
DECIMALS = 9
#: Texts whose words are sorted at a time.
_BLOCK = 8192


def salient_tokens(
    texts: pa.Array | pa.ChunkedArray,
    language: Sequence[str],
    cluster: NDArray[np.int32],
    domain: NDArray[np.int32],
    weight: NDArray[np.float64],
) -> tuple[pa.Table, int]:
    """The tokens that stand out, and how many texts were looked at.

    Args:
        texts: n excerpts.
        language: of each; one that is unknown counts as the most frequent one.
        cluster: int32[n].
        domain: int32[n].
        weight: float64[n], what share of the corpus each stands for.

    Returns:
        The table `salience`: tokens that stand out first, then by falling z times (1 - foretold); and the number of
        texts with a language that there is a list for.
    """
    languages = _with_list(np.array(language, dtype=object))
    chosen = np.flatnonzero(languages != "")
    sample = _Sample(
        wording(texts.take(pa.array(chosen))), languages[chosen], cluster[chosen], domain[chosen], weight[chosen]
    )
    if not len(chosen):
        return tables.SALIENCE.empty_table(), 0
    codes = sample.candidates()
    found = sample.figures([sample.wording.words[code] for code in codes], sample.incidence(codes))
    listed = (found["share"] >= LISTED_RATIO * found["expected_share"]) & (found["share"] >= MIN_SHARE)
    names, incidence = sample.joined(codes[listed])
    found = sample.figures(names, incidence)
    found["foretold"] = foretold(sample.incidence(codes), incidence)
    found |= {name: np.round(column, DECIMALS) for name, column in found.items() if column.dtype.kind == "f"}
    order = np.lexsort((found["token"], -found["z"] * (1 - found["foretold"]), ~stands_out(found)))[:LISTED]
    columns = [pa.array(found[name][order].tolist(), kind) for name, kind in _fields()]
    return pa.table(columns, schema=tables.SALIENCE), len(chosen)


def stands_out(columns: Mapping[str, NDArray[Any]]) -> NDArray[np.bool_]:
    """Which tokens are far above general text and everywhere, by the columns of the table: bool[n].

    SALIENT_SHARE is left to who has an interval of the share.
    """
    rare = columns["share"] >= SALIENT_RATIO * columns["expected_share"]
    error = standard_error(columns["documents"], columns["share"])
    everywhere = (columns["foretold"] <= FORETOLD + error) & (columns["dispersion"] <= EVEN)
    return np.asarray(rare & everywhere & (columns["documents"] >= SALIENT_DOCUMENTS), np.bool_)


def _fields() -> list[tuple[str, pa.DataType]]:
    return [(field.name, field.type) for field in tables.SALIENCE]


def _with_list(language: NDArray[np.object_]) -> NDArray[np.object_]:
    """The language of each text whose list is used; empty where there is none."""
    found = np.array([each if has_list(each) else "" for each in language.tolist()], dtype=object)
    unknown = language == "und"
    names, counts = np.unique(found[found != ""].astype(str), return_counts=True)
    if len(names):
        found[unknown] = str(names[np.argmax(counts)])
    return found


class _Sample:
    """Texts, cut into words, and where in the corpus each is."""

    def __init__(
        self,
        words: Wording,
        language: NDArray[np.object_],
        cluster: NDArray[np.int32],
        domain: NDArray[np.int32],
        weight: NDArray[np.float64],
    ) -> None:
        self.wording, self._language = words, language
        self._parts = [_members(cluster), _members(domain)]
        self._weight = weight / weight.sum() if len(weight) else weight
        self._texts = len(weight)
        self._pairs = _pairs(words)

    def candidates(self) -> NDArray[np.int64]:
        """The words in MIN_SHARE of the texts, or a little less where weights may lift them over it."""
        least = max(MIN_DOCUMENTS, MIN_SHARE / 2 * self._texts)
        found: NDArray[np.int64] = np.flatnonzero(np.bincount(self._pairs[1]) >= least)
        return found

    def incidence(self, codes: NDArray[np.int64]) -> scipy.sparse.csr_array:
        """Which text has which of some words: int32[words, texts] of 0 and 1."""
        row = np.full(len(self.wording.words), -1, np.int32)
        row[codes] = np.arange(len(codes))
        text, code = self._pairs
        mine = row[code] >= 0
        return _ones(row[code[mine]], text[mine], (len(codes), self._texts))

    def joined(self, codes: NDArray[np.int64]) -> tuple[list[str], scipy.sparse.csr_array]:
        """Some words, those that belong together joined to names, and which text has which: int32[tokens, texts]."""
        names = [self.wording.words[code] for code in codes]
        row = np.full(len(self.wording.words), -1, np.int64)
        row[codes] = np.arange(len(codes))
        token, text = row[self.wording.code], self.wording.text.astype(np.int64)
        incidence = self.incidence(codes)
        for _ in range(NAME_WORDS - 1):
            left, right, both = _neighbours(token, text, incidence, len(names))
            if not len(left):
                break
            names, token, text, incidence = _join(names, token, text, incidence, left, right, both)
        return names, incidence

    def figures(self, names: list[str], incidence: scipy.sparse.csr_array) -> dict[str, NDArray[Any]]:
        """The columns of the table for some tokens."""
        documents = np.asarray(incidence.sum(axis=1)).ravel().astype(np.int64)
        share = incidence @ self._weight
        expected = np.minimum(self._expected(names), 1 - 1e-9)
        odds, z = log_odds(share, expected, self._texts)
        spread = [incidence @ members.T for members in self._parts]
        sizes = [np.asarray(members.sum(axis=1)).ravel() for members in self._parts]
        apart = [dispersions(counts, size) for counts, size in zip(spread, sizes, strict=True)]
        return {
            "token": np.array(names, dtype=object),
            "documents": documents,
            "share": share,
            "expected_share": expected,
            "log_odds": odds,
            "z": z,
            "dispersion": np.maximum(*apart),
            "clusters": np.diff(spread[0].indptr),
            "domains": np.diff(spread[1].indptr),
        }

    def _expected(self, names: list[str]) -> NDArray[np.float64]:
        """The share of the texts that would have each token if they were general text; of a name its rarest word."""
        expected = np.zeros(len(names))
        lengths = np.bincount(self.wording.text, minlength=self._texts)
        for language in sorted(set(self._language.tolist())):
            mine = self._language == language
            length, number = np.unique(lengths[mine], return_inverse=True)
            weights = np.bincount(number, self._weight[mine])
            rarest = [min(frequencies(name.split(" "), language)) for name in names]
            expected += -np.expm1(np.log1p(-np.array(rarest))[:, None] * length) @ weights
        return expected


def log_odds(
    share: NDArray[np.float64], expected: NDArray[np.float64], documents: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The log-odds d of shares over those of general text, and their z: float64[n] each; see the head of the module."""
    a = PRIOR * expected
    own, own_rest = share * documents + a, (1 - share) * documents + PRIOR - a
    other, other_rest = REFERENCE * expected + a, REFERENCE * (1 - expected) + PRIOR - a
    odds = np.log(own / own_rest) - np.log(other / other_rest)
    return odds, odds / np.sqrt(1 / own + 1 / other)


def _pairs(words: Wording) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Text and word, each pair once; int32[p] each. Some texts at a time: sorting all would take much memory."""
    total, count = max(1, len(words.words)), int(words.text.max(initial=-1)) + 1
    bounds = np.searchsorted(words.text, [*range(0, count, _BLOCK), count])
    text, code = [np.zeros(0, np.int32)], [np.zeros(0, np.int32)]
    for low, high in itertools.pairwise(bounds.tolist()):
        keys = np.unique(words.text[low:high].astype(np.int64) * total + words.code[low:high])
        own = np.divmod(keys, total)
        text.append(own[0].astype(np.int32))
        code.append(own[1].astype(np.int32))
    return np.concatenate(text), np.concatenate(code)


def _members(part: NDArray[np.int32]) -> scipy.sparse.csr_array:
    """Which text is in which part: int32[parts, texts]."""
    return _ones(part, np.arange(len(part)), (int(part.max(initial=0)) + 1, len(part)))


def _ones(row: NDArray[Any], column: NDArray[Any], shape: tuple[int, int]) -> scipy.sparse.csr_array:
    return scipy.sparse.csr_array((np.ones(len(row), np.int32), (row, column)), shape=shape)


def _neighbours(
    token: NDArray[np.int64], text: NDArray[np.int64], incidence: scipy.sparse.csr_array, tokens: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], scipy.sparse.csr_array]:
    """Pairs of tokens that belong together: the first, the second, and int32[pairs, texts], where they are neighbours.

    A token is in one pair at most.
    """
    place = np.flatnonzero((token[:-1] >= 0) & (token[1:] >= 0) & (text[:-1] == text[1:]) & (token[:-1] != token[1:]))
    texts = incidence.shape[1]
    pair, where = np.divmod(np.unique((token[place] * tokens + token[place + 1]) * texts + text[place]), max(1, texts))
    pairs, first, count = np.unique(pair, return_index=True, return_counts=True)
    documents = np.asarray(incidence.sum(axis=1)).ravel()
    left, right = np.divmod(pairs, max(1, tokens))
    chosen: list[int] = []
    taken: set[int] = set()
    for index in np.argsort(-count, kind="stable").tolist():
        one, other = int(left[index]), int(right[index])
        together = count[index] >= BESIDE * max(documents[one], documents[other])
        if together and not {one, other} & taken:
            chosen.append(index)
            taken |= {one, other}
    rows = [where[first[index] : first[index] + count[index]] for index in chosen]
    row = np.repeat(np.arange(len(chosen)), [len(each) for each in rows])
    columns = np.concatenate([np.zeros(0, np.int64), *rows])
    return left[chosen], right[chosen], _ones(row, columns, (len(chosen), texts))


def _join(
    names: list[str],
    token: NDArray[np.int64],
    text: NDArray[np.int64],
    incidence: scipy.sparse.csr_array,
    left: NDArray[np.int64],
    right: NDArray[np.int64],
    both: scipy.sparse.csr_array,
) -> tuple[list[str], NDArray[np.int64], NDArray[np.int64], scipy.sparse.csr_array]:
    """Names, words and where they are, with pairs in place of their two tokens."""
    alone = np.setdiff1d(np.arange(len(names)), np.concatenate([left, right]))
    renamed = np.full(len(names) + 1, -1, np.int64)  # the last one is for words that are no token
    renamed[alone] = np.arange(len(alone))
    second = np.full(len(names) + 1, -2, np.int64)
    second[left], joint = right, np.full(len(names) + 1, -1, np.int64)
    joint[left] = len(alone) + np.arange(len(left))
    starts = np.zeros(len(token), np.bool_)
    starts[:-1] = (second[token[:-1]] == token[1:]) & (text[:-1] == text[1:])
    inside = np.zeros(len(token), np.bool_)
    inside[1:] = starts[:-1]
    token = np.where(starts, joint[token], renamed[token])[~inside]
    joined = [f"{names[one]} {names[other]}" for one, other in zip(left.tolist(), right.tolist(), strict=True)]
    rows = scipy.sparse.vstack([incidence[alone], both], format="csr")
    return [names[index] for index in alone.tolist()] + joined, token, text[~inside], rows
