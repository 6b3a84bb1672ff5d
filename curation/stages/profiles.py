"""Profiles: what the texts of each domain are like, where domain weights are computed from that.

Reads `excerpts` (and the beginning of the reference corpus, if the job names one). Writes one row a domain and
feature: the mean over the domain's excerpts and its standard error. Tasks measure batches of splits; sums are added up
in the order of the splits, so the tasks can't matter. Does nothing unless `blending.weights` is `auto` somewhere.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

from curation import tables
from curation.config import Job
from curation.sampling.auto_weights import FeatureTable
from curation.sources.apart import read_apart
from curation.sources.find import InputFile
from curation.stages.context import Result, Run, Stage
from curation.stages.duplicates import dropped_documents
from curation.stages.phases import Profiles
from curation.stages.reference import check_same, files_digest, no_text, reference_files, reference_texts
from curation.stages.splits import load_files, load_splits, part_name
from curation.stages.workers import map_items
from curation.storage.store import Store
from curation.text.features import FEATURES, Profile, profile

PROFILES = "profiles/profiles.parquet"

#: Splits that a task measures.
TASK_SPLITS = 8
#: Key of the reference corpus in the job file.
KEY = "blending.reference"


def settings(job: Job) -> dict[str, Any] | None:
    """What the profiles depend on besides the excerpts; None where nobody reads them."""
    if "auto" not in job.strategies:
        return None
    reference = job.blending.reference
    return {"features": len(FEATURES), "reference": reference and reference.model_dump(), "domains": job.domains}


def work(run: Run) -> Result:
    """The stage."""
    if settings(run.job) is None:
        return Result([])
    tasks = run.job.resources.tasks
    splits = load_splits(run.store)
    domain_of = {split.split_id: load_files(run.store)[split.file_id].domain for split in splits}
    there = run.store.list("excerpts")
    wanted = [split.split_id for split in splits if part_name("excerpts", split.split_id) in there]
    batches = [wanted[start : start + TASK_SPLITS] for start in range(0, len(wanted), TASK_SPLITS)]
    found: dict[int, Profile] = {}
    texts = 0
    with run.reporter.stage("profiles", 0) as progress:
        for batch, profiles in map_items(batches, measure_splits, run.store, tasks=tasks):
            found |= dict(zip(batch, (measured for _, measured in profiles), strict=True))
            texts += sum(count for count, _ in profiles)
            progress.advance(text=f"{texts} texts measured")
        names: list[str | None] = [*run.job.domains]
        by_domain = [_sum([found[split] for split in wanted if domain_of[split] == name]) for name in names]
        stats: dict[str, Any] = {"texts": texts, "features": len(FEATURES)}
        if run.job.blending.reference:
            files = reference_files(run.job.blending.reference, KEY)
            stats["reference"] = files_digest(files)
            [(_, measured)] = map_items([files], measure_reference, run.job.blending.reference.text_column)
            names.append(None)
            by_domain.append(measured)
    table = pa.concat_tables([_rows(name, one) for name, one in zip(names, by_domain, strict=True)])
    return Result([run.store.write_table(PROFILES, table)], stats)


def recheck(run: Run) -> None:
    """The reference corpus may have changed."""
    marker, reference = run.store.marker("profiles"), run.job.blending.reference
    if marker and reference and "reference" in marker.stats:
        check_same(marker.stats["reference"], reference, KEY, f"{run.store.root}/profiles")


def precheck(run: Run) -> None:
    """The reference corpus can be read: told before hours of work, not after."""
    reference = run.job.blending.reference
    if settings(run.job) is not None and reference:
        list(read_apart(partial(_measure_file, reference.text_column), reference_files(reference, KEY)[:1]))


STAGE = Stage("profiles", ("profiles",), ("documents.excerpted", "duplicates"), settings, work, recheck, precheck)


def measure_splits(splits: list[int], store: Store) -> list[tuple[int, Profile]]:
    """Texts and profile of the excerpts of each split, copies left out."""
    dropped = dropped_documents(store)
    measured = []
    for split in splits:
        table = store.read_table(part_name("excerpts", split))
        kept = ~np.isin(table["doc_id"].to_numpy(), dropped, assume_unique=True)
        texts = table["text"].filter(pa.array(kept)).to_pylist()
        measured.append((len(texts), profile(texts)))
    return measured


def _measure_file(text_column: str, file: InputFile) -> Profile:
    return measure_reference([file], text_column)


def measure_reference(files: list[InputFile], text_column: str) -> Profile:
    """The profile of the beginnings of some files."""
    measured = _sum([])
    for file in files:
        measured = measured + profile(reference_texts(file, text_column, KEY))
    if not measured.documents.any():
        raise no_text(files, text_column, KEY)
    return measured


def _sum(profiles: list[Profile]) -> Profile:
    total = profile([])
    for one in profiles:
        total = total + one
    return total


def _rows(domain: str | None, measured: Profile) -> pa.Table:
    arrays = [
        pa.array([domain] * len(FEATURES), pa.string()),
        [feature.name for feature in FEATURES],
        [feature.group for feature in FEATURES],
        measured.documents,
        pa.array(measured.mean, from_pandas=True),
        pa.array(measured.standard_error, from_pandas=True),
    ]
    return pa.table(arrays, schema=tables.PROFILES)


def load_profiles(store: Store) -> Profiles:
    """The committed profiles."""
    table = store.read_table(PROFILES)
    shape = (-1, len(FEATURES))
    means = table["mean"].to_numpy().reshape(shape)  # null arrives as NaN
    errors = table["standard_error"].to_numpy().reshape(shape)
    has_reference = table["domain"][-1].as_py() is None
    reference = (means[-1], errors[-1]) if has_reference else None
    stop = len(means) - has_reference
    names = [feature.name for feature in FEATURES]
    groups = [feature.group for feature in FEATURES]
    return Profiles(FeatureTable(names, groups, means[:stop], errors[:stop]), reference)
