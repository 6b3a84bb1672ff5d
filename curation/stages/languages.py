"""Languages: the language of each document of the sample whose beginnings are kept.

Reads `excerpts`, and of `documents` how many each domain keeps. Writes one row a sampled document; copies that were
dropped are left out. The sample takes other shares of small domains than of large ones, so the stage counts for each
domain what is kept and what was looked at. Does nothing unless `audit.languages` or `audit.salience` is true.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curation import tables
from curation.audit.languages import CONFIDENCE, LETTERS, READ, detect
from curation.config import Job
from curation.stages.context import Result, Run, Stage
from curation.stages.duplicates import dropped_documents, kept_documents
from curation.stages.ray_cluster import share
from curation.stages.splits import load_files, load_splits, one_by_one, part_name
from curation.stages.workers import map_items
from curation.storage.store import Store

LANGUAGES = "languages/languages.parquet"

#: Splits that a task looks at.
TASK_SPLITS = 16


def settings(job: Job) -> dict[str, Any] | None:
    """What the table depends on besides the excerpts; None where nobody reads it."""
    if not (job.audit.languages or job.audit.salience):
        return None
    return {"read": READ, "letters": LETTERS, "confidence": CONFIDENCE, "domains": job.domains}


def work(run: Run) -> Result:
    """The stage."""
    if settings(run.job) is None:
        return Result([])
    splits, files = load_splits(run.store), load_files(run.store)
    domain_of = {split.split_id: files[split.file_id].domain for split in splits}
    there = set(run.store.list("excerpts"))
    wanted = [(split.split_id, part_name("excerpts", split.split_id) in there) for split in splits]
    batches = [wanted[start : start + TASK_SPLITS] for start in range(0, len(wanted), TASK_SPLITS)]
    dropped, tasks = share(dropped_documents(run.store)), run.job.resources.tasks
    domains = {name: {"documents": 0, "tokens": 0, "sampled": 0} for name in run.job.domains}
    found = [tables.LANGUAGES.empty_table()]
    with run.reporter.stage("languages", 0) as progress:
        for batch, parts in map_items(batches, look_at, run.store, dropped, tasks=tasks, parts=one_by_one):
            for (split, _), (counts, table) in zip(batch, parts, strict=True):
                own = domains[domain_of[split]]
                own["documents"] += counts[0]
                own["tokens"] += counts[1]
                own["sampled"] += table.num_rows
                found.append(table)
            progress.advance(text=f"{sum(table.num_rows for table in found)} texts")
    table = pa.concat_tables(found).sort_by("doc_id")
    stats = {"documents": table.num_rows, "languages": len(table["language"].unique()), "domains": domains}
    return Result([run.store.write_table(LANGUAGES, table)], stats)


STAGE = Stage("languages", ("languages",), ("documents", "duplicates"), settings, work)


def look_at(
    batch: list[tuple[int, bool]], store: Store, dropped: NDArray[np.int64]
) -> list[tuple[tuple[int, int], pa.Table]]:
    """Documents and tokens that each split keeps, and the languages of its excerpts, if it has any."""
    return [_look_at_split(split, excerpts, store, dropped) for split, excerpts in batch]


def _look_at_split(
    split: int, has_excerpts: bool, store: Store, dropped: NDArray[np.int64]
) -> tuple[tuple[int, int], pa.Table]:
    documents = store.read_table(part_name("documents", split), ["doc_id", "tokens", "keep"])
    keep = kept_documents(documents, dropped)
    counts = int(keep.sum()), int(documents["tokens"].to_numpy()[keep].sum(dtype=np.int64))
    if not has_excerpts:
        return counts, tables.LANGUAGES.empty_table()
    excerpts = store.read_table(part_name("excerpts", split))
    doc_id = excerpts["doc_id"].to_numpy()
    mine = ~np.isin(doc_id, dropped, assume_unique=True)
    codes, confidence = detect(excerpts["text"].filter(pa.array(mine)).to_pylist())
    return counts, pa.table([doc_id[mine], pa.array(codes, pa.string()), confidence], schema=tables.LANGUAGES)
