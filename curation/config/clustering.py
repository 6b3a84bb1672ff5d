"""The keys that decide how vectors are grouped."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from curation.config.section import Count, Section

#: Most clusters that are put into groups or merged: 1.6 GB of distances.
MOST_GROUPED = 20_000

#: Most clusters that are cut apart by eigenvectors: a minute.
MOST_CUT = 5_000

#: Most clusters that `clusters: auto` looks at.
MOST_AUTO = 1_000


class Clustering(Section):
    """How vectors are grouped."""

    clusters: Count | Annotated[list[Count], Field(min_length=2, max_length=6)] | Literal["auto"] = 100
    """Number of clusters; fewer are made when there are fewer different documents. Several numbers, falling,
    [2000, 100] or [2000, 200, 30]: so many clusters, grouped into so many groups that people can read, these into
    groups again, and so on. `auto`: as many as tell documents apart that lasts, found on a sample; at most
    1,000, or 1,000 in each domain or language where `within` parts them."""
    grouping: Literal["ward", "kmeans", "spectral"] = "ward"
    """`ward`: K-Means, whose centroids Ward linkage groups. `kmeans`: hierarchical K-Means with resampling
    (arXiv 2405.15613): centroids that lie as dense where documents are rare, grouped by K-Means level by level.
    `spectral`: K-Means, whose clusters are cut apart where their documents border least on others, each level by
    itself, so that a wide kind of text can be one group; for `sampling.balance` groups or levels. Needs several numbers
    in `clusters`."""
    merge_above: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Clusters whose centroids all have a cosine similarity above this to one another are made one, before documents
    are assigned."""
    within: Literal["none", "domain", "language"] = "none"
    """Documents of each domain, or language, are clustered by themselves. Each gets clusters by the square root of its
    documents; languages too rare for half a cluster share theirs."""
    restarts: Annotated[int, Field(ge=1, le=100)] = 1
    """Fits from different first centroids; the best one is kept."""
    max_iterations: Annotated[int, Field(ge=1, le=1_000_000)] = 300
    """Most K-Means iterations."""
    tolerance: Annotated[float, Field(ge=0, lt=1)] = 1e-4
    """Stop when an iteration lowers the inertia by less than this share of it."""
    fit_rows: Annotated[int, Field(ge=1)] | Literal["all"] = 10_000_000
    """Documents to fit the centroids on (a random sample of about so many), or `all`. All are assigned."""
    engine: Literal["auto", "torch", "cuml"] = "auto"
    """`torch`: Ray actors that hold their rows in memory, on GPU or CPU. `cuml`: cuML's K-Means, a rank on each GPU;
    the rows stream from host memory, 6 bytes a dimension there. `auto`: cuML where there are GPUs and it is installed
    on their nodes. Centroids that are done stay, whichever engine made them."""

    @field_validator("clusters")
    @classmethod
    def _levels_fall(cls, value: int | list[int] | str) -> int | list[int] | str:
        if isinstance(value, list) and any(above >= below for below, above in pairwise(value)):
            raise ValueError("of several numbers each must be smaller than the one before: clusters, then their groups")
        return value

    @model_validator(mode="after")
    def _values_agree(self) -> Clustering:
        if self.fine > MOST_GROUPED and ((self.groups and self.grouping == "ward") or self.merge_above is not None):
            key = "grouping: ward" if self.merge_above is None else "merge_above"
            raise ValueError(
                f"at most {MOST_GROUPED:,} clusters can be grouped or merged: {key} holds all their distances"
            )
        if self.grouping == "spectral" and not self.levels:
            raise ValueError(
                "grouping is spectral, which needs several numbers in clusters, [300, 45, 30], since it makes groups: "
                "give them, or set grouping to ward"
            )
        if self.fine > MOST_CUT and self.grouping == "spectral":
            raise ValueError(f"at most {MOST_CUT:,} clusters can be grouped by spectral cuts, which need eigenvectors")
        if self.within != "none" and self.engine == "cuml":
            raise ValueError(f"within is {self.within}, which the engine cuml can't do: use auto or torch")
        return self

    @property
    def fine(self) -> int:
        """The number of clusters that documents are to be assigned to; with `auto` the most that a fit looks at."""
        if isinstance(self.clusters, list):
            return self.clusters[0]
        return self.clusters if isinstance(self.clusters, int) else MOST_AUTO

    @property
    def most(self) -> int | None:
        """The most clusters that there can be; None: strata find a number each, and how many there are is not known."""
        return None if self.clusters == "auto" and self.within != "none" else self.fine

    @property
    def levels(self) -> list[int]:
        """The numbers of groups, level by level from the clusters upwards; none where there is one level."""
        return self.clusters[1:] if isinstance(self.clusters, list) else []

    @property
    def groups(self) -> int | None:
        """The number of topmost groups; None where there is one level."""
        return self.levels[-1] if self.levels else None

    def fault(self, balance: str, domains: int) -> str | None:
        """What is wrong with these keys beside `sampling.balance` and so many domains; None: nothing."""
        if balance != "clusters" and not self.levels:
            return f"sampling.balance is {balance}, which needs several numbers in clustering.clusters: [2000, 100]"
        if balance == "tree" and self.grouping == "spectral":
            return "sampling.balance is tree, and spectral groups are no tree: use levels or groups"
        if self.within == "domain" and self.clusters != "auto" and self.fine < domains:
            return f"clustering.within is domain, and {domains} domains need a cluster each: raise clustering.clusters"
        return None
