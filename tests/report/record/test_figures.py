"""The words of the record's blocks."""

from __future__ import annotations

import pytest

from curation.config.clustering import Clustering
from curation.report.record.figures import algorithm


@pytest.mark.parametrize(
    ("asked", "second"),
    [
        ({}, None),
        ({"clusters": [9, 3]}, None),
        ({"grouping": "kmeans"}, "the rows nearest to each of the first"),
        ({"grouping": "spectral", "clusters": [9, 3]}, "rows even over the groups of the first"),
    ],
)
def test_a_second_fit_is_told_and_that_the_figures_are_of_the_first(asked, second):
    told = algorithm(Clustering(**asked))
    assert ("iterations, converged, reseeded and inertia are of the first fit" in told) == (second is not None)
    assert second is None or f"centroids of a second fit, to {second}" in told
