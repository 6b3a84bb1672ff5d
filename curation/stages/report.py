"""Report: puts the figures of the run into `report/summary.json`, and the cards beside the shards.

Reads the small tables and the markers of the stages before it; `curation show` prints what it wrote. For the page
`report/index.html` it looks at every split once and leaves two small tables (`page_tables`); the page itself is made
when all stages are done (`page`).
"""

from __future__ import annotations

from typing import Any

from curation.config import Job
from curation.report.summary import (
    FITTED,
    balance,
    cluster_rows,
    domain_rows,
    first_phase,
    group_rows,
    left_out_rows,
    tokens_by,
)
from curation.sampling.balance import effective_number, gini
from curation.stages.cards import CARD, CARDS_VERSION, CROISSANT, write_cards
from curation.stages.clusters import CLUSTERS, GROUPS
from curation.stages.context import Result, Run, Stage
from curation.stages.encoder import describe, load_spec
from curation.stages.findings import AUDIT, audited, targets_of, with_findings
from curation.stages.page import PAGE, PAGE_VERSION
from curation.stages.page_tables import write_page_tables
from curation.stages.plan_tables import ALLOCATION, WEIGHTS
from curation.stages.tokenizer import how_counted
from curation.storage.store import Store

SUMMARY = "report/summary.json"


def settings(job: Job) -> dict[str, Any]:
    """What the summary, the cards and the tables of the page depend on besides the tables of the run."""
    unread = {"resources", "run_dir", "cost", "record", "reasons"}
    return job.model_dump(mode="json", exclude=unread) | {"cards": CARDS_VERSION, "page": PAGE_VERSION}


def work(run: Run) -> Result:
    """The stage."""
    summary = summarise(run.store, run.job)
    written = [run.store.write_json(SUMMARY, summary), *write_cards(run.store, run.job, summary)]
    return Result([*written, *write_page_tables(run.store, run.job)])


STAGE = Stage(
    "report",
    ("report",),
    (
        "sources",
        "tokenizer",
        "documents",
        "duplicates",
        "near_duplicates",
        "embeddings",
        "repeats",
        "centroids",
        "assignments",
        "clusters",
        "languages",
        "salience",
        "plan",
        "shards",
    ),
    settings,
    work,
    guests=(CARD, CROISSANT, AUDIT, PAGE),
)


def summarise(store: Store, job: Job) -> dict[str, Any]:
    """All figures, JSON-able."""
    stats = {name: counted(store, name) for name in STAGE.after}
    allocation = store.read_table(ALLOCATION)
    clusters = store.read_table(CLUSTERS)
    weights = store.read_json(WEIGHTS)
    numbers = clusters["cluster"].to_pylist()
    before = tokens_by(first_phase(allocation), "cluster", numbers, "available_tokens")
    after = tokens_by(allocation, "cluster", numbers, "realised_tokens")
    rows = cluster_rows(clusters, allocation)
    fitted = {key: stats["centroids"][key] for key in FITTED if key in stats["centroids"]}
    summary = {
        "encoder": f"{'given vectors' if job.given_vectors else job.embedding.model}, {describe(load_spec(store))}",
        "sources": stats["sources"],
        "documents": stats["documents"],
        "counted": how_counted(job, stats["tokenizer"]),
        "duplicates": stats["duplicates"],
        "embeddings": stats["embeddings"],
        "sampling": job.sampling.model_dump(mode="json"),
        "plan": stats["plan"],
        "shards": stats["shards"],
        "balance": balance(before, after, {"gini": gini, "effective_clusters": effective_number}),
        "weights": weights,
        "left_out": left_out_rows(allocation),
        "domains": domain_rows(allocation, job.domains, weights),
        "clustering": fitted | stats["repeats"] | stats["clusters"],
        "clusters": rows,
        "groups": group_rows(rows, store.read_table(GROUPS)) if job.clustering.groups else [],
        **({"token_caps": stats["plan"]["token_caps"]} if job.capped_tokens else {}),
        **audited(store, job, drawn=True),
    }
    return with_findings(summary, targets_of(job, summary))


def counted(store: Store, stage: str) -> dict[str, Any]:
    """What a finished stage counted."""
    marker = store.marker(stage)
    return marker.stats if marker else {}
