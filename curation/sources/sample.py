"""Sample: the beginning of an input file, for figures of the whole that need not be exact.

Of Parquet the first row groups, of JSONL the first lines, each about SAMPLE_BYTES. Of a compressed file the
first block is unpacked, and which share of the file that is follows from how well it packs.
"""

from __future__ import annotations

import gzip
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation.config import Source
from curation.sources.blocks import DamagedStream, stream_blocks
from curation.sources.count import count_file, count_range
from curation.sources.find import InputFile
from curation.sources.read import read_splits
from curation.sources.rows import NUMBER, VECTOR, Columns, Split

#: Bytes read of a file.
SAMPLE_BYTES = 1 << 20

_NONE: Mapping[str, str] = {}


@dataclass(frozen=True)
class Sample:
    """The beginning of a file.

    Attributes:
        share: which share of the file it is, in (0, 1].
        texts: of its rows; rows without one are left out.
        rows: that it holds.
        exact_rows: of the whole file, if a footer tells.
        dimensions: length of its first vector, 0 where the source has none.
        seconds: that reading its texts took, once where they begin and end was known.
        tokens: of its rows, where they were asked for.
    """

    share: float
    texts: list[str]
    rows: int
    exact_rows: int | None
    dimensions: int = 0
    seconds: float = 0.0
    tokens: float = 0.0


def some_files(files: Sequence[InputFile], most: int) -> list[InputFile]:
    """So many of the files, or all, spread evenly over them."""
    return [files[index] for index in sorted({round(at) for at in np.linspace(0, len(files) - 1, most)})]


def read_sample(source: Source, file: InputFile, numbers: Mapping[str, str] = _NONE, counts: str = "") -> Sample:
    """Reads the beginning of a file.

    Args:
        source: that the file is of.
        file: the file.
        numbers: columns of numbers that a Parquet file must have, each with the key of the job file that names it.
        counts: one of them, with the tokens of each document; empty: there is none.
    """
    columns = Columns(source.text_column, vector=source.vector_column, numbers=(counts,) if counts else ())
    if file.format == "parquet":
        count = count_file(file, SAMPLE_BYTES, source, numbers, False)
        if not count.cuts:
            return Sample(1.0, [], 0, 0)
        cut = count.cuts[0]
        split = Split(0, 0, 0, cut.first_row, cut.rows, 0, cut.start, cut.stop)
        return _read(columns, file, split, cut.rows / count.rows, count.rows)
    if file.format == "jsonl":
        return _read_lines(columns, file, min(1.0, SAMPLE_BYTES / max(1, file.bytes)))
    try:
        block = next(stream_blocks(file.path, file.format), b"")
    except DamagedStream:
        block = b""
    packed = len(gzip.compress(block)) if file.format.endswith("gz") else pa.Codec("zstd").compress(block).size
    share = min(1.0, packed / max(1, file.bytes)) * min(1.0, SAMPLE_BYTES / max(1, len(block)))
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder, "sample.jsonl")
        plain.write_bytes(block[: block.rfind(b"\n") + 1] or block)
        info = plain.stat()
        etag = f"{info.st_size}-{info.st_mtime_ns}"
        unpacked = replace(file, path=str(plain), format="jsonl", bytes=info.st_size, etag=etag)
        return _read_lines(columns, unpacked, share)


def _read_lines(columns: Columns, file: InputFile, share: float) -> Sample:
    stop = min(file.bytes, SAMPLE_BYTES)
    cuts = count_range(file.path, 0, stop, SAMPLE_BYTES)
    if not cuts:
        return Sample(share, [], 0, None)
    return _read(columns, file, Split(0, 0, 0, 0, cuts[0].rows, 0, cuts[0].start, cuts[0].stop), share, None)


def _read(columns: Columns, file: InputFile, split: Split, share: float, exact_rows: int | None) -> Sample:
    begun = time.perf_counter()
    [(_, rows)] = read_splits(file.path, file.format, [split], columns, etag=file.etag)
    seconds = time.perf_counter() - begun
    texts = [text for text in rows.table["text"].to_pylist() if text is not None]
    dimensions = 0
    if columns.vector is not None:
        lengths = pc.list_value_length(rows.table[VECTOR]).drop_null()
        dimensions = int(lengths[0].as_py()) if len(lengths) else 0
    tokens = sum(float(np.nansum(rows.table[NUMBER + name].to_numpy())) for name in columns.numbers)
    return Sample(share, texts, split.rows, exact_rows, dimensions, seconds, tokens)
