"""The keys that say what is written: the shards, what is held out for validation, and how copies stand there."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from curation.config.section import MOST, Section


class Validation(Section):
    """Documents that are held out of training, from every cell (a cluster in a domain), with all their exact copies.

    They leave before anything is drawn: a budget in epochs is of what is left, and so are quality and weights. What
    `sampling.exclude` names gives none."""

    fraction: Annotated[float, Field(gt=0, le=0.5)] = 0.005
    """Share of each cell's documents, and of all of them together, that is held out, about."""
    min_documents: Annotated[int, Field(ge=0, le=MOST)] = 1
    """Least number of documents that a cell with more than that many gives; a smaller one gives by `fraction` alone. A
    cell always keeps a document, and half of them where only copies of one text are left to give."""


class Output(Section):
    """What the shards look like."""

    format: Literal["parquet"] = "parquet"
    """File format of the shards."""
    shard_bytes: Annotated[int, Field(ge=1, le=2**40)] = 268_435_456
    """UTF-8 bytes of text a shard, before compression."""
    validation: Validation | None = None
    """What is held out for validation, in shards of its own. None: nothing."""
    repetition: Literal["copies", "weight"] = "copies"
    """How a document stands there that is drawn several times in a phase. `copies`: once a draw. `weight`: once, where
    its first draw would be, with the number of draws as `sample_weight`, for trainers that weight the loss."""
