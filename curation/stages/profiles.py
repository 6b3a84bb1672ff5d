"""Profiles: what the texts of each domain are like, where domain weights are computed from that.

Reads `excerpts` (and the beginning of the reference corpus, if the job names one). Writes one row a domain and
feature: the mean over the domain's excerpts and its standard error. Tasks measure batches of splits; sums are added up
in the order of the splits, so the tasks can't matter. Does nothing unless `blending.weights` is `auto` somewhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

from curation import tables
from curation.config import Job, Source
from curation.errors import CurationError, InputError
from curation.sampling.auto_weights import FeatureTable
from curation.sources.apart import read_apart
from curation.sources.find import InputFile, find_files
from curation.stages.context import Result, Run, Stage
from curation.stages.documents import EXCERPT_CHARACTERS
from curation.stages.duplicates import dropped_documents
from curation.stages.estimate import read_sample
from curation.stages.phases import Profiles
from curation.stages.splits import load_files, load_splits, part_name
from curation.stages.workers import map_items
from curation.storage.store import Store, fingerprint
from curation.text.features import FEATURES, Profile, profile

PROFILES = "profiles/profiles.parquet"

#: Splits that a task measures; files of the reference corpus whose beginning is read, and texts taken of each.
TASK_SPLITS, REFERENCE_FILES, REFERENCE_TEXTS = 8, 64, 500


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
            files = reference_files(run.job)
            stats["reference"] = files_digest(files)
            [(_, measured)] = map_items([files], measure_reference, run.job.blending.reference.text_column)
            names.append(None)
            by_domain.append(measured)
    table = pa.concat_tables([_rows(name, one) for name, one in zip(names, by_domain, strict=True)])
    return Result([run.store.write_table(PROFILES, table)], stats)


def recheck(run: Run) -> None:
    """The reference corpus may have changed."""
    marker = run.store.marker("profiles")
    if marker and "reference" in marker.stats and marker.stats["reference"] != files_digest(reference_files(run.job)):
        raise InputError(
            "blending.reference: its files changed since this run measured them; put them back, or remove "
            f"{run.store.root}/profiles to measure them anew"
        )


def precheck(run: Run) -> None:
    """The reference corpus can be read: told before hours of work, not after."""
    if settings(run.job) is not None and run.job.blending.reference:
        measure = partial(_measure_file, run.job.blending.reference.text_column)
        list(read_apart(measure, reference_files(run.job)[:1]))


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


def reference_files(job: Job) -> list[InputFile]:
    """The files of the reference corpus; at most REFERENCE_FILES, spread evenly over it."""
    reference = job.blending.reference
    assert reference is not None, "only asked for where there is one"
    source = Source(domain="reference", path=reference.path, text_column=reference.text_column)
    with _naming_the_reference():
        files = find_files(source, 0)
    chosen = sorted({round(place) for place in np.linspace(0, len(files) - 1, REFERENCE_FILES)})
    return [files[index] for index in chosen]


def files_digest(files: list[InputFile]) -> str:
    """Hash of which files they are."""
    return fingerprint([[file.path, file.etag] for file in files])


def _measure_file(text_column: str, file: InputFile) -> Profile:
    return measure_reference([file], text_column)


def measure_reference(files: list[InputFile], text_column: str) -> Profile:
    """The profile of the beginnings of some files."""
    source = Source(domain="reference", path=[file.path for file in files], text_column=text_column)
    measured = _sum([])
    for file in files:
        with _naming_the_reference():
            texts = read_sample(source, file).texts[:REFERENCE_TEXTS]
        measured = measured + profile([text[:EXCERPT_CHARACTERS] for text in texts])
    if not measured.documents.any():
        raise InputError(
            f"blending.reference: there is no text under {text_column!r} in {files[0].path}: see its text_column"
        )
    return measured


@contextmanager
def _naming_the_reference() -> Iterator[None]:
    """Puts the reference's key into messages about a source."""
    try:
        yield
    except CurationError as error:
        raise type(error)(str(error).replace("sources.0", "blending.reference")) from error


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
