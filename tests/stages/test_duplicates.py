import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from curation.stages.documents import text_hash
from curation.stages.duplicates import copies_of, kept_documents


@given(st.lists(st.integers(0, 5), max_size=60), st.integers(0, 3))
def test_the_lowest_document_of_each_text_stays(values, gap):
    doc_id = np.arange(len(values), dtype=np.int64) * (gap + 1)
    hashes = np.array([(value % 2, value) for value in values], np.uint64).reshape(-1, 2)
    copies, kept = copies_of(doc_id, hashes)
    first = {}
    expected = [
        (int(doc), first[value])
        for doc, value in zip(doc_id, values, strict=True)
        if doc != first.setdefault(value, int(doc))
    ]
    assert list(zip(copies.tolist(), kept.tolist(), strict=True)) == expected


def test_white_space_and_normal_forms_do_not_make_a_text_another_one():
    assert text_hash("a b\n\nc") == text_hash("  a\tb c ") == text_hash("a\u00a0b c")
    assert text_hash("caf\u00e9") == text_hash("cafe\u0301")
    assert len({text_hash(text) for text in ("a b", "ab", "A b", "a b.", "")}) == 5


def test_kept_documents_are_those_with_text_that_are_no_copies():
    documents = pa.table({"doc_id": np.arange(10, 15), "keep": [True, False, True, True, True]})
    dropped = np.array([3, 9, 12, 14, 15, 99])
    assert kept_documents(documents, dropped).tolist() == [True, False, False, True, False]
    assert kept_documents(documents.slice(0, 0), dropped).tolist() == []
