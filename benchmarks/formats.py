"""Writing shards in each format, against the official writer and a plain pyarrow copy of the same rows, on one core.

    python benchmarks/formats.py [--megabytes 64] [--rounds 3] [--formats parquet,mds]
    python benchmarks/formats.py --plan sentence-transformers/all-MiniLM-L6-v2   # what `curation plan` finds of each

Rows lie in memory in the order of their documents and are written in the order of the draws, so that gathering them is
part of every figure. Ours hashes what it writes, too; the others do not, but one. The copy is `take` and
`pq.write_table` with the compression of the format (none for plain JSONL and MDS), once as it is and once hashed.
What comes out uncompressed is also written from memory as it lies there, once as it is and once hashed: no writer can
take less. `datasets` writes Parquet with snappy, so it runs with our compression too. MosaicML's writer takes part
where it is installed: run this with the Python that `make test-official` made. The writers take turns, and the best
round of each counts.

`--plan` names a tokenizer and prints what `curation plan` measures of every format, token files by that tokenizer
included: the rates of its named hardware (`estimate/profiles.py`) rest on it.
"""

from __future__ import annotations

import argparse
import gzip
import importlib.util
import io
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import zstandard
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.corpus import documents
from curation.config import Job
from curation.estimate.writing import format_name, try_writing
from curation.output import jsonl, mds, parquet
from curation.output.columns import shard_columns
from curation.storage.sink import Sink
from tests.output.mosaic import import_streaming

Writer = Callable[[Path], None]

DOCUMENTS, BATCH = 12_000, 1000
LEVELS = {"none": None, "gzip": jsonl.GZIP_LEVEL, "zstd": jsonl.ZSTD_LEVEL}


def shard_rows(folder: Path, size: int) -> tuple[pa.Table, pa.Schema]:
    """About `size` bytes of text as rows of shards; past DOCUMENTS the texts repeat with another number."""
    made = documents(folder, DOCUMENTS, characters=1800)
    count = round(size / sum(len(text) for _, text in made) * len(made))
    texts = [f"{made[number % DOCUMENTS][1]} {number}" for number in range(count)]
    rows = {
        "text": pa.array(texts, pa.large_string()),
        "doc_id": np.arange(count),
        "domain": [made[number % DOCUMENTS][0] for number in range(count)],
        "cluster": np.arange(count, dtype=np.int32) % 100,
        "repetition": np.zeros(count, np.int16),
        "id": [f"document/{number}" for number in range(count)],
    }
    return pa.table(rows), shard_columns({"id": pa.string()})


def ours(write: Callable[..., None], *arguments: Any) -> Writer:
    def work(path: Path) -> None:
        with path.open("wb") as file:
            write(Sink(file), *arguments)

    return work


def copied(rows: pa.Table, order: NDArray[np.int64], compression: str) -> dict[str, Writer]:
    """`take` and `pq.write_table`, as it is and hashed as ours is."""
    level = LEVELS[compression]

    def copy(path: Any) -> None:
        pq.write_table(rows.take(pa.array(order)), path, compression=compression, compression_level=level)

    return {"copy": copy, "hashed": ours(copy)}


def finished(write: Callable[..., None], *arguments: Any) -> dict[str, Writer]:
    """The bytes that one of our writers made, written as they are and hashed as ours are: what is left at the least."""
    made = io.BytesIO()
    write(made, *arguments)
    data = made.getvalue()

    def bare(path: Path) -> None:
        path.write_bytes(data)

    return {"bytes": bare, "+ sha256": ours(lambda sink: sink.write(data))}


def in_layout(rows: pa.Table) -> pa.Table:
    """The rows with the columns that lines of JSONL have."""
    names = ["doc_id", "cluster", "repetition"]
    metadata = pa.StructArray.from_arrays([rows[name].combine_chunks() for name in names], names)
    return pa.table({"id": rows["id"], "text": rows["text"], "source": rows["domain"], "metadata": metadata})


def with_datasets(rows: pa.Table, order: NDArray[np.int64], method: str, **options: Any) -> Writer:
    """`Dataset.to_parquet` or `to_json`."""
    import datasets

    datasets.disable_progress_bars()
    dataset = datasets.Dataset(rows)

    def work(path: Path) -> None:
        getattr(dataset.select(order, keep_in_memory=True), method)(str(path), **options)

    return work


def with_zstd(work: Writer) -> Writer:
    """`Dataset.to_parquet` with our compression: it has no option for it and takes snappy, which is faster."""
    import datasets.io.parquet as writing

    def options(*arguments: Any) -> dict[str, Any]:
        return {**chosen(*arguments), "compression": "zstd", "compression_level": 3}

    def patched(path: Path) -> None:
        with mock.patch.object(writing, "get_parquet_column_options", options):
            work(path)

    chosen = writing.get_parquet_column_options
    return patched


def with_json(rows: pa.Table, order: NDArray[np.int64], opened: Callable[[Path], Any]) -> Writer:
    """The standard library's `json`, line by line."""

    def work(path: Path) -> None:
        with opened(path) as file:
            for start in range(0, len(order), BATCH):
                for row in rows.take(pa.array(order[start : start + BATCH])).to_pylist():
                    file.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")

    return work


def with_mosaic(rows: pa.Table, order: NDArray[np.int64], columns: pa.Schema) -> Writer:
    """`MDSWriter`, all samples in one shard."""
    streaming = import_streaming()

    def work(path: Path) -> None:
        writer = streaming.MDSWriter(columns=mds.encodings(columns), out=str(path), size_limit=None)
        with writer:
            for start in range(0, len(order), BATCH):
                for row in rows.take(pa.array(order[start : start + BATCH])).to_pylist():
                    writer.write(row)

    return work


