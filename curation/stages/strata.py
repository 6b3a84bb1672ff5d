"""Strata: which documents are clustered together, where `clustering.within` asks for domains or languages apart.

Reads `documents` (domain and language), `embeddings` and `repeats` (which documents those are). Writes one row an
embedded document, with the number of its stratum, and `strata/strata.json`: their names and sizes. Languages too rare
for half a cluster are one stratum, OTHER. Maps over splits in Ray tasks, twice: to count, and to write. Without
`clustering.within` it does nothing.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from curation import tables
from curation.config import Job
from curation.counter_rng import uniform
from curation.stages.context import Result, Run, Stage
from curation.stages.mapping import in_tasks, map_splits
from curation.stages.ray_cluster import share
from curation.stages.repeats import repeated_documents
from curation.stages.splits import Receipt, WorkItem, load_splits, part_name
from curation.stages.workers import map_items
from curation.storage.store import Store

STRATA = "strata/strata.json"

#: The stratum of the languages that are too rare for one of their own.
OTHER = "other"

#: With `clusters: auto` a language is too rare that would get less than half of one of so many clusters.
AUTO_CLUSTERS = 100

#: Rows of a stratum that are fitted on and that first centroids are drawn from, at least (all, if it has fewer), and
#: so many a cluster.
LEAST_ROWS, ROWS_A_CLUSTER = 1_000, 50

#: Splits whose strata a task counts.
_TASK_SPLITS = 64


def settings(job: Job) -> dict[str, Any] | None:
    """What the table depends on besides the documents; None where nothing is clustered apart."""
    within = job.clustering.within
    if within == "none":
        return None
    return {"within": within, "domains": job.domains} if within == "domain" else {"within": within, "of": _of(job)}


def work(run: Run) -> Result:
    """The stage."""
    within = run.job.clustering.within
    if settings(run.job) is None:
        return Result([])
    splits = [split.split_id for split in load_splits(run.store)]
    batches = [splits[start : start + _TASK_SPLITS] for start in range(0, len(splits), _TASK_SPLITS)]
    documents: Counter[str] = Counter()
    different: Counter[str] = Counter()
    repeated = share(repeated_documents(run.store))
    for _, counts in map_items(batches, count, run.store, within, repeated, tasks=run.job.resources.tasks):
        documents.update(counts[0])
        different.update(counts[1])
    strata = strata_of(run.job, documents, different)
    result = map_splits(run, "strata", in_tasks(run, write_strata, within, strata))
    columns = (strata.names, strata.documents.tolist(), strata.different.tolist())
    rows = [dict(zip(("stratum", "documents", "different"), row, strict=True)) for row in zip(*columns, strict=True)]
    return Result([*result.parts, run.store.write_json(STRATA, rows)], result.stats | {"strata": len(rows)})


STAGE = Stage("strata", ("strata",), ("documents", "embeddings", "repeats"), settings, work)


def _of(job: Job) -> int:
    """The number of clusters by which a language is too rare for one of its own."""
    return AUTO_CLUSTERS if job.clustering.clusters == "auto" else job.clustering.fine


def count(splits: list[int], store: Store, within: str, repeated: NDArray[np.int64]) -> list[Counter[str]]:
    """Of some splits: the documents of each domain or language, and those whose vector no earlier one has."""
    counts: list[Counter[str]] = [Counter(), Counter()]
    for split in splits:
        for total, own in zip(counts, counted(*_values(store, split, within), repeated), strict=True):
            total.update(own)
    return counts


def counted(doc_id: NDArray[Any], values: pa.Array, repeated: NDArray[np.int64]) -> list[Counter[str]]:
    """The documents of each domain or language, and those among them that are not in `repeated`."""
    first = pa.array(~np.isin(doc_id, repeated, assume_unique=True))
    found = (pc.value_counts(values), pc.value_counts(values.filter(first)))
    return [Counter({row["values"]: row["counts"] for row in rows.to_pylist()}) for rows in found]


def write_strata(store: Store, job: Job, item: WorkItem, within: str, strata: Strata) -> list[Receipt]:
    """Commits the strata of an item's splits."""
    receipts = []
    for split in item.splits:
        doc_id, values = _values(store, split.split_id, within)
        stats = {"documents": len(doc_id)}
        table = pa.table([doc_id, strata.numbers(values)], schema=tables.STRATA)
        part = store.write_table(part_name("strata", split.split_id), table, stats)
        receipts.append(Receipt([part], split.rows, stats))
    return receipts


