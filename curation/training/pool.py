"""The documents that the dynamic sampler can draw: those that stand in the shards, cluster by cluster.

Everything comes from narrow tables of the run directory: position and document from `schedule`, the cluster from
`assignments`, tokens and domain from `documents`, the plan's shares from `allocation`, the clips from the job file. So
starting costs the same for every format and reads no text, sizes are the tokens that the plan counted in, and what the
trainer needs is one path. A document is read at its first position in the shards; what the plan never drew is in no
shard and can't be drawn here either.

Memory: 14 bytes a document (10 below 2^31 positions), while it is read about 40.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import yaml
from numpy.typing import NDArray

from curation.config import Job
from curation.errors import JobError
from curation.storage.store import Store


@dataclass(frozen=True)
class Pool:
    """Documents grouped by cluster, in each in the order of the schedule; K clusters, n documents."""

    clusters: NDArray[np.int32]
    """int32[K], ascending: those that the plan draws from."""
    starts: NDArray[np.int64]
    """int64[K + 1]: cluster k has the documents from starts[k] to starts[k + 1]."""
    positions: NDArray[Any]
    """int32 or int64[n]: where a document stands first in the global order; ascends in a cluster."""
    tokens: NDArray[np.int32]
    """int32[n], at least 1."""
    clips: NDArray[np.int16]
    """int16[n]: most times that a document is drawn."""
    base: NDArray[np.float64]
    """float64[K], sum 1: each cluster's share of the tokens in the plan."""

    @property
    def digest(self) -> str:
        """Hash of all of it, in hex."""
        found = hashlib.sha256()
        for array in (self.clusters, self.starts, self.positions, self.tokens, self.clips, self.base):
            found.update(array.tobytes())
        return found.hexdigest()


def read_pool(store: Store, rows: int) -> Pool:
    """The pool of a run.

    Args:
        store: the run directory.
        rows: of the training shards; positions from there on are validation.

    Raises:
        JobError: it is not the directory of a finished run.
    """
    try:
        clips = _clips(Job.model_validate(yaml.safe_load(store.read_bytes("job.yaml"))))
        allocation = store.read_table("allocation/allocation.parquet", ["cluster", "realised_tokens"])
    except FileNotFoundError as error:
        raise JobError(
            f"{store.shown()}: is not the directory of a finished run: the dynamic sampler reads job.yaml, allocation, "
            "schedule, assignments and documents beside the shards"
        ) from error
    parts = [name.partition("/")[2] for name in store.list("schedule") if name.endswith(".parquet")]
    found = [_drawn(store, part, rows, clips) for part in parts]
    cluster, position, tokens, clip = (np.concatenate(arrays) for arrays in zip(*found, strict=True))
    if not len(cluster):
        raise JobError(f"{store.shown()}: its plan draws nothing")
    order = np.lexsort((position, cluster))
    clusters, starts = np.unique(cluster[order], return_index=True)
    base = _base(allocation, clusters)
    starts = np.append(starts, len(order)).astype(np.int64)
    return Pool(clusters, starts, position[order], tokens[order], clip[order], base)


def _drawn(store: Store, part: str, rows: int, clips: dict[str, int]) -> tuple[NDArray[Any], ...]:
    """Cluster, first position, tokens and clip of the documents that a split gives to the training shards."""
    schedule = store.read_table(f"schedule/{part}", ["doc_id", "position"])
    position = schedule["position"].to_numpy()
    training = position < rows
    doc_id, first = np.unique(schedule["doc_id"].to_numpy()[training], return_index=True)
    position = position[training][first]  # a part's draws ascend by position, and `unique` finds the first
    if not len(doc_id):
        return np.zeros(0, np.int32), position, np.zeros(0, np.int32), np.zeros(0, np.int16)
    assigned = store.read_table(f"assignments/{part}", ["doc_id", "cluster"])
    cluster = assigned["cluster"].to_numpy()[np.searchsorted(assigned["doc_id"].to_numpy(), doc_id)]
    documents = store.read_table(f"documents/{part}", ["doc_id", "tokens", "domain"])
    row = doc_id.astype(np.int64) - documents["doc_id"][0].as_py()  # a part has every document of its split
    domain = documents["domain"].combine_chunks()
    by_name = np.array([clips[name] for name in domain.dictionary.to_pylist()], np.int16)
    clip = by_name[domain.indices.to_numpy()[row]]
    return cluster, position, documents["tokens"].to_numpy()[row], clip


def _clips(job: Job) -> dict[str, int]:
    """The most times that the job lets a document of each domain be used in all phases together."""
    phases = [job.sampling.clip if phase.clip is None else phase.clip for phase in job.phases]
    own = dict(zip(job.domains, job.clips(job.sampling.clip), strict=True))
    if not phases:
        return own
    # As the plan has it: a phase's own clip is for all domains, `sampling.clip` for those without one of their own.
    most = dict.fromkeys(job.domains, 0)
    for phase, clip in zip(job.phases, phases, strict=True):
        for domain, limit in zip(job.domains, job.clips(clip), strict=True):
            most[domain] = max(most[domain], min(limit, phase.clip or limit))
    return most


def _base(allocation: pa.Table, clusters: NDArray[np.int32]) -> NDArray[np.float64]:
    """The share of each cluster in the tokens that the plan drew."""
    drawn = np.zeros(int(clusters[-1]) + 1, np.int64)
    cluster = allocation["cluster"].to_numpy()
    known = cluster < len(drawn)
    np.add.at(drawn, cluster[known], allocation["realised_tokens"].to_numpy()[known])
    tokens = drawn[clusters].astype(np.float64)
    shares: NDArray[np.float64] = tokens / tokens.sum()
    return shares
