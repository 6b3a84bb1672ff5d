"""Documents: reads all text once to know it.

Reads the sources. Writes one row a document: tokens, bytes, a hash of the text, its language (where documents are
clustered by it), quality, and whether it is kept.
Beside it `rejected` (the rows that can't be used, each with its reason), `excerpts` (the beginning of the text of a
random sample, on which the lexical encoder is fitted, and from which clusters get their terms and domains their
profile) and, where the built-in rules judge the quality, `heuristics` (the parts of their judgement).
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from curation import tables
from curation.audit.languages import CONFIDENCE, LETTERS, READ, detect
from curation.config import Job
from curation.counter_rng import uniform
from curation.errors import InputError, RunError
from curation.expression import parse
from curation.sources.find import InputFile
from curation.sources.rows import NUMBER, Columns, Rows, Split
from curation.stages.context import Result, Run, Stage
from curation.stages.mapping import in_tasks, map_splits
from curation.stages.splits import Receipt, WorkItem, load_files, load_splits, part_name, total_documents
from curation.stages.tokenizer import load_tokenizer, reject_uncounted, token_counts
from curation.storage.store import Store
from curation.text.heuristics import PARTS, heuristic_quality

#: Documents whose beginning is kept, about; of each domain at least; and how much of it, in characters.
EXCERPTS, DOMAIN_EXCERPTS, EXCERPT_CHARACTERS = 200_000, 2_000, 2_048


def settings(job: Job) -> dict[str, Any]:
    """What the table depends on besides the sources."""
    found = {
        "columns": [[source.domain, source.text_column] for source in job.sources],
        "on_bad": job.rows.on_bad,
        "max_document_bytes": job.rows.max_document_bytes,
        "tokens": job.tokens.model_dump(include={"count", "bytes_per_token", "column"}),
        "quality": job.quality.model_dump(exclude={"curve"}),
        "seed": job.seed,
    }
    if job.clustering.within == "language":
        found["languages"] = {"read": READ, "letters": LETTERS, "confidence": CONFIDENCE}
    return found


def work(run: Run) -> Result:
    """The stage."""
    splits, files = load_splits(run.store), load_files(run.store)
    total = total_documents(splits)
    rows: Counter[str] = Counter()
    for split in splits:
        rows[files[split.file_id].domain] += split.rows
    shares = {domain: excerpt_share(total, count) for domain, count in rows.items()}

    def reject(item: WorkItem, error: RunError) -> list[Receipt]:
        if run.job.rows.on_bad == "fail":
            raise error
        names = ", ".join(part_name("documents", split.split_id) for split in item.splits)
        text = f"{error}. All its rows are rejected; to try it again after that, delete {names} in the run directory"
        run.reporter.event("note", stage="documents", text=text, split=item.splits[0].split_id)
        return [reject_split(run.store, run.job, item, split, shares) for split in item.splits]

    tokenizer = run.store.marker("tokenizer")
    describing = in_tasks(run, describe, shares, tokenizer.stats if tokenizer else {}, lost=reject)
    sides = ("excerpts", "rejected", "heuristics")
    result = map_splits(
        run, "documents", describing, sides=sides, seen=lambda stats: _check_rejected(run, stats, total)
    )
    _check_rejected(run, result.stats, total)
    if result.stats.get("kept", 0) == 0:
        raise InputError("no document is left: all rows of the sources were rejected, or there are none")
    return result


def recheck(run: Run) -> None:
    """The limit on rejected rows may have been lowered since."""
    marker = run.store.marker("documents")
    if marker:
        _check_rejected(run, marker.stats, marker.stats["documents"])


def _check_rejected(run: Run, stats: dict[str, int], total: int) -> None:
    if stats.get("rejected", 0) > run.job.rows.max_rejected * total:
        raise InputError(_too_many(run, stats["rejected"], total))


FOLDERS = ("documents", "excerpts", "rejected", "heuristics")
STAGE = Stage("documents", FOLDERS, ("sources.files", "tokenizer.counting"), settings, work, recheck)


def excerpt_share(total: int, domain_rows: int) -> float:
    """The share of a domain's documents whose beginning is kept."""
    return min(1.0, max(EXCERPTS / total, DOMAIN_EXCERPTS / max(1, domain_rows)))


