"""Writing on trial: what is measured of each format is what a run of that format leaves."""

from __future__ import annotations

import math

import pyarrow as pa
import pytest

from curation.estimate import writing
from curation.estimate.profiles import WRITTEN
from curation.estimate.writing import TOKENISED, TRIED, Written, format_name, try_writing
from curation.job_file import load_job
from curation.tokenizer import Tokenizer
from tests.corpus import job, texts
from tests.tokenizers_made import byte_level, words

TEXTS = texts(500, 1, ["cooking", "space", "law"])
SIZE = sum(len(text.encode()) for text in TEXTS)
OUTPUTS = {
    "parquet": [],
    "jsonl": ["output.format=jsonl"],
    "jsonl.gz": ["output.format=jsonl", "output.compression=gzip"],
    "jsonl.zst": ["output.format=jsonl", "output.compression=zst"],
    "mds": ["output.format=mds"],
    "index": ["output.format=index"],
}


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus")
    return job(folder, folder / "run")


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    file = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    file.write_bytes(byte_level())
    return file


def by_ids(tokenizer):
    return ["output.format=megatron", f"tokens.tokenizer={tokenizer}"]


def test_every_format_is_tried_and_has_its_own_size(path):
    found = {}
    for name, overrides in OUTPUTS.items():
        asked = load_job(path, overrides)
        assert format_name(asked.output) == name
        found[name] = try_writing(asked, TEXTS)
        assert 0 < found[name].spilled_bytes < math.inf
        assert 0 < found[name].written_bytes < math.inf
        assert found[name].tokenised_bytes == math.inf
    share = {name: one.shard_share for name, one in found.items()}
    assert share["index"] < 0.1 < share["parquet"] < 1 < share["mds"] < share["jsonl"]
    assert max(share["jsonl.zst"], share["jsonl.gz"]) < share["jsonl"] / 2
    assert found["index"].spill_share < 0.2 < found["jsonl"].spill_share
    assert set(WRITTEN) == {*OUTPUTS, "megatron"}


@pytest.mark.parametrize(("made", "width"), [(byte_level(), 2), (words(66_000), 4)], ids=["uint16", "int32"])
def test_token_files_are_as_large_as_their_ids_and_their_index(path, tmp_path, made, width):
    file = tmp_path / "tokenizer.json"
    file.write_bytes(made)
    some = TEXTS[:TOKENISED]
    found = try_writing(load_job(path, by_ids(file)), some)
    tokens = int(Tokenizer(made, "t").count(pa.array(some, pa.large_string())).sum())
    size = sum(len(text.encode()) for text in some)
    assert found.shard_share * size == pytest.approx(width * tokens + 34 + 20 * len(some) + 8)
    assert 0 < found.tokenised_bytes < math.inf


def test_weights_are_a_column_more(path):
    plain, weighted = (
        try_writing(load_job(path, ["output.format=mds", f"output.repetition={one}"]), TEXTS).shard_share * SIZE
        for one in ("copies", "weight")
    )
    assert weighted - plain > 4 * len(TEXTS)


def test_of_no_text_nothing_is_written(path, tokenizer):
    assert try_writing(load_job(path), []) == Written()
    assert try_writing(load_job(path, by_ids(tokenizer)), []) == Written()


def test_of_many_texts_some_are_taken(path, monkeypatch):
    seen = []
    cut = writing._rows
    monkeypatch.setattr(writing, "_rows", lambda text, *more: seen.append(len(text)) or cut(text, *more))
    try_writing(load_job(path), ["a text of some words"] * (2 * TRIED + 1))
    assert seen == [len(range(0, 2 * TRIED + 1, 3))]
