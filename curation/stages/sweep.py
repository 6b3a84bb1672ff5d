"""Sweep: what other values of some keys would give, before anything is drawn.

Reads `documents`, `assignments` and, for other clusters, `embeddings` of a run that got as far as its assignments;
writes nothing and needs no Ray. Each combination of values is a job of its own, checked like any other and decided,
phase by phase, by the planner's own `decide` on the table of cells: milliseconds, whatever the number of documents.

- A cell that gives a of its S tokens uses each document floor(a / S) or ceil(a / S) times, so a share min(1, a / S)
  of it is used at all: unique tokens are sum min(S, a).
- So a later phase finds room for clip * S less what was drawn before, or none: exact but for whole documents, since
  who was used least comes first and a clip is a whole number.

Neither holds where documents are drawn by quality: there their copies are counted out as the plan does it.

Other values of `clustering` or of the seed cluster the stored vectors anew, in this process. The bits of `centroids`
don't depend on which actor holds a row, so these are the clusters that a run would make. Beyond SWEEP_DOCUMENTS
documents a random sample stands for all, and what it holds of a domain is scaled up to all that the domain has.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product
from math import prod

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray

from curation.clustering.torch_engine import FitState
from curation.config import Job
from curation.counter_rng import uniform
from curation.errors import JobError, RunError
from curation.job_file import load_job
from curation.progress import Reporter
from curation.report.sweep_text import Row, Sweep
from curation.sampling.cells import cell_totals
from curation.stages import carriers, centroids, profiles
from curation.stages import learned as learned_stage
from curation.stages.centroid_file import Fitted, load_fitted
from curation.stages.context import Fingerprint, Stage
from curation.stages.eligible import Eligible, load_eligible
from curation.stages.embeddings import load_vectors
from curation.stages.held_out import reads_content
from curation.stages.learned_weights import Learned, learns, load_learned
from curation.stages.phases import Profiles
from curation.stages.recluster import Sample, cluster_anew
from curation.stages.splits import load_splits, part_name
from curation.stages.sweep_figures import Clustered, figures
from curation.storage.store import Marker, Store

#: About the most documents that are clustered anew.
SWEEP_DOCUMENTS = 1_000_000


def sweep(
    path: str,
    overrides: list[str],
    swept: dict[str, list[str]],
    stages: Sequence[Stage],
    fingerprint_of: Fingerprint,
    reporter: Reporter,
) -> Sweep:
    """The figures of every combination of values.

    Args:
        path: the job file.
        overrides: its `--set` options.
        swept: the values of each key, as they were written.
        stages: the pipeline's stages in order.
        fingerprint_of: computes the fingerprint of a stage.
        reporter: is told of what takes long.

    Returns:
        A row a combination, the last key's values changing fastest. One that the job file's checks, the fit or the
        allocation refuse has their message in place of figures.

    Raises:
        JobError: the job file is wrong, or the run is not done as far as its assignments.
    """
    job = load_job(path, overrides)
    store = Store.open(job.run_dir)
    markers = done_stages(store, job, stages, fingerprint_of)
    looked_for = knows_carriers(store, job, fingerprint_of(carriers.STAGE, job, markers))
    corpus = Corpus(store, job, markers["assignments"].stats["documents"], reporter, looked_for)
    rows = []
    for values in product(*swept.values()):
        settings = [f"{key}={value}" for key, value in zip(swept, values, strict=True)]
        try:
            one = load_job(path, [*overrides, *settings])
            measured = load_measured(store, one, fingerprint_of(profiles.STAGE, one, markers))
            if not knows_carriers(store, one, fingerprint_of(carriers.STAGE, one, markers)):
                raise JobError("the run has not looked for the tokens that are capped: run the job with them first")
            if learns(one) and _clustering(one) != _clustering(job):
                raise JobError("learned weights are of the run's own clusters: run the job with these first")
            learned = fitted_weights(store, one, markers, fingerprint_of)
            rows.append(Row(values, figures(one, corpus.clustered(one), measured, learned)))
        except (JobError, RunError) as error:
            lines = [line.removeprefix(f"{path}: ") for line in str(error).splitlines()]
            rows.append(Row(values, None, "; ".join(lines)))
    notes = corpus.notes()
    if "seed" in swept and job.embedding.model == "lexical" and not job.given_vectors:
        notes.append("seed: of the clusters and the draws; the vectors stay, where a run would fit `lexical` anew")
    return Sweep(list(swept), rows, notes)


def done_stages(store: Store, job: Job, stages: Sequence[Stage], fingerprint_of: Fingerprint) -> dict[str, Marker]:
    """The markers of the stages up to the assignments. Raises JobError where one is not done for this job."""
    markers: dict[str, Marker] = {}
    for stage in stages[: [stage.name for stage in stages].index("assignments") + 1]:
        marker = store.marker(stage.name)
        if marker is None or marker.fingerprint != fingerprint_of(stage, job, markers):
            raise JobError(
                f"{job.run_dir}: --sweep needs the clusters of a run, and {stage.name} is not done for this job file: "
                "run the job first, or up to the assignments"
            )
        markers[stage.name] = marker
    return markers


def load_measured(store: Store, job: Job, wanted: str) -> Profiles | None:
    """The profiles of the domains where a job's weights need them; JobError where the run has others, or none."""
    if "auto" not in job.strategies:
        return None
    marker = store.marker(profiles.STAGE.name)
    if marker is None or marker.fingerprint != wanted:
        raise JobError("weights are auto, and the run has not measured the texts for that: run the job with auto first")
    return profiles.load_profiles(store)


