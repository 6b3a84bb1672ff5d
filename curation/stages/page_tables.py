"""Two small tables for the page: the mixture along the output, and three texts of each cluster.

Part of the stage `report`. Everything else on the page is in small tables already; these two need a look at every
split, so they are made by Ray tasks and committed, and the page can be made again at any time without one. The
output is cut into about fifty stretches of equal rows, none across two phases; a task sums the drawn tokens of its
splits by stretch. The texts are the excerpts nearest to the centroid: a second round of tasks reads only those that
were chosen.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from curation import tables
from curation.clustering.describe import Medoids, merge_medoids, top_by_cluster
from curation.config import Job
from curation.report.page.figures import NAMES, largest_names, size_bands
from curation.sources.rows import Split
from curation.stages.clusters import CLUSTERS, GROUPS
from curation.stages.plan_tables import SHARDS
from curation.stages.ray_cluster import share
from curation.stages.splits import load_files, load_splits, part_name
from curation.stages.workers import map_items
from curation.storage.store import Part, Store

MIXTURE, EXAMPLES = "report/mixture.parquet", "report/examples.parquet"

#: Stretches of the output, about; texts of a cluster, and how much of each, in characters; splits a task looks at.
STRETCHES, TEXTS, CHARACTERS, TASK_SPLITS = 50, 3, 400, 64


@dataclass(frozen=True, eq=False)
class Stretches:
    """The pieces of the training output: the phase and the first row of each, and the row after the last."""

    phase: NDArray[np.int16]
    first: NDArray[np.int64]
    stop: int


@dataclass(frozen=True, eq=False)
class Names:
    """What the mixture is told by: domains, and groups, clusters or bands of clusters by size."""

    domains: list[str]
    clusters: list[str]
    of_cluster: NDArray[np.int32]
    """int32[K]: index into `clusters`."""


@dataclass(frozen=True, eq=False)
class Seen:
    """Of some splits: drawn tokens by stretch and domain, by stretch and name of clusters, and the nearest excerpts."""

    by_domain: NDArray[np.int64]
    by_cluster: NDArray[np.int64]
    nearest: Medoids


def write_page_tables(store: Store, job: Job) -> list[Part]:
    """Commits both tables."""
    stretches, names = cut_stretches(store.read_table(SHARDS)), names_of(store, job)
    splits, files = load_splits(store), load_files(store)
    work = [(split, job.domains.index(files[split.file_id].domain)) for split in splits]
    batches = [work[start : start + TASK_SPLITS] for start in range(0, len(work), TASK_SPLITS)]
    excerpted = share(set(store.list("excerpts")))
    total: Seen | None = None
    looking = map_items(batches, look_at, store, share(stretches), share(names), excerpted, tasks=job.resources.tasks)
    for _, seen in looking:
        total = seen if total is None else _add(total, seen)
    assert total is not None, "a run has at least one split"
    mixture = mixture_table(stretches, names, total)
    examples = examples_table(store, job, splits, total.nearest)
    return [store.write_table(MIXTURE, mixture), store.write_table(EXAMPLES, examples)]


def cut_stretches(shards: pa.Table) -> Stretches:
    """About STRETCHES pieces of equal rows, those of a phase by themselves; what is held out for validation is none."""
    training = shards.filter(pc.not_equal(shards["phase"], tables.VALIDATION))
    phase, rows = training["phase"].to_numpy(), training["rows"].to_numpy()
    first, total = training["first_position"].to_numpy(), int(rows.sum())
    phases, firsts = [np.empty(0, np.int16)], [np.empty(0, np.int64)]
    for number in np.unique(phase):
        own, start = int(rows[phase == number].sum()), int(first[phase == number].min())
        count = min(own, max(1, round(STRETCHES * own / total)))
        firsts.append(start + np.arange(count, dtype=np.int64) * own // max(1, count))
        phases.append(np.full(count, number, np.int16))
    return Stretches(np.concatenate(phases), np.concatenate(firsts), total)


def names_of(store: Store, job: Job) -> Names:
    """Groups where there are some; else all clusters, if they are few; else bands of clusters by size."""
    clusters = store.read_table(CLUSTERS, ["cluster", "tokens", "terms", "group"])
    tokens = clusters["tokens"].to_numpy()
    if job.clustering.groups:
        groups = store.read_table(GROUPS, ["group", "tokens", "terms"])
        named = [_name("group", row["group"], row["terms"]) for row in groups.to_pylist()]
        found, place = largest_names(named, groups["tokens"].to_numpy())
        return Names(job.domains, found, place[clusters["group"].to_numpy()])
    if len(tokens) <= NAMES + 1:
        named = [_name("cluster", row["cluster"], row["terms"]) for row in clusters.to_pylist()]
        return Names(job.domains, *largest_names(named, tokens))
    return Names(job.domains, *size_bands(tokens))


def _name(kind: str, number: int, terms: list[str]) -> str:
    return f"{kind} {number}" + (f": {', '.join(terms[:3])}" if terms else "")


def look_at(
    batch: list[tuple[Split, int]], store: Store, stretches: Stretches, names: Names, excerpted: set[str]
) -> Seen:
    """What some splits, each with the number of its domain, give to the page."""
    by_domain = np.zeros((len(stretches.first), len(names.domains)), np.int64)
    by_cluster = np.zeros((len(stretches.first), len(names.clusters)), np.int64)
    nearest = []
    for split, domain in batch:
        assigned = store.read_table(part_name("assignments", split.split_id), ["doc_id", "cluster", "similarity"])
        doc_id, cluster = assigned["doc_id"].to_numpy(), assigned["cluster"].to_numpy()
        stretch, drawn, tokens = _draws(store, split, stretches)
        np.add.at(by_domain[:, domain], stretch, tokens)
        name = names.of_cluster[cluster[np.searchsorted(doc_id, drawn)]]
        np.add.at(by_cluster, (stretch, name), tokens)
        if (excerpts := part_name("excerpts", split.split_id)) in excerpted:
            known = store.read_table(excerpts, ["doc_id"])["doc_id"].to_numpy()
            kept = np.isin(doc_id, known, assume_unique=True)
            similarity = assigned["similarity"].to_numpy()
            nearest.append(top_by_cluster(cluster[kept], similarity[kept], doc_id[kept], TEXTS))
    return Seen(by_domain, by_cluster, merge_medoids([_NOTHING, *nearest], TEXTS))


_NOTHING = Medoids(np.empty(0, np.int32), np.empty(0, np.float32), np.empty(0, np.int64))


def _draws(
    store: Store, split: Split, stretches: Stretches
) -> tuple[NDArray[np.intp], NDArray[np.int64], NDArray[np.int64]]:
    """The training rows of a split: stretch, doc_id and tokens of each, a row's weight counted."""
    schedule = store.read_table(part_name("schedule", split.split_id))
    position = schedule["position"].to_numpy().astype(np.int64)
    training = position < stretches.stop
    doc_id = schedule["doc_id"].to_numpy().astype(np.int64)[training]
    tokens = store.read_table(part_name("documents", split.split_id), ["tokens"])["tokens"].to_numpy()
    drawn = tokens[doc_id - split.first_doc_id].astype(np.int64)
    if "sample_weight" in schedule.column_names:
        drawn *= schedule["sample_weight"].to_numpy()[training]
    return np.searchsorted(stretches.first, position[training], side="right") - 1, doc_id, drawn


