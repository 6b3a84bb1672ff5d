import numpy as np
import pyarrow as pa
import pytest

from curation.config import Job
from curation.sources.find import InputFile
from curation.sources.rows import Rows, Split
from curation.stages.documents import documents_table, excerpts_table, rejected_table

FILE = InputFile("a.jsonl", "web", 0, "jsonl", 1, "1-1")
SPLIT = Split(3, 0, 0, 100, 4, 500, 0, 10)


def job(**more):
    return Job.model_validate({"run_dir": "x", "sources": [{"domain": "web", "path": "a"}], **more})


def rows(texts, rejected=None, **columns):
    return Rows(pa.table({"text": pa.array(texts, pa.large_string()), **columns}), rejected or {})


def test_a_row_a_document_rejected_or_not():
    table = documents_table(job(), FILE, SPLIT, rows(["abcdefgh", None, "é", "x" * 10], {1: "no text"}))
    assert table["doc_id"].to_pylist() == [500, 501, 502, 503]
    assert table["bytes"].to_pylist() == [8, 0, 2, 10]
    assert table["tokens"].to_pylist() == [2, 0, 1, 2]
    assert table["keep"].to_pylist() == [True, False, True, True]
    assert table["drop_reason"].to_pylist() == [None, "no text", None, None]
    assert [value is None for value in table["content_hash"].to_pylist()] == [False, True, False, False]
    assert set(table["domain"].to_pylist()) == {"web"}


def test_quality_is_scaled_cut_off_and_may_be_missing():
    quality = pa.array([2.5, None, 7.0, float("nan")])
    table = documents_table(
        job(quality={"column": "q", "scale": [0, 5]}), FILE, SPLIT, rows(["a", "b", "c", "d"], quality=quality)
    )
    assert table["quality"].to_pylist() == [0.5, None, 1.0, None]


def test_rejected_rows_are_named():
    table = rejected_table(FILE, SPLIT, rows(["a", None, None, "d"], {2: "malformed JSON", 1: "no text"}))
    assert table.to_pylist() == [
        {"doc_id": 501, "path": "a.jsonl", "row": 101, "reason": "no text"},
        {"doc_id": 502, "path": "a.jsonl", "row": 102, "reason": "malformed JSON"},
    ]


@pytest.mark.parametrize("total", [4, 10**9])
def test_excerpts_are_a_sample_of_the_kept(total):
    found = rows(["a" * 5000, None, "é" * 5000, "d"], {1: "no text"})
    documents = documents_table(job(), FILE, SPLIT, found)
    excerpts = excerpts_table(0, documents, found, total)
    if total == 4:
        assert excerpts["doc_id"].to_pylist() == [500, 502, 503]
        assert [len(text) for text in excerpts["text"].to_pylist()] == [2048, 2048, 1]
    else:
        assert excerpts.num_rows < 4


def test_the_sample_has_about_the_wanted_size():
    from curation.counter_rng import uniform
    from curation.stages.documents import EXCERPTS

    chosen = (uniform(0, "excerpts", np.arange(10**6)) * 10**6 < EXCERPTS).sum()
    assert abs(chosen - EXCERPTS) < 2000
