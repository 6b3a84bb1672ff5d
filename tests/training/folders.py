"""Small folders of shards in every format, and a small run directory, written by what the formats' layouts say."""

from __future__ import annotations

import gzip
import hashlib
import json
import struct
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from curation import tables
from curation.config import Job
from curation.job_file import dump_job

COLUMNS = {
    "text": "string",
    "doc_id": "int64",
    "domain": "string",
    "cluster": "int32",
    "repetition": "int16",
    "id": "string",
    "score": "double",
}
SUFFIXES = {
    "parquet": ".parquet",
    "jsonl": ".jsonl",
    "jsonl.gz": ".jsonl.gz",
    "jsonl.zst": ".jsonl.zst",
    "mds": ".mds",
}


def rows(count: int, seed: int = 0) -> list[dict]:
    """Rows as a trainer gets them; texts of many lengths, some with line breaks, none two the same."""
    rng = np.random.default_rng(seed)
    return [
        {
            "text": f"{number} é\n" + "word\u2028 " * int(rng.integers(0, 30)),
            "doc_id": number * 7,
            "domain": ["web", "books"][number % 2],
            "cluster": number % 5,
            "repetition": number % 3,
            "id": f"u{number}",
            "score": number / 3,
        }
        for number in range(count)
    ]


def write_folder(folder: Path, found: list[dict], format: str, shard_rows: int = 50, validation: int = 0) -> Path:
    """Writes rows as shards of `shard_rows` each, the last `validation` rows as a validation shard, and the index."""
    training = found[: len(found) - validation]
    index = index_of(format.partition(".")[0], [])
    index |= write_shards(folder, "", training, format, shard_rows)
    if validation:
        index["validation"] = write_shards(folder, "validation/", found[len(training) :], format, shard_rows)
    (folder / "curation_index.json").write_text(json.dumps(index))
    return folder


def index_of(format: str, shards: list[dict]) -> dict:
    totals = {key: sum(shard[key] for shard in shards) for key in ("rows", "tokens", "text_bytes", "bytes")}
    return {"version": 3, "format": format, "order": "stationary", "columns": COLUMNS, **totals, "shards": shards}


