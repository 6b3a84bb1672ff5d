"""Held out: the documents that the plan keeps for validation, taken away before anything is drawn.

Which ones is decided in `sampling.validation`, on the cells of the documents that may be drawn. Where exact copies were
not dropped (`dedup.exact: false`), half of each text's hash tells copies; else no two documents have one text, and
no hash is read.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curation.config import Job
from curation.counter_rng import keys
from curation.sampling.grouping import index_type, stable_argsort
from curation.sampling.validation import held_out
from curation.stages.eligible import Cells, Eligible

#: Folder of the validation shards in `shards`.
FOLDER = "validation"


@dataclass(frozen=True)
class HeldOut:
    """The documents for validation."""

    documents: Eligible
    """They alone, as the plan's other documents."""
    order: NDArray[Any]
    """int32[n] (int64 beyond 2^31): their indices in the order of the output, which is random."""
    cells: NDArray[np.int64]
    """int64[C, D]: documents from each cell."""

    @property
    def stats(self) -> dict[str, int]:
        """Documents and tokens, and how many cells gave some."""
        tokens = int(self.documents.tokens.sum(dtype=np.int64))
        return {"documents": len(self.order), "tokens": tokens, "cells": int(np.count_nonzero(self.cells))}


def settings(job: Job) -> dict[str, Any] | None:
    """What the choice depends on besides the documents and their clusters; None where nothing is held out."""
    wanted = job.output.validation
    return None if wanted is None else {**wanted.model_dump(), "copies": not job.dedup.exact}


def reads_content(job: Job) -> bool:
    """Whether the hashes of the texts are needed."""
    return job.output.validation is not None and not job.dedup.exact


def hold_out(job: Job, documents: Eligible, cells: Cells) -> tuple[Eligible, HeldOut | None]:
    """The documents that are left to draw from, and those for validation; None where the job asks for none.

    Args:
        job: the job.
        documents: with content, where `reads_content`.
        cells: what they come to.
    """
    wanted = job.output.validation
    if wanted is None:
        return documents, None
    place = held_out(
        documents.doc_id,
        documents.cell,
        np.where(cells.left_out < 0, cells.documents, 0).ravel(),
        wanted.fraction,
        wanted.min_documents,
        job.seed,
        documents.content,
    )
    documents = replace(documents, content=None)
    found = documents.only(place, np.searchsorted(place, documents.ends))
    left = np.ones(len(documents.doc_id), np.bool_)
    left[place] = False
    rest = documents.only(left, documents.ends - found.ends)
    order = stable_argsort(keys(job.seed, "sampling.validation.order", found.doc_id))
    per_cell = np.bincount(found.cell, minlength=cells.documents.size).reshape(cells.documents.shape)
    return rest, HeldOut(found, order.astype(index_type(len(place))), per_cell)
