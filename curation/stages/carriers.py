"""Carriers: which documents carry the tokens that the job caps (`sampling.token_caps`).

Reads the text of the kept documents once more, split by split. Writes one row a document that carries any of the
tokens. What share each token may have is no business of this stage, so another `max_share` reads nothing again. Does
nothing where no token is capped.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curation import tables
from curation.config import Job
from curation.sources.rows import Columns
from curation.stages.context import Result, Run, Stage
from curation.stages.duplicates import dropped_documents, kept_documents
from curation.stages.mapping import in_tasks, map_splits
from curation.stages.splits import Receipt, WorkItem, part_name
from curation.storage.store import Store
from curation.text.carrying import carried


def settings(job: Job) -> dict[str, Any] | None:
    """What the table depends on besides the documents; None where no token is capped."""
    if not job.capped_tokens:
        return None
    tokens = [[cap.token, cap.case] for cap in job.capped_tokens]
    return {"tokens": tokens, "columns": [[source.domain, source.text_column] for source in job.sources]}


def work(run: Run) -> Result:
    """The stage. It counts the documents that carry any token, and under `carriers_of` those of each."""
    if settings(run.job) is None:
        return Result([])
    result = map_splits(run, "carriers", in_tasks(run, find_carriers))
    counts = [result.stats.pop(name) for name in _counts(run.job)]
    return Result(result.parts, result.stats | {"carriers_of": counts})


STAGE = Stage("carriers", ("carriers",), ("documents.texts", "duplicates"), settings, work)


def find_carriers(store: Store, job: Job, item: WorkItem) -> list[Receipt]:
    """Commits the parts of an item's splits."""
    dropped = dropped_documents(store)
    tokens = [(cap.token, cap.case) for cap in job.capped_tokens]
    receipts = []
    for group in item.groups:
        source = job.sources[item.files[group[0].file_id].source]
        columns = Columns(source.text_column, most_bytes=job.rows.max_document_bytes)
        for split, rows in item.read(group, columns, store):
            documents = store.read_table(part_name("documents", split.split_id), ["doc_id", "keep"])
            keep = kept_documents(documents, dropped)
            found = carried(rows.table["text"].filter(pa.array(keep)), tokens)
            some = found > 0
            table = pa.table([documents["doc_id"].to_numpy()[keep][some], found[some]], schema=tables.CARRIERS)
            stats = {"documents": len(found), "carriers": table.num_rows}
            stats |= dict(zip(_counts(job), carriers_of(found[some], len(tokens)).tolist(), strict=True))
            part = store.write_table(part_name("carriers", split.split_id), table, stats)
            receipts.append(Receipt([part], split.rows, stats))
    return receipts


def carriers_of(carries: NDArray[np.uint32], tokens: int) -> NDArray[np.int64]:
    """How many documents carry each token: int64[tokens]."""
    found = [np.count_nonzero(carries & np.uint32(1 << bit)) for bit in range(tokens)]
    return np.array(found, np.int64)


def _counts(job: Job) -> list[str]:
    """The name of each token's count in the receipts."""
    return [f"carriers_of_{bit}" for bit in range(len(job.capped_tokens))]
