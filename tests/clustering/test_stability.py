import numpy as np

from curation.clustering import stability
from curation.clustering.stability import agreement

from .data import mixture, unit16


def test_sharp_groups_are_found_again_and_noise_is_not():
    sharp = agreement(mixture(2000, 32, 6, spread=0.1), 6, 1, 2)
    noise = agreement(unit16(np.random.default_rng(0).standard_normal((2000, 32))), 20, 1, 2)
    assert (sharp.rows, sharp.clusters, noise.clusters) == (2000, 6, 20)
    assert sharp.index > 0.8
    assert noise.index < 0.3


def test_one_seed_agrees_with_itself():
    assert agreement(mixture(500, 16, 5), 8, 7, 7).index == 1.0


def test_too_few_rows_say_nothing_and_clusters_have_enough_of_them(monkeypatch):
    assert agreement(mixture(199, 8, 3), 3, 1, 2) is None
    assert agreement(mixture(200, 8, 3), 100, 1, 2).clusters == 10
    monkeypatch.setattr(stability, "ROWS", (300, 500))
    rows = {count: agreement(mixture(count, 8, 3), 3, 1, 2).rows for count in (250, 400, 2000, 4000)}
    assert rows == {250: 250, 400: 300, 2000: 400, 4000: 500}


def test_one_vector_for_all():
    assert agreement(np.repeat(mixture(1, 8, 1), 300, axis=0), 5, 1, 2).index == 1.0
