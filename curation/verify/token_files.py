"""Token files: every prefix holds the draws of its domain and phase, in order, with as many tokens as were counted.

A task a prefix reads the schedule of the domain's splits, so memory is some 20 bytes a draw of the prefix. That the ids
are those of the texts is not checked, only their number: the texts are in the sources alone.
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


@dataclass(frozen=True)
class Wanted:
    """A prefix as the index has it: its domain, its entry there, and the positions of its phase."""

    entry: dict[str, Any]
    domain: str
    first: int
    stop: int

    @property
    def label(self) -> str:
        """The file."""
        return f"shards/{self.entry['file']}"


def check_token_files(
    store: Store, job: Job, listed: pa.Table, entries: list[dict[str, Any]], written: dict[str, Part]
) -> Faults:
    """The index against the files, and every prefix against the schedule.

    Args:
        store: the run directory.
        job: the job.
        listed: the plan's table of shards, which has the positions of each phase.
        entries: the prefixes as the index of the shards has them.
        written: the files of the stage by name.
    """
    wanted = []
    phases = {request.folder: request.number for request in phases_of(job)} | {FOLDER: tables.VALIDATION}
    number, first = listed["phase"].to_numpy(), listed["first_position"].to_numpy()
    stop = first + listed["rows"].to_numpy()
    for entry in entries:
        name = f"shards/{entry['file']}"
        for file, told in ((name, entry), (f"shards/{entry['index']['file']}", entry["index"])):
            part = written.get(file)
            agrees = part is not None and (part.bytes, part.sha256) == (told["bytes"], told["sha256"])
            yield fault_unless(agrees, f"{file}: the index does not agree with the marker")
        mine = np.flatnonzero(number == phases[entry["file"].rpartition("/")[0]])
        wanted.append(Wanted(entry, entry["domain"], int(first[mine[0]]), int(stop[mine[-1]])))
    files = load_files(store)
    splits: dict[str, list[int]] = {domain: [] for domain in job.domains}
    for split in load_splits(store):
        splits[files[split.file_id].domain].append(split.split_id)
    exact = job.tokens.count == "model"
    for _, fault in map_items(wanted, check_prefix, store, share(splits), exact, tasks=job.resources.tasks):
        yield fault


def check_prefix(prefix: Wanted, store: Store, splits: dict[str, list[int]], exact: bool) -> str | None:
    """One prefix; `exact`: the documents were counted with the tokenizer, so their tokens are known one by one."""
    name, entry = prefix.label, prefix.entry
    try:
        index = read_index(store.read_bytes(f"shards/{entry['index']['file']}"))
    except ValueError as error:
        return f"{name}: its .idx is damaged: {error}"
    lengths, total = index.lengths, int(index.lengths.sum(dtype=np.int64))
    if total * index.dtype.itemsize != entry["bytes"]:
        return f"{name}: its .idx does not fit the tokens in it"
    tokens = _planned_tokens(store, splits[prefix.domain], prefix.first, prefix.stop)
    if (entry["rows"], entry["tokens"]) != (len(lengths), total) or len(lengths) != len(tokens):
        return f"{name}: has {len(lengths)} documents, the schedule {len(tokens)} and the index {entry['rows']}"
    # A document without a token counts as one.
    if exact and not np.array_equal(np.maximum(lengths, 1), tokens):
        return f"{name}: document {int(np.argmax(np.maximum(lengths, 1) != tokens))} in it is not the schedule's"
    return None


def _planned_tokens(store: Store, splits: list[int], first: int, stop: int) -> NDArray[np.int64]:
    """Tokens of each draw from these splits with positions from `first` to before `stop`, by position: int64[n]."""
    positions, tokens = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
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
    order = np.argsort(np.concatenate(positions), kind="stable")
    found: NDArray[np.int64] = np.concatenate(tokens)[order]
    return found
