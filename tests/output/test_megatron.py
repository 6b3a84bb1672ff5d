"""Token files, read back by a decoder that is written from the layout and shares no code with the writer."""

from __future__ import annotations

import io
import json
import struct
import tracemalloc
from itertools import accumulate

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer as Library

from curation.errors import JobError
from curation.output import megatron
from curation.storage.sink import Sink
from curation.tokenizer import Tokenizer
from tests.tokenizers_made import END, TEXTS, byte_level, words

LARGE = pa.large_binary()


def decoded(tokens: bytes, index: bytes) -> tuple[list[list[int]], str]:
    """The documents of a pair of files, and the type of their ids; by Python's own struct, number by number."""
    assert index[:9] == b"MMIDIDX\x00\x00"
    version, code, sequences, documents = struct.unpack_from("<QBQQ", index, 9)
    assert version == 1
    kind = {4: "i", 8: "H"}[code]
    at, width = 34, struct.calcsize(f"<{kind}")
    lengths = struct.unpack_from(f"<{sequences}i", index, at)
    pointers = struct.unpack_from(f"<{sequences}q", index, at + 4 * sequences)
    bounds = struct.unpack_from(f"<{documents}q", index, at + 12 * sequences)
    assert len(index) == at + 12 * sequences + 8 * documents
    assert bounds == tuple(range(sequences + 1))  # a document is one sequence
    assert sum(lengths) * width == len(tokens)
    found = [list(struct.unpack_from(f"<{n}{kind}", tokens, at)) for n, at in zip(lengths, pointers, strict=True)]
    assert pointers == tuple(width * before for before in accumulate(lengths, initial=0))[:-1]
    return found, kind


def as_bytes(documents, dtype, kind=LARGE):
    return pa.array([np.array(ids, dtype).tobytes() for ids in documents], kind)


def written(batches, dtype):
    """The pair of files for batches of (column, order)."""
    tokens, index = io.BytesIO(), io.BytesIO()
    lengths = [megatron.append(Sink(tokens), column, np.array(order, np.int64), dtype) for column, order in batches]
    megatron.write_index(Sink(index), lengths, dtype)
    return tokens.getvalue(), index.getvalue()


@pytest.mark.parametrize("dtype", [np.dtype(np.uint16), np.dtype(np.int32)])
@pytest.mark.parametrize("kind", [pa.binary(), LARGE])
@given(st.lists(st.lists(st.integers(0, 65_000), max_size=9), min_size=1, max_size=20), st.randoms())
@settings(max_examples=30, deadline=None)
def test_documents_come_back_in_the_order_they_were_appended_in(dtype, kind, documents, random):
    batches, expected = [], []
    for _ in range(random.randrange(4)):
        order = [random.randrange(len(documents)) for _ in range(random.randrange(12))]
        batches.append((as_bytes(documents, dtype, kind), order))
        expected += [documents[row] for row in order]
    found, code = decoded(*written(batches, dtype))
    assert found == expected
    assert code == {2: "H", 4: "i"}[dtype.itemsize]


def test_what_the_tokenizer_gives_is_what_is_read_back():
    made, library = Tokenizer(byte_level(), "t", END), Library.from_buffer(byte_level())
    column = pa.chunked_array([made.tokenize(pa.array(part, pa.large_string())) for part in (TEXTS, [None, "", "x"])])
    found, _ = decoded(*written([(column, [5, 0, 2, 0])], made.dtype))
    end = library.token_to_id(END)
    assert [ids[-1] for ids in found] == [end] * 4
    assert [library.decode(ids[:-1]) for ids in found] == ["x", TEXTS[0], TEXTS[2], TEXTS[0]]


def test_many_rows_and_large_blocks_are_gathered_piece_by_piece(monkeypatch):
    monkeypatch.setattr(megatron, "_ROWS", 7)
    monkeypatch.setattr(megatron, "_BLOCK", 5)
    dtype = np.dtype(np.int32)
    documents = [list(range(row % 5)) for row in range(100)]
    order = np.random.default_rng(0).permutation(100).tolist()
    found, _ = decoded(*written([(as_bytes(documents, dtype), order), (as_bytes(documents, dtype), [])], dtype))
    assert found == [documents[row] for row in order]


