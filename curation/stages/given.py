"""Given vectors: read from a column of the sources, where the job file names one (`sources[].vector_column`).

No model is looked for then and nothing is fitted: the encoder stage only takes the dimensions from the first kept
document, and the stage of the embeddings copies. Every message names the file and the row.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curation.config import Job
from curation.embedding.given import UnusableVector, unit_vectors
from curation.errors import InputError
from curation.sources.rows import VECTOR, Columns, Split
from curation.stages.duplicates import dropped_documents, kept_documents
from curation.stages.splits import CountedFile, WorkItem, load_files, load_splits, part_name
from curation.storage.store import Store


def given_dimensions(job: Job, store: Store) -> int:
    """The length of the first kept document's vector.

    Raises:
        InputError: it has none.
    """
    dropped, files = dropped_documents(store), load_files(store)
    for split in load_splits(store):
        keep = kept_documents(store.read_table(part_name("documents", split.split_id), ["doc_id", "keep"]), dropped)
        if keep.any():
            item = WorkItem(((split,),), {split.file_id: files[split.file_id]})
            [(_, column)] = read_vectors(store, job, item, (split,))
            row = int(np.argmax(keep))
            first = column[row].as_py()
            if not first:
                raise _unusable(job, files[split.file_id], split, row, "it is missing, empty, or no list of numbers")
            return len(first)
    raise InputError("no document is left, so there is no vector")


def read_vectors(store: Store, job: Job, item: WorkItem, group: tuple[Split, ...]) -> Iterator[tuple[Split, pa.Array]]:
    """The vectors of every row of each split of a group, as list<float32>."""
    source = job.sources[item.files[group[0].file_id].source]
    columns = Columns(source.text_column, vector=source.vector_column, most_bytes=job.rows.max_document_bytes)
    for split, rows in item.read(group, columns, store):
        column = rows.table[VECTOR].combine_chunks()
        yield split, column


def kept_vectors(
    job: Job, file: CountedFile, split: Split, column: pa.Array, keep: NDArray[np.bool_], dimensions: int
) -> NDArray[np.float16]:
    """The unit vectors of a split's kept documents.

    Raises:
        InputError: one of them can't serve.
    """
    try:
        return unit_vectors(column.filter(pa.array(keep)), dimensions)
    except UnusableVector as error:
        raise _unusable(job, file, split, int(np.flatnonzero(keep)[error.row]), error.reason) from error


def _unusable(job: Job, file: CountedFile, split: Split, row: int, reason: str) -> InputError:
    column = job.sources[file.source].vector_column
    return InputError(
        f"{file.path}, row {split.first_row + row}: the vector under {column!r} can't be used: {reason}; mend it, or "
        f"take the row out of the file (sources.{file.source}.vector_column)"
    )