def contestants(rows: pa.Table, order: NDArray[np.int64], columns: pa.Schema) -> dict[str, dict[str, Writer]]:
    """The writers of each format, ours first and the plain copies last."""
    lines = in_layout(rows)
    found: dict[str, dict[str, Writer]] = {
        "parquet": {
            "curation": ours(parquet.write, rows, order, columns),
            "snappy": with_datasets(rows, order, "to_parquet"),
            "datasets": with_zstd(with_datasets(rows, order, "to_parquet")),
            **copied(rows, order, "zstd"),
        }
    }
    opened: dict[str, Callable[[Path], Any]] = {
        "none": lambda path: path.open("wb"),
        "gzip": lambda path: gzip.GzipFile(path, "wb", jsonl.GZIP_LEVEL),
        "zst": lambda path: zstandard.open(path, "wb", zstandard.ZstdCompressor(level=jsonl.ZSTD_LEVEL)),
    }
    for compression, suffix in jsonl.SUFFIXES.items():
        writers = found[suffix.removeprefix(".")] = {
            "curation": ours(jsonl.write, rows, order, columns, compression),
            "json": with_json(lines, order, opened[compression]),
        }
        if compression != "zst":  # datasets can't write it
            packed = None if compression == "none" else compression
            writers["datasets"] = with_datasets(lines, order, "to_json", compression=packed)
        if compression == "none":
            writers |= finished(jsonl.write, rows, order, columns)
        writers |= copied(rows, order, {"zst": "zstd"}.get(compression, compression))
    found["mds"] = {"curation": ours(mds.write, rows, order, columns)}
    if importlib.util.find_spec("streaming"):
        found["mds"]["MDSWriter"] = with_mosaic(rows, order, columns)
    found["mds"] |= finished(mds.write, rows, order, columns) | copied(rows, order, "none")
    return found


def seconds(writer: Writer, path: Path) -> tuple[float, float]:
    """Processor time and duration of a writer, which writes a file or a folder of files."""
    began, used = time.perf_counter(), time.process_time()
    writer(path)
    took = time.process_time() - used, time.perf_counter() - began
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    return took


def best(writers: dict[str, Writer], folder: Path, rounds: int) -> dict[str, tuple[float, float]]:
    """Each writer's least processor time and duration."""
    took: dict[str, list[tuple[float, float]]] = {name: [] for name in writers}
    for _ in range(rounds):
        for name, writer in writers.items():
            took[name].append(seconds(writer, folder / name))
    return {name: (min(used for used, _ in times), min(lasted for _, lasted in times)) for name, times in took.items()}


def print_plan(texts: list[str], tokenizer: str, rounds: int) -> None:
    """What `curation plan` measures of each format: the best of the rounds, and sizes as shares of the text."""
    outputs = [{"format": "jsonl", "compression": compression} for compression in jsonl.SUFFIXES]
    outputs += [{"format": name} for name in ("parquet", "mds", "megatron", "index")]
    size = len("".join(texts).encode()) / len(texts)
    print(f"{len(texts)} documents of {size:.0f} bytes; MB/s, thousand documents/s, and bytes a byte of text:")
    print(f"{'':>10} {'tokenised':>10} {'spilled':>13} {'written':>13} {'spill':>6} {'shards':>6}")
    sources, named = [{"domain": "a", "path": "a.jsonl"}], {"tokenizer": tokenizer}
    for output in outputs:
        job = Job.model_validate({"run_dir": "none", "sources": sources, "output": output, "tokens": named})
        tried = [try_writing(job, texts) for _ in range(rounds)]
        ids, spilled, written = (
            max(getattr(one, f"{name}_bytes") for one in tried) for name in ("tokenised", "spilled", "written")
        )
        speeds = " ".join(f"{rate / 1e6:7.0f} {rate / size / 1e3:5.0f}" for rate in (spilled, written))
        shares = f"{tried[0].spill_share:6.3f} {tried[0].shard_share:6.3f}"
        print(f"{format_name(job.output):>10} {ids / 1e6:10.1f} {speeds} {shares}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--megabytes", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--formats", default="parquet,jsonl,jsonl.gz,jsonl.zst,mds")
    parser.add_argument("--plan", metavar="TOKENIZER")
    options = parser.parse_args()
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows, columns = shard_rows(folder / "demo", options.megabytes * 10**6)
        order = np.random.default_rng(0).integers(rows.num_rows, size=rows.num_rows)
        if options.plan:
            print_plan(rows["text"].to_pylist(), options.plan, options.rounds)
            return
        size = int(pc.binary_length(rows["text"]).to_numpy()[order].sum()) / 1e6
        print(f"{len(order)} rows, {size:.0f} MB of text, load {os.getloadavg()[0]:.1f}; MB/s of text:")
        print(f"{'':>10} {'':>10} {'core':>7} {'wall':>7}   ours to it: core, wall")
        for kind, writers in contestants(rows, order, columns).items():
            if kind not in options.formats.split(","):
                continue
            took = best(writers, folder, options.rounds)
            used, lasted = took["curation"]
            for name, (core, wall) in took.items():
                compared = f"{core / used:9.2f} {wall / lasted:6.2f}" if name != "curation" else ""
                print(f"{kind:>10} {name:>10} {size / core:7.0f} {size / wall:7.0f}   {compared}")


if __name__ == "__main__":
    main()