def fitted_weights(
    store: Store, job: Job, markers: Mapping[str, Marker], fingerprint_of: Fingerprint
) -> Learned | None:
    """The fitted weights where a job's plan needs them; JobError where the run has others, or none."""
    marker, clusters = (store.marker(name) for name in ("learned", "clusters"))
    if learns(job) is None:
        return None
    known = {**markers, "clusters": clusters} if clusters else None
    if marker is None or known is None or marker.fingerprint != fingerprint_of(learned_stage.STAGE, job, known):
        raise JobError("weights are learned, and the run has not fitted them for that: run the job with these first")
    return load_learned(store, job)


def knows_carriers(store: Store, job: Job, wanted: str) -> bool:
    """Whether the run has found out which documents carry the tokens that a job caps; True where it caps none."""
    marker = store.marker(carriers.STAGE.name)
    return not job.capped_tokens or (marker is not None and marker.fingerprint == wanted)


class Corpus:
    """The documents of a run under its own clustering, and under others as they are asked for."""

    def __init__(self, store: Store, job: Job, total: int, reporter: Reporter, with_carriers: bool = False) -> None:
        self._store, self._job, self._reporter = store, job, reporter
        with reporter.stage("documents", 0):
            splits, content = load_splits(store), reads_content(job)
            carried = with_carriers and bool(job.capped_tokens)
            self._all = load_eligible(store, splits, job.domains, total, job.quality.given, content, carried)
        self._by_domain = cell_totals(self._all.cell % len(job.domains), self._all.tokens, len(job.domains))[1]
        self._known = {_clustering(job): self._clustered(self._all, load_fitted(store))}
        self._sample: Sample | None = None

    def clustered(self, job: Job) -> Clustered:
        """The documents in the clusters that a job asks for."""
        key = _clustering(job)
        if key not in self._known:
            torch.set_num_threads(os.cpu_count() or 1)
            with self._reporter.stage("clusters", 0) as progress:
                self._sample = self._sample or self._draw_sample()

                def tell(state: FitState) -> None:
                    progress.advance(text=f"{job.clustering.fine} clusters, iteration {state.iteration}")

                self._known[key] = self._clustered(*cluster_anew(job, self._sample, tell))
        return self._known[key]

    def notes(self) -> list[str]:
        """What a reader of the figures should know."""
        rows, documents = len(self._sample.documents.doc_id) if self._sample else 0, len(self._all.doc_id)
        some = f"~: clustered on a random sample of {rows:,} of {documents:,} documents"
        return [some] if 0 < rows < documents else []

    def _clustered(self, documents: Eligible, found: Fitted) -> Clustered:
        shape = (len(found.centroids), len(self._by_domain))
        count, tokens = (sums.reshape(shape) for sums in cell_totals(documents.cell, documents.tokens, prod(shape)))
        scale = np.where(tokens.any(axis=0), self._by_domain / np.maximum(tokens.sum(axis=0), 1), 1.0)
        sampled = len(documents.doc_id) < len(self._all.doc_id)
        return Clustered(documents, count, np.rint(tokens * scale).astype(np.int64), scale, sampled, found)

    def _draw_sample(self) -> Sample:
        """The documents that stand for all, chosen by doc_id alone."""
        share = SWEEP_DOCUMENTS / len(self._all.doc_id)
        vectors, places, start = [], [], 0
        for split, end in zip(load_splits(self._store), self._all.ends, strict=True):
            ids, rows = load_vectors(self._store, part_name("embeddings", split.split_id))
            chosen = np.flatnonzero(uniform(self._job.seed, "sweep", ids) < share)
            vectors.append(rows[chosen] if len(chosen) < len(ids) else rows)
            places.append(start + chosen)
            start = int(end)
        place, ends = np.concatenate(places), np.cumsum([len(rows) for rows in vectors])
        columns = {
            name: array[place] for name, array in vars(self._all).items() if name != "ends" and array is not None
        }
        return Sample(replace(self._all, **columns, ends=ends), vectors, self._languages(place))

    def _languages(self, place: NDArray[np.int64]) -> pa.Array | None:
        """The languages of some documents, where the run clusters by them."""
        if self._job.clustering.within != "language":
            return None
        splits, parts = load_splits(self._store), []
        for split, own in zip(splits, np.split(self._all.doc_id, self._all.ends[:-1]), strict=True):
            column = self._store.read_table(part_name("documents", split.split_id), ["language"])["language"]
            parts += column.take(pa.array(own - split.first_doc_id)).chunks
        return pa.chunked_array(parts, pa.string()).combine_chunks().take(pa.array(place))


def _clustering(job: Job) -> str:
    """What the clusters depend on besides the vectors."""
    return json.dumps(centroids.settings(job), sort_keys=True)
