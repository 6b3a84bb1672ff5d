"""mlcroissant validates the Croissant files and reads the shards by them. Run by `make test-official`."""

from __future__ import annotations

import gzip
import json

import pytest

from curation.report.croissant import croissant
from tests.report.made import FOLDERS, HOSTILE, SUFFIXES, made

pytestmark = pytest.mark.official

#: What only a person can add, and mlcroissant recommends.
MISSING = ("citeAs", "datePublished", "version")


def dataset(folder, facts):
    """The data set as mlcroissant sees it; it raises where the file is not valid."""
    import mlcroissant

    path = folder / "croissant.json"
    path.write_text(croissant(facts))
    found = mlcroissant.Dataset(jsonld=path)
    issues = found.metadata.ctx.issues
    assert issues.errors == set()
    assert len(issues.warnings) == len(MISSING)
    assert all(any(name in warning for name in MISSING) for warning in issues.warnings)
    return found


@pytest.mark.parametrize("form", SUFFIXES)
@pytest.mark.parametrize("phases", [False, True])
def test_every_format_is_valid(tmp_path, form, phases):
    facts = made(form, phases, validation=True, columns={"when": "timestamp[us]", "tags": "list<item: string>"})
    found = dataset(tmp_path, facts).metadata
    assert str(found.ctx.conforms_to) == "CroissantVersion.V_1_1"
    shards = [*facts.index["shards"], *facts.index["validation"]["shards"]]
    told = sorted((file.content_url, file.sha256) for file in found.file_objects)
    assert told == sorted((shard["file"], shard["sha256"]) for shard in shards)
    assert [files.id for files in found.file_sets] == ["train-shards", "validation-shards"]
    assert [records.id for records in found.record_sets] == ([] if form == "megatron" else ["train", "validation"])
    assert len(found.data_preprocessing_protocol) == 7 + phases
    assert found.data_limitations


@pytest.mark.parametrize(
    ("key", "fault"),
    [('"sha256": "', "sha256"), ('"dataType": "sc:', "dataType"), ('"includes": "shard', "includes")],
)
def test_a_file_without_what_is_needed_is_not_valid(tmp_path, key, fault):
    import mlcroissant

    path = tmp_path / "croissant.json"
    path.write_text(croissant(made()).replace(key, '"other": "'))
    with pytest.raises(mlcroissant.ValidationError, match=fault):
        mlcroissant.Dataset(jsonld=path)


@pytest.mark.parametrize("name", HOSTILE)
def test_names_that_mean_something_are_valid(tmp_path, name):
    facts = made(domains=(name, "b"), licences=(name, None), declared=({name: name}, {}), columns={name: "string"})
    found = dataset(tmp_path, facts).metadata
    assert [field.name for field in found.record_sets[0].fields][-1] == name


def written(folder, facts, write):
    """Writes the shards, rows numbered through."""
    first = 0
    for shard in [*facts.index["shards"], *facts.index["validation"]["shards"]]:
        path = folder / shard["file"]
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path, range(first, first + shard["rows"]))
        first += shard["rows"]


def test_the_rows_of_parquet_are_read_split_by_split(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    def write(path, numbers):
        table = {"text": [f"text {n}" for n in numbers], "doc_id": list(numbers), "domain": ["web"] * len(numbers)}
        table |= {"cluster": [n % 7 for n in numbers], "repetition": [0] * len(numbers), "id": [None] * len(numbers)}
        pq.write_table(pa.table(table | {"a b": [[str(n)] for n in numbers]}), path)

    facts = made(phases=True, validation=True, columns={"a b": "list<item: string>"})
    written(tmp_path, facts, write)
    found = dataset(tmp_path, facts)
    train = list(found.records("train"))
    assert [row["train/doc_id"] for row in train] == list(range(700))
    assert train[5]["train/text"] == b"text 5"
    assert train[5]["train/a=20b"] == [b"5"]
    assert train[5]["train/id"] is None
    assert [row["validation/doc_id"] for row in found.records("validation")] == list(range(700, 720))
    assert (tmp_path / FOLDERS[0]).is_dir()


@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.gz"])
def test_the_rows_of_lines_are_read_split_by_split(tmp_path, suffix):
    def write(path, numbers):
        with (gzip.open if suffix == ".jsonl.gz" else open)(path, "wt") as file:
            for n in numbers:
                metadata = {"doc_id": n, "cluster": n % 7, "repetition": 0}
                file.write(
                    json.dumps({"id": f"d{n}", "text": f"text {n}", "source": "web", "metadata": metadata}) + "\n"
                )

    facts = made("jsonl", validation=True, suffix=suffix)
    written(tmp_path, facts, write)
    found = dataset(tmp_path, facts)
    train = list(found.records("train"))
    assert [row["train/doc_id"] for row in train] == list(range(700))
    assert (train[9]["train/text"], train[9]["train/cluster"], train[9]["train/source"]) == (b"text 9", 2, b"web")
    assert [row["validation/id"] for row in found.records("validation")] == [b"d%d" % n for n in range(700, 720)]
