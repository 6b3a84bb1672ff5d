"""The blocks of the record that are figures: removals, copies, quality, clusters, sampling, audit.

Each takes the facts of a run and gives a block as plain data; `model` says what it must be.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from curation.config.clustering import Clustering
from curation.report.record.facts import RecordFacts
from curation.report.record.use import DECILES, KINDS
from curation.report.summary import FITTED, first_phase, spent_clusters, tokens_by

#: What the report says of the fit of the centroids, and of all documents.
FIT = [*FITTED, "repeats"]

ALGORITHM = (
    "Spherical K-Means on unit vectors, cosine similarity; every kept document is assigned to its nearest centroid"
)
FIRST_FIT = "iterations, converged, reseeded and inertia are of the first fit"
INITIALISATION = "Greedy k-means++ on a random sample of the vectors"
#: Reasons for rejecting rows that are listed one by one.
LISTED_REASONS = 50

COPIES = "128-bit BLAKE2b of the text, NFC-normalised and with white space folded"


def removals(facts: RecordFacts) -> list[dict[str, Any]]:
    """What was taken out, by reason: rows that can't be used, copies, and what the job leaves out."""
    found = [
        _removal("documents", reason, count, None, examples, "rejected")
        for reason, count, examples in facts.rejected[:LISTED_REASONS]
    ]
    rest = facts.rejected[LISTED_REASONS:]
    if rest:
        count = sum(count for _, count, _ in rest)
        found.append(_removal("documents", f"{len(rest):,} other reasons", count, None, [], "rejected"))
    available, kept = (facts.use.tokens[:, KINDS.index(kind)].sum() for kind in ("available", "kept"))
    if dropped := facts.summary["duplicates"]["dropped"]:
        reason = "copy of an earlier document"
        found.append(_removal("duplicates", reason, dropped, int(available - kept), facts.copies, "duplicates"))
    for row in facts.summary["left_out"]:
        reason = f"left out by the job: {row['reason']}"
        found.append(_removal("plan", reason, row["documents"], row["tokens"], [], "allocation"))
    return found


def _removal(
    step: str, reason: str, documents: int, tokens: int | None, examples: list[int], evidence: str
) -> dict[str, Any]:
    row = {"step": step, "reason": reason, "documents": documents, "tokens": tokens}
    return row | {"examples": examples, "evidence": evidence}


def dedup(facts: RecordFacts) -> dict[str, Any]:
    """Copies."""
    exact, removed = facts.job.dedup.exact, facts.summary["duplicates"]["dropped"]
    looked_at = facts.summary["documents"]["kept"] if exact else 0
    return {
        "exact": exact,
        "method": COPIES if exact else "none",
        "kept_which": "the one with the lowest doc_id",
        "documents": looked_at,
        "removed": removed,
        "rate": removed / looked_at if looked_at else 0.0,
        "near": facts.summary.get("near_duplicates"),
    }


def quality(facts: RecordFacts) -> dict[str, Any] | None:
    """Qualities, by tenth; None where documents have none."""
    asked = facts.job.quality
    if not asked.given:
        return None
    bounds = np.linspace(0, 1, DECILES + 1).round(9).tolist()
    rows = zip(bounds, bounds[1:], facts.use.deciles.tolist(), strict=False)
    return {
        "origin": asked.column or asked.expression or f"scorer: {asked.scorer}",
        "scale": list(asked.scale),
        "curve": asked.curve.model_dump(mode="json"),
        "deciles": [
            {"low": low, "high": high, "documents": documents, "used": used, "draws": draws}
            for low, high, (documents, used, draws) in rows
        ],
        "without": facts.use.without,
    }


def clustering(facts: RecordFacts) -> dict[str, Any]:
    """The encoder, the fit, and the clusters."""
    summary, read = facts.summary["clustering"], facts.summary["embeddings"]
    fit = {name: summary[name] for name in FIT if name in summary}
    fit["inertia"] = facts.stats("centroids").get("inertia", [])
    characters = read.get("characters")
    encoder = facts.identity | {
        "name": facts.card.encoder["name"],
        "documents": read["documents"],
        "truncated": read.get("truncated", 0),
        "read_share": 1 - read["left_out"] / characters if characters else None,
    }
    return {
        "encoder": encoder,
        "algorithm": algorithm(facts.job.clustering),
        "initialisation": INITIALISATION,
        "seed": facts.job.seed,
        "fit": fit,
        "figures": {name: value for name, value in summary.items() if name not in (*FIT, "grouping")},
        "clusters": facts.clusters.to_pylist(),
    }


