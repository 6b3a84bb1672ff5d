"""The committed centroids, for stages that only read them: without torch, whose import takes a second a process."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from curation.storage.store import Store

CENTROIDS = "centroids/centroids.npz"


@dataclass(frozen=True, eq=False)
class Fitted:
    """The committed centroids.

    Attributes:
        centroids: float32[K, d].
        stratum: int16[K], the stratum of each; None where there are no strata.
        neighbours: float64[K, K], how the documents of each are shared out over all, where groups are made of that.
    """

    centroids: NDArray[np.float32]
    stratum: NDArray[np.int16] | None = None
    neighbours: NDArray[np.float64] | None = None


def load_fitted(store: Store) -> Fitted:
    """What documents are assigned to."""
    arrays = store.read_arrays(CENTROIDS)
    return Fitted(arrays["centroids"], arrays.get("stratum"), arrays.get("neighbours"))


def load_centroids(store: Store) -> NDArray[np.float32]:
    """The committed centroids, float32[K, d]."""
    return store.read_arrays(CENTROIDS)["centroids"]
