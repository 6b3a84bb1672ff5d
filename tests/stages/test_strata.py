"""Which strata there are, and which of their documents are fitted on."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow as pa
import pytest

from curation.config import Job
from curation.counter_rng import uniform
from curation.stages.gang import is_fitted_on
from curation.stages.strata import LEAST_ROWS, OTHER, Strata, counted, settings, strata_of


def job(domains=("web",), **clustering):
    sources = [{"domain": domain, "path": "a"} for domain in domains]
    return Job.model_validate({"run_dir": "x", "sources": sources, "clustering": clustering})


def strata(names, documents, different=None):
    sizes = np.array(documents, np.int64)
    return Strata(names, sizes, sizes if different is None else np.array(different, np.int64))


def test_nothing_is_asked_of_jobs_without_strata():
    assert settings(job()) is None
    assert settings(job(within="domain")) == {"within": "domain", "domains": ["web"]}
    assert settings(job(within="language", clusters=[50, 5])) == {"within": "language", "of": 50}


def test_domains_are_in_the_order_of_the_job_file_and_empty_ones_are_none():
    found = strata_of(job(["b", "a", "c"], within="domain"), Counter(a=5, b=3), Counter(a=4, b=3))
    assert found.names == ["b", "a"]
    assert found.documents.tolist() == [3, 5]
    assert found.different.tolist() == [3, 4]
    assert found.numbers(pa.array(["a", "b", "a"])).tolist() == [1, 0, 1]


def test_languages_that_would_get_less_than_half_a_cluster_share_a_stratum():
    sizes = Counter(en=90_000, fr=10_000, it=4, pt=1, und=2_500)
    found = strata_of(job(within="language", clusters=20), sizes, sizes)
    assert found.names == ["en", "fr", "und", OTHER]
    assert found.documents.tolist() == [90_000, 10_000, 2_500, 5]
    assert found.numbers(pa.array(["pt", "en", "it", "und"])).tolist() == [3, 0, 3, 2]
    assert OTHER not in strata_of(job(within="language", clusters=2000), sizes, sizes).names
    assert OTHER in strata_of(job(within="language", clusters="auto"), sizes, sizes).names


def test_documents_are_counted_with_and_without_repeats():
    values = pa.array(["a", "b", "a", "a"])
    documents, different = counted(np.array([4, 5, 8, 9]), values, np.array([1, 8, 12]))
    assert documents == Counter(a=3, b=1)
    assert different == Counter(a=2, b=1)


def test_small_strata_are_fitted_on_whole_and_large_ones_as_without_strata():
    found = strata(["large", "small"], [10**6, 500])
    doc_id = np.arange(4000)
    number = np.repeat(np.array([0, 1], np.int16), [3500, 500])
    repeated = np.array([3, 3600])
    chosen = found.is_fitted_on(7, doc_id, number, 0.25, repeated)
    assert np.array_equal(chosen[:3500], is_fitted_on(7, doc_id, 0.25, repeated)[:3500])
    assert np.flatnonzero(~chosen[3500:]).tolist() == [100]


def test_a_stratum_of_nothing_but_repeats_is_fitted_on_them():
    found = strata(["one", "copies"], [10, 3], [10, 0])
    chosen = found.is_fitted_on(
        0, np.arange(13), np.repeat(np.array([0, 1], np.int16), [10, 3]), 1.0, np.arange(10, 13)
    )
    assert chosen.all()
    assert found.fitted.tolist() == [10, 3]


@pytest.mark.parametrize("share", [1.0, 0.01])
def test_first_centroids_are_drawn_from_enough_rows_of_each(share):
    found = strata(["large", "small"], [10**6, 500])
    shares = found.init_shares(np.array([100, 3]), share)
    rows = found.fitted * np.minimum(1, np.maximum(share, LEAST_ROWS / found.fitted))
    drawn = np.minimum(1, shares) * rows
    assert drawn == pytest.approx([5000, 500])
    assert uniform(0, "x", np.arange(3)).max() < shares[1]
