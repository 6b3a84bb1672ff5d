"""Documents a core-second out of a run of `output.format: index`, against reading the same files from end to end.

    python benchmarks/random_access.py [--documents 20000] [--rounds 3]

The same documents lie in Parquet files (row groups of 100 and of 1,000 rows, zstd) and in JSONL files. Each kind gets
an index that draws every document once, in random order, and is then read, in one process on warm files:

    pyarrow       the files from end to end, every row as a dict: what reading costs without an order
    one by one    `dataset[position]` at random positions
    batches       `dataset.__getitems__` of 1,024 random positions, as torch's DataLoader asks for them

`kept` is with a full cache that holds the corpus; `tight` with one that holds a tenth of the text, so that a row group
of Parquet is mostly unpacked for one row (one by one) or for those of a batch. Rates are by CPU time, the best of the
rounds: the files are warm, and the machine may be busy. The last lines say what the index costs: bytes a draw, draws a
core-second written, and MB/s at which lines are found in JSONL.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.json
import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.corpus import documents
from curation import tables
from curation.config import Source
from curation.output import index
from curation.sources.count import count_file
from curation.sources.find import find_all
from curation.sources.offsets import read_places
from curation.sources.rows import Split
from curation.storage.store import Store
from curation.training.random_access import IndexDataset

KINDS, FILES, BATCH = ("parquet-100", "parquet-1000", "jsonl"), 8, 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--documents", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        texts = [text for _, text in documents(folder / "demo", options.documents)]
        size = sum(len(text.encode()) for text in texts)
        print(f"{len(texts):,} texts of {size / len(texts):.0f} bytes, load {os.getloadavg()[0]:.1f}; documents/core-s")
        print(
            f"{'':14}{'pyarrow':>10}" + "".join(f"{f'{way}, {cache}':>19}" for cache, _ in caches(size) for way in WAYS)
        )
        costs = []
        for kind in KINDS:
            write_files(folder / kind, kind, texts)
            costs.append(write_run(folder / kind, kind))
            compare(folder / kind, kind, len(texts), size, options.rounds)
        print("\n".join(costs))


def write_files(folder: Path, kind: str, texts: list[str]) -> None:
    folder.mkdir()
    step = -(-len(texts) // FILES)
    for number in range(FILES):
        part, path = texts[number * step : (number + 1) * step], folder / f"part-{number:03}"
        if kind == "jsonl":
            path.with_suffix(".jsonl").write_bytes(b"".join(orjson.dumps({"text": text}) + b"\n" for text in part))
        else:
            group = int(kind.partition("-")[2])
            table = pa.table({"text": part})
            pq.write_table(table, path.with_suffix(".parquet"), row_group_size=group, compression="zstd")


def write_run(folder: Path, kind: str) -> str:
    """Writes a shard that draws every document of the folder once, in random order; returns its costs."""
    sources = [Source(domain="web", path=str(folder))]
    files = find_all(sources)
    splits = {
        file.path: [
            Split(0, 0, 0, cut.first_row, cut.rows, 0, cut.start, cut.stop)
            for cut in count_file(file, 64 << 20, sources[0], {}, False).cuts
        ]
        for file in files
    }
    begun = time.process_time()
    places = pa.concat_tables([table for file in files for _, table in read_places(file, splits[file.path])])
    finding = time.process_time() - begun
    count = places.num_rows
    own = {"doc_id": np.arange(count), "domain": pa.repeat("web", count), "position": np.arange(count)}
    own |= {"cluster": np.arange(count, dtype=np.int32) % 100, "repetition": np.zeros(count, np.int16)}
    rows = pa.table(own | {name: places[name] for name in places.column_names})
    order = np.random.default_rng(0).permutation(count)
    rows = rows.set_column(2, "position", pa.array(np.argsort(order)))
    sink = io.BytesIO()
    begun = time.process_time()
    index.write(sink, rows, order, index.schema())
    writing = time.process_time() - begun
    store = Store.open(str(folder / "run"))
    store.write_bytes("shards/shard-00000.parquet", sink.getvalue())
    listed = [{"path": file.path, "format": file.format, "etag": file.etag, "source": 0} for file in files]
    store.write_table(
        f"shards/{index.FILES}", index.files_table(pa.Table.from_pylist(listed, tables.SOURCES), sources, {})
    )
    shards = [{"file": "shard-00000.parquet", "rows": count}]
    described = {"version": 3, "format": "index", "columns": {}, "text_bytes": 0, "shards": shards}
    store.write_json("shards/curation_index.json", described)
    said = (
        f"index of {kind}: {len(sink.getvalue()) / count:.1f} bytes a draw, {count / writing:,.0f} draws/core-s written"
    )
    rate = sum(file.bytes for file in files) / finding / 1e6
    return f"{said}, lines found at {rate:,.0f} MB/s" if kind == "jsonl" else said


def compare(folder: Path, kind: str, count: int, size: int, rounds: int) -> None:
    """Prints the line of a kind of files."""
    rates = [max(count / seconds(lambda: end_to_end(folder, kind)) for _ in range(rounds))]
    for _, cache in caches(size):
        dataset = IndexDataset(folder / "run", cache_bytes=cache)
        dataset.__getitems__(range(count))
        for way in WAYS.values():
            drawn = np.random.default_rng(1).integers(0, count, (rounds, BATCH)).tolist()
            rates.append(max(BATCH / seconds(lambda: way(dataset, positions)) for positions in drawn))  # noqa: B023
    print(f"{kind:14}{rates[0]:>10,.0f}" + "".join(f"{rate:>19,.0f}" for rate in rates[1:]), flush=True)


def caches(size: int) -> list[tuple[str, int]]:
    """The caches by name: bytes, for a corpus of so many bytes of text."""
    return [("kept", 4 * size), ("tight", size // 10)]


def end_to_end(folder: Path, kind: str) -> None:
    for path in sorted(folder.glob("part-*")):
        if kind == "jsonl":
            pyarrow.json.read_json(path).to_pylist()
            continue
        for batch in pq.ParquetFile(path).iter_batches(BATCH):
            batch.to_pylist()


def one_by_one(dataset: IndexDataset, positions: list[int]) -> None:
    for position in positions:
        dataset[position]


def batches(dataset: IndexDataset, positions: list[int]) -> None:
    dataset.__getitems__(positions)


WAYS: dict[str, Callable[[IndexDataset, list[int]], None]] = {"one by one": one_by_one, "batches": batches}


def seconds(work: Callable[[], object]) -> float:
    begun = time.process_time()
    work()
    return time.process_time() - begun


if __name__ == "__main__":
    main()
