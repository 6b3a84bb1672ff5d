"""The pool: which texts count as the same one."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from curation import tables
from curation.probe.pool import _texts_alike, languages_of
from curation.sources.rows import Split
from curation.stages.eligible import Eligible
from curation.stages.splits import part_name
from curation.storage.store import Store


def eligible(doc_id, content=None):
    count = len(doc_id)
    numbers = np.zeros(count, np.int32)
    hashes = None if content is None else np.array(content, np.uint64)
    return Eligible(np.array(doc_id, np.int32), numbers, numbers, numbers, None, hashes, np.array([count]))


def test_texts_are_alike_by_hash_and_by_group_of_near_duplicates(tmp_path):
    store = Store.open(str(tmp_path))
    assert _texts_alike(store, eligible([1, 2, 5])) is None
    assert _texts_alike(store, eligible([1, 2, 5], [7, 7, 8])).tolist() == [7, 7, 8]
    groups = pa.table([[0, 2, 5, 9], [0, 0, 0, 9]], schema=tables.NEAR_DUPLICATES)
    store.write_table("near_duplicates/groups.parquet", groups)
    first, second, third, fourth = _texts_alike(store, eligible([1, 2, 5, 8], [7, 7, 8, 9])).tolist()
    assert second == third
    assert len({first, second, fourth}) == 3
    assert _texts_alike(store, eligible([1, 2, 5, 8])).tolist()[1:3] == [second, third]


def test_languages_are_those_that_the_run_found(tmp_path):
    store = Store.open(str(tmp_path))
    found = ["en", None, "de", "en", "fr"]
    splits = [Split(n, 0, 0, first, rows, first, 0, 0) for n, (first, rows) in enumerate([(0, 2), (2, 1), (3, 2)])]
    for split in splits:
        own = found[split.first_doc_id :][: split.rows]
        table = pa.table({"language": pa.array(own, pa.string())})
        store.write_table(part_name("documents", split.split_id), table)
    assert languages_of(store, splits, np.array([1, 3, 4])).to_pylist() == [None, "en", "fr"]
