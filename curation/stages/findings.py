"""What the audit's stages found, as rows for the report, and the findings; no stage of its own.

`report` puts it beside its other figures, `curation audit` shows it before anything is drawn. What was not asked for is
not there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf
from typing import Any

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from curation import tables
from curation.audit.findings import findings
from curation.audit.representation import sample_weights, wilson
from curation.config import Job
from curation.sampling.balance import effective_number, gini
from curation.sources.rows import Split
from curation.stages.clusters import CLUSTERS, GROUPS
from curation.stages.languages import LANGUAGES
from curation.stages.plan_tables import SHARDS
from curation.stages.ray_cluster import share
from curation.stages.salience import SALIENCE
from curation.stages.splits import load_files, load_splits, part_name
from curation.stages.workers import map_items
from curation.storage.store import Store

#: What `curation audit` writes.
AUDIT = "report/audit.json"

#: Splits whose draws a task counts.
TASK_SPLITS = 64


def audited(store: Store, job: Job, *, drawn: bool) -> dict[str, Any]:
    """The rows `languages` and `salience` and the counts `near_duplicates`, as far as the job asks for them.

    Args:
        store: the run directory.
        job: the job.
        drawn: whether there is a plan, so that shares after it can be told.
    """
    found: dict[str, Any] = {}
    if job.audit.languages:
        found["languages"] = language_rows(store, job, drawn=drawn)
    if job.audit.near_duplicates:
        counts = _counted(store, "near_duplicates")
        repeating = counts["grouped"] - counts["groups"]
        found["near_duplicates"] = {
            "groups": counts["groups"],
            "documents": counts["grouped"],
            "of": counts["documents"],
            "repeating": repeating,
            "rate": repeating / max(1, counts["documents"]),
            "largest": counts["largest"],
        }
    if job.audit.salience:
        found["salience"] = store.read_table(SALIENCE).to_pylist()
        _, plain = _weights(_counted(store, "languages")["domains"], job.domains)
        found["salience_sample"] = None if plain == inf else plain
    return found


def _counted(store: Store, stage: str) -> dict[str, Any]:
    marker = store.marker(stage)
    return marker.stats if marker else {}


def language_rows(store: Store, job: Job, *, drawn: bool) -> list[dict[str, Any]]:
    """A row a language, most frequent first: its documents in the sample, and its share of all, before and after.

    Shares are of documents, weighted by domain; after is over the draws, repetitions counted, None without a plan.
    """
    table = store.read_table(LANGUAGES).select(["doc_id", "language"])
    encoded = table["language"].combine_chunks().dictionary_encode()
    names, code = encoded.dictionary.to_pylist(), encoded.indices.to_numpy()
    splits, files = load_splits(store), load_files(store)
    starts = np.array([split.first_doc_id for split in splits])
    numbers = np.array([job.domains.index(files[split.file_id].domain) for split in splits])
    doc_id = table["doc_id"].to_numpy()
    domain = numbers[np.searchsorted(starts, doc_id, side="right") - 1] if len(doc_id) else np.zeros(0, np.int64)
    weights, plain = _weights(_counted(store, "languages")["domains"], job.domains)
    cell, shape = code * len(job.domains) + domain, (len(names), len(job.domains))
    counts = np.bincount(cell, minlength=shape[0] * shape[1]).reshape(shape)
    before = counts @ weights
    after: Sequence[float | None] = [None] * len(names)
    if drawn:
        draws = _draws(store, job, splits, doc_id, cell, shape) @ weights
        after = (draws / max(draws.sum(), 1e-300)).tolist()
    rows = []
    for name, own, share_before, share_after in zip(names, counts, before.tolist(), after, strict=True):
        low, high = wilson(min(1.0, share_before), plain)
        shares = {"share_before": share_before, "low": low, "high": high, "share_after": share_after}
        rows.append({"language": name, "documents": int(own.sum()), **shares})
    return sorted(rows, key=lambda row: (-row["share_before"], row["language"]))


def _weights(counted: Mapping[str, Mapping[str, int]], domains: Sequence[str]) -> tuple[NDArray[np.float64], float]:
    """See `sample_weights`."""
    columns = ([counted[name][key] for name in domains] for key in ("documents", "sampled"))
    documents, sampled = (np.array(column, np.int64) for column in columns)
    return sample_weights(documents, sampled)


def _draws(
    store: Store,
    job: Job,
    splits: list[Split],
    doc_id: NDArray[np.int64],
    cell: NDArray[np.int64],
    shape: tuple[int, int],
) -> NDArray[np.int64]:
    """Draws for training of the sampled documents in each cell of language and domain: int64 of this shape."""
    shards = store.read_table(SHARDS)
    training = shards.filter(pc.not_equal(shards["phase"], tables.VALIDATION))
    stop = int((training["first_position"].to_numpy() + training["rows"].to_numpy()).max(initial=0))
    names = [part_name("schedule", split.split_id) for split in splits]
    batches = [names[start : start + TASK_SPLITS] for start in range(0, len(names), TASK_SPLITS)]
    total = np.zeros(shape[0] * shape[1], np.int64)
    sample, tasks = share((doc_id, cell, len(total))), job.resources.tasks
    for _, found in map_items(batches, count_draws, store, sample, stop, tasks=tasks):
        total += found
    return total.reshape(shape)


def count_draws(
    names: list[str], store: Store, sample: tuple[NDArray[np.int64], NDArray[np.int64], int], stop: int
) -> NDArray[np.int64]:
    """Draws before the position `stop` of the sampled documents in each cell, from parts of the schedule."""
    known, cell, cells = sample
    total = np.zeros(cells, np.int64)
    for name in names:
        rows = store.read_table(name)
        rows = rows.filter(pc.less(rows["position"], stop))
        doc_id = rows["doc_id"].to_numpy()
        place = np.minimum(np.searchsorted(known, doc_id), max(0, len(known) - 1))
        mine = known[place] == doc_id if len(known) else np.zeros(len(doc_id), np.bool_)
        weighted = "sample_weight" in rows.column_names
        weight = rows["sample_weight"].to_numpy()[mine] if weighted else None
        total += np.bincount(cell[place[mine]], weight, minlength=cells).astype(np.int64)
    return total


def with_findings(figures: dict[str, Any], targets: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The figures of a summary or an audit, with what is to be looked at in them."""
    told, clear = findings({**figures, "targets": targets or {}})
    return {**figures, "findings": told, "findings_clear": clear}


