"""A small corpus of three domains in four formats, for tests that run the whole job."""

from __future__ import annotations

import gzip
import hashlib
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from curation.storage.store import Store

#: A worker at a time, for tests that ask something else than what several do together: a process costs a second.
ONE_WORKER = ["resources.tasks=1", "resources.embedding_actors=1", "resources.clustering_actors=1"]

#: Files beside the shards that tell of the run.
CARDS = ("README.md", "croissant.json")

TOPICS = {
    "cooking": "bread oven flour butter sugar knead dough bake yeast recipe salt pepper onion garlic soup",
    "space": "orbit planet rocket star galaxy launch telescope moon gravity comet mission engine lunar solar",
    "law": "court judge statute appeal contract plaintiff verdict clause evidence witness tort ruling brief",
    "music": "chord melody rhythm guitar piano tempo verse chorus violin harmony scale octave drum singer",
    "chess": "rook bishop pawn knight queen castle gambit endgame opening checkmate tactic fork pin skewer",
}


def texts(count: int, seed: int, topics: list[str]) -> list[str]:
    """Documents of 20 to 80 words, each about one topic."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        words = TOPICS[topics[rng.integers(len(topics))]].split()
        found.append(" ".join(rng.choice(words, rng.integers(20, 80))) + f" {rng.integers(10**9)}.")
    return found


def build(folder: Path, scale: int = 1) -> str:
    """Writes the corpus and returns the `sources` of a job file."""
    folder.mkdir(parents=True, exist_ok=True)
    web = texts(400 * scale, 1, ["cooking", "space", "law", "music", "chess"])
    web[10] = web[3]  # an exact copy
    web[11] = "  " + web[4].replace(" ", "\n ") + "  "  # a copy but for white space
    table = pa.table(
        {
            "text": web,
            "url": [f"http://x/{i}" for i in range(len(web))],
            "year": pa.array(np.arange(len(web)) % 30 + 1990, pa.int32()),
            "score": np.linspace(0, 5, len(web)),
        }
    )
    pq.write_table(table, folder / "web.parquet", row_group_size=50)
    news = texts(90 * scale, 2, ["law", "space"])
    lines = [json.dumps({"text": text, "url": f"n{i}", "score": 1.5}) for i, text in enumerate(news)]
    (folder / "news.jsonl").write_text("\n".join([*lines[:40], "", *lines[40:]]) + "\n")
    books = [*texts(30 * scale, 3, ["music"]), web[5]]
    with gzip.open(folder / "books.jsonl.gz", "wt") as file:
        file.write("".join(json.dumps({"text": text}) + "\n" for text in books))
    notes = texts(12 * scale, 4, ["chess"])
    with pa.output_stream(str(folder / "notes.jsonl.zst"), compression="zstd") as stream:
        stream.write("".join(json.dumps({"text": text, "score": "x"}) + "\n" for text in notes).encode())
    return f"""
  - {{domain: web, path: "{folder}/web.parquet", id_column: url, keep_columns: [year], weight: 2}}
  - {{domain: news, path: "{folder}/news.jsonl", id_column: url}}
  - {{domain: books, path: "{folder}/*.gz"}}
  - {{domain: books, path: "{folder}/notes.jsonl.zst"}}
"""


def job(folder: Path, run_dir: Path, more: str = "", scale: int = 1) -> str:
    """Writes the corpus and a job file for it; returns the job file's path."""
    sources = build(folder, scale)
    path = folder / "job.yaml"
    path.write_text(
        f"run_dir: {run_dir}\nsources:{sources}\n"
        "split_bytes: 20000\n"
        "embedding: {model: lexical, dimensions: 16}\n"
        "clustering: {clusters: 8}\n"
        "output: {shard_bytes: 40000}\n" + more
    )
    return str(path)


def shard_hashes(run_dir: Path) -> dict[str, str]:
    """sha256 of every shard and of the index."""
    return stored_hashes(Store.open(str(run_dir)))


def stored_hashes(store: Store) -> dict[str, str]:
    """The same of a run directory wherever it is."""
    names = [name.removeprefix("shards/") for name in store.list("shards")]
    return {name: _sha256(store, f"shards/{name}") for name in names if name[0] != "_" and name not in CARDS}


def card_hashes(run_dir: str | Path) -> dict[str, str]:
    """sha256 of the cards, which say which job it was and not only what came out."""
    return {name: _sha256(Store.open(str(run_dir)), f"shards/{name}") for name in CARDS}


def _sha256(store: Store, name: str) -> str:
    return hashlib.sha256(store.read_bytes(name)).hexdigest()
