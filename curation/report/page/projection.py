"""Where clusters lie on the map: their centroids in the two directions in which they differ most (PCA).

A map of many dimensions in two loses most of them, so the page says how much of the variance is left. PCA is chosen
over prettier ways (t-SNE, UMAP) since it draws no clumps that are not there, needs no seed and takes milliseconds: one
eigenvalue problem of min(K, d) rows. Signs, which PCA leaves open, are set by the centroid that lies farthest out: it
is on the positive side.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

#: Digits of a place: a map is some hundred pixels wide.
DIGITS = 4


def map_places(centroids: NDArray[np.float32]) -> tuple[NDArray[np.float64], float]:
    """The place of each centroid, and the share of their variance that the map holds.

    Args:
        centroids: float[K, d], finite.

    Returns:
        float64[K, 2] in [-1, 1], both directions to one scale, and the share in [0, 1]. A single centroid, or equal
        ones, lie at 0, and the share is 1: nothing is lost.
    """
    x = centroids.astype(np.float64)
    x -= x.mean(axis=0, keepdims=True) if len(x) else 0.0
    total = float((x * x).sum())
    if len(x) < 2 or total < 1e-18:
        return np.zeros((len(x), 2)), 1.0
    if x.shape[1] <= len(x):
        values, vectors = np.linalg.eigh(x.T @ x)
        places = x @ vectors[:, ::-1][:, :2]
    else:
        values, vectors = np.linalg.eigh(x @ x.T)
        places = vectors[:, ::-1][:, :2] * np.sqrt(np.maximum(values[::-1][:2], 0.0))
    places = np.pad(places, ((0, 0), (0, 2 - places.shape[1])))
    farthest = places[np.abs(places).argmax(axis=0), [0, 1]]
    places *= np.where(farthest < 0, -1.0, 1.0)
    share = min(1.0, float(np.maximum(values[::-1][:2], 0.0).sum()) / total)
    return np.round(places / np.abs(places).max(), DIGITS) + 0.0, share  # + 0.0: no -0