def _add(left: Seen, right: Seen) -> Seen:
    nearest = merge_medoids([left.nearest, right.nearest], TEXTS)
    return Seen(left.by_domain + right.by_domain, left.by_cluster + right.by_cluster, nearest)


def mixture_table(stretches: Stretches, names: Names, seen: Seen) -> pa.Table:
    """The `mixture` table: a row a stretch and name, by domains first; rows of no tokens too."""
    count = len(stretches.first)
    parts = []
    for kind, known, sums in (("domain", names.domains, seen.by_domain), ("cluster", names.clusters, seen.by_cluster)):
        number = np.repeat(np.arange(count, dtype=np.int32), len(known))
        arrays = [
            number,
            stretches.phase[number],
            stretches.first[number],
            np.diff(stretches.first, append=stretches.stop)[number],
            pa.array([kind] * len(number), pa.string()),
            pa.array(known, pa.string()).take(pa.array(np.tile(np.arange(len(known)), count))),
            sums.ravel(),
        ]
        parts.append(pa.table(arrays, schema=tables.MIXTURE))
    return pa.concat_tables(parts)


def examples_table(store: Store, job: Job, splits: list[Split], nearest: Medoids) -> pa.Table:
    """The `examples` table, from the excerpts that were chosen."""
    split = np.searchsorted([one.first_doc_id for one in splits], nearest.doc_id, side="right") - 1
    wanted = [(splits[number].split_id, nearest.doc_id[split == number]) for number in np.unique(split)]
    batches = [wanted[start : start + TASK_SPLITS] for start in range(0, len(wanted), TASK_SPLITS)]
    found: dict[int, str] = {}
    for _, texts in map_items(batches, read_beginnings, store, tasks=job.resources.tasks):
        found |= texts
    texts = pa.array([found[number] for number in nearest.doc_id.tolist()], pa.string())
    arrays = [nearest.cluster, nearest.doc_id, nearest.similarity, texts]
    return pa.table(arrays, schema=tables.EXAMPLES)


def read_beginnings(batch: list[tuple[int, NDArray[np.int64]]], store: Store) -> dict[int, str]:
    """The beginning of each of these documents, white space folded, from the excerpts of their splits."""
    found: dict[int, str] = {}
    for split_id, doc_id in batch:
        excerpts = store.read_table(part_name("excerpts", split_id))
        chosen = excerpts.filter(pc.is_in(excerpts["doc_id"], pa.array(doc_id)))
        for number, text in zip(chosen["doc_id"].to_pylist(), chosen["text"].to_pylist(), strict=True):
            found[number] = shortened(text)
    return found


def shortened(text: str, most: int = CHARACTERS) -> str:
    """A text in one line of at most `most` characters; what is cut ends in three dots."""
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 1].rstrip() + "…"