def algorithm(asked: Clustering) -> str:
    """How documents came into clusters, and these into groups."""
    told = [ALGORITHM]
    if asked.grouping == "kmeans":
        told.append("centroids and groups by hierarchical K-Means with resampling (arXiv 2405.15613)")
        told.append(f"centroids of a second fit, to the rows nearest to each of the first; {FIRST_FIT}")
    elif asked.grouping == "spectral":
        told.append(f"centroids of a second fit, to rows even over the groups of the first; {FIRST_FIT}")
        told.append("groups by normalised cuts of the graph of clusters (Ng, Jordan, Weiss 2002)")
    elif asked.levels:
        told.append("groups by Ward linkage of the centroids")
    if asked.merge_above is not None:
        told.append(f"clusters merged whose centroids have a similarity above {asked.merge_above:g}")
    if asked.within != "none":
        told.append(f"each {asked.within} by itself")
    return "; ".join(told)


def sampling(facts: RecordFacts) -> dict[str, Any]:
    """What was drawn."""
    plan, job = facts.summary["plan"], facts.job
    return {
        "draws": plan["draws"],
        "tokens": plan["tokens"],
        "rows": plan["rows"],
        "clip": job.sampling.clip,
        "clips": dict(zip(job.domains, job.clips(job.sampling.clip), strict=True)),
        "phases": [_phase(phase, job.domains) for phase in plan["phases"]],
        "weights": facts.summary["weights"],
        "uses": plan["repetitions"],
        "validation": plan["validation"],
        "token_caps": facts.summary.get("token_caps"),
        "shortfalls": facts.shortfalls,
        "clusters": quotas(facts.clusters["cluster"].to_pylist(), facts.allocation, facts),
    }


def _phase(phase: dict[str, Any], domains: list[str]) -> dict[str, Any]:
    """A phase, its lists by domain as mappings."""
    lists = {name: value for name, value in phase.items() if isinstance(value, list)}
    return phase | {name: dict(zip(domains, value, strict=True)) for name, value in lists.items()}


def quotas(numbers: list[int], allocation: pa.Table, facts: RecordFacts) -> list[dict[str, Any]]:
    """What was drawn of each cluster, all phases together."""
    first = first_phase(allocation)
    documents, tokens = (tokens_by(first, "cluster", numbers, f"available_{name}") for name in ("documents", "tokens"))
    realised = tokens_by(allocation, "cluster", numbers, "realised_tokens")
    summed = allocation.group_by("cluster", use_threads=False).aggregate([("target_tokens", "sum")]).to_pydict()
    target = dict(zip(summed["cluster"], summed["target_tokens_sum"], strict=True))
    spent, used, most = spent_clusters(allocation), facts.use.used, facts.use.most
    all_tokens, all_target, all_realised = int(tokens.sum()), sum(target.values()), int(realised.sum())
    rows = zip(numbers, documents.tolist(), tokens.tolist(), realised.tolist(), strict=True)
    return [
        {
            "cluster": number,
            "documents": there,
            "tokens": size,
            "share_before": _share(size, all_tokens),
            "target_tokens": target.get(number, 0.0),
            "target_share": _share(target.get(number, 0.0), all_target),
            "realised_tokens": got,
            "realised_share": _share(got, all_realised),
            "epochs": _share(got, size),
            "at_cap": number in spent,
            "used_documents": int(used[number]),
            "never_used_documents": there - int(used[number]),
            "most_uses": int(most[number]),
        }
        for number, there, size, got in rows
    ]


def audit(facts: RecordFacts) -> dict[str, Any]:
    """Before and after."""
    plan = facts.summary["plan"]
    tokens = sum(row["tokens_before"] for row in facts.summary["domains"])
    return {
        "balance": facts.summary["balance"],
        "coverage": {
            "documents": plan["documents"],
            "used_documents": plan["used_documents"],
            "never_used_documents": plan["documents"] - plan["used_documents"],
            "share_of_documents": _share(plan["used_documents"], plan["documents"]),
            "tokens": tokens,
            "unique_tokens": plan["unique_tokens"],
            "share_of_tokens": _share(plan["unique_tokens"], tokens),
            "drawn_tokens": plan["tokens"],
            "effective_tokens": plan["effective_tokens"],
        },
        "domains": facts.summary["domains"],
        "salience": facts.summary.get("salience"),
    }


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0
