"""`datasets` reads the splits and the phases of a folder of shards by the card that lies in it."""

from __future__ import annotations

import json

import datasets
import pyarrow as pa
import pyarrow.parquet as pq

from curation.report.card import dataset_card
from tests.report.made import FOLDERS, made


def rows_of(shard, first):
    numbers = range(first, first + shard["rows"])
    return [{"text": f"text {n}", "doc_id": n, "domain": "web", "cluster": n % 7, "repetition": 0} for n in numbers]


def write_folder(folder, facts, write):
    """The shards of an index, rows numbered through, and the card beside them."""
    first = 0
    for shard in [*facts.index["shards"], *facts.index.get("validation", {"shards": []})["shards"]]:
        path = folder / shard["file"]
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path, rows_of(shard, first))
        first += shard["rows"]
    (folder / "README.md").write_text(dataset_card(facts))
    (folder / "curation_index.json").write_text(json.dumps(facts.index))
    (folder / "croissant.json").write_text("{}")


def load(folder, cache, *config, split):
    return datasets.load_dataset(str(folder), *config, split=split, cache_dir=str(cache))


def test_datasets_reads_splits_and_phases_of_parquet_by_the_card(tmp_path):
    folder, cache = tmp_path / "shards", tmp_path / "cache"
    write_folder(
        folder, made(phases=True, validation=True), lambda path, rows: pq.write_table(pa.Table.from_pylist(rows), path)
    )
    assert load(folder, cache, split="train")["doc_id"][:] == list(range(700))
    assert load(folder, cache, split="validation")["doc_id"][:] == list(range(700, 720))
    assert load(folder, cache, FOLDERS[1], split="train")["doc_id"][:] == list(range(600, 700))
    streamed = datasets.load_dataset(str(folder), FOLDERS[0], split="train", streaming=True)
    assert [row["doc_id"] for row in streamed] == list(range(600))


def test_datasets_reads_lines_by_the_card_though_a_key_is_null_in_the_first_file(tmp_path):
    folder, cache = tmp_path / "shards", tmp_path / "cache"

    def write(path, rows):
        with path.open("w") as file:
            for row in rows:
                number = row["doc_id"]
                metadata = {"doc_id": number, "cluster": row["cluster"], "repetition": 0}
                late = number if number >= 600 else None
                line = {"id": str(number), "text": row["text"], "source": "web", "metadata": metadata | {"late": late}}
                file.write(json.dumps(line) + "\n")

    write_folder(folder, made("jsonl", validation=True, columns={"late": "int64"}), write)
    train = load(folder, cache, split="train")
    assert train["id"][:] == [str(number) for number in range(700)]
    assert [row["late"] for row in train["metadata"]] == [None] * 600 + list(range(600, 700))
    assert len(load(folder, cache, split="validation")) == 20
