"""What a task of verify must know of the whole run, what it finds in its splits, and rows as one number.

A split says which rows each shard must hold because of it as the sum of the rows' keys: so a shard can be checked
alone, without the draws of the whole run in one place.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from curation.counter_rng import keys
from curation.stages.centroid_file import Fitted

#: A cell: cluster and domain.
Cell = tuple[int, str]


@dataclass(frozen=True)
class Layout:
    """What a task must know of the whole run.

    Attributes:
        dropped: int64, doc_ids of dropped copies, ascending.
        shard_starts: int64[shards], first position of each.
        phase_stops: int64[phases], position after the last row of each; what comes after is held out for validation.
        held_texts: 16 bytes[v], ascending: the hashes of the texts that are held out.
        fitted: the centroids, and the stratum of each.
    """

    dropped: NDArray[np.int64]
    shard_starts: NDArray[np.int64]
    phase_stops: NDArray[np.int64]
    held_texts: NDArray[np.void]
    fitted: Fitted


@dataclass
class Findings:
    """What splits came to; sums over splits, in any order.

    Attributes:
        faults: a line a check, None where it holds.
        documents, rejected, kept: rows in `documents`; bad ones; those with a vector.
        rows, draws: rows in `schedule`; draws for training, which a row may stand for several of.
        sizes, tokens: int64[K], documents and tokens of each cluster.
        cells, held: documents of each cell, and those of them that are held out for validation.
        drawn: tokens drawn from each cell in each phase, (phase, cluster, domain).
        carriers: documents that carry each capped token.
        phase_draws, carried: draws in each phase, and those of carriers, (phase, token).
        shard_rows, shard_keys: int64[S] and uint64[S], rows that each shard must hold, and the sum of their keys.
        position_keys: the sum of the keys of all positions, modulo 2^64.
    """

    sizes: NDArray[np.int64]
    tokens: NDArray[np.int64]
    shard_rows: NDArray[np.int64]
    shard_keys: NDArray[np.uint64]
    faults: list[str | None] = field(default_factory=list)
    documents: int = 0
    rejected: int = 0
    kept: int = 0
    rows: int = 0
    draws: int = 0
    position_keys: int = 0
    cells: dict[Cell, int] = field(default_factory=dict)
    held: dict[Cell, int] = field(default_factory=dict)
    drawn: dict[tuple[int, int, str], int] = field(default_factory=dict)
    carriers: dict[int, int] = field(default_factory=dict)
    phase_draws: dict[int, int] = field(default_factory=dict)
    carried: dict[tuple[int, int], int] = field(default_factory=dict)

    @classmethod
    def none(cls, clusters: int, shards: int) -> Findings:
        """Of no split."""
        counts = (np.zeros(clusters, np.int64), np.zeros(clusters, np.int64), np.zeros(shards, np.int64))
        return cls(*counts, np.zeros(shards, np.uint64))

    @property
    def held_rows(self) -> int:
        """Documents that are held out for validation."""
        return sum(self.held.values())

    def add(self, other: Findings) -> None:
        """Takes the sums of other splits in; not their faults."""
        self.sizes += other.sizes
        self.tokens += other.tokens
        self.shard_rows += other.shard_rows
        self.shard_keys += other.shard_keys
        self.documents += other.documents
        self.rejected += other.rejected
        self.kept += other.kept
        self.rows += other.rows
        self.draws += other.draws
        self.position_keys = (self.position_keys + other.position_keys) % 2**64
        add_to(self.cells, other.cells)
        add_to(self.held, other.held)
        add_to(self.drawn, other.drawn)
        add_to(self.carriers, other.carriers)
        add_to(self.phase_draws, other.phase_draws)
        add_to(self.carried, other.carried)


def add_to(sums: dict[Any, int], other: dict[Any, int]) -> None:
    """Adds numbers to those of the same keys."""
    for key, number in other.items():
        sums[key] = sums.get(key, 0) + number


def fault_unless(holds: bool, fault: str) -> str | None:
    """None where a check holds."""
    return None if holds else fault


def row_keys(columns: dict[str, NDArray[Any]]) -> NDArray[np.uint64]:
    """A 64-bit key of each row, uint64[n], from whole numbers.

    The sum of the keys of rows is the same in any order, and for other rows the same by a chance of 2^-64.
    """
    key = np.zeros(len(next(iter(columns.values()))), np.uint64)
    for name, column in columns.items():
        key = keys(0, f"verify.{name}", key ^ column.astype(np.uint64))
    return key


def domain_key(domain: str) -> np.uint64:
    """A domain as a number."""
    return np.uint64(int.from_bytes(hashlib.blake2b(domain.encode(), digest_size=8).digest(), "little"))


def drawn_keys(
    position: NDArray[Any],
    doc_id: NDArray[Any],
    cluster: NDArray[Any],
    repetition: NDArray[Any],
    weight: NDArray[Any],
    domain: NDArray[np.uint64],
    content: NDArray[np.uint64],
) -> NDArray[np.uint64]:
    """The keys of rows of shards; `weight` is 1 for a draw, `content` uint64[n, 2] the hashes of the texts."""
    columns = {"position": position, "doc_id": doc_id, "cluster": cluster, "repetition": repetition, "weight": weight}
    return row_keys({**columns, "domain": domain, "low": content[:, 0], "high": content[:, 1]})


def weights_of(rows: pa.Table) -> NDArray[Any]:
    """How many draws each row of a schedule or a shard stands for: integers[n]."""
    weighted = "sample_weight" in rows.column_names
    return rows["sample_weight"].to_numpy() if weighted else np.ones(rows.num_rows, np.int16)


def content_hashes(documents: pa.Table) -> NDArray[np.uint64]:
    """The hash of each document's text, uint64[n, 2]; zeros where the row was rejected."""
    filled = pc.fill_null(documents["content_hash"], pa.scalar(bytes(16), pa.binary(16))).combine_chunks()
    return np.frombuffer(b"".join(filled.to_pylist()), np.uint64).reshape(-1, 2)


def texts_of(content: NDArray[np.uint64]) -> NDArray[np.void]:
    """Hashes, uint64[n, 2], as one value each: 16 bytes[n]."""
    return np.ascontiguousarray(content).view("V16").reshape(-1)
