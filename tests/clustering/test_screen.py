import numpy as np
import pytest
import torch

from curation.clustering import blocks, screen
from curation.clustering.assign import nearest, nearest_two
from curation.clustering.blocks import margin
from curation.clustering.pairs import pair_products
from curation.clustering.screen import Screen, rounding
from curation.clustering.torch_engine import RowBlock, fit
from curation.clustering.vectors import matmul_precision

from .data import mixture, unit16, unit32
from .test_assign import exact, near_ties

needs_bfloat16 = pytest.mark.skipif(not screen.available(), reason="this CPU does not multiply bfloat16")


def tiny_differences(rows=64, clusters=40, dimensions=64, size=2.0**-9):
    """Centroids round one direction, closer than bfloat16 can tell, some of them twice; and rows there too."""
    rng = np.random.default_rng(0)
    base = unit32(rng.standard_normal((1, dimensions)))
    near = unit32(base + size * rng.standard_normal((clusters, dimensions)) / np.sqrt(dimensions))
    near[clusters // 2 :] = near[: clusters - clusters // 2]
    return unit16(base + 0.05 * rng.standard_normal((rows, dimensions))), near


CASES = {
    "mixture": lambda: (mixture(300, 384, 9), unit32(mixture(40, 384, 9, seed=1))),
    "random": lambda: (
        unit16(np.random.default_rng(0).standard_normal((200, 100))),
        unit32(np.random.default_rng(1).standard_normal((60, 100))),
    ),
    "near ties": near_ties,
    "tiny differences": tiny_differences,
    "opposite": lambda: (mixture(50, 64, 3), np.concatenate([c := unit32(mixture(20, 64, 3).astype(float)), -c])),
    "one cluster": lambda: (mixture(50, 64, 3), unit32(np.ones((1, 64)))),
    "more clusters than rows": lambda: (mixture(5, 64, 3), unit32(mixture(30, 64, 3, seed=2))),
    "odd shape": lambda: (mixture(17, 33, 3), unit32(mixture(19, 33, 3, seed=2))),
}


@pytest.fixture(params=list(CASES))
def case(request):
    return CASES[request.param]()


def rounded_scores(rows, centroids):
    """What the product sees: rows and centroids rounded to bfloat16, multiplied in float64."""
    return (torch.from_numpy(rows).bfloat16().double() @ torch.from_numpy(centroids).bfloat16().double().T).numpy()


def test_no_centroid_beyond_the_slack_can_be_nearest(case):
    rows, centroids = case
    truth, seen = exact(rows, centroids), rounded_scores(rows, centroids)
    slack = (
        Screen.of(torch.from_numpy(centroids)).slack(rounding(torch.from_numpy(rows)), margin(rows.shape[1])).numpy()
    )
    winner = truth.argmax(1)
    behind = seen.max(1) - seen[np.arange(len(rows)), winner]
    assert (behind <= slack).all()
    wrong = np.abs((truth[:, :, None] - truth[:, None]) - (seen[:, :, None] - seen[:, None])).max((1, 2))
    assert (wrong <= slack).all()


def test_the_slack_holds_where_it_is_nearly_reached():
    """A row whose rounding points from one rounded centroid to the other: Cauchy-Schwarz with equality in x - x'."""
    sign = np.where(np.arange(256) % 2, 1.0, -1.0)
    rows = np.full((1, 256), (1 + 2.0**-8 - 2.0**-10) / 16, np.float16) * sign
    rows = rows.astype(np.float16)
    lost = rows.astype(np.float64) - torch.from_numpy(rows).bfloat16().double().numpy()
    step = lost / np.linalg.norm(lost)
    centroids = torch.from_numpy(np.concatenate([step, -step])).bfloat16().float().numpy()
    wrong = np.ptp(exact(rows, centroids)) - np.ptp(rounded_scores(rows, centroids))
    slack = float(Screen.of(torch.from_numpy(centroids)).slack(rounding(torch.from_numpy(rows)), margin(256)))
    assert 0.9 * slack < abs(wrong) <= slack


@needs_bfloat16
def test_the_product_is_that_of_rounded_matrices_for_any_number_of_rows():
    rows, centroids = mixture(300, 384, 9), unit32(mixture(40, 384, 9, seed=1))
    target = Screen.of(torch.from_numpy(centroids))
    with matmul_precision("medium"):
        for count in (1, 2, 17, 300):
            product = (torch.from_numpy(rows[:count]).float() @ target.centroids.float().T).double().numpy()
            seen = rounded_scores(rows[:count], centroids)
            unrounded = rows[:count].astype(np.float64) @ target.centroids.double().numpy().T
            # Torch may take float32 for small ones: no further from the truth.
            assert min(np.abs(product - seen).max(), np.abs(product - unrounded).max()) < margin(384)


def test_diameters_are_bounds_and_tight(case):
    _, centroids = case
    rounded = torch.from_numpy(centroids).bfloat16().double()
    for matrix, bound in (
        (rounded, Screen.of(torch.from_numpy(centroids)).diameter),
        (torch.from_numpy(centroids).double() - rounded, Screen.of(torch.from_numpy(centroids)).residual_diameter),
    ):
        truth = float(torch.cdist(matrix, matrix, compute_mode="donot_use_mm_for_euclid_dist").max())
        longest = float(matrix.norm(dim=1).max())
        assert truth <= bound <= np.sqrt(truth**2 + 0.05 * longest**2) * 1.01 + 1e-12


def test_many_centroids_have_the_plain_diameter(monkeypatch):
    centroids = unit32(np.random.default_rng(0).standard_normal((50, 24)))
    tight = Screen.of(torch.from_numpy(centroids))
    monkeypatch.setattr(screen, "_MOST_PAIRED", 10)
    plain = Screen.of(torch.from_numpy(centroids))
    assert plain.diameter > tight.diameter
    assert plain.diameter < 2.02


def test_rounding_is_what_bfloat16_loses():
    rows = mixture(3000, 48, 4)
    lost = torch.from_numpy(rows).double() - torch.from_numpy(rows).bfloat16().double()
    truth, found = lost.norm(dim=1), rounding(torch.from_numpy(rows)).double()
    assert (found >= truth).all()
    assert (found <= truth * 1.001).all()


def test_pair_products():
    rng = np.random.default_rng(0)
    rows, others = rng.standard_normal((20, 33), np.float32), rng.standard_normal((7, 33), np.float32)
    row, other = np.sort(rng.integers(0, 20, 50)), rng.integers(0, 7, 50)
    found = pair_products(torch.from_numpy(rows), row, torch.from_numpy(others), other)
    assert np.allclose(found, (rows[row] * others[other]).sum(1), atol=1e-5)


def test_labels_are_those_of_exact_arithmetic(case):
    rows, centroids = case
    truth = exact(rows, centroids)
    labels, similarity, second = nearest_two(rows, centroids)
    assert np.array_equal(labels, nearest(rows, centroids))
    # float64 rounds too: where it does not tell two apart the lower cluster is right.
    assert np.allclose(truth[np.arange(len(rows)), labels], truth.max(1), rtol=0, atol=1e-15)
    assert np.array_equal(similarity, truth.max(1).astype(np.float32))
    if len(centroids) > 1:
        assert np.array_equal(second, np.sort(truth, axis=1)[:, -2].astype(np.float32))


@needs_bfloat16
def test_bfloat16_and_float32_give_the_same_bits(case, monkeypatch):
    rows, centroids = case
    expected = [nearest(rows, centroids), *nearest_two(rows, centroids)]
    assert blocks.screen_of(torch.from_numpy(centroids)) is not None
    monkeypatch.setattr(blocks, "screen_of", lambda *_: None)
    found = [nearest(rows, centroids), *nearest_two(rows, centroids)]
    assert [part.tobytes() for part in found] == [part.tobytes() for part in expected]


@needs_bfloat16
def test_a_fit_is_the_same_bits_with_and_without_bfloat16(monkeypatch):
    rows, init = mixture(400, 64, 6), unit32(mixture(12, 64, 6, seed=3))

    def centroids():
        block = RowBlock([rows[:150], rows[150:]], np.arange(400))
        return fit(block.step, block.worst, init, max_iterations=20, tolerance=0.0).centroids.tobytes()

    expected = centroids()
    monkeypatch.setattr(screen, "available", lambda: False)
    assert centroids() == expected


@needs_bfloat16
def test_bfloat16_alone_would_be_wrong():
    rows, centroids = tiny_differences()
    assert (rounded_scores(rows, centroids).argmax(1) != nearest(rows, centroids)).any()


def test_threads_leave_the_process_as_it_was():
    rows, centroids = mixture(3000, 64, 9), unit32(mixture(2000, 64, 9, seed=1))
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        nearest(rows, centroids)
        assert torch.get_num_threads() == 2
        assert torch.get_float32_matmul_precision() == "highest"
    finally:
        torch.set_num_threads(before)
