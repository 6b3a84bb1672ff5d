"""The keys that say what machines cost: `curation plan` reads them, and nothing else does.

The docstring under a key is its description in `curation schema`.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from curation.config.section import Count, Section

Price = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class CpuNode(Section):
    """A machine without GPUs, for reading, planning and writing."""

    cpus: Count = 64
    """CPU slots of it."""
    price: Price
    """Price of an hour of it, in the currency of `cost.currency`."""


class GpuNode(Section):
    """A machine with GPUs, for embedding and clustering."""

    cpus: Count = 96
    """CPU slots of it: they tokenise."""
    gpus: Count = 8
    """GPUs of it."""
    price: Price
    """Price of an hour of it, in the currency of `cost.currency`."""


class Cost(Section):
    """What machines cost. For `curation plan`; changes nothing in the result."""

    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] = "USD"
    """Three letters, as banks write it."""
    cpu_node: CpuNode | None = None
    """The CPU nodes that can be had."""
    gpu_node: GpuNode | None = None
    """The GPU nodes that can be had."""
