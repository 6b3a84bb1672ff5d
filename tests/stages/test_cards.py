"""The cards of a run directory: what is gathered, that nothing of the machine is in them, and who may write them."""

from __future__ import annotations

import json
import re

import pyarrow as pa
import pytest
import yaml

from curation import tables
from curation.embedding.encoder import EncoderSpec
from curation.job_file import parse_job
from curation.pipeline import STAGES
from curation.stages import cards, report, shards
from curation.stages.encoder import SPEC
from curation.stages.shards import INDEX
from curation.stages.sources import SOURCES
from curation.storage.store import Marker, Store, fingerprint
from curation.verify.files import _listed
from tests.report.made import index, made

SUMMARY = made().summary


def job_at(folder, **more):
    return parse_job(
        {
            "run_dir": f"{folder}/run",
            "sources": [
                {"domain": "web", "path": f"{folder}/web/*.parquet", "licence": "MIT", "facts": {"origin": "crawl"}},
                {"domain": "books", "path": [f"{folder}/a.jsonl", f"{folder}/b.jsonl"]},
            ],
            "embedding": {"model": f"{folder}/models/mini"},
            "sampling": {"clip": 3},
        }
        | more,
        "job",
    )


def store_at(folder):
    """A run directory with what the cards read."""
    store = Store.open(f"{folder}/run")
    counts = [("web", 0, 100, 7), ("web", 0, 50, 5), ("books", 1, 30, 2)]
    rows = [
        {"file_id": n, "path": f"{folder}/{n}", "domain": domain, "source": source, "bytes": size, "rows": documents}
        for n, (domain, source, size, documents) in enumerate(counts)
    ]
    store.write_table(SOURCES, pa.Table.from_pylist(rows, tables.SOURCES))
    weights = {"weights_sha256": "ab", "files_sha256": "cd"}
    spec = EncoderSpec(
        "sentence-transformers", "m", "", "", dimensions=8, max_tokens=16, precision="float32", **weights
    )
    store.write_bytes(SPEC, spec.to_json().encode())
    store.write_json(INDEX, index())
    return store


def test_both_files_lie_beside_the_shards(tmp_path):
    store = store_at(tmp_path)
    parts = cards.write_cards(store, job_at(tmp_path), SUMMARY)
    assert [part.name for part in parts] == [cards.CARD, cards.CROISSANT] == list(report.STAGE.guests)[:2]
    card = store.read_bytes(cards.CARD).decode()
    assert "| `web` | `MIT` | `origin`: `crawl` | 2 | 150 | 12 |" in card
    assert "| `books` | TO BE PROVIDED | - | 1 | 30 | 2 |" in card
    assert json.loads(store.read_bytes(cards.CROISSANT))["prov:wasDerivedFrom"][1]["prov:label"] == "books"


def test_the_same_run_elsewhere_has_the_same_cards_and_no_folder_is_named(tmp_path):
    written = []
    for place in ("here", "there"):
        folder = tmp_path / place
        work = {"resources": {"tasks": 1 if place == "here" else 3}, "split_bytes": 1000 if place == "here" else 2000}
        store = store_at(folder)
        cards.write_cards(store, job_at(folder, **work), SUMMARY)
        written.append([store.read_bytes(name) for name in (cards.CARD, cards.CROISSANT)])
    assert written[0] == written[1]
    assert str(tmp_path).encode() not in b"".join(written[0])


def test_the_recipe_in_the_card_has_the_hash_that_is_told(tmp_path):
    store, job = store_at(tmp_path), job_at(tmp_path)
    cards.write_cards(store, job, SUMMARY)
    card = store.read_bytes(cards.CARD).decode()
    text = re.search(r"```yaml\n(.*?)\n```", card, re.DOTALL)[1]
    assert fingerprint(yaml.safe_load(text)) == re.search(r"canonical form, is `([0-9a-f]{64})`", card)[1]


@pytest.mark.parametrize(
    ("other", "differs"),
    [
        ({"sampling": {"clip": 4}}, True),
        ({"seed": 1}, True),
        ({"run_dir": "elsewhere"}, False),
        ({"resources": {"tasks": 2}}, False),
        ({"cost": {"currency": "EUR"}}, False),
        ({"split_bytes": 5}, False),
        ({"embedding": {"model": "elsewhere/models/mini", "batch_tokens": 64}}, False),
    ],
)
def test_the_recipe_is_what_decides_the_shards(tmp_path, other, differs):
    same = cards.recipe_of(job_at(tmp_path)) == cards.recipe_of(job_at(tmp_path, **other))
    assert same != differs


def test_vectors_that_were_given_have_no_model(tmp_path):
    sources = [{"domain": "web", "path": "web", "vector_column": "emb"}]
    assert cards.recipe_of(job_at(tmp_path, sources=sources))["embedding"]["model"] == "given vectors"


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("/data/web/", "web"),
        ("/data/web/*.jsonl.zst", "*.jsonl.zst"),
        ("./web", "web"),
        ("s3://bucket/corpus/web.parquet?endpoint_override=host:9000&scheme=http", "web.parquet"),
        ("sentence-transformers/all-MiniLM-L6-v2", "sentence-transformers/all-MiniLM-L6-v2"),
        ("lexical", "lexical"),
        ("~/models/mini", "mini"),
        ("s3://bucket", "bucket"),
        ("/", "/"),
    ],
)
def test_of_a_path_the_last_part_stays(path, wanted):
    assert cards.last_part(path) == wanted


def test_what_a_killed_run_left_beside_the_shards_goes(tmp_path):
    store = store_at(tmp_path)
    half = tmp_path / "run/shards/.tmp-README.md-1-aa"
    half.write_text("half a card")
    cards.write_cards(store, job_at(tmp_path), SUMMARY)
    assert not half.exists()


def test_the_report_is_done_again_when_the_cards_change(tmp_path, monkeypatch):
    job = job_at(tmp_path)
    before = report.settings(job)
    monkeypatch.setattr(report, "CARDS_VERSION", 99)
    assert report.settings(job) != before


def test_verify_knows_whose_the_cards_are(tmp_path):
    store = store_at(tmp_path)
    parts = cards.write_cards(store, job_at(tmp_path), SUMMARY)
    index_part = store.write_json(INDEX, index())
    guests = {name for stage in STAGES for name in stage.guests}

    def faults(stage, parts):
        found = _listed(store, stage, Marker(stage.name, "", parts), guests)
        return [fault for fault in found if fault]

    assert faults(shards.STAGE, [index_part]) == []
    assert faults(report.STAGE, parts) == []
    store.write_bytes("shards/other.md", b"whose?")
    assert faults(shards.STAGE, [index_part]) == ["shards/other.md: no stage has written this file"]
    store.write_bytes(cards.CARD, b"short")
    assert faults(report.STAGE, parts) == [f"{cards.CARD}: has 5 bytes, and was written with {parts[0].bytes}"]
    store.remove([cards.CARD])
    assert faults(report.STAGE, parts) == [f"{cards.CARD}: missing"]
