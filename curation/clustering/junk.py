"""Clusters that are no subject: what to look at before a trainer sees each of them as often as any other.

Evening out clusters gives junk its full share, so junk must be told. Three kinds show in what is known of a cluster:

- one repeated template: its documents lie close round the centroid, and their excerpts have most words in common;
- one language's stop words: the terms that set it apart are mostly function words of one language, so that language
  is all that its documents share. Where a corpus has several languages on purpose, that is as it should be;
- no theme: it is large, and its documents lie about as near to the next cluster as to their own.

The thresholds are from the demo corpus under `lexical` and MiniLM: licence texts are the templates there (0.95 to
0.98, four fifths of the words in common); the closest cluster of different texts is at 0.92, with a third in common.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from curation.clustering.describe import ClusterSums

#: A template: mean similarity to the centroid, share of words in common, and documents, at least.
TEMPLATE_SIMILARITY, TEMPLATE_WORDS, TEMPLATE_DOCUMENTS = 0.95, 0.6, 20

#: Stop words: share of a cluster's terms, at least, and how many terms there must be.
STOP_WORDS, STOP_TERMS = 0.6, 5

#: No theme: coherence beside the median of all clusters, at most, and clusters, so that there is a median.
THEMELESS_COHERENCE, THEMELESS_CLUSTERS = 0.5, 8


def junk_warnings(
    sums: ClusterSums,
    shared_words: NDArray[np.float64],
    terms: Sequence[Sequence[str]],
    stop_words: Mapping[str, frozenset[str]],
) -> list[str | None]:
    """What is wrong with each cluster, in words; None where nothing is.

    Args:
        sums: of K clusters.
        shared_words: float64[K], see `terms.shared_words`.
        terms: the terms of each cluster.
        stop_words: function words by language.
    """
    there = sums.documents > 0
    median = float(np.median(sums.coherence[there])) if there.any() else 0.0
    typical = float(np.median(sums.documents[there])) if there.any() else 0.0
    comparable = int(there.sum()) >= THEMELESS_CLUSTERS
    found: list[str | None] = []
    columns = zip(sums.documents, sums.mean_similarity, sums.coherence, shared_words, terms, strict=True)
    for documents, similarity, coherence, shared, own in columns:
        language, hits = _language(own, stop_words)
        close = similarity >= TEMPLATE_SIMILARITY and shared >= TEMPLATE_WORDS
        if close and documents >= TEMPLATE_DOCUMENTS:
            found.append(
                f"one repeated template: {documents:,} documents, mean similarity {similarity:.2f}, "
                f"{shared:.0%} of their words in common"
            )
        elif len(own) >= STOP_TERMS and hits >= STOP_WORDS * len(own):
            found.append(f"one language's stop words: {hits} of its {len(own)} terms are of {language.capitalize()}")
        elif comparable and documents > typical and coherence < THEMELESS_COHERENCE * median:
            found.append(
                f"no theme: coherence {coherence:.2f} where the median is {median:.2f}, in {documents:,} documents"
            )
        else:
            found.append(None)
    return found


def _language(terms: Sequence[str], stop_words: Mapping[str, frozenset[str]]) -> tuple[str, int]:
    """The language with most stop words among some terms, and how many they are; of equals the first."""
    counts = {language: sum(term in words for term in terms) for language, words in stop_words.items()}
    return max(counts.items(), key=lambda item: item[1], default=("", 0))
