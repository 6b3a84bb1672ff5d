"""The page `report/index.html`: gathers what is on it and writes it.

Reads `report/summary.json`, the two tables of `page_tables`, the small tables of clusters, cells and centroids, and
what the last `curation probe` found: no text, no table by document, no Ray. `pipeline` writes the page when all stages
are done, and `curation report` and `curation probe` after that. The seconds of the stages are on it, which differ
from run to run; so the page is the one file of a run directory whose bytes nobody promises, and `verify` lets it be.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

import curation
from curation.config import Job
from curation.config.plan import NO_CLIP
from curation.errors import JobError
from curation.report.page.data import Clusters, Mixture, PageData, Series, StageTime, Stretch
from curation.report.page.figures import flow, lorenz
from curation.report.page.probe import debt_part, probe_part
from curation.report.page.projection import map_places
from curation.report.page.render import page_html
from curation.report.summary import first_phase
from curation.report.text import text_read
from curation.stages.centroid_file import load_centroids
from curation.stages.eligible import DATA, data_key
from curation.stages.page_tables import EXAMPLES, MIXTURE, TEXTS, shortened
from curation.stages.phases import phases_of
from curation.stages.plan_tables import ALLOCATION
from curation.storage.store import Store

PAGE = "report/index.html"

#: Where `curation probe` names the last probe of the run, and the last look at a curation debt; and what each left.
PROBE, DEBT = ("probe/latest.json", "results.json"), ("probe/debt.json", "debt.json")

#: Raise it when the tables of the page come out otherwise: reports that are done are then done again.
PAGE_VERSION = 1

#: Characters of example texts on a page: of very many clusters each gets less, but SHORTEST.
EXAMPLE_CHARACTERS, SHORTEST = 1_500_000, 120

#: What a stage works on, by its name: where the summary counts it, and what it is.
WORKED_ON = {
    "sources": ("sources", "rows", "documents"),
    "documents": ("documents", "documents", "documents"),
    "duplicates": ("documents", "documents", "documents"),
    "near_duplicates": ("embeddings", "documents", "documents"),
    "embeddings": ("embeddings", "documents", "documents"),
    "repeats": ("embeddings", "documents", "documents"),
    "assignments": ("embeddings", "documents", "documents"),
    "clusters": ("embeddings", "documents", "documents"),
    "plan": ("plan", "draws", "draws"),
    "shards": ("shards", "rows", "rows"),
}

AUDITED = ("languages", "near_duplicates", "salience", "token_caps")


def write_page(store: Store, job: Job, summary: dict[str, Any], seconds: Mapping[str, float]) -> None:
    """Writes the page into the run directory. `seconds`: how long each stage worked."""
    store.write_bytes(PAGE, page_html(page_data(store, job, summary, seconds)).encode())


def page_data(store: Store, job: Job, summary: dict[str, Any], seconds: Mapping[str, float]) -> PageData:
    """What is on the page.

    Args:
        store: the run directory; its report is done.
        job: the job.
        summary: `report/summary.json`.
        seconds: how long each stage worked, in order.

    Raises:
        JobError: the report was made by an older version, which left no tables for a page.
    """
    if not store.exists(MIXTURE):
        raise JobError(f"{store.shown(MIXTURE)}: missing; `curation run` with the job file makes the report anew")
    clusters, share = clusters_of(store, summary)
    plan = {key: value for key, value in summary["plan"].items() if isinstance(value, int)}
    return PageData(
        title=store.shown().rstrip("/").rpartition("/")[2],
        version=curation.__version__,
        sentences=[f"{summary['encoder']}.", text_read(summary["embeddings"]), summary["counted"]],
        flow=flow(summary),
        balance=summary["balance"],
        plan=plan | {"repetitions": summary["plan"]["repetitions"]},
        clip=clip_words(job),
        phases=[{**phase, "clip": _words(phase["clip"])} for phase in _phases(job, summary)],
        validation=summary["plan"].get("validation"),
        domains=summary["domains"],
        groups=summary["groups"],
        clusters=clusters,
        empty_clusters=len(summary["clusters"]) - len(clusters["cluster"]),
        map_share=share,
        lorenz=lorenz(np.array(clusters["before"], np.int64), np.array(clusters["after"], np.int64)),
        mixture=mixture_of(store.read_table(MIXTURE), job),
        findings=summary.get("findings", []),
        findings_clear=summary.get("findings_clear", 0),
        languages=summary.get("languages", []),
        near_duplicates=summary.get("near_duplicates"),
        salience=summary.get("salience", []),
        token_caps=summary.get("token_caps", []),
        audited=[name for name in AUDITED if name in summary],
        times=stage_times(summary, seconds),
        probe=probe_part(last_found(store, job, *PROBE)),
        debt=debt_part(last_found(store, job, *DEBT)),
    )


def last_found(store: Store, job: Job, latest: str, name: str) -> dict[str, Any] | None:
    """What the last of the probes left under this name; None where there was none of what the run has now."""
    named = store.read_json(latest)
    found: dict[str, Any] | None = named and store.read_json(f"probe/{named['key']}/{name}")
    own = data_key(job, {stage: store.marker(stage) for stage in DATA}) if found else None
    return found if found and found["settings"].get("data") == own else None


def clusters_of(store: Store, summary: dict[str, Any]) -> tuple[Clusters, float]:
    """The clusters that hold documents, and what share of the centroids' variance the map holds."""
    rows = [row for row in summary["clusters"] if row["documents"]]
    numbers = np.array([row["cluster"] for row in rows], np.int64)
    places, share = map_places(load_centroids(store)[numbers])
    main = main_domains(store.read_table(ALLOCATION), [row["domain"] for row in summary["domains"]])
    texts = example_texts(store.read_table(EXAMPLES), len(rows))
    columns = Clusters(
        cluster=numbers.tolist(),
        documents=[row["documents"] for row in rows],
        before=[row["tokens_before"] for row in rows],
        after=[row["tokens_after"] for row in rows],
        coherence=[None if row["coherence"] is None else round(row["coherence"], 4) for row in rows],
        clipped=[row["clipped"] for row in rows],
        terms=[row["terms"] for row in rows],
        group=[row["group"] for row in rows],
        warning=[row["warning"] for row in rows],
        domain=[main[number] for number in numbers.tolist()],
        x=places[:, 0].tolist(),
        y=places[:, 1].tolist(),
        examples=[texts.get(number, []) for number in numbers.tolist()],
    )
    return columns, share


