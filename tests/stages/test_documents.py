import pyarrow as pa
import pytest

from curation.config import Job
from curation.sources.find import InputFile
from curation.sources.rows import NUMBER, Rows, Split
from curation.stages.documents import (
    documents_table,
    excerpt_share,
    excerpts_table,
    heuristics_table,
    rejected_table,
    settings,
)
from curation.stages.tokenizer import token_counts
from curation.text.heuristics import heuristic_quality

FILE = InputFile("a.jsonl", "web", 0, "jsonl", 1, "1-1")
SPLIT = Split(3, 0, 0, 100, 4, 500, 0, 10)


def job(**more):
    return Job.model_validate({"run_dir": "x", "sources": [{"domain": "web", "path": "a"}], **more})


def rows(texts, rejected=None, **columns):
    return Rows(pa.table({"text": pa.array(texts, pa.large_string()), **columns}), rejected or {})


def described(job, rows, score=None):
    return documents_table(job, FILE, SPLIT, rows, token_counts(job, "web", rows, {}, None), score)


def test_a_row_a_document_rejected_or_not():
    table = described(job(), rows(["abcdefgh", None, "é", "x" * 10], {1: "no text"}))
    assert table["doc_id"].to_pylist() == [500, 501, 502, 503]
    assert table["bytes"].to_pylist() == [8, 0, 2, 10]
    assert table["tokens"].to_pylist() == [2, 0, 1, 2]
    assert table["keep"].to_pylist() == [True, False, True, True]
    assert table["drop_reason"].to_pylist() == [None, "no text", None, None]
    assert [value is None for value in table["content_hash"].to_pylist()] == [False, True, False, False]
    assert set(table["domain"].to_pylist()) == {"web"}


def test_languages_are_told_where_documents_are_clustered_by_them():
    texts = ["The cat sat on the mat and looked at the dog", None, "Le chat dort sur la chaise de la cuisine", "1 + 1"]
    found = rows(texts, {1: "no text"})
    assert described(job(), found)["language"].null_count == 4
    apart = job(clustering={"within": "language"})
    assert described(apart, found)["language"].to_pylist() == ["en", None, "fr", "und"]
    none = rows([None] * 4, dict.fromkeys(range(4), "no text"))
    assert described(apart, none)["language"].null_count == 4
    assert settings(apart) != settings(job()) == settings(job(clustering={"within": "domain"}))


def test_quality_is_scaled_cut_off_and_may_be_missing():
    quality = pa.array([2.5, None, 7.0, float("nan")])
    found = rows(["a", "b", "c", "d"], **{NUMBER + "q": quality})
    table = described(job(quality={"column": "q", "scale": [0, 5]}), found)
    assert table["quality"].to_pylist() == [0.5, None, 1.0, None]


def test_rejected_rows_are_named():
    table = rejected_table(FILE, SPLIT, rows(["a", None, None, "d"], {2: "malformed JSON", 1: "no text"}))
    assert table.to_pylist() == [
        {"doc_id": 501, "path": "a.jsonl", "row": 101, "reason": "no text"},
        {"doc_id": 502, "path": "a.jsonl", "row": 102, "reason": "malformed JSON"},
    ]


@pytest.mark.parametrize("share", [1.0, 1e-9])
def test_excerpts_are_a_sample_of_the_kept(share):
    found = rows(["a" * 5000, None, "é" * 5000, "d"], {1: "no text"})
    documents = described(job(), found)
    excerpts = excerpts_table(0, documents, found, share)
    if share == 1:
        assert excerpts["doc_id"].to_pylist() == [500, 502, 503]
        assert [len(text) for text in excerpts["text"].to_pylist()] == [2048, 2048, 1]
    else:
        assert excerpts.num_rows < 4


def test_the_sample_is_uniform_but_for_small_domains():
    assert excerpt_share(100_000, 500) == 1
    assert excerpt_share(100_000_000, 90_000_000) == pytest.approx(0.002)
    assert excerpt_share(100_000_000, 4_000) == pytest.approx(0.5)  # 2,000 of a domain at least


def test_an_expression_over_columns_is_a_quality():
    quality = {"expression": "0.5*edu + min(likes, 10)/20"}
    numbers = {NUMBER + "edu": pa.array([1.0, 0.5, None, 9.0]), NUMBER + "likes": pa.array([100.0, 4.0, 1.0, 0.0])}
    table = described(job(quality=quality), rows(["a", "b", "c", "d"], **numbers))
    assert table["quality"].to_pylist() == [1.0, pytest.approx(0.45), None, 1.0]


def test_the_parts_of_the_built_in_quality_are_kept():
    found = rows(
        ["It is good to have a plan, and the people of the town knew that. " * 20, None, "a" * 50, "| |\n" * 40]
    )
    score, parts = heuristic_quality(found.table["text"])
    documents = described(job(quality={"scorer": "heuristics"}), found, score)
    quality = documents["quality"].to_pylist()
    assert quality[1] is None
    table = heuristics_table(documents, parts)
    assert table["doc_id"].to_pylist() == [500, 501, 502, 503]
    assert table["words"].to_pylist() == [20 * 15, None, 1, 80]
    assert heuristics_table(documents, {}).num_rows == 0
