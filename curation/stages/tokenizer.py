"""Tokenizer: keeps a copy of the trainer's tokenizer, and measures what a token is worth in bytes where that is asked.

Reads the file that `tokens.tokenizer` names and, for a ratio, the beginning of some files of each domain. Writes
`tokenizer.json`, a copy. All workers read the copy, so every node counts with the same file and none needs the hub or
the place that it came from. A file that changed since is noticed when the run goes on, and everything is counted
again. Does nothing where no tokenizer is named.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from curation.config import Job
from curation.config.tokens import BYTES_PER_TOKEN
from curation.errors import CurationError, RunError
from curation.sources.find import InputFile
from curation.sources.rows import NUMBER, Rows
from curation.sources.sample import read_sample, some_files
from curation.stages.context import Result, Run, Stage
from curation.stages.splits import load_files
from curation.stages.workers import map_items
from curation.storage.store import Store, fingerprint
from curation.tokenizer import FILE, Tokenizer, find_tokenizer

COPY = f"tokenizer/{FILE}"

#: Files of a domain whose beginning is read for a ratio, and texts of each that are tokenised.
RATIO_FILES, RATIO_TEXTS = 8, 64
#: The most tokens that a document can have in the tables.
MOST_TOKENS = 2**31 - 1


def settings(job: Job) -> dict[str, Any] | None:
    """What the copy and the ratios depend on besides the file; None without a tokenizer."""
    if job.tokens.tokenizer is None:
        return None
    columns = [[source.domain, source.text_column] for source in job.sources] if job.tokens.measured else None
    return {"tokens": job.tokens.model_dump(), "columns": columns}


def work(run: Run) -> Result:
    """The stage."""
    name = run.job.tokens.tokenizer
    if name is None:
        return Result([])
    with run.reporter.stage("tokenizer", 0) as progress:
        data = find_tokenizer(name)
        tokenizer = Tokenizer(data, name, run.job.tokens.end_of_document)
        copy = run.store.write_bytes(COPY, data)
        stats: dict[str, Any] = {"sha256": tokenizer.sha256, "vocabulary": tokenizer.vocabulary}
        if run.job.tokens.measured:
            stats["bytes_per_token"] = _ratios(run, tokenizer.sha256)
        stats["counting"] = _counting(run.job, stats)
        progress.advance(text=f"{tokenizer.vocabulary:,} tokens, sha256 {tokenizer.sha256[:12]}")
    return Result([copy], stats)


def precheck(run: Run) -> None:
    """The tokenizer is there and can be used: told before the sources are counted."""
    if run.job.tokens.tokenizer is not None:
        named_tokenizer(run.job.tokens.tokenizer, run.job.tokens.end_of_document)


def outdated(run: Run) -> bool:
    """Whether the file is another one than the copy. One that can't be had any more is not: there is the copy."""
    name, marker = run.job.tokens.tokenizer, run.store.marker("tokenizer")
    if name is None or marker is None:
        return False
    try:
        now = find_tokenizer(name)
    except CurationError as error:
        text = f"{error}. The run goes on with the copy that it has"
        run.reporter.event("note", stage="tokenizer", text=text)
        return False
    if hashlib.sha256(now).hexdigest() == marker.stats["sha256"]:
        return False
    text = f"tokens.tokenizer: {name} changed since this run counted with it: everything is counted again"
    run.reporter.event("note", stage="tokenizer", text=text)
    return True


STAGE = Stage("tokenizer", ("tokenizer",), ("sources.files",), settings, work, precheck=precheck, outdated=outdated)


def _counting(job: Job, stats: dict[str, Any]) -> str | None:
    """Hash of all that the counts of documents depend on; None where it is nothing of this stage."""
    if job.tokens.measured:
        return fingerprint(stats["bytes_per_token"])
    if job.tokens.count == "model":
        return fingerprint([stats["sha256"], job.tokens.end_of_document])
    return None


def _ratios(run: Run, sha256: str) -> dict[str, float]:
    """UTF-8 bytes a token of each domain, by the beginning of some files; of all together where it has no text."""
    files = list(load_files(run.store).values())
    chosen = [
        file for domain in run.job.domains for file in some_files([f for f in files if f.domain == domain], RATIO_FILES)
    ]
    sums = {domain: np.zeros(2, np.int64) for domain in run.job.domains}
    for file, found in map_items(chosen, measure, run.store, run.job, sha256, tasks=run.job.resources.tasks):
        sums[file.domain] += found
    return {domain: ratio(own, sum(sums.values(), np.zeros(2, np.int64))) for domain, own in sums.items()}


