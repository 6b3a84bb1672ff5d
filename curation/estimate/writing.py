"""Writing, tried on some texts: both passes of the run's own, in the format of the job, with a stopwatch and a ruler.

What a byte of text becomes on disk hangs on the job and the texts alone, so it is measured for named hardware too; the
speeds are those of this machine. Columns that the sources keep beside the text are not in it: samples have none.
"""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation.config import Job, Output
from curation.estimate.stopwatch import timed
from curation.output import index, jsonl, megatron
from curation.output.columns import PLANNED, shard_columns
from curation.output.formats import shard_format
from curation.sources.find import InputFile
from curation.sources.rows import Split
from curation.stages.spill import POSITION, split_rows, token_rows, write_spill
from curation.stages.token_files import COLUMNS
from curation.stages.tokenizer import named_tokenizer
from curation.storage.sink import Sink
from curation.tokenizer import Tokenizer

#: Texts that are written, and those that are written as token ids, which takes longer.
TRIED, TOKENISED = 2000, 256
#: The path that an index of the sources names, as long as paths are.
_PATH = "/corpus/web/2024-10/documents-00000.parquet"


@dataclass(frozen=True)
class Written:
    """How some texts were written.

    Attributes:
        tokenised_bytes: of text in a second of one core; infinite where no ids are written.
        spilled_bytes: of text drawn, cut out and spilled, likewise.
        written_bytes: of text drawn, merged and written as shards, likewise.
        spill_share: bytes of the spilled files for a byte of text drawn.
        shard_share: bytes of the shards for a byte of text drawn.
    """

    tokenised_bytes: float = math.inf
    spilled_bytes: float = math.inf
    written_bytes: float = math.inf
    spill_share: float = 0.0
    shard_share: float = 0.0


def format_name(output: Output) -> str:
    """The format and its compression in a word: `parquet`, `jsonl.gz`, ..."""
    return jsonl.SUFFIXES[output.compression].removeprefix(".") if output.format == "jsonl" else output.format


def try_writing(job: Job, texts: list[str]) -> Written:
    """Writes some texts as the job would, each once, into memory.

    Args:
        job: says in which format.
        texts: of the corpus. Of many, some are taken, evenly.

    Returns:
        Speeds without an end and files of no bytes where there is no text.

    Raises:
        JobError: the job's tokenizer can't be used.
    """
    tokenizer = None
    if job.output.format == "megatron":
        tokenizer = named_tokenizer(str(job.tokens.tokenizer), job.tokens.end_of_document)
    texts = texts[:: max(1, -(-len(texts) // (TOKENISED if tokenizer else TRIED)))]
    size = sum(len(text.encode()) for text in texts)
    if not size:
        return Written()
    columns, text = _columns(job, tokenizer), pa.array(texts, pa.large_string())
    cutting, rows = timed(lambda: _rows(text, columns, tokenizer))
    spilling, spilled = timed(lambda: _spilled(rows, columns), rounds=3)
    writing, shard = timed(lambda: _shard(job, spilled, columns, tokenizer), rounds=3)
    return Written(
        tokenised_bytes=size / cutting if tokenizer else math.inf,
        spilled_bytes=size / (spilling if tokenizer else spilling + cutting),
        written_bytes=size / writing,
        spill_share=len(spilled) / size,
        shard_share=shard / size,
    )


def _columns(job: Job, tokenizer: Tokenizer | None) -> pa.Schema:
    weighted = job.output.repetition == "weight"
    if job.output.format == "index":
        return index.schema(weighted)
    return COLUMNS if tokenizer else shard_columns({}, weighted)


def _rows(text: pa.Array, columns: pa.Schema, tokenizer: Tokenizer | None) -> pa.Table:
    """What the first pass cuts out of texts that it has read, a row a document."""
    count = len(text)
    number = np.arange(count)
    if tokenizer:
        return token_rows(pa.chunked_array([text]), number, tokenizer)
    size = pc.binary_length(text)
    start = np.cumsum(size.to_numpy()) - size.to_numpy()
    read = pa.table({"text": text, "path": pa.repeat(_PATH, count), "row": number, "start": start, "bytes": size})
    file, split = InputFile(_PATH, "domain", 0, "jsonl", 0, ""), Split(0, 0, 0, 0, count, 0, 0, 0)
    assigned = pa.table({"doc_id": number, "cluster": (number % 100).astype(np.int32)})
    return split_rows(file, split, read, assigned, columns)


def _spilled(rows: pa.Table, columns: pa.Schema) -> bytes:
    """The spilled file of the rows, each drawn once, backwards."""
    position = np.arange(rows.num_rows)
    planned = {"repetition": np.zeros(len(position), np.int16), "sample_weight": np.ones(len(position), np.int16)}
    plan = {"doc_id": position[::-1].copy(), POSITION: position}
    plan |= {name: planned[name] for name in PLANNED if name in columns.names}
    sink = io.BytesIO()
    write_spill(sink, rows, pa.table(plan), 0, columns, np.empty(0, np.int64))
    return sink.getvalue()


def _shard(job: Job, spilled: bytes, columns: pa.Schema, tokenizer: Tokenizer | None) -> int:
    """Bytes of the files that the second pass makes of a spilled file."""
    rows: Any = pa.ipc.open_file(pa.BufferReader(spilled)).read_all().combine_chunks()
    order, sink = np.argsort(rows[POSITION].to_numpy(), kind="stable"), Sink(io.BytesIO())
    if tokenizer:
        lengths = megatron.append(sink, rows["tokens"], order, tokenizer.dtype)
        megatron.write_index(sink, [lengths], tokenizer.dtype)
    else:
        shard_format(job.output).write(sink, rows, order, columns)
    return sink.bytes
