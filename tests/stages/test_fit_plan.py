"""What is fitted and what becomes of it, without actors."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from curation.clustering.spectral import spectral_groups
from curation.clustering.strata import Sample, StratifiedRows, nearest_two_within
from curation.clustering.torch_engine import RowBlock, fit
from curation.config import Job
from curation.errors import RunError
from curation.stages.centroid_file import load_neighbours, save_neighbours
from curation.stages.eligible import Eligible
from curation.stages.fit_plan import fit_plan
from curation.stages.fitting import init_sample
from curation.stages.gang import is_fitted_on
from curation.stages.recluster import Sample as Vectors
from curation.stages.recluster import cluster_anew
from curation.storage.store import Store
from tests.clustering.data import mixture

LEVELS = [24, 6, 3]


def job(**clustering):
    sources = [{"domain": domain, "path": "a"} for domain in ("web", "books")]
    return Job.model_validate({"run_dir": "x", "sources": sources, "clustering": clustering})


@pytest.fixture(scope="module")
def spectral():
    """A fit within two strata that overlap in meaning, and what it comes to: (sample, plan, state, finished)."""
    rows, stratum = mixture(1500, 16, 10), (np.arange(1500) % 3 == 0).astype(np.int16)
    sample = Sample(rows, stratum)
    plan = fit_plan(job(clusters=LEVELS, grouping="spectral", within="domain"), sample, np.bincount(stratum))
    held = StratifiedRows([RowBlock(rows[stratum == one], np.flatnonzero(stratum == one)) for one in (0, 1)])
    calls = (partial(call, stratum=plan.stratum) for call in (held.step, held.worst))
    state = fit(*calls, plan.first(0), max_iterations=5, tolerance=0.0, stratum=plan.stratum)
    return sample, plan, state, plan.finish(state, lambda *_: pytest.fail("nothing is merged"))


def test_spectral_clusters_within_strata_are_fitted_anew_each_by_itself(spectral):
    sample, plan, state, finished = spectral
    found = finished.fitted
    assert plan.changes
    assert finished.told == {"resampled": 24}
    assert found.stratum.tolist() == plan.stratum.tolist()
    assert np.bincount(found.stratum).tolist() == plan.clusters.tolist()
    assert not np.isclose(found.centroids, state.centroids).all(axis=1).any()
    alone = Sample(sample.of(1), np.zeros((sample.stratum == 1).sum(), np.int16))
    first = type(state)(state.centroids[plan.stratum == 1], 1, (), True)
    own = fit_plan(job(clusters=[int(plan.clusters[1]), 6, 3], grouping="spectral"), alone, None)
    again = own.finish(first, lambda *_: pytest.fail("nothing is merged")).fitted
    assert again.stratum is None
    assert np.array_equal(again.centroids, found.centroids[found.stratum == 1])


def test_each_row_counts_for_the_cluster_of_its_own_stratum(spectral):
    sample, _, _, finished = spectral
    found = finished.fitted
    labels, _, _ = nearest_two_within(sample.rows, sample.stratum, found)
    elsewhere = np.flatnonzero(labels != (sample.rows.astype(np.float32) @ found.centroids.T).argmax(axis=1))
    assert len(elsewhere) > 100  # of which the nearest of all is in the other stratum
    similar = sample.rows.astype(np.float64) @ found.centroids.T.astype(np.float64)
    near = np.sort(np.argsort(-similar, axis=1)[:, :5], axis=1)
    weight = np.exp((np.take_along_axis(similar, near, axis=1) - similar.max(axis=1)[:, None]) / 0.02)
    expected = np.zeros((24, 24))
    np.add.at(expected, (labels[:, None], near), weight / weight.sum(axis=1, keepdims=True))
    expected /= expected.sum(axis=1, keepdims=True)
    assert found.neighbours == pytest.approx(expected, abs=1e-4)
    groups = spectral_groups(found.neighbours, LEVELS[1:], 0)
    assert [len(np.unique(level)) for level in groups.T] == [3, 6]
    mixed = [len(np.unique(found.stratum[groups[:, 0] == group])) for group in range(3)]
    assert max(mixed) == 2  # groups go across strata, as clusters don't


def test_neighbours_come_back_as_they_were(spectral, tmp_path):
    shared = spectral[3].fitted.neighbours
    store = Store.open(str(tmp_path))
    part = save_neighbours(store, shared)
    assert part.bytes < shared.nbytes
    assert np.array_equal(load_neighbours(store, 24), shared)


@pytest.fixture
def unlucky():
    """A job that fits on about one of three documents, and whose seed chooses none."""
    ids = np.arange(3)
    nobody = next(seed for seed in range(50) if not is_fitted_on(seed, ids, 1 / 3, ids[:0]).any())
    return job(fit_rows=1).model_copy(update={"seed": nobody})


def test_no_row_to_fit_on_is_refused_by_the_key_that_makes_it_so(unlucky):
    class NoRows:
        """Two actors none of whose rows was chosen."""

        def ask(self, _):
            return [[(np.zeros(0, np.int64), np.zeros((0, 0), np.float16))]] * 2

    with pytest.raises(RunError, match=r"no document was chosen.*clustering\.fit_rows"):
        fit_plan(unlucky, init_sample(NoRows(), unlucky, 1 / 3, 3, None), None)


def test_a_sweep_hears_of_it_too(unlucky):
    none = np.zeros(3, np.int32)
    documents = Eligible(np.arange(3), none, none + 9, none, None, None, np.array([3]))
    with pytest.raises(RunError, match=r"clustering\.fit_rows"):
        cluster_anew(unlucky, Vectors(documents, [mixture(3, 8, 2)]), lambda _: None)
