import os
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curation.errors import RunError
from curation.storage.lock import locked
from curation.storage.store import Marker, Part, Store


@pytest.fixture
def store(tmp_path):
    return Store.open(str(tmp_path / "run"))


def test_a_part_knows_its_size_and_hash(store):
    part = store.write_bytes("a/b.bin", b"hello")
    assert (part.bytes, part.sha256) == store.hash("a/b.bin")
    assert store.list("a") == {"a/b.bin": 5}


def write_half(store, name):
    with store.create(name) as sink:
        sink.write(b"half of it")
        raise ValueError("half")


def test_a_failed_write_leaves_nothing(store):
    with pytest.raises(ValueError, match="half"):
        write_half(store, "a/b.bin")
    assert store.list("a") == {}
    assert not list(os.scandir(f"{store.root}/a"))


def test_a_failed_overwrite_keeps_the_old_file(store):
    store.write_bytes("b.bin", b"old")
    with pytest.raises(ValueError, match="half"):
        write_half(store, "b.bin")
    assert store.read_bytes("b.bin") == b"old"


def test_tables_bring_their_counts_back(store):
    table = pa.table({"x": pa.array([1, 2, 3])})
    part = store.write_table("t/part-0.parquet", table, {"documents": 3})
    assert part.rows == 3
    assert store.read_stats("t/part-0.parquet") == (3, {"documents": 3})
    assert store.read_table("t/part-0.parquet")["x"].to_pylist() == [1, 2, 3]


@pytest.mark.parametrize("rows", [0, 1, 5000])
def test_columns_of_noise_are_written_as_they_lie_and_come_back(store, rows):
    rng = np.random.default_rng(0)
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(rng.standard_normal(rows * 16).astype(np.float16)), 16)
    hashes = pa.array([rng.bytes(16) for _ in range(rows)], pa.binary(16))
    table = pa.table({"doc_id": np.arange(rows), "embedding": vectors, "vector_hash": hashes})
    store.write_table("t.parquet", table, {"documents": rows}, noise=("embedding", "vector_hash"))
    assert store.read_table("t.parquet").equals(table)
    assert store.read_stats("t.parquet") == (rows, {"documents": rows})
    with store.open_input("t.parquet") as file:
        footer = pq.ParquetFile(file).metadata
    for group in range(footer.num_row_groups):
        doc_id, *noise = (footer.row_group(group).column(index) for index in range(3))
        assert (doc_id.compression, doc_id.is_stats_set) == ("ZSTD", rows > 0)
        assert all(column.compression == "UNCOMPRESSED" and not column.is_stats_set for column in noise)
        assert all(not column.has_dictionary_page for column in noise)


def test_same_arrays_same_bytes(store):
    arrays = {"a": np.arange(5), "b": np.eye(3, dtype=np.float32)}
    assert store.write_arrays("one.npz", arrays).sha256 == store.write_arrays("two.npz", arrays).sha256
    assert np.array_equal(store.read_arrays("one.npz")["b"], arrays["b"])


def test_arrays_are_never_unpickled(store):
    with pytest.raises(ValueError, match="bject"):
        store.write_arrays("x.npz", {"a": np.array([{}], dtype=object)})


def finish(store, name="s", fingerprint="f"):
    store.begin(name, [name], fingerprint)
    part = store.write_bytes(f"{name}/part-0", b"data")
    store.finish(Marker(name, fingerprint, [part], {"n": 1}, 0.5))
    return part


def test_a_stage_is_done_only_with_its_fingerprint_and_its_files(store):
    part = finish(store)
    assert store.done("s", "f").parts == [part]
    assert store.done("s", "other") is None
    store.remove(["s/part-0"])
    assert store.done("s", "f") is None
    store.write_bytes("s/part-0", b"longer than it was")
    assert store.done("s", "f") is None


def test_beginning_again_keeps_parts_of_the_same_fingerprint_only(store):
    finish(store)
    store.begin("s", ["s"], "f")
    assert "s/part-0" in store.list("s")
    assert store.marker("s") is None
    store.begin("s", ["s"], "other")
    assert "s/part-0" not in store.list("s")


def test_the_digest_is_of_content_alone():
    one = Marker("s", "f", [Part("p", 1, 2, "x")], {"n": 1}, 1.0)
    same = Marker("s", "other fingerprint", [Part("p", 1, 2, "x")], {"n": 1}, 9.0)
    other = Marker("s", "f", [Part("p", 1, 2, "y")], {"n": 1}, 1.0)
    assert one.digest == same.digest != other.digest


HOLD = """
import sys, time
from curation.storage.lock import locked
from curation.storage.store import Store
with locked(Store.open(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_the_lock_refuses_a_second_process_and_dies_with_the_first(store):
    holder = subprocess.Popen([sys.executable, "-c", HOLD, store.root], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(RunError, match=f"process {holder.pid} on"), locked(store):
            pass
    finally:
        holder.kill()
        holder.wait()
    with locked(store):
        pass
