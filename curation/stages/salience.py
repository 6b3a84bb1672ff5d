"""Salience: words and names in far more documents than general text would have them in, all over the corpus.

Reads `excerpts`, `languages`, `assignments` and the domains of the splits. Writes one row a token, those that are
spread evenly first. One task does it: what makes a word stand out is told from the whole sample. Does nothing unless
`audit.salience` is true.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curation.audit.foretelling import FOLDS, TEXTS
from curation.audit.representation import sample_weights
from curation.audit.salience import LISTED, LISTED_RATIO, MIN_SHARE, SALIENT_RATIO, salient_tokens
from curation.config import Job
from curation.stages.context import Result, Run, Stage
from curation.stages.languages import LANGUAGES
from curation.stages.splits import load_files, load_splits, part_name
from curation.stages.workers import map_items
from curation.storage.store import Part, Store

SALIENCE = "salience/tokens.parquet"


def settings(job: Job) -> dict[str, Any] | None:
    """What the table depends on besides the tables before it; None where it is not asked for."""
    limits = [MIN_SHARE, LISTED_RATIO, LISTED, SALIENT_RATIO, FOLDS, TEXTS]
    return {"domains": job.domains, "limits": limits} if job.audit.salience else None


def work(run: Run) -> Result:
    """The stage."""
    if settings(run.job) is None:
        return Result([])
    weights = weights_of_domains(run.store, run.job)
    with run.reporter.stage("salience", 0):
        [(_, (part, stats))] = map_items([run.job.domains], write_tokens, run.store, weights)
    return Result([part], stats)


STAGE = Stage("salience", ("salience",), ("documents", "duplicates", "assignments", "languages"), settings, work)


def weights_of_domains(store: Store, job: Job) -> NDArray[np.float64]:
    """The share of the corpus that a sampled document of each domain stands for."""
    marker = store.marker("languages")
    assert marker is not None, "languages comes before"
    columns = ([marker.stats["domains"][name][key] for name in job.domains] for key in ("documents", "sampled"))
    documents, sampled = (np.array(column, np.int64) for column in columns)
    return sample_weights(documents, sampled)[0]


def write_tokens(domains: list[str], store: Store, weights: NDArray[np.float64]) -> tuple[Part, dict[str, Any]]:
    """Commits the table; `weights` is what a sampled document of each domain stands for."""
    languages = store.read_table(LANGUAGES)
    known = languages["doc_id"].to_numpy()
    splits, files, there = load_splits(store), load_files(store), set(store.list("excerpts"))
    texts, clusters, domain = [], [np.zeros(0, np.int32)], [np.zeros(0, np.int32)]
    for split in splits:
        name = part_name("excerpts", split.split_id)
        if name not in there:
            continue
        excerpts = store.read_table(name)
        assigned = store.read_table(part_name("assignments", split.split_id), ["doc_id", "cluster"])
        doc_id = excerpts["doc_id"].to_numpy()
        mine = np.isin(doc_id, known, assume_unique=True)
        texts += excerpts["text"].filter(pa.array(mine)).chunks
        place = np.searchsorted(assigned["doc_id"].to_numpy(), doc_id[mine])
        clusters.append(assigned["cluster"].to_numpy()[place])
        domain.append(np.full(int(mine.sum()), domains.index(files[split.file_id].domain), np.int32))
    of = np.concatenate(domain)
    column = pa.chunked_array(texts, pa.large_string())
    language = languages["language"].to_pylist()
    table, looked_at = salient_tokens(column, language, np.concatenate(clusters), of, weights[of])
    part = store.write_table(SALIENCE, table)
    return part, {"documents": looked_at, "tokens": table.num_rows}
