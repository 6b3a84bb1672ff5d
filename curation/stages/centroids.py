"""Centroids: fits K-Means on the embeddings.

Reads `embeddings`, `repeats` and `strata`. What it does is in `fitting`, which is imported when it works: commands that
only want to know about stages do not wait for torch.
"""

from __future__ import annotations

from typing import Any

from curation.config import Job
from curation.stages.context import Result, Run, Stage
from curation.stages.engine import precheck

#: Rows that the first centroids are drawn from: at least so many, and so many a cluster.
INIT_ROWS, INIT_ROWS_A_CLUSTER = 20_000, 50


#: Raise it when spectral groups, or the centroids that are fitted to them, come out otherwise: they are made again.
SPECTRAL_VERSION = 2


def settings(job: Job) -> dict[str, Any]:
    """What the centroids depend on besides the embeddings."""
    asked = job.clustering
    # Spectral groups have the centroids fitted anew, to rows even over the groups of every level.
    spectral = {"spectral": SPECTRAL_VERSION} if asked.grouping == "spectral" else {}
    clusters = asked.clusters if asked.clusters == "auto" or asked.grouping == "spectral" else asked.fine
    clustering = asked.model_dump(exclude={"engine", "clusters"}) | {"clusters": clusters}
    return {"clustering": clustering, "seed": job.seed, **spectral}


def work(run: Run) -> Result:
    """The stage."""
    from curation.stages.fitting import fit_centroids

    return fit_centroids(run)


STAGE = Stage("centroids", ("centroids",), ("embeddings", "repeats", "strata"), settings, work, precheck=precheck)


def fit_share(job: Job, documents: int) -> float:
    """The share of the documents that the centroids are fitted on."""
    wanted = job.clustering.fit_rows
    return 1.0 if wanted == "all" else min(1.0, wanted / documents)


def init_share(clusters: int, rows: float) -> float:
    """The share of these rows that the first centroids are drawn from; above 1: all."""
    return max(INIT_ROWS, INIT_ROWS_A_CLUSTER * clusters) / max(1.0, rows)
