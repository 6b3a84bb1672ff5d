"""Trials of mixtures: which documents they may draw, and how often one draws each.

A trial is the job's plan in small. The job draws a_u of the S_u tokens of a unit (a domain, or a group of clusters),
so each of its documents a_u / S_u times in the mean. A trial draws `scale * a_u` from a pool; where the pool has
`scale * S_u` tokens of the unit, documents are repeated in the trial as in the job. That is what `pool_sizes` asks for.
Where that would be too much in all, the largest units are cut to one size: those are repeated least.

Documents of a unit come as often as the plan's cells (cluster x domain) say, scaled to what the unit is to give. So
that trials differ by their mixtures and not by chance, a document has one random place for all of them, and comes
`floor(r + place)` times where r is wanted in the mean; the places of a unit are spread evenly over [0, 1).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from curation.counter_rng import keys
from curation.sampling.water_filling import fill, water_level

Floats = NDArray[np.float64]


def pool_sizes(available: Floats, wanted: Floats, most: float) -> Floats:
    """Tokens of each unit that the pool holds: as wanted, as far as they are there, the largest cut to one size.

    Args:
        available: float64[U], tokens of each unit that can be had.
        wanted: float64[U], tokens with which documents are repeated as in the job.
        most: tokens of the pool.

    Example:
        >>> pool_sizes(np.array([90.0, 50.0, 10.0]), np.array([100.0, 50.0, 5.0]), most=65.0).tolist()
        [30.0, 30.0, 5.0]
    """
    caps = np.minimum(available, wanted)
    if caps.sum() <= most:
        return caps
    even = np.ones(len(caps))
    return fill(even, caps, water_level(even, caps, most))


def chosen(order: NDArray[np.int64], unit: NDArray[Any], tokens: Floats, sizes: Floats) -> NDArray[np.bool_]:
    """The documents of each unit, in an order, until its size is reached; at least one.

    Args:
        order: int64[n], the documents from first to last.
        unit: integers[n].
        tokens: float64[n].
        sizes: float64[U].

    Returns:
        bool[n].
    """
    by_unit = order[np.argsort(unit[order], kind="stable")]
    before = np.cumsum(tokens[by_unit]) - tokens[by_unit]
    starts = np.searchsorted(unit[by_unit], np.arange(len(sizes)))
    first = before[np.minimum(starts, len(before) - 1)]
    found = np.zeros(len(order), np.bool_)
    found[by_unit] = before - first[unit[by_unit]] < sizes[unit[by_unit]]
    return found


def random_places(seed: int, draw: int, doc_id: NDArray[np.int64], unit: NDArray[Any]) -> Floats:
    """A random place in [0, 1) for each document, those of a unit spread evenly: float64[n].

    Args:
        seed: of the job.
        draw: another number gives other places.
        doc_id: int64[n].
        unit: integers[n], at least 0.
    """
    purpose = f"learning.draws.{draw}"
    order = np.lexsort((keys(seed, purpose, doc_id), unit))
    sizes = np.bincount(unit)
    rank = np.empty(len(unit), np.int64)
    rank[order] = np.arange(len(unit)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    found: Floats = (rank + 0.5) / sizes[unit]
    return found


def copies(
    cell_uses: Floats, cell: NDArray[Any], unit: NDArray[Any], tokens: Floats, give: Floats, place: Floats
) -> NDArray[np.int64]:
    """How often each document of the pool is drawn.

    Args:
        cell_uses: float64[cells], how often the job uses the documents of a cell in the mean.
        cell: integers[n], the cell of each document of the pool.
        unit: integers[n], its unit.
        tokens: float64[n], its tokens.
        give: float64[U], tokens that each unit is to give.
        place: float64[n], see `random_places`.

    Returns:
        int64[n]. A unit without documents in the pool gives nothing.
    """
    uses = cell_uses[cell]
    have = np.bincount(unit, uses * tokens, len(give))
    factor = np.divide(give, have, out=np.zeros_like(give), where=have > 0)
    found: NDArray[np.int64] = np.floor(uses * factor[unit] + place).astype(np.int64)
    return found
