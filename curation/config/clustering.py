"""The keys that decide how vectors are grouped."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from curation.config.section import Count, Section

#: Most clusters that are put into groups: 1.6 GB of distances.
MOST_GROUPED = 20_000


class Clustering(Section):
    """How vectors are grouped."""

    clusters: Count | Annotated[list[Count], Field(min_length=2, max_length=2)] = 100
    """Number of clusters; fewer are made when there are fewer different documents. Two numbers, [2000, 100]: so many
    clusters, grouped into so many groups that people can read."""
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
    def _fewer_groups_than_clusters(cls, value: int | list[int]) -> int | list[int]:
        if isinstance(value, list) and value[0] <= value[1]:
            raise ValueError("of two numbers the first, of clusters, must be larger than the second, of groups")
        if isinstance(value, list) and value[0] > MOST_GROUPED:
            raise ValueError(
                f"at most {MOST_GROUPED:,} clusters can be grouped: Ward linkage holds all their distances"
            )
        return value

    @property
    def fine(self) -> int:
        """The number of clusters that documents are assigned to."""
        return self.clusters if isinstance(self.clusters, int) else self.clusters[0]

    @property
    def groups(self) -> int | None:
        """The number of groups of clusters; None where there is one level."""
        return None if isinstance(self.clusters, int) else self.clusters[1]
