"""How evenly the documents with a word are spread over the parts of a corpus.

Gries' deviation of proportions (2008, Dispersions and adjusted frequencies in corpora, International Journal of
Corpus Linguistics 13(4)): with s_i the share of the documents that part i holds, and v_i its share of those with the
word,

    DP = sum_i |v_i - s_i| / 2 = 1 - sum_i min(v_i, s_i)

is 0 where the word is everywhere alike and near 1 where it is all in one small part. A word in few documents can't be
even over many parts, so what chance alone gives is taken off: DP' = max(0, (DP - E) / (1 - E)), with E the mean of DP
if the documents with the word were drawn at random. Their number in a part is then nearly of Poisson's law, with the
mean deviation 2 e^-m m^(floor(m) + 1) / floor(m)! round its mean m.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse
from numpy.typing import NDArray
from scipy.special import gammaln

#: Numbers in hand at a time.
_BLOCK = 1 << 22


def dispersions(counts: scipy.sparse.csr_array, sizes: NDArray[np.int64]) -> NDArray[np.float64]:
    """DP' of each word, in [0, 1]: float64[words].

    Args:
        counts: integers[words, parts], documents of each part that have the word; each word has some.
        sizes: int64[parts], documents of each part.
    """
    rows = scipy.sparse.coo_array(counts)
    documents = np.asarray(counts.sum(axis=1), np.float64).ravel()
    share = sizes / max(1, sizes.sum())
    common = np.minimum(rows.data / documents[rows.coords[0]], share[rows.coords[1]])
    found = 1.0 - np.bincount(rows.coords[0], common, minlength=counts.shape[0])
    by_chance = chance(documents, sizes)
    return np.asarray(np.clip((found - by_chance) / np.maximum(1e-9, 1.0 - by_chance), 0.0, 1.0), np.float64)


def chance(documents: NDArray[np.float64], sizes: NDArray[np.int64]) -> NDArray[np.float64]:
    """The mean of DP for words in so many documents, drawn at random: float64[words]."""
    total = max(1, int(sizes.sum()))
    sizes, alike = np.unique(sizes[sizes > 0], return_counts=True)
    deviation = np.empty(len(documents))
    step = max(1, _BLOCK // max(1, len(sizes)))
    for start in range(0, len(documents), step):
        some = documents[start : start + step, None]
        share = sizes[None, :] / total
        mean = some * share
        whole = np.floor(mean)
        spread = 2 * np.exp(-mean + (whole + 1) * np.log(mean) - gammaln(whole + 1))
        narrowed = spread * np.sqrt((1 - share) * np.maximum(0.0, 1 - some / total))
        deviation[start : start + step] = (narrowed * alike).sum(axis=1) / (2 * some[:, 0])
    return deviation
