import numpy as np
import pytest

from curation.clustering.auto_count import below_line, choose_count, numbers

from .data import unit16


def themes(count, rows=2400, dimensions=24, seed=0, spread=0.5):
    """Rows about themes whose sizes fall as 1 / rank."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((count, dimensions))
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    sizes = 1 / np.arange(1, count + 1)
    theme = rng.choice(count, rows, p=sizes / sizes.sum())
    return unit16(centres[theme] + spread * rng.standard_normal((rows, dimensions)) / np.sqrt(dimensions))


@pytest.mark.parametrize("planted", [1, 3, 10, 40])
def test_planted_themes_of_unequal_size_are_found(planted):
    found = choose_count(themes(planted), 1000, 0)
    assert planted / 1.6 <= found.clusters <= planted * 1.6
    assert found.rows == 2400
    assert [row["clusters"] for row in found.curve] == numbers(120)
    assert str(found.clusters) in found.why


def test_few_rows_equal_rows_and_a_limit():
    rows = themes(10)
    assert choose_count(rows[:1], 1000, 0).clusters == 1
    assert choose_count(rows[:30], 1000, 0).clusters == 1
    assert {choose_count(themes(1, 50, 3, seed, spread=3.0), 1000, 0).clusters for seed in range(5)} == {1}
    assert choose_count(np.repeat(rows[:1], 500, axis=0), 1000, 0).clusters == 1
    assert choose_count(rows, 4, 0).curve[-1]["clusters"] == 4
    assert choose_count(rows, 4, 0) == choose_count(rows, 4, 0)


def test_the_line_goes_through_the_ends():
    two = below_line(np.array([1, 2]), np.array([1.0, 0.9]))  # all that 40 to 59 rows let one try
    assert two == pytest.approx([0, 0], abs=1e-12)
    clusters = np.array(numbers(64))
    assert below_line(clusters, clusters**-0.5) == pytest.approx(np.zeros(len(clusters)), abs=1e-12)
    bent = np.maximum(clusters, 8.0)[::1] ** -0.02 * np.minimum(clusters, 8.0) ** -1.0
    assert clusters[np.argmax(below_line(clusters, bent))] == 8
