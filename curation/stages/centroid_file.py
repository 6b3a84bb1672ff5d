"""The committed centroids, for stages that only read them: without torch, whose import takes a second a process."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from curation.storage.store import Store

CENTROIDS = "centroids/centroids.npz"


def load_centroids(store: Store) -> NDArray[np.float32]:
    """The committed centroids, float32[K, d]."""
    return store.read_arrays(CENTROIDS)["centroids"]
