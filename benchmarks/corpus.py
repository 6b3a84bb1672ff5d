"""A corpus of any size from the demo's real texts: documents are made of paragraphs of one domain's documents."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from curation.config import Source
from curation.demo import build_corpus, demo_job
from curation.job_file import parse_yaml
from curation.sources.count import count_file
from curation.sources.find import find_files
from curation.sources.read import read_splits
from curation.sources.rows import Columns, Split

FILES = 16


def demo_texts(folder: Path) -> dict[str, list[str]]:
    """The texts of the demo corpus by domain."""
    build_corpus(folder)
    found: dict[str, list[str]] = {}
    for index, entry in enumerate(parse_yaml(demo_job(folder, folder / "run"), "demo")["sources"]):
        source = Source.model_validate(entry)
        for file in find_files(source, index):
            cuts = count_file(file, 1 << 40, source, {}, False).cuts
            splits = [Split(0, 0, cut.group, cut.first_row, cut.rows, 0, cut.start, cut.stop) for cut in cuts]
            for split in splits:
                for _, rows in read_splits(
                    file.path, file.format, [split], Columns(source.text_column), etag=file.etag
                ):
                    found.setdefault(source.domain, []).extend(rows.table["text"].to_pylist())
    return found


def documents(folder: Path, count: int, seed: int = 0, characters: int = 1200) -> list[tuple[str, str]]:
    """(domain, text) of so many different documents of about so many characters."""
    rng = np.random.default_rng(seed)
    texts = demo_texts(folder)
    domains = list(texts)
    weights = np.array([len(texts[domain]) for domain in domains], float)
    lines = {
        domain: [line for text in own for line in text.split("\n") if line.strip()] for domain, own in texts.items()
    }
    chosen = rng.choice(len(domains), count, p=weights / weights.sum())
    made = []
    for number, index in enumerate(chosen):
        own = lines[domains[index]]
        start, size, picked = int(rng.integers(len(own))), 0, []
        wanted = characters * rng.lognormal(-0.2, 0.6)
        while size < wanted:
            line = own[start % len(own)]
            picked.append(line)
            size += len(line) + 1
            start += 1 if rng.random() < 0.8 else int(rng.integers(len(own)))
        made.append((domains[index], "\n".join(picked) + f"\n# {number}"))
    return made


def write_parquet(folder: Path, count: int) -> int:
    """Writes documents as FILES Parquet files; returns the bytes of text."""
    target = folder / "corpus"
    made = documents(folder / "demo", count)
    target.mkdir(parents=True, exist_ok=True)
    step = -(-count // FILES)
    for number in range(FILES):
        part = made[number * step : (number + 1) * step]
        table = pa.table({"text": [text for _, text in part], "domain": [domain for domain, _ in part]})
        pq.write_table(table, target / f"part-{number:03}.parquet", row_group_size=2000, compression="zstd")
    return sum(len(text.encode()) for _, text in made)


def write_jsonl(path: Path, folder: Path, size: int) -> int:
    """Writes about so many bytes of JSONL; returns the documents. Blocks of documents repeat with other numbers."""
    made = [text for _, text in documents(folder / "demo", 50_000)]
    count = written = 0
    with path.open("w", encoding="utf-8") as file:
        while written < size:
            for text in made:
                written += file.write(json.dumps({"text": f"{text} {count}", "n": count}) + "\n")
                count += 1
                if written >= size:
                    break
    return count