def test_slices_of_a_column_are_read_where_they_begin():
    dtype = np.dtype(np.uint16)
    documents = [[row] * row for row in range(10)]
    found, _ = decoded(*written([(as_bytes(documents, dtype).slice(4), [0, 3, 0])], dtype))
    assert found == [documents[4], documents[7], documents[4]]


def test_no_documents_make_a_readable_index():
    assert decoded(*written([], np.dtype(np.int32))) == ([], "i")


def test_pointers_go_beyond_4_gb_and_nothing_is_held_twice():
    """A billion documents are 4 GB of lengths: an index of them may take no copy of its own. Here a million."""
    long = [np.full(500_000, 9_000, np.int32)] * 2
    index = io.BytesIO(bytes(34 + 12 * 10**6 + 8 * (10**6 + 1)))
    tracemalloc.start()
    try:
        megatron.write_index(Sink(index), long, np.dtype(np.int32))
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    pointers = np.frombuffer(index.getbuffer(), "<i8", 10**6, 34 + 4 * 10**6)
    assert np.array_equal(pointers, np.arange(10**6) * 36_000)
    assert most < 40 * 500_000  # blocks, whatever the number of documents


def test_the_blend_is_weights_and_prefixes():
    text = megatron.blend_text(["/run/shards/web", "/run/shards/none", "/run/shards/books"], [300, 0, 100])
    words = text.split()
    assert list(zip(map(float, words[::2]), words[1::2], strict=True)) == [
        (300.0, "/run/shards/web"),
        (100.0, "/run/shards/books"),
    ]
    with pytest.raises(JobError, match="white space"):
        megatron.blend_text(["/my run/web"], [1])


def test_the_blends_of_training_and_validation_are_one_file():
    train, valid = megatron.blend_text(["a", "b"], [3, 1]), megatron.blend_text(["v"], [2])
    assert json.loads(megatron.blends_json(train, valid)) == {"train": "3 a 1 b", "valid": "2 v", "test": None}
    assert json.loads(megatron.blends_json(train, ""))["valid"] is None


NAMES = [
    "web",
    "Web",
    "a/b",
    "a_b",
    "a b",
    "データ",
    "資料",
    "..",
    "-x",
    ".hidden",
    "a" * 200,
    "a" * 199 + "b",
    "é",
    "e",
]


def test_file_names_are_plain_different_and_stay_what_they_are():
    names = megatron.file_names(NAMES)
    assert len({name.lower() for name in names}) == len(NAMES)
    assert all(name.isascii() and not name.startswith((".", "-")) and len(name) < 90 for name in names)
    assert not any(set(name) & set('/\\ \t\n:*?"<>|') for name in names)
    assert (names[3], names[-1]) == ("a_b", "e")
    assert megatron.file_names(["a/b"]) == [names[2]]  # whatever other domains there are


def test_a_domain_called_like_a_hashed_name_is_no_collision():
    [hashed] = megatron.file_names(["a/b"])
    for other in (hashed, hashed.upper()):
        names = megatron.file_names(["a/b", other])
        assert names[0] == hashed
        assert names[1].lower() != hashed


@given(st.lists(st.text(min_size=1, max_size=80), unique=True, max_size=30))
@settings(max_examples=50, deadline=None)
def test_file_names_of_any_domains_differ(domains):
    assert len({name.lower() for name in megatron.file_names(domains)}) == len(domains)


def test_ids_of_32_bits_come_back():
    made = Tokenizer(words(70_000), "t")
    column = made.tokenize(pa.array(["69999 1", "3"], pa.large_string()))
    assert decoded(*written([(column, [1, 0])], made.dtype)) == ([[3], [69_999, 1]], "i")
