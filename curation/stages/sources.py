"""Sources: finds the input files, counts their rows, and cuts them into splits.

Reads the files' footers (Parquet) or scans them for line ends (JSONL). Writes `sources` (a row a file, with the
doc_id of its first row) and `splits`. Large uncompressed files are counted by many tasks, small ones many to a task.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from curation import tables
from curation.config import Job
from curation.errors import InputError, JobError
from curation.sources.columns import carried_schema
from curation.sources.count import FileCount, count_file, count_range, join_ranges
from curation.sources.find import InputFile, find_all
from curation.sources.offsets import check_random_access
from curation.sources.parquet_footer import check_columns, open_parquet
from curation.sources.read_jsonl import first_keys
from curation.stages.context import Result, Run, Stage
from curation.stages.encoder import check_model
from curation.stages.splits import load_files, one_by_one
from curation.stages.workers import map_items
from curation.storage.store import fingerprint

SOURCES, SPLITS = "sources/sources.parquet", "sources/splits.parquet"

#: Bytes and files that make a task worth its scheduling.
TASK_BYTES, TASK_FILES = 1 << 28, 512


@dataclass(frozen=True)
class Piece:
    """A file, or for uncompressed JSONL a byte range of one, to be counted."""

    file: InputFile
    start: int
    stop: int

    @property
    def label(self) -> str:
        """Which bytes it is about, for messages."""
        return f"{self.file.path}, bytes {self.start} to {self.stop}, while its rows were counted"


def settings(job: Job) -> dict[str, Any]:
    """What files and splits depend on."""
    declared = [
        source.model_dump(include={"domain", "path", "text_column", "vector_column", "licence", "facts"})
        for source in job.sources
    ]
    return {"sources": declared, "split_bytes": job.split_bytes, "allow_truncated": job.rows.allow_truncated}


def work(run: Run) -> Result:
    """The stage."""
    files = input_files(run)
    if not run.job.given_vectors:
        check_model(run.job)  # a wrong name should be told now, and not when the corpus has been read
    pieces = [piece for file in files for piece in pieces_of(file, run.job.split_bytes)]
    rows = 0
    with run.reporter.stage("sources", 0) as progress:
        found: dict[str, dict[int, FileCount]] = {file.path: {} for file in files}
        tasks = run.job.resources.tasks
        for batch, counted in map_items(batches(pieces), count_pieces, run.job, tasks=tasks, parts=one_by_one):
            for piece, count in zip(batch, counted, strict=True):
                found[piece.file.path][piece.start] = count
                rows += count.rows
            progress.advance(text=f"{len(files)} files, {rows} rows")
        counts = {path: joined(parts) for path, parts in found.items()}
    carried_schema(run.job.sources, [(file.source, counts[file.path].schema) for file in files])  # or raises now
    note_missing_keys(run, files)
    sources, splits = tables_of(run.job, files, counts)
    if not splits.num_rows:
        raise InputError(f"the sources hold no row: {len(files)} files, all empty")
    parts = [run.store.write_table(SPLITS, splits), run.store.write_table(SOURCES, sources)]
    files_now = files_digest(sources, splits)
    # Who reads vectors out of the files hangs on all of their bytes, and not on the texts alone.
    vectors = files_now if run.job.given_vectors else None
    stats = {"files": files_now, "vectors": vectors, "input_files": len(files), "rows": rows}
    return Result(parts, stats)


def note_missing_keys(run: Run, files: list[InputFile]) -> None:
    """Says so when a key that the job names is in none of the first rows of a JSONL source: it may be misspelt."""
    for index, source in enumerate(run.job.sources):
        first = next((file for file in files if file.source == index and file.format != "parquet" and file.bytes), None)
        names = (source.id_column, source.vector_column, *run.job.number_columns, *source.keep_columns)
        wanted = {source.text_column, *names} - {None}
        if first is None or wanted == {source.text_column}:
            continue
        rows, keys = first_keys(first)
        for name in sorted(str(name) for name in wanted if rows and name not in keys):
            text = f"{first.path}: none of the first {rows} rows has {name!r}; is it spelt right?"
            run.reporter.event("note", stage="sources", text=text)


def input_files(run: Run) -> list[InputFile]:
    """The files of all sources; those of the run directory itself, which may lie among them, are no input."""
    files = find_all(run.job.sources)
    found = [file for file in files if not run.store.holds(file.path)]
    for index, source in enumerate(run.job.sources):
        if not any(file.source == index for file in found):
            raise JobError(f"sources.{index}.path: {source.path} holds no file but those of the run directory")
    if run.job.output.format == "index":
        check_random_access(found)
    return found


def files_digest(sources: pa.Table, splits: pa.Table) -> str:
    """Hash of what later stages read: contents and order of the files, and not where they lie or what is declared."""
    rows = sources.select(["file_id", "domain", "source", "format", "bytes", "etag", "rows", "truncated"])
    return fingerprint([rows.to_pylist(), splits.to_pylist()])


def recheck(run: Run) -> None:
    """Compares the files as they are now with those that were counted; raises InputError where they differ."""
    counted = {file.path: file for file in load_files(run.store).values()}
    now = {file.path: file for file in input_files(run)}
    mend = "; put it back, or start over with another run_dir"
    for path, file in counted.items():
        if path not in now:
            raise InputError(f"{path}: counted by this run, and now it is gone{mend}")
        if now[path].etag != file.etag:
            raise InputError(f"{path}: changed since this run counted it{mend}")
    for path in now:
        if path not in counted:
            raise InputError(f"{path}: new since this run counted its sources; move it, or choose another run_dir")
    for index, source in enumerate(run.job.sources):  # their columns may be others than those that were counted with
        first = next((file for file in now.values() if file.source == index and file.format == "parquet"), None)
        if first:
            with open_parquet(first.path) as opened:
                check_columns(first.path, opened.schema_arrow, source, index, run.job.number_columns)


STAGE = Stage("sources", ("sources",), (), settings, work, recheck)


def pieces_of(file: InputFile, split_bytes: int) -> Iterator[Piece]:
    """A file as one piece, or large uncompressed JSONL as ranges of whole splits."""
    whole = max(1, file.bytes)
    step = split_bytes * max(1, TASK_BYTES // split_bytes) if file.format == "jsonl" else whole
    for start in range(0, whole, step):
        yield Piece(file, start, min(start + step, file.bytes))


def batches(pieces: Iterable[Piece]) -> Iterator[list[Piece]]:
    """Packs pieces for tasks."""
    batch: list[Piece] = []
    size = 0
    for piece in pieces:
        batch.append(piece)
        size += piece.stop - piece.start
        if size >= TASK_BYTES or len(batch) >= TASK_FILES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def count_pieces(batch: list[Piece], job: Job) -> list[FileCount]:
    """The count of each piece."""
    return [_count_piece(piece, job) for piece in batch]


def _count_piece(piece: Piece, job: Job) -> FileCount:
    file = piece.file
    if file.format == "jsonl":
        return join_ranges([count_range(file.path, piece.start, piece.stop, job.split_bytes)])
    return count_file(file, job.split_bytes, job.sources[file.source], job.number_columns, job.rows.allow_truncated)


def joined(pieces: dict[int, FileCount]) -> FileCount:
    """The count of a file from those of its pieces by where they start; they may have come in any order."""
    counts = [pieces[start] for start in sorted(pieces)]
    return counts[0] if len(counts) == 1 else join_ranges([count.cuts for count in counts])


def tables_of(job: Job, files: list[InputFile], counts: dict[str, FileCount]) -> tuple[pa.Table, pa.Table]:
    """The `sources` and `splits` tables: ids counted through all files."""
    sources: list[dict[str, Any]] = []
    splits: list[dict[str, int]] = []
    first = group = 0
    for file_id, file in enumerate(files):
        count, source = counts[file.path], job.sources[file.source]
        sources.append(
            {
                **{name: getattr(file, name) for name in ("path", "domain", "source", "format", "bytes", "etag")},
                "file_id": file_id,
                "rows": count.rows,
                "first_doc_id": first,
                "truncated": count.truncated,
                "licence": source.licence,
                "facts": json.dumps(source.facts, sort_keys=True, ensure_ascii=False) if source.facts else None,
            }
        )
        previous = None
        for cut in count.cuts:
            group += cut.group != previous
            previous = cut.group
            where = {"first_row": cut.first_row, "rows": cut.rows, "start": cut.start, "stop": cut.stop}
            ids = {
                "split_id": len(splits),
                "file_id": file_id,
                "read_group": group,
                "first_doc_id": first + cut.first_row,
            }
            splits.append(ids | where)
        first += count.rows
    return pa.Table.from_pylist(sources, tables.SOURCES), pa.Table.from_pylist(splits, tables.SPLITS)
