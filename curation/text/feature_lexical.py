"""How rich the words of a text are.

All are functions of the sequence of words, or of how often each stands in it. With N words, V different ones, and V_m
of them used m times each, the formulas are those of the catalogue below. Most of these measures depend on the length
of the text: compare them among excerpts of one length, or use the two that hold the length fixed (`type_token_100`,
`moving_type_token_50`).

The moving ratio looks at every window of 50 words, but needs one pass only: a word adds one to all windows that
hold it and no earlier occurrence of it, and those are a range whose length is known.
"""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from math import log, log2, nan, sqrt

from curation.text.feature_types import Excerpt, Feature, per

GROUP = "lexical diversity"
#: Words of the first ratio, and of a window of the moving one.
FIRST, WINDOW = 100, 50
#: More letters than this make a long word.
LONG = 6

FEATURES = (
    Feature(
        "type_token_100",
        GROUP,
        "ratio",
        "Different words among the first 100, divided by 100; undefined below 100 words.",
    ),
    Feature(
        "moving_type_token_50",
        GROUP,
        "ratio",
        "Mean over all windows of 50 words of the different words in it, divided by 50; undefined below 50 words.",
        "Covington and McFall 2010, Cutting the Gordian knot: the moving-average type-token ratio (MATTR)",
    ),
    Feature("hapax_share", GROUP, "share of words", "Words used once, V_1, divided by N."),
    Feature("herdan_c", GROUP, "ratio", "ln V / ln N; undefined below 2 words.", "Herdan 1960, Type-token mathematics"),
    Feature("guiraud_r", GROUP, "ratio", "V / sqrt(N).", "Guiraud 1954, Les caractères statistiques du vocabulaire"),
    Feature(
        "yule_k",
        GROUP,
        "number",
        "10,000 * (sum over m of m^2 * V_m - N) / N^2.",
        "Yule 1944, The statistical study of literary vocabulary",
    ),
    Feature(
        "simpson_d",
        GROUP,
        "probability",
        "Sum over m of V_m * m * (m - 1) / (N * (N - 1)): that two words drawn are the same; undefined below 2 words.",
        "Simpson 1949, Measurement of diversity",
    ),
    Feature(
        "word_entropy",
        GROUP,
        "bits",
        "- sum over m of V_m * (m / N) * log2(m / N).",
        "Shannon 1948, A mathematical theory of communication",
    ),
    Feature(
        "honore_r",
        GROUP,
        "number",
        "100 * ln N / (1 - V_1 / V); undefined if no word is used twice.",
        "Honoré 1979, Some simple measures of richness of vocabulary",
    ),
    Feature("dis_legomena_share", GROUP, "share of different words", "Words used twice, V_2, divided by V."),
    Feature(
        "repeated_pair_share",
        GROUP,
        "share of pairs",
        "Pairs of neighbouring words that stood in the text before, divided by all pairs.",
    ),
    Feature("mean_word_length", GROUP, "characters", "Mean number of characters of a word, apostrophes included."),
    Feature("word_length_spread", GROUP, "characters", "Standard deviation of the characters of a word (divisor N)."),
    Feature("long_word_share", GROUP, "share of words", "Words of more than 6 characters, divided by N."),
)


def moving_type_token_ratio(words: list[str]) -> float:
    """Mean over all windows of 50 words of the share of different words; NaN below 50 words."""
    last_window = len(words) - WINDOW
    if last_window < 0:
        return nan
    latest: dict[str, int] = {}
    total = 0
    for place, word in enumerate(words):
        first = latest.get(word, -1) + 1  # first window in which no earlier one stands
        latest[word] = place
        if first <= place - WINDOW:
            first = place - WINDOW + 1
        if place <= last_window:
            total += place - first + 1
        elif first <= last_window:
            total += last_window - first + 1
    return total / (WINDOW * (last_window + 1))


def measure(excerpt: Excerpt) -> list[float]:
    """Values in the order of `FEATURES`."""
    words, counts = excerpt.words, excerpt.counts
    n, v = len(words), len(counts)
    if not n:
        return [nan] * len(FEATURES)
    spectrum = Counter(counts.values())  # V_m of each m
    squares = sum(m * m * types for m, types in spectrum.items())
    lengths = Counter(map(len, words))
    mean = sum(length * count for length, count in lengths.items()) / n
    variance = sum((length - mean) ** 2 * count for length, count in lengths.items()) / n
    return [
        len(set(words[:FIRST])) / FIRST if n >= FIRST else nan,
        moving_type_token_ratio(words),
        spectrum[1] / n,
        log(v) / log(n) if n > 1 else nan,
        v / sqrt(n),
        1e4 * (squares - n) / n**2,
        per(squares - n, n * (n - 1)),
        -sum(types * m / n * log2(m / n) for m, types in spectrum.items()) + 0.0,
        100 * log(n) / (1 - spectrum[1] / v) if spectrum[1] < v else nan,
        spectrum[2] / v,
        per(n - 1 - len(set(pairwise(words))), n - 1),
        mean,
        sqrt(variance),
        sum(count for length, count in lengths.items() if length > LONG) / n,
    ]