def targets_of(job: Job, summary: Mapping[str, Any]) -> dict[str, Any]:
    """The shares that domains and clusters were to have: what was asked for, where the draws are held against it.

    Domains: where all phases ask for weights, each counted by its tokens. Clusters: where nothing but the clip
    can keep them from their share: one phase, no domain weights, no bounds on clusters, nothing left out.
    """
    weights, phases = summary["weights"], summary["plan"]["phases"]
    asked = [phase["strategy"] != "none" for phase in weights]
    if all(asked):
        tokens = np.array([phase["tokens"] for phase in phases], np.float64)
        wanted = np.array([[phase["weights"][name]["wanted"] for name in job.domains] for phase in weights])
        shares = (tokens @ wanted / max(tokens.sum(), 1.0)).tolist()
        return {"domains": dict(zip(job.domains, shares, strict=True))}
    sampling = job.sampling
    bounded = sampling.min_cluster_share > 0 or sampling.max_cluster_share < 1 or sampling.balance != "clusters"
    bounded = bounded or sampling.cluster_weights == "learned"
    if any(asked) or len(weights) > 1 or bounded or sampling.exclude:
        return {}
    return {"cluster_exponent": sampling.cluster_exponent}


def audit_figures(store: Store, job: Job) -> dict[str, Any]:
    """What `curation audit` tells: the corpus after bad rows and copies were dropped, before anything is drawn."""
    counted = _counted(store, "languages")["domains"]
    total = max(1, sum(own["tokens"] for own in counted.values()))
    clusters = store.read_table(CLUSTERS)
    sizes = clusters["tokens"].to_numpy()
    figures = {
        "sources": _counted(store, "sources"),
        "documents": _counted(store, "documents"),
        "duplicates": _counted(store, "duplicates"),
        "domains": [_share_row("domain", name, counted[name], total) for name in job.domains],
        "clustering": _counted(store, "clusters"),
        "balance": {"gini": gini(sizes), "effective_clusters": effective_number(sizes)},
        "clusters": [_share_row("cluster", row["cluster"], row, total) for row in clusters.to_pylist()],
        "groups": [],
        **audited(store, job, drawn=False),
    }
    if job.clustering.groups:
        rows = store.read_table(GROUPS).to_pylist()
        figures["groups"] = [_share_row("group", row["group"], row, total) for row in rows]
    for key in ("domains", "clusters", "groups"):
        figures[key].sort(key=lambda row: -row["tokens_before"])
    return with_findings(figures)


def _share_row(key: str, name: Any, counts: Mapping[str, Any], total: int) -> dict[str, Any]:
    tokens = {"tokens_before": counts["tokens"], "share_before": counts["tokens"] / total}
    more = {name: counts[name] for name in ("coherence", "terms", "group", "warning") if name in counts}
    return {key: name, "documents": counts["documents"], **tokens, **{k: v for k, v in more.items() if k != key}}