def measure(file: InputFile, store: Store, job: Job, sha256: str) -> NDArray[np.int64]:
    """Bytes and tokens of the texts at the beginning of a file: int64[2]."""
    texts = read_sample(job.sources[file.source], file).texts
    return bytes_and_tokens(texts, RATIO_TEXTS, load_tokenizer(store, sha256, job.tokens.end_of_document))


def bytes_and_tokens(texts: list[str], most: int, tokenizer: Tokenizer) -> NDArray[np.int64]:
    """UTF-8 bytes and tokens of at most so many of the texts, spread evenly over them: int64[2]."""
    column = pa.array(texts[:: max(1, -(-len(texts) // most))], pa.large_string())
    return np.array([pc.sum(pc.binary_length(column)).as_py() or 0, tokenizer.count(column).sum()], np.int64)


def ratio(own: NDArray[np.int64], everyone: NDArray[np.int64]) -> float:
    """Bytes a token, from bytes and tokens of a domain, or of all where it has none, or BYTES_PER_TOKEN."""
    size, tokens = own if own.all() else everyone
    return float(size / tokens) if size and tokens else BYTES_PER_TOKEN


@lru_cache(maxsize=1)
def load_tokenizer(store: Store, sha256: str, end_of_document: str | None) -> Tokenizer:
    """The run's copy, once a process.

    Raises:
        RunError: it is not the one that the run committed itself to.
    """
    tokenizer = Tokenizer(store.read_bytes(COPY), store.shown(COPY), end_of_document)
    if tokenizer.sha256 != sha256:
        raise RunError(f"{store.shown(COPY)} was changed: remove {store.shown('tokenizer')} to make it anew")
    return tokenizer


@lru_cache(maxsize=1)
def named_tokenizer(name: str, end_of_document: str | None) -> Tokenizer:
    """The tokenizer that a job names, once a process.

    Raises:
        JobError: there is none, or it can't be used.
    """
    return Tokenizer(find_tokenizer(name), name, end_of_document)


# ---- how documents are counted -------------------------------------------------------------------------------------


def reject_uncounted(rows: Rows, column: str | None) -> Rows:
    """The rows with those rejected that have no number of tokens under a column; the rows as they are without one."""
    if column is None:
        return rows
    found = rows.table[NUMBER + column].to_numpy().astype(np.float64)  # null: NaN
    usable = (found >= 1) & (found <= MOST_TOKENS) & (found == np.floor(found))
    text = rows.table["text"].combine_chunks()
    bad = np.flatnonzero(~usable & text.is_valid().to_numpy(zero_copy_only=False)).tolist()
    if not bad:
        return rows
    text = pc.if_else(pa.array(usable), text, pa.scalar(None, text.type))
    table = rows.table.set_column(rows.table.column_names.index("text"), "text", text)
    reason = f"no whole number of tokens from 1 to {MOST_TOKENS} under {column!r}"
    return Rows(table, rows.rejected | dict.fromkeys(bad, reason))


def token_counts(
    job: Job, domain: str, rows: Rows, ratios: Mapping[str, float], tokenizer: Tokenizer | None
) -> NDArray[np.int32]:
    """Tokens of each row, as `tokens.count` says, at least 1; 0 where the row is rejected.

    Args:
        job: the job.
        domain: of the rows.
        rows: as they are after `reject_uncounted`.
        ratios: bytes a token of each domain, where they were measured.
        tokenizer: for `model`.
    """
    text = rows.table["text"].combine_chunks()
    valid = text.is_valid().to_numpy(zero_copy_only=False)
    if job.tokens.count == "column":
        counts = rows.table[f"{NUMBER}{job.tokens.column}"].to_numpy()
    elif job.tokens.count == "model":
        assert tokenizer is not None, "the job file is checked for it"
        counts = tokenizer.count(text)
    else:
        bytes_per_token = job.tokens.bytes_per_token or ratios.get(domain, BYTES_PER_TOKEN)
        counts = np.rint(pc.fill_null(pc.binary_length(text), 0).to_numpy(zero_copy_only=False) / bytes_per_token)
    return np.where(valid, np.maximum(1, np.nan_to_num(counts)), 0).astype(np.int32)
