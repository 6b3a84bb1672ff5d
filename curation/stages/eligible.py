"""The documents that a plan can draw, as narrow arrays, and the cells that they make."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curation.config import Job
from curation.errors import JobError, RunError
from curation.sampling.cells import cell_of, cell_totals
from curation.sampling.grouping import index_type
from curation.sources.rows import Split
from curation.stages.duplicates import hash_halves
from curation.stages.learned_weights import Learned
from curation.stages.splits import part_name, total_documents
from curation.storage.store import Marker, Store, fingerprint

#: Stages that make what may be drawn.
DATA = ("documents", "duplicates", "near_duplicates", "embeddings", "assignments", "clusters")


@dataclass(frozen=True)
class Eligible:
    """The documents that may be drawn, ascending by doc_id; all arrays but `ends` have their length n.

    doc_id int32 (int64 beyond 2^31 rows), cell int32, tokens int32, bytes int32, quality float32 (NaN: none), content
    uint64 (half of the text's hash), carries uint32 (bit k: carries token k of `Job.capped_tokens`); None where they
    were not asked for. `ends` int64[splits]: where each split ends.
    """

    doc_id: NDArray[Any]
    cell: NDArray[np.int32]
    tokens: NDArray[np.int32]
    bytes: NDArray[np.int32]
    quality: NDArray[np.float32] | None
    content: NDArray[np.uint64] | None
    ends: NDArray[np.int64]
    carries: NDArray[np.uint32] | None = None

    def only(self, which: NDArray[Any], ends: NDArray[np.int64]) -> Eligible:
        """Some of the documents, by a mask or ascending indices, and where each split ends among them."""
        columns = {name: array for name, array in vars(self).items() if name != "ends" and array is not None}
        return replace(self, **{name: array[which] for name, array in columns.items()}, ends=ends)


@dataclass(frozen=True)
class Cells:
    """What is in each cell, int64[C, D] each, and which may be drawn."""

    documents: NDArray[np.int64]
    tokens: NDArray[np.int64]
    left_out: NDArray[np.int16]
    """int16[C, D]: index into `sampling.exclude`, -1 where nothing keeps the cell out."""
    groups: NDArray[np.int32] | None = None
    """int32[C, L]: the group of each cluster at each level that `sampling.balance` evens out, the topmost first; one
    level where groups have learned weights."""
    learned: Learned | None = None
    """The fitted weights, where the job learns some."""

    @property
    def open_tokens(self) -> NDArray[np.int64]:
        """int64[C, D]: tokens that may be drawn."""
        return np.where(self.left_out < 0, self.tokens, 0)


def data_key(job: Job, markers: Mapping[str, Marker | None]) -> str:
    """Hash of what may be drawn of a run: its documents, their vectors and clusters, and what the job excludes.

    `markers` by stage; None where one is not done.
    """
    made = [marker.digest if (marker := markers.get(name)) else None for name in DATA]
    return fingerprint([made, [exclusion.model_dump() for exclusion in job.sampling.exclude]])[:16]


def load_eligible(
    store: Store,
    splits: list[Split],
    domains: list[str],
    total: int,
    with_quality: bool = False,
    with_content: bool = False,
    with_carriers: bool = False,
) -> Eligible:
    """Reads the arrays that the plan is made from, split by split; `total` documents have an assignment."""
    number = {domain: index for index, domain in enumerate(domains)}
    doc_type = index_type(total_documents(splits))
    arrays: dict[str, NDArray[Any]] = {
        "doc_id": np.empty(total, doc_type),
        **{name: np.empty(total, np.int32) for name in ("cell", "tokens", "bytes")},
    }
    if with_quality:
        arrays["quality"] = np.empty(total, np.float32)
    columns = [name for name in arrays if name not in ("doc_id", "cell")]
    if with_content:
        arrays["content"] = np.empty(total, np.uint64)
    carries = np.zeros(total, np.uint32) if with_carriers else None
    read = ["domain", *columns, *(["content_hash"] if with_content else [])]
    ends = np.zeros(len(splits), np.int64)
    start = 0
    for index, split in enumerate(splits):
        assigned = store.read_table(part_name("assignments", split.split_id), ["doc_id", "cluster"])
        doc_id = assigned["doc_id"].to_numpy()
        stop = start + len(doc_id)
        ends[index] = stop
        if stop > total:
            break
        if len(doc_id):
            documents = store.read_table(part_name("documents", split.split_id), read)
            rows = doc_id - split.first_doc_id
            domain = np.full(len(rows), number[documents["domain"][0].as_py()], np.int32)
            arrays["doc_id"][start:stop] = doc_id
            arrays["cell"][start:stop] = cell_of(assigned["cluster"].to_numpy(), domain, len(domains))
            for name in columns:
                arrays[name][start:stop] = documents[name].to_numpy()[rows]
            if with_content:
                arrays["content"][start:stop] = hash_halves(documents["content_hash"].take(pa.array(rows)))[:, 0]
            if carries is not None:
                listed = store.read_table(part_name("carriers", split.split_id))
                carries[start + np.searchsorted(doc_id, listed["doc_id"].to_numpy())] = listed["tokens"].to_numpy()
        start = stop
    if start != total:
        raise RunError(f"assignments: not {total} documents, as the stage counted; see `curation verify`")
    quality, content = arrays.pop("quality", None), arrays.pop("content", None)
    return Eligible(quality=quality, content=content, carries=carries, ends=ends, **arrays)


def cells_of(
    job: Job,
    documents: Eligible,
    clusters: int,
    groups: NDArray[np.int32] | None = None,
    learned: Learned | None = None,
) -> Cells:
    """Documents and tokens of each cell, what the job leaves out, the groups that it weighs, and weights it learned."""
    shape = (clusters, len(job.domains))
    count, tokens = cell_totals(documents.cell, documents.tokens, clusters * len(job.domains))
    return Cells(count.reshape(shape), tokens.reshape(shape), left_out(job, clusters), groups, learned)


def most_draws(
    documents: Eligible,
    cells: Cells,
    clips: NDArray[np.int64],
    used: NDArray[np.int16] | None,
    weights: NDArray[np.float32] | None,
) -> NDArray[np.int16]:
    """How often each document may be drawn in a phase: int16[n].

    Args:
        documents: all that are to be planned.
        cells: what they come to, and what is left out.
        clips: int64[D], of the phase.
        used: int16[n], draws in earlier phases, which count towards the clip; None: none.
        weights: float32[n], f(quality), where documents are drawn in proportion to it: those of 0 are not drawn.
    """
    clip = clips.astype(np.int16)
    most = np.where(cells.left_out < 0, clip, np.int16(0)).ravel()[documents.cell]
    if used is not None:
        most = np.maximum(most - used, 0)
    if weights is not None:
        most[weights <= 0] = 0
    found: NDArray[np.int16] = most
    return found


def left_out(job: Job, clusters: int) -> NDArray[np.int16]:
    """Which entry of `sampling.exclude` keeps a cell out, the first that does; -1: none."""
    table = np.full((clusters, len(job.domains)), -1, np.int16)
    for number in reversed(range(len(job.sampling.exclude))):
        exclusion = job.sampling.exclude[number]
        if exclusion.cluster is not None and exclusion.cluster >= clusters:
            raise JobError(
                f"sampling.exclude.{number}.cluster: there is no cluster {exclusion.cluster}; there are {clusters}"
            )
        rows = slice(None) if exclusion.cluster is None else exclusion.cluster
        columns = slice(None) if exclusion.domain is None else job.domains.index(exclusion.domain)
        table[rows, columns] = number
    return table