def write_shards(folder: Path, under: str, found: list[dict], format: str, shard_rows: int) -> dict:
    """The shards, and what the index says of them."""
    shards = []
    for number, start in enumerate(range(0, len(found), shard_rows)):
        part = found[start : start + shard_rows]
        file = f"{under}shard-{number:05}{SUFFIXES[format]}"
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded(part, format))
        text_bytes = sum(len(row["text"].encode()) for row in part)
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        size = {"rows": len(part), "tokens": text_bytes // 4, "text_bytes": text_bytes, "bytes": path.stat().st_size}
        shards.append({"file": file, **size, "sha256": sha256})
    index = index_of(format, shards)
    return {key: index[key] for key in ("rows", "tokens", "text_bytes", "bytes", "shards")}


def encoded(part: list[dict], format: str) -> bytes:
    if format == "parquet":
        sink = pa.BufferOutputStream()
        types = {"int16": pa.int16(), "int32": pa.int32(), "int64": pa.int64(), "double": pa.float64()}
        schema = pa.schema([(name, types.get(kind, pa.string())) for name, kind in COLUMNS.items()])
        pq.write_table(pa.Table.from_pylist(part, schema=schema), sink, row_group_size=16)
        return sink.getvalue().to_pybytes()
    if format == "mds":
        return mds(part)
    data = "".join(json.dumps(line(row), ensure_ascii=False) + "\n" for row in part).encode()
    if format == "jsonl.gz":  # of two members, as a writer that appends leaves it
        return gzip.compress(data[:100], mtime=0) + gzip.compress(data[100:], mtime=0)
    return zstandard.compress(data) if format == "jsonl.zst" else data


def line(row: dict) -> dict:
    metadata = {name: row[name] for name in row if name not in ("id", "text", "domain")}
    return {"id": row["id"], "text": row["text"], "source": row["domain"], "metadata": metadata}


def mds(part: list[dict]) -> bytes:
    encodings = {"text": "str", "id": "str", "domain": "str", "score": "float64", "doc_id": "int"}
    fixed = {"int": 8, "int32": 4, "int16": 2, "float64": 8}
    names = sorted(COLUMNS)
    kinds = [encodings.get(name, COLUMNS[name]) for name in names]
    config = {"column_names": names, "column_encodings": kinds, "column_sizes": [fixed.get(kind) for kind in kinds]}
    head = json.dumps(config | {"version": 2, "format": "mds"}).encode()
    numbers = {"int": "<q", "int32": "<i", "int16": "<h", "float64": "<d"}
    samples = []
    for row in part:
        values = [
            row[name].encode() if kind == "str" else struct.pack(numbers[kind], row[name])
            for name, kind in zip(names, kinds, strict=True)
        ]
        sizes = [struct.pack("<I", len(value)) for value, kind in zip(values, kinds, strict=True) if kind == "str"]
        samples.append(b"".join(sizes + values))
    ends = np.cumsum([4 + 4 * (len(part) + 1) + len(head), *map(len, samples)])
    return struct.pack("<I", len(part)) + ends.astype("<u4").tobytes() + head + b"".join(samples)


def write_megatron(folder: Path, sequences: dict[str, list[list[int]]], code: int = 8) -> Path:
    """A prefix a name, of sequences of tokens; `code` is the type's: 8 uint16, 4 int32."""
    shards = []
    for name, found in sequences.items():
        stem = folder / name
        stem.parent.mkdir(parents=True, exist_ok=True)
        kind = {8: np.dtype("<u2"), 4: np.dtype("<i4")}[code]
        data = [np.array(tokens, kind).tobytes() for tokens in found]
        stem.with_name(stem.name + ".bin").write_bytes(b"".join(data))
        lengths = np.array([len(tokens) for tokens in found], "<i4")
        starts = np.concatenate([[0], np.cumsum([len(one) for one in data])])[:-1].astype("<i8")
        head = b"MMIDIDX\x00\x00" + struct.pack("<QBQQ", 1, code, len(found), len(found) + 1)
        documents = np.arange(len(found) + 1, dtype="<i8")
        stem.with_name(stem.name + ".idx").write_bytes(
            head + lengths.tobytes() + starts.tobytes() + documents.tobytes()
        )
        size = {"rows": len(found), "tokens": int(lengths.sum()), "text_bytes": 100, "bytes": sum(map(len, data))}
        shards.append({"file": f"{name}.bin", **size, "sha256": ""})
    (folder / "curation_index.json").write_text(json.dumps(index_of("megatron", shards)))
    return folder


def write_run(
    run_dir: Path,
    documents: list[dict],
    drawn: list[int],
    clip: int,
    clips: dict[str, int] | None = None,
    format: str = "parquet",
    shard_rows: int = 50,
    validation: int = 0,
) -> Path:
    """A finished run: its shards, and the tables that the dynamic sampler reads, in two splits.

    Args:
        run_dir: where it goes.
        documents: a dict a document: text, domain, cluster, tokens. Documents of the first domain come first.
        drawn: the document of each position; the last `validation` positions are the validation split's.
        clip: `sampling.clip`.
        clips: those of the domains that have their own.
        format: of the shards.
        shard_rows: rows of a shard.
        validation: rows of the validation split.
    """
    domains = list(dict.fromkeys(document["domain"] for document in documents))
    sources = [{"domain": name, "path": f"/{name}.jsonl", "clip": (clips or {}).get(name)} for name in domains]
    job = Job.model_validate({"run_dir": str(run_dir), "sources": sources, "sampling": {"clip": clip}})
    seen: dict[int, int] = {}
    repetition = []
    for document in drawn:
        repetition.append(seen.get(document, 0))
        seen[document] = repetition[-1] + 1
    found = [
        {
            "text": documents[document]["text"],
            "doc_id": document,
            "domain": documents[document]["domain"],
            "cluster": documents[document]["cluster"],
            "repetition": copy,
            "id": f"u{document}",
            "score": 0.5,
        }
        for document, copy in zip(drawn, repetition, strict=True)
    ]
    write_folder(run_dir / "shards", found, format, shard_rows, validation)
    (run_dir / "job.yaml").write_text(dump_job(job))
    firsts = [0, *(i for i in range(1, len(documents)) if documents[i]["domain"] != documents[i - 1]["domain"])]
    for split, (low, high) in enumerate(zip(firsts, [*firsts[1:], len(documents)], strict=True)):
        write_split(run_dir, split, documents, low, high, drawn, repetition)
    write_allocation(run_dir, documents, drawn[: len(drawn) - validation])
    return run_dir


def write_split(run_dir, split, documents, low, high, drawn, repetition):
    mine = documents[low:high]
    part = f"part-{split:08}.parquet"
    positions = np.array([position for position, document in enumerate(drawn) if low <= document < high], np.int32)
    found = {
        "schedule": {
            "doc_id": np.array(drawn, np.int32)[positions],
            "repetition": np.array(repetition, np.int16)[positions],
            "position": positions,
            "shard": np.zeros(len(positions), np.int16),
        },
        "assignments": {"doc_id": np.arange(low, high), "cluster": pa.array([d["cluster"] for d in mine], pa.int32())},
        "documents": {
            "doc_id": np.arange(low, high),
            "domain": pa.array([d["domain"] for d in mine]).dictionary_encode().cast(tables.DOCUMENTS.field(1).type),
            "tokens": pa.array([d["tokens"] for d in mine], pa.int32()),
        },
    }
    for folder, columns in found.items():
        (run_dir / folder).mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table(columns), run_dir / folder / part)


def write_allocation(run_dir, documents, drawn):
    tokens: dict[int, int] = {}
    for document in drawn:
        one = documents[document]
        tokens[one["cluster"]] = tokens.get(one["cluster"], 0) + one["tokens"]
    (run_dir / "allocation").mkdir(exist_ok=True)
    columns = {"cluster": pa.array(list(tokens), pa.int32()), "realised_tokens": pa.array(tokens.values(), pa.int64())}
    pq.write_table(pa.table(columns), run_dir / "allocation/allocation.parquet")