def main_domains(allocation: pa.Table, domains: list[str]) -> dict[int, int]:
    """The domain, as its place in `domains`, that has most of each cluster's tokens; the first of equals."""
    cells = first_phase(allocation)
    place = pc.index_in(cells["domain"], pa.array(domains, pa.string())).to_numpy()
    cluster, tokens = cells["cluster"].to_numpy(), cells["available_tokens"].to_numpy()
    order = np.lexsort((place, -tokens, cluster))
    found, first = np.unique(cluster[order], return_index=True)
    return dict(zip(found.tolist(), place[order][first].tolist(), strict=True))


def example_texts(examples: pa.Table, clusters: int) -> dict[int, list[str]]:
    """The example texts of each cluster, nearest first, cut so that a page of very many clusters stays light."""
    most = max(SHORTEST, EXAMPLE_CHARACTERS // (TEXTS * max(1, clusters)))
    found: dict[int, list[str]] = {}
    for cluster, text in zip(examples["cluster"].to_pylist(), examples["text"].to_pylist(), strict=True):
        found.setdefault(cluster, []).append(shortened(text, most))
    return found


def mixture_of(table: pa.Table, job: Job) -> Mixture:
    """The mixture along the output."""
    by_domain = table.filter(pc.equal(table["kind"], "domain"))
    first = by_domain.take(np.arange(0, by_domain.num_rows, len(job.domains)))  # a row a stretch
    columns = zip(*(first[name].to_pylist() for name in ("phase", "first_position", "rows")), strict=True)
    within = job.output.format == "megatron"
    return Mixture(
        stretches=[Stretch(phase=phase, first=start, rows=rows) for phase, start, rows in columns],
        domains=_series(by_domain),
        clusters=_series(table.filter(pc.equal(table["kind"], "cluster"))),
        order_note="This is the order of the plan; in token files it holds within each file." if within else "",
    )


def _series(rows: pa.Table) -> Series:
    """Names in the order of the table, and their tokens by stretch."""
    names = list(dict.fromkeys(rows["name"].to_pylist()))
    tokens = rows["tokens"].to_numpy().reshape(-1, len(names))
    return Series(names=names, tokens=tokens.T.tolist())


def clip_words(job: Job) -> str:
    """How often a document may be used at most, over all phases."""
    return _words(np.stack([request.clips for request in phases_of(job)]).max(axis=0))


def _words(clips: Any) -> str:
    low, high = int(np.min(clips)), int(np.max(clips))
    if low >= NO_CLIP:
        return "no limit"
    return f"{high:,}" if low == high else f"{low:,} to {'any' if high >= NO_CLIP else f'{high:,}'}, by domain"


def _phases(job: Job, summary: dict[str, Any]) -> list[dict[str, Any]]:
    """What each phase was asked for and gave."""
    names = ("folder", "order", "strategy", "budget", "tokens", "draws")
    planned = zip(phases_of(job), summary["plan"]["phases"], strict=True)
    return [{name: phase[name] for name in names} | {"clip": request.clips} for request, phase in planned]


def stage_times(summary: dict[str, Any], seconds: Mapping[str, float]) -> list[StageTime]:
    """How long each stage worked, and on how much."""
    found = []
    for stage, took in seconds.items():
        part, key, unit = WORKED_ON.get(stage, ("", "", ""))
        count = summary.get(part, {}).get(key) if part else None
        found.append(StageTime(stage=stage, seconds=took, count=count, unit=unit))
    return found
