"""Token files: every prefix holds the draws of its domain and phase, in order, with as many tokens as were counted.

A task a prefix reads the schedule of the domain's splits, so memory is some 20 bytes a draw of the prefix. That the ids
are those of the texts is looked at for some of the draws (`token_ids`): the texts are in the sources alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curation import tables
from curation.config import Job
from curation.output.megatron import read_index
from curation.stages.held_out import FOLDER
from curation.stages.phases import phases_of
from curation.stages.ray_cluster import share
from curation.stages.splits import load_files, load_splits, part_name
from curation.stages.workers import map_items
from curation.storage.store import Part, Store
from curation.verify.files import Faults
from curation.verify.findings import fault_unless
from curation.verify.token_ids import Draw, Quota, check_ids, quotas, some_draws


@dataclass(frozen=True)
class Wanted:
    """A prefix as the index has it: its domain, its entry there, the positions of its phase, and how many draws have
    their ids compared with their texts (None: none)."""

    entry: dict[str, Any]
    domain: str
    first: int
    stop: int
    quota: Quota | None

    @property
    def label(self) -> str:
        """The file."""
        return f"shards/{self.entry['file']}"


def check_token_files(
    store: Store,
    job: Job,
    listed: pa.Table,
    entries: list[dict[str, Any]],
    written: dict[str, Part],
    sample: float,
    inputs: bool,
) -> Faults:
    """The index against the files, and every prefix against the schedule.

    Args:
        store: the run directory.
        job: the job.
        listed: the plan's table of shards, which has the positions of each phase.
        entries: the prefixes as the index of the shards has them.
        written: the files of the stage by name.
        sample: the share of the usual number of draws whose ids are compared with their texts.
        inputs: whether any are: the texts are in the input files.
    """
    wanted = []
    every = load_splits(store)
    share_of = quotas([entry["rows"] for entry in entries], len(every), sample)
    phases = {request.folder: request.number for request in phases_of(job)} | {FOLDER: tables.VALIDATION}
    number, first = listed["phase"].to_numpy(), listed["first_position"].to_numpy()
    stop = first + listed["rows"].to_numpy()
    for entry, quota in zip(entries, share_of, strict=True):
        name = f"shards/{entry['file']}"
        for file, told in ((name, entry), (f"shards/{entry['index']['file']}", entry["index"])):
            part = written.get(file)
            agrees = part is not None and (part.bytes, part.sha256) == (told["bytes"], told["sha256"])
            yield fault_unless(agrees, f"{file}: the index does not agree with the marker")
        mine = np.flatnonzero(number == phases[entry["file"].rpartition("/")[0]])
        positions = int(first[mine[0]]), int(stop[mine[-1]])
        wanted.append(Wanted(entry, entry["domain"], *positions, quota if inputs else None))
    files = load_files(store)
    splits: dict[str, list[int]] = {domain: [] for domain in job.domains}
    for split in every:
        splits[files[split.file_id].domain].append(split.split_id)
    draws: list[Draw] = []
    for _, (fault, some) in map_items(wanted, check_prefix, store, job, share(splits), tasks=job.resources.tasks):
        yield fault
        draws += some
    if inputs:
        yield from check_ids(store, job, sorted(draws, key=lambda draw: (draw.file, draw.number)))


def check_prefix(prefix: Wanted, store: Store, job: Job, splits: dict[str, list[int]]) -> tuple[str | None, list[Draw]]:
    """What is wrong with a prefix, and where nothing is, the draws whose ids are to be compared with their texts."""
    name, entry = prefix.label, prefix.entry
    try:
        index = read_index(store.read_bytes(f"shards/{entry['index']['file']}"))
    except ValueError as error:
        return f"{name}: its .idx is damaged: {error}", []
    lengths, total = index.lengths, int(index.lengths.sum(dtype=np.int64))
    if total * index.dtype.itemsize != entry["bytes"]:
        return f"{name}: its .idx does not fit the tokens in it", []
    planned = _planned(store, splits[prefix.domain], prefix.first, prefix.stop)
    rows = len(planned.tokens)
    if (entry["rows"], entry["tokens"]) != (len(lengths), total) or len(lengths) != rows:
        return f"{name}: has {len(lengths)} documents, the schedule {rows} and the index {entry['rows']}", []
    # By this count the tokens are known one by one, and a document without a token counts as one.
    if job.tokens.count == "model" and not np.array_equal(np.maximum(lengths, 1), planned.tokens):
        number = int(np.argmax(np.maximum(lengths, 1) != planned.tokens))
        return f"{name}: document {number} in it is not the schedule's", []
    if prefix.quota is None or not rows:
        return None, []
    return None, some_draws(store, job.seed, name, index, planned.positions, planned.splits, prefix.quota)


@dataclass(frozen=True)
class Planned:
    """What the schedule gives a prefix: position and tokens of each draw, int64[n], by position; and from which
    splits they come."""

    positions: NDArray[np.int64]
    tokens: NDArray[np.int64]
    splits: list[int]


def _planned(store: Store, splits: list[int], first: int, stop: int) -> Planned:
    """The draws from some splits with positions from `first` to before `stop`."""
    positions, tokens, used = [np.empty(0, np.int64)], [np.empty(0, np.int64)], []
    for split_id in splits:
        plan = store.read_table(part_name("schedule", split_id), ["doc_id", "position"])
        position = plan["position"].to_numpy()
        mine = (position >= first) & (position < stop)
        if not mine.any():
            continue
        documents = store.read_table(part_name("documents", split_id), ["doc_id", "tokens"])
        row = plan["doc_id"].to_numpy()[mine] - documents["doc_id"][0].as_py()
        positions.append(position[mine].astype(np.int64))
        tokens.append(documents["tokens"].to_numpy()[row].astype(np.int64))
        used.append(split_id)
    at = np.concatenate(positions)
    order = np.argsort(at, kind="stable")
    return Planned(at[order], np.concatenate(tokens)[order], used)