def describe(
    store: Store, job: Job, item: WorkItem, shares: dict[str, float], counting: dict[str, Any]
) -> list[Receipt]:
    """Commits the parts of an item's splits; `counting` is what the stage of the tokenizer found out."""
    receipts = []
    most_bytes, end = job.rows.max_document_bytes, job.tokens.end_of_document
    tokenizer = load_tokenizer(store, counting["sha256"], end) if job.tokens.count == "model" else None
    for group in item.groups:
        file = item.files[group[0].file_id]
        columns = Columns(job.sources[file.source].text_column, numbers=(*job.number_columns,), most_bytes=most_bytes)
        for split, read in item.read(group, columns):
            rows = reject_uncounted(read, job.tokens.column)
            tokens = token_counts(job, file.domain, rows, counting.get("bytes_per_token", {}), tokenizer)
            receipts.append(_describe_split(store, job, file, split, rows, tokens, shares[file.domain]))
    return receipts


def _describe_split(
    store: Store, job: Job, file: InputFile, split: Split, rows: Rows, tokens: NDArray[np.int32], share: float
) -> Receipt:
    if rows.rejected and job.rows.on_bad == "fail":
        row, reason = min(rows.rejected.items())
        raise InputError(f"{file.path}, row {split.first_row + row}: {reason}; mend it or set rows.on_bad: reject")
    judged = heuristic_quality(rows.table["text"]) if job.quality.scorer == "heuristics" else None
    documents = documents_table(job, file, split, rows, tokens, None if judged is None else judged[0])
    heuristics = heuristics_table(documents, {} if judged is None else judged[1])
    excerpts = excerpts_table(job.seed, documents, rows, share)
    rejected = rejected_table(file, split, rows)
    stats = {
        "documents": documents.num_rows,
        "kept": pc.sum(documents["keep"]).as_py() or 0,
        "tokens": pc.sum(documents["tokens"]).as_py() or 0,
        "bytes": pc.sum(documents["bytes"].cast(pa.int64())).as_py() or 0,
        "rejected": rejected.num_rows,
        "excerpts": excerpts.num_rows,
        "heuristics": heuristics.num_rows,
        "texts": texts_digest(documents),
        "excerpted": excerpts_digest(file.domain, excerpts),
    }
    parts = [
        store.write_table(part_name(folder, split.split_id), table)
        for folder, table in (("excerpts", excerpts), ("rejected", rejected), ("heuristics", heuristics))
        if table.num_rows
    ]
    main = store.write_table(part_name("documents", split.split_id), documents, stats)
    return Receipt([*parts, main], split.rows, stats)


def reject_split(store: Store, job: Job, item: WorkItem, split: Split, shares: dict[str, float]) -> Receipt:
    """Commits the parts of a split that can't be read without losing the worker: no row of it is kept."""
    reason = f"reading rows {split.first_row} to {split.first_row + split.rows - 1} kills the worker"
    blank = Columns("text", numbers=(*job.number_columns,)).blank(split.rows)
    file = item.files[split.file_id]
    rows, tokens = Rows(blank.table, dict.fromkeys(range(split.rows), reason)), np.zeros(split.rows, np.int32)
    return _describe_split(store, job, file, split, rows, tokens, shares[file.domain])


def documents_table(
    job: Job,
    file: InputFile,
    split: Split,
    rows: Rows,
    tokens: NDArray[np.int32],
    score: NDArray[np.float32] | None = None,
) -> pa.Table:
    """The rows of the `documents` table for a split.

    Args:
        job: says where the quality comes from.
        file: that the split is of.
        split: which rows of it.
        rows: their text and numbers.
        tokens: int32[rows], as `token_counts` gives them.
        score: float32[rows], the quality by the built-in rules, if that is asked.
    """
    text = rows.table["text"].combine_chunks()
    size = pc.fill_null(pc.binary_length(text), 0).to_numpy(zero_copy_only=False)
    keep = pc.is_valid(text).to_numpy(zero_copy_only=False)
    reasons = [rows.rejected.get(row) for row in range(split.rows)] if rows.rejected else [None] * split.rows
    arrays = [
        np.arange(split.first_doc_id, split.first_doc_id + split.rows),
        pa.DictionaryArray.from_arrays(pa.array(np.zeros(split.rows, np.int16)), pa.array([file.domain])),
        tokens,
        size.astype(np.int32),
        pa.array([None if value is None else text_hash(value) for value in text.to_pylist()], pa.binary(16)),
        _languages(text) if job.clustering.within == "language" else pa.nulls(split.rows, pa.string()),
        _quality(job, rows.table) if score is None else pa.array(score, from_pandas=True),
        keep,
        pa.array(reasons, pa.string()),
    ]
    return pa.table(arrays, schema=tables.DOCUMENTS)


