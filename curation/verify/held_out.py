"""What is held out for validation: which texts, and how many documents of each cell."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curation.config import Job
from curation.sampling.validation import limits, quotas
from curation.sources.rows import Split
from curation.stages.plan_tables import ALLOCATION
from curation.stages.splits import part_name
from curation.stages.workers import map_items
from curation.storage.store import Store
from curation.verify.files import Faults
from curation.verify.findings import Findings, content_hashes, fault_unless, texts_of
from curation.verify.splits import TASK_SPLITS


def held_out_texts(store: Store, job: Job, splits: list[Split], first: int) -> NDArray[np.void]:
    """The hashes of the texts that are held out: 16 bytes[v], ascending, each once.

    Args:
        store: the run directory.
        job: the job.
        splits: all of them.
        first: the first position that is not of training.
    """
    found = [texts_of(np.zeros((0, 2), np.uint64))]
    if job.output.validation:
        batches = (splits[start : start + TASK_SPLITS] for start in range(0, len(splits), TASK_SPLITS))
        found += [texts for _, texts in map_items(batches, texts_in, store, first, tasks=job.resources.tasks)]
    return np.unique(np.concatenate(found))


def texts_in(batch: list[Split], store: Store, first: int) -> NDArray[np.void]:
    """The hashes of the texts that some splits hold out: 16 bytes[n]."""
    found = [np.zeros((0, 2), np.uint64)]
    for split in batch:
        schedule = store.read_table(part_name("schedule", split.split_id), ["doc_id", "position"])
        held = schedule["doc_id"].to_numpy()[schedule["position"].to_numpy() >= first]
        if len(held):
            documents = store.read_table(part_name("documents", split.split_id), ["content_hash"])
            found.append(content_hashes(documents)[held - split.first_doc_id])
    return texts_of(np.concatenate(found))


def check_held_out(job: Job, allocation: pa.Table, total: Findings) -> Faults:
    """Every cell of `allocation` counts its documents, and those held out are as many as the job asks for."""
    rows = allocation.to_pylist()
    told = {
        (row["phase"], row["cluster"], row["domain"]): (row["available_documents"], row["validation_documents"])
        for row in rows
    }
    found = {
        (phase, *cell): (count - total.held.get(cell, 0), total.held.get(cell, 0))
        for cell, count in total.cells.items()
        for phase in range(max(1, len(job.phases)))
    }
    same = told == found and len(rows) == len(told)
    yield fault_unless(same, f"{ALLOCATION}: documents are not those of the assignments and of the schedule")
    wanted = job.output.validation
    if wanted is None:
        yield fault_unless(not total.held, "schedule: documents are held out for validation, and the job asks for none")
        return
    shape = (len(total.sizes), len(job.domains))
    documents, held, is_out = np.zeros(shape, np.int64), np.zeros(shape, np.int64), np.zeros(shape, np.bool_)
    for row in rows:
        place = (row["cluster"], job.domains.index(row["domain"]))
        documents[place] = row["available_documents"] + row["validation_documents"]
        held[place], is_out[place] = row["validation_documents"], row["left_out"] is not None
    documents[is_out] = 0
    quota = quotas(documents.ravel(), wanted.fraction, wanted.min_documents)
    given = held.ravel()
    exact = np.array_equal(given, quota)
    agrees = exact if job.dedup.exact else bool((given <= limits(documents.ravel(), quota)).all())
    yield fault_unless(
        agrees, f"{ALLOCATION}: a cell holds out another number of documents than output.validation says"
    )
