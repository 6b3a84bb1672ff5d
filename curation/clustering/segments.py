"""Spherical K-Means by an engine that knows only the Euclidean one: in segments, each ended by an exact iteration.

cuML's Lloyd compares rows to plain means under the Euclidean distance. Its first iteration from unit centroids is
spherical K-Means to the letter, for between unit vectors the nearest centroid is the one of the largest cosine; the
ones after it favour clusters whose rows disagree, whose means are short. So the engine iterates a few times, its means
are brought to unit length, and then one iteration is done as `torch_engine` does it: exact sums, centroids on the unit
sphere, empty clusters re-seeded (cuML leaves them where they are), and the very objective that the other engine
reports. Where that gains no more than the tolerance, the fit is over.

An engine's own sums are in float32 and in no fixed order, so its centroids are not the same bits every time. All that
follows from the committed ones is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from curation.clustering.torch_engine import FitState, StepResult, Worst, fit
from curation.clustering.update import centroids_from_sums
from curation.errors import RunError

#: Iterations of the engine in a segment, at most. More: less exact, and more is lost with a killed job. Fewer: a larger
#: share of the time goes into the exact iteration and into what the engine does once a fit.
SEGMENT = 8


@dataclass(frozen=True, eq=False)
class Advance:
    """What an engine gives back for a segment: its centroids [K, d], of any length, and iterations done."""

    centroids: NDArray[np.floating]
    iterations: int


def fit_in_segments(
    advance: Callable[[NDArray[np.float32], int], Advance],
    step: Callable[[NDArray[np.float32]], StepResult],
    worst: Callable[[NDArray[np.float32], int], Worst],
    init: NDArray[np.float32],
    *,
    max_iterations: int,
    tolerance: float,
    on_iteration: Callable[[FitState], None] | None = None,
    start: FitState | None = None,
) -> FitState:
    """As `torch_engine.fit`, with up to `SEGMENT` iterations of an engine before each of the exact ones.

    The history has an entry a segment; `FitState.iteration` counts the engine's iterations too.

    Args:
        advance: up to so many of the engine's iterations over all rows, from unit centroids float32[K, d].
        step: see `fit`.
        worst: see `fit`.
        init: see `fit`.
        max_iterations: most iterations, the engine's included.
        tolerance: stop when a segment lowers the inertia by no more than this share of it.
        on_iteration: called after each segment.
        start: see `fit`.

    Raises:
        RunError: see `fit`; or the engine's centroids are not finite numbers.
    """
    state = FitState(init) if start is None else start
    while not state.converged and state.iteration < max_iterations:
        begun, asked = state, min(SEGMENT, max_iterations - state.iteration - 1)
        if asked:
            made = advance(state.centroids, asked)
            begun = replace(state, centroids=_unit(made.centroids, state.centroids))
            begun = replace(begun, iteration=state.iteration + made.iterations)
        once = begun.iteration + 1
        state = fit(step, worst, init, max_iterations=once, tolerance=tolerance, start=begun)
        if on_iteration is not None:
            on_iteration(state)
    return state


def _unit(means: NDArray[np.floating], before: NDArray[np.float32]) -> NDArray[np.float32]:
    """Means brought to unit length; one of length 0 is what it was before."""
    if not np.isfinite(means).all():
        raise RunError("clustering: the engine's centroids are not finite numbers; try clustering.engine: torch")
    return centroids_from_sums(means.astype(np.float64), np.ones(len(means), np.int64), before)