def _values(store: Store, split: int, within: str) -> tuple[NDArray[np.int64], pa.Array]:
    """The embedded documents of a split, int64[n], and the domain or language of each."""
    doc_id = store.read_table(part_name("embeddings", split), ["doc_id"])["doc_id"].to_numpy()
    documents = store.read_table(part_name("documents", split), ["doc_id", within])
    values = documents[within].cast(pa.string()).combine_chunks()
    rows = doc_id - documents["doc_id"][0].as_py() if len(doc_id) else doc_id
    return doc_id, values.take(pa.array(rows))


@dataclass(frozen=True, eq=False)
class Strata:
    """The strata of a run: names, and int64[S] documents, and those among them whose vector no earlier one has."""

    names: list[str]
    documents: NDArray[np.int64]
    different: NDArray[np.int64]

    @property
    def fitted(self) -> NDArray[np.int64]:
        """int64[S]: documents to fit on, at most; where all are copies of other strata's, those."""
        return np.where(self.different > 0, self.different, self.documents)

    def numbers(self, values: pa.Array) -> NDArray[np.int16]:
        """The stratum of documents by their domain or language: int16[n]. Names that are none are of the last one."""
        found = pc.fill_null(pc.index_in(values, pa.array(self.names, pa.string())), len(self.names) - 1)
        return np.asarray(found.to_numpy(zero_copy_only=False), np.int16)

    def is_fitted_on(
        self, seed: int, doc_id: NDArray[Any], number: NDArray[np.int16], share: float, repeated: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        """Which documents, of these strata int16[n], the centroids are fitted on: bool[n]; see `gang.is_fitted_on`."""
        shares = np.maximum(share, LEAST_ROWS / self.fitted)
        chosen: NDArray[np.bool_] = uniform(seed, "clustering.fit", doc_id) < shares[number]
        chosen[np.isin(doc_id, repeated, assume_unique=True) & (self.different > 0)[number]] = False
        return chosen

    def init_shares(self, clusters: NDArray[np.int64], share: float) -> NDArray[np.float64]:
        """float64[S]: the share of the rows fitted on that first centroids are drawn from; above 1: all."""
        rows = self.fitted * np.minimum(1.0, np.maximum(share, LEAST_ROWS / self.fitted))
        return np.maximum(LEAST_ROWS, ROWS_A_CLUSTER * clusters) / rows


def strata_of(job: Job, documents: Counter[str], different: Counter[str]) -> Strata:
    """The strata: domains as in the job file; languages by their codes, those that are too rare together and last.

    Args:
        job: the job.
        documents: of each domain or language.
        different: those among them whose vector no earlier document has.
    """
    from curation.clustering.strata import too_rare  # torch: a second that readers of this module save

    if job.clustering.within == "domain":
        groups = {domain: [domain] for domain in job.domains if domain in documents}
    else:
        found = sorted(documents)
        rare = dict(zip(found, too_rare(_of(job), np.array([different[name] for name in found])).tolist(), strict=True))
        groups = {name: [name] for name in found if not rare[name]}
        groups |= {OTHER: [name for name in found if rare[name]]} if any(rare.values()) else {}
    sizes = [[sum(counter[name] for name in group) for group in groups.values()] for counter in (documents, different)]
    return Strata(list(groups), *(np.array(one, np.int64) for one in sizes))


def load_strata(store: Store, job: Job) -> Strata | None:
    """The strata of a run; None where nothing is clustered apart."""
    if job.clustering.within == "none":
        return None
    rows = store.read_json(STRATA)
    sizes = [np.array([row[key] for row in rows], np.int64) for key in ("documents", "different")]
    return Strata([row["stratum"] for row in rows], *sizes)


def load_numbers(store: Store, split: int) -> NDArray[np.int16]:
    """The stratum of each embedded document of a split, int16[n]."""
    found: NDArray[np.int16] = store.read_table(part_name("strata", split), ["stratum"])["stratum"].to_numpy()
    return found