def _languages(text: pa.Array) -> pa.Array:
    """The language of each text; null where there is none."""
    codes, _ = detect(text.drop_null().to_pylist())
    return pc.replace_with_mask(pa.nulls(len(text), pa.string()), text.is_valid(), pa.array(codes, pa.string()))


def texts_digest(documents: pa.Table) -> int:
    """A 64-bit number for which texts a split has and keeps, so that it can be added up over splits.

    Vectors hang on this and on nothing else of the table: another way to count tokens, say, embeds nothing again.
    """
    digest = hashlib.blake2b(str(documents["doc_id"][0].as_py()).encode(), digest_size=8)
    digest.update(b"".join(value or bytes(16) for value in documents["content_hash"].to_pylist()))
    digest.update(documents["keep"].to_numpy(zero_copy_only=False).tobytes())
    return int.from_bytes(digest.digest(), "little")


def excerpts_digest(domain: str, excerpts: pa.Table) -> int:
    """A 64-bit number for which excerpts a split gives to its domain, to be added up likewise."""
    digest = hashlib.blake2b(domain.encode(), digest_size=8)
    digest.update(excerpts["doc_id"].to_numpy().tobytes())
    for text in excerpts["text"].to_pylist():
        digest.update(text.encode() + b"\0")
    return int.from_bytes(digest.digest(), "little")


def text_hash(text: str) -> bytes:
    """128-bit BLAKE2b of a text, NFC-normalised, white space folded to single spaces and stripped."""
    if not text.isascii():
        text = unicodedata.normalize("NFC", text)
    return hashlib.blake2b(" ".join(text.split()).encode(), digest_size=16).digest()


def _quality(job: Job, table: pa.Table) -> pa.Array:
    """Quality in [0, 1] as float32; null where there is none or it is no finite number."""
    numbers = {name: table[NUMBER + name].to_numpy().astype(np.float64) for name in job.quality.columns}  # null: NaN
    if job.quality.expression is not None:
        raw = parse(job.quality.expression).evaluate(numbers)
    elif job.quality.column is not None:
        raw = numbers[job.quality.column]
    else:
        return pa.nulls(table.num_rows, pa.float32())
    worst, best = job.quality.scale
    scaled = np.clip((raw - worst) / (best - worst), 0.0, 1.0)
    return pa.array(scaled.astype(np.float32), mask=~np.isfinite(raw))


def heuristics_table(documents: pa.Table, parts: dict[str, NDArray[np.float32]]) -> pa.Table:
    """The parts of the built-in judgement; no rows where it was not asked for."""
    schema = tables.heuristics(PARTS)
    if not parts:
        return schema.empty_table()
    return pa.table([documents["doc_id"], *(pa.array(parts[part], from_pandas=True) for part in PARTS)], schema=schema)


def excerpts_table(seed: int, documents: pa.Table, rows: Rows, share: float) -> pa.Table:
    """The beginning of the text of the kept documents that are in the sample."""
    doc_id = documents["doc_id"].to_numpy()
    chosen: NDArray[np.bool_] = uniform(seed, "excerpts", doc_id) < share
    chosen &= documents["keep"].to_numpy(zero_copy_only=False)
    text = pc.utf8_slice_codeunits(rows.table["text"].filter(chosen), 0, EXCERPT_CHARACTERS)
    return pa.table([doc_id[chosen], text], schema=tables.EXCERPTS)


def rejected_table(file: InputFile, split: Split, rows: Rows) -> pa.Table:
    """The rejected rows of a split."""
    found = sorted(rows.rejected.items())
    offset = np.array([row for row, _ in found], np.int64)
    arrays = [
        split.first_doc_id + offset,
        [file.path] * len(found),
        split.first_row + offset,
        [reason for _, reason in found],
    ]
    return pa.table([pa.array(values) for values in arrays], schema=tables.REJECTED)


def _too_many(run: Run, rejected: int, total: int) -> str:
    """Names the file with the most rejected rows so far, and its first one."""
    files = load_files(run.store)
    worst: Counter[str] = Counter()
    first: dict[str, tuple[int, str]] = {}
    for name in run.store.list("rejected"):
        for row in run.store.read_table(name).to_pylist():
            worst[row["path"]] += 1
            first[row["path"]] = min(first.get(row["path"], (row["row"], row["reason"])), (row["row"], row["reason"]))
    path, count = worst.most_common(1)[0]
    row, reason = first[path]
    return (
        f"{rejected} of {total} rows rejected, more than rows.max_rejected ({run.job.rows.max_rejected:g}) allows. "
        f"Worst of {len(files)} files: {path}, {count} rows, the first is row {row}: {reason}. "
        "See the rejected table; mend the file, or raise rows.max_rejected"
    )
