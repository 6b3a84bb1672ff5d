"""The committed centroids, for stages that only read them: without torch, whose import takes a second a process."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from curation.storage.store import Part, Store

#: The centroids; and how their clusters border on one another, apart, since only the groups are made of that.
CENTROIDS, NEIGHBOURS = "centroids/centroids.npz", "centroids/neighbours.npz"


@dataclass(frozen=True, eq=False)
class Fitted:
    """What a fit comes to.

    Attributes:
        centroids: float32[K, d].
        stratum: int16[K], the stratum of each; None where there are no strata.
        neighbours: float64[K, K], how the documents of each are shared out over all, where groups are made of that.
    """

    centroids: NDArray[np.float32]
    stratum: NDArray[np.int16] | None = None
    neighbours: NDArray[np.float64] | None = None


def load_fitted(store: Store) -> Fitted:
    """What documents are assigned to: without the neighbours."""
    arrays = store.read_arrays(CENTROIDS)
    return Fitted(arrays["centroids"], arrays.get("stratum"))


def save_neighbours(store: Store, shared: NDArray[np.float64]) -> Part:
    """Commits the neighbours, float64[K, K]; nearly all are 0, so only the others are written, by their place."""
    place = np.flatnonzero(shared)
    return store.write_arrays(NEIGHBOURS, {"place": place, "share": shared.ravel()[place]})


def load_neighbours(store: Store, clusters: int) -> NDArray[np.float64]:
    """The committed neighbours of so many clusters, float64[K, K]."""
    arrays = store.read_arrays(NEIGHBOURS)
    shared = np.zeros(clusters * clusters)
    shared[arrays["place"]] = arrays["share"]
    return shared.reshape(clusters, clusters)


def load_centroids(store: Store) -> NDArray[np.float32]:
    """The committed centroids, float32[K, d]."""
    return store.read_arrays(CENTROIDS)["centroids"]
