"""The second pass of writing token files: what the splits gave to a phase and domain is merged and appended.

A pair of files, a *prefix*, for each domain in each phase: that is how Megatron-LM blends. A task writes one prefix.
Group by group it reads the batches of the domain's splits, which were tokenised when they were spilled, merges them by
position and appends the ids; lengths are kept, 4 bytes a draw, and written as the index behind. The draws of a domain
keep the global order. Between domains Megatron-LM mixes by the weights of the blend file: the tokens of each prefix.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from curation.config import Job
from curation.output import megatron
from curation.stages import ray_cluster, workers
from curation.stages.board import record_progress
from curation.stages.context import Run
from curation.stages.held_out import FOLDER
from curation.stages.shard_files import Group, gathered
from curation.stages.spill import SPILL, spill_name
from curation.stages.splits import load_files, load_splits
from curation.storage.store import Part, Store

#: Columns of a spilled file: the ids of a document as bytes, and the bytes of its text.
COLUMNS = pa.schema([("tokens", pa.large_binary()), ("text_bytes", pa.int64())])


@dataclass(frozen=True)
class Prefix:
    """A pair of files that one task writes: its name without suffix, its domain, and the groups it is gathered from."""

    name: str
    domain: str
    groups: tuple[int, ...]

    @property
    def label(self) -> str:
        """Which files, for messages."""
        return self.name

    @property
    def folder(self) -> str:
        """Its folder in `shards`; empty where there are no phases."""
        return self.name.removeprefix("shards/").rpartition("/")[0]

    @property
    def receipt(self) -> str:
        """Where its receipt is kept until the stage is done."""
        return f"{SPILL}/{self.name.removeprefix('shards/')}.json"


@dataclass(frozen=True)
class Written:
    """What was written of a prefix; no files where the domain gave it nothing."""

    domain: str
    rows: int
    tokens: int
    text_bytes: int
    files: list[Part]


def prefixes(job: Job, groups: list[Group]) -> list[Prefix]:
    """The prefixes, folder by folder in the order of the groups, then by domain."""
    folders = itertools.groupby(groups, key=lambda group: group.files[0].rpartition("/")[0])
    names = megatron.file_names(job.domains)
    return [
        Prefix(f"{folder}/{name}", domain, numbers)
        for folder, members in folders
        for numbers in [tuple(group.number for group in members)]
        for domain, name in zip(job.domains, names, strict=True)
    ]


def write_prefixes(run: Run, wanted: list[Prefix], dtype: np.dtype[Any]) -> Iterator[tuple[Prefix, Written]]:
    """Writes the prefixes that are not there yet; yields all of them, as they are done."""
    files = load_files(run.store)
    spilled: dict[str, list[str]] = {domain: [] for domain in run.job.domains}
    for split in load_splits(run.store):
        spilled[files[split.file_id].domain].append(spill_name(split.split_id))
    shared, tasks = ray_cluster.share(spilled), run.job.resources.tasks
    with run.reporter.stage("shards", 0) as progress:
        writing = workers.map_items(wanted, write_prefix, run.store, shared, dtype, tasks=tasks)
        for done, (prefix, written) in enumerate(writing, 1):
            progress.advance(written.rows)
            record_progress(done, len(wanted), written.rows, sum(part.bytes for part in written.files))
            yield prefix, written


def write_prefix(prefix: Prefix, store: Store, spilled: dict[str, list[str]], dtype: np.dtype[Any]) -> Written:
    """Gathers and writes one prefix; where it is there already, its receipt."""
    found = _receipt(store, prefix)
    if found:
        return found
    lengths: list[NDArray[np.int32]] = []
    rows = text_bytes = 0
    files = []
    parts = (gathered(store, spilled[prefix.domain], number) for number in prefix.groups if spilled[prefix.domain])
    filled = ((part, order) for part, order in parts if len(order))
    first = next(filled, None)
    if first is not None:
        with store.create(prefix.name + megatron.TOKENS_SUFFIX) as sink:
            for part, order in itertools.chain([first], filled):
                lengths.append(megatron.append(sink, part["tokens"], order, dtype))
                text_bytes += pc.sum(part["text_bytes"]).as_py()
                rows += len(order)
        files.append(Part(prefix.name + megatron.TOKENS_SUFFIX, rows, sink.bytes, sink.sha256))
        with store.create(prefix.name + megatron.INDEX_SUFFIX) as sink:
            megatron.write_index(sink, lengths, dtype)
        files.append(Part(prefix.name + megatron.INDEX_SUFFIX, rows, sink.bytes, sink.sha256))
    tokens = sum(int(part.sum(dtype=np.int64)) for part in lengths)
    written = Written(prefix.domain, rows, tokens, text_bytes, files)
    store.write_json(prefix.receipt, asdict(written))
    return written


def write_blends(store: Store, written: list[tuple[Prefix, Written]]) -> list[Part]:
    """Writes for each folder of token files what Megatron-LM takes to blend them, with paths as seen from `shards`.

    `blend.txt` is for `--data-args-path`; where documents are held out for validation, `blends.json` is for
    `--per-split-data-args-path`.
    """
    folders: dict[str, list[tuple[Prefix, Written]]] = {}
    for prefix, one in written:
        folders.setdefault(prefix.folder, []).append((prefix, one))
    blends = {
        folder: megatron.blend_text([prefix.name.removeprefix("shards/") for prefix, _ in ones], _tokens(ones))
        for folder, ones in folders.items()
    }
    held_out = blends.pop(FOLDER, None)
    parts = []
    for folder, text in blends.items():
        where = f"shards/{folder}/".replace("//", "/")
        parts.append(store.write_bytes(f"{where}blend.txt", text.encode()))
        if held_out is not None:
            parts.append(store.write_bytes(f"{where}blends.json", megatron.blends_json(text, held_out).encode()))
    return parts


def _tokens(written: list[tuple[Prefix, Written]]) -> list[int]:
    return [one.tokens for _, one in written]


def _receipt(store: Store, prefix: Prefix) -> Written | None:
    """The receipt of a prefix that is there, as it was written; None where it must be written."""
    value = store.read_json(prefix.receipt)
    if value is None:
        return None
    files = [Part(**part) for part in value.pop("files")]
    there = all(store.exists(part.name) and store.hash(part.name) == (part.bytes, part.sha256) for part in files)
    return Written(files=files, **value) if there else None
