"""Files in an object store and on sick disks: whole or not there, retried, or told in one sentence."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import tempfile
import time

import pyarrow as pa
import pyarrow.fs as pafs
import pytest

from curation.errors import JobError, StorageError
from curation.storage import files, patient, remote
from curation.storage.store import Store
from tests.s3_server import BUCKET

PART = 5 << 20  # the least that S3 takes
BIG = PART + 1000  # bytes of a file that goes up in two parts


@pytest.fixture
def store(s3, tmp_path, monkeypatch):
    monkeypatch.setattr(remote, "PART_BYTES", PART)
    monkeypatch.setattr(files, "IN_MEMORY", 1 << 20)
    monkeypatch.setattr(patient, "PAUSE", 0.02)
    return Store.open(s3.uri(f"files/{tmp_path.name}"))


@pytest.fixture
def impatient(monkeypatch):
    """A run of errors is over after a second or two."""
    monkeypatch.setattr(remote, "PATIENCE", 1.0)
    monkeypatch.setattr(remote, "ATTEMPTS", 1)
    monkeypatch.setattr(patient, "TRIES", 2)
    remote.objects.cache_clear()
    remote.filesystem_of.cache_clear()
    yield
    remote.objects.cache_clear()
    remote.filesystem_of.cache_clear()


# ---- an object store --------------------------------------------------------------------------------------------


def test_files_come_back_as_they_were_put(store):
    table = pa.table({"x": list(range(1000))})
    part = store.write_table("t/a b?%41+ü.parquet", table, {"documents": 7})
    assert store.list("t") == {part.name: part.bytes}
    assert store.hash(part.name) == (part.bytes, part.sha256)
    assert store.read_table(part.name) == table
    assert store.read_stats(part.name) == (1000, {"documents": 7})
    assert store.exists(part.name)
    assert not store.exists("t")
    assert store.read_json("t/none.json") is None
    store.remove([part.name, "t/none"])
    assert store.list("") == {}


def test_a_small_file_is_one_request_and_a_large_one_is_made_by_its_last(s3, store):
    store.write_bytes("warm", b"")
    seen = len(s3.log())
    store.write_bytes("small", b"x" * 100_000)
    assert [line.split()[0] for line in s3.log()[seen:]] == ["PUT"]
    seen = len(s3.log())
    part = store.write_bytes("large", b"x" * BIG)
    kinds = [line.split()[0] + ("?uploads" in line) * " begin" for line in s3.log()[seen:]]
    assert kinds == ["POST begin", "PUT", "PUT", "POST"]
    assert store.hash("large") == (BIG, part.sha256)


def test_a_folder_of_more_than_a_thousand_files_is_listed_and_removed_whole(s3, store):
    prefix = store.root.partition("?")[0].removeprefix(f"s3://{BUCKET}/")
    s3.ask("/_fill", f"{prefix}/many/part- 1050".encode())
    store.write_bytes("other/part-0", b"x")
    assert len(store.list("many")) == 1050
    assert set(store.list("many").values()) == {1}
    store.remove_folder("many")
    assert store.list("") == {"other/part-0": 1}


def fail_half_way(store, name, size):
    with store.create(name) as sink:
        sink.write(b"x" * size)
        raise ValueError("half")


@pytest.mark.parametrize("size", [10, BIG])
def test_a_writer_that_fails_leaves_what_was_there(store, size):
    store.write_bytes("a", b"old")
    for name in ("a", "b"):
        with pytest.raises(ValueError, match="half"):
            fail_half_way(store, name, size)
    assert store.list("") == {"a": 3}


UPLOAD = """
import sys
from curation.storage import remote
from curation.storage.store import Store
from tests.s3_server import BUCKET
remote.PART_BYTES = int(sys.argv[2]) - 1000
Store.open(sys.argv[1]).write_bytes("a", b"x" * int(sys.argv[2]))
"""


def test_a_writer_that_is_killed_in_an_upload_leaves_what_was_there(s3, store):
    store.write_bytes("a", b"old")
    s3.faults({"match": "PUT .*partNumber=2", "times": 10**6, "reset": True})
    seen = len(s3.log())
    writer = subprocess.Popen([sys.executable, "-c", UPLOAD, store.root, str(BIG)])
    while not any("partNumber=2" in line for line in s3.log()[seen:]):
        time.sleep(0.05)
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    s3.faults()
    assert store.list("") == {"a": 3}
    assert store.read_bytes("a") == b"old"


def test_an_upload_that_is_refused_half_way_leaves_what_was_there(s3, store):
    store.write_bytes("a", b"old")
    s3.faults({"match": "PUT .*partNumber=2", "status": 403, "code": "AccessDenied"})
    with pytest.raises(StorageError, match="/a: the object store refuses access"):
        store.write_bytes("a", b"x" * BIG)
    assert store.read_bytes("a") == b"old"


FAULTS = [
    {"status": 500, "code": "InternalError"},
    {"status": 503, "code": "SlowDown"},
    {"reset": True},
    {"lose": True},
    {"wait": 1},
]


@pytest.mark.parametrize("fault", [*FAULTS, {"cut": 1000}], ids=str)
def test_a_passing_fault_is_not_noticed(s3, store, fault):
    data = os.urandom(BIG)
    if "cut" not in fault:
        s3.faults({"match": "PUT", **fault}, {"match": "POST .*uploadId", **fault})
    part = store.write_bytes("f/a", data)
    s3.faults({"match": "GET", "times": 2, **fault})
    assert store.hash("f/a") == (BIG, part.sha256)
    s3.faults({"match": "GET", **fault, **({"cut": 20} if "cut" in fault else {})})
    assert store.list("f") == {"f/a": BIG}
    if "cut" not in fault:
        s3.faults({"match": "POST|DELETE", **fault})
    store.remove(["f/a"])
    assert store.list("f") == {}


def test_answers_that_break_off_anywhere_and_often_are_put_together(s3, store):
    data = os.urandom(300_000)
    part = store.write_bytes("f/a", data)
    for cut in (0, 1, 4096, 65_536, 150_000, 299_999):
        s3.faults({"match": "GET .*f/a", "times": 3, "cut": cut})
        assert store.hash("f/a") == (300_000, part.sha256)
    s3.faults({"match": "GET .*f/a", "times": 10**6, "every": 3, "cut": 100})
    with store.open_input("f/a") as file:
        for start in (250_000, 0, 100):
            file.seek(start)
            assert file.read(20_000) == data[start : start + 20_000]
        file.seek(299_000)
        assert file.read(5000) == data[299_000:]
        assert file.read(1) == b""
    filesystem, path = remote.filesystem(store.root)
    with filesystem.open_input_stream(f"{path}/f/a", compression=None) as stream:
        assert b"".join(iter(lambda: stream.read(1000), b"")) == data


def message(call, *arguments):
    with pytest.raises(StorageError) as caught:
        call(*arguments)
    text = str(caught.value)
    assert "\n" not in text
    assert len(text) < 700
    for secret in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        assert os.environ[secret] not in text
    return text


def test_a_lasting_fault_is_told_in_one_sentence(s3, store, impatient):
    store.write_bytes("a", b"old")
    calls = [(store.write_bytes, "a", b"new"), (store.read_bytes, "a"), (store.list, "x"), (store.remove, ["a"])]
    refused = f"<AWSAccessKeyId>{os.environ['AWS_ACCESS_KEY_ID']}</AWSAccessKeyId>"
    s3.faults({"match": ".", "times": 10**6, "status": 403, "code": "InvalidAccessKeyId", "message": refused})
    for call in calls:
        text = message(*call)
        assert text.startswith(store.shown())
        assert "refuses access: check the credentials" in text
    s3.faults({"match": ".", "times": 10**6, "status": 503, "code": "SlowDown"})
    for call in calls:
        assert "the object store fails or can't be reached" in message(*call)
    s3.faults()
    assert store.read_bytes("a") == b"old"


def test_a_server_that_is_not_there_and_a_bucket_that_is_not_there(s3, impatient):
    gone = Store.open("s3://bucket/run?scheme=http&endpoint_override=127.0.0.1%3A9&region=us-east-1")
    assert "can't be reached" in message(gone.write_bytes, "a", b"x")
    assert "can't be reached" in message(gone.read_bytes, "a")
    none = Store.open(s3.uri("run", bucket="nobody"))
    assert "s3://nobody/run/a: there is no such bucket" in message(none.write_bytes, "a", b"x")


@pytest.mark.parametrize("wrong", ["s3://bucket/x?regoin=a", "s3:///x", "nonsense://x/y"])
def test_a_run_dir_that_makes_no_sense_is_told(wrong):
    with pytest.raises(JobError, match="run_dir: "):
        Store.open(wrong)


def test_the_keys_of_a_profile_are_found_where_the_environment_has_none(monkeypatch, tmp_path):
    file = tmp_path / "credentials"
    file.write_text("[default]\naws_access_key_id = a\n[work]\naws_access_key_id = b\naws_secret_access_key = c%d\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    assert remote._profile_keys() == {}
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    assert remote._profile_keys() == {"access_key_id": "a"}
    monkeypatch.setenv("AWS_PROFILE", "work")
    assert remote._profile_keys() == {"access_key_id": "b", "secret_access_key": "c%d"}


def test_the_endpoint_comes_from_the_environment_as_well(s3, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{s3.port}")
    plain = Store.open("s3://bucket/files/endpoint")
    part = plain.write_bytes("a", b"x")
    assert Store.open(s3.uri("files/endpoint")).hash("a") == (1, part.sha256)
    remote.objects.cache_clear()
    remote.filesystem_of.cache_clear()


def test_what_lies_in_a_run_directory_is_known(store):
    inside = store.root.replace("?", "/shards/a.parquet?")
    assert store.holds(inside)
    assert store.holds(inside.partition("?")[0])
    assert not store.holds(store.root.replace("?", "-corpus/a.parquet?"))
    assert not store.holds("/bucket/files")


# ---- other file systems ---------------------------------------------------------------------------------------


def test_on_other_file_systems_a_file_is_moved_into_its_place(monkeypatch, tmp_path):
    """HDFS's part is played by a folder behind pyarrow's interface."""
    folder = pafs.SubTreeFileSystem(str(tmp_path), pafs.LocalFileSystem())
    monkeypatch.setattr(files.remote, "filesystem", lambda root: (folder, "runs/a"))
    store = Store.open("hdfs://host:8020/runs/a")
    store.write_bytes("t/x", b"one")
    part = store.write_bytes("t/x", b"two")
    assert store.hash("t/x") == (3, part.sha256)
    with pytest.raises(ValueError, match="half"):
        fail_half_way(store, "t/x", 10)
    assert store.list("") == {"t/x": 3}
    assert store.list("", temporary=True) == {}
    store.remove_folder("t")
    assert store.list("") == {}


# ---- a local disk -----------------------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 1 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], capture_output=True)
    if mounted.returncode:
        pytest.skip("no right to mount a file system here")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def test_a_full_disk_is_told_and_harms_nothing(small_disk):
    store = Store.open(str(small_disk / "run"))
    old = store.write_bytes("a", b"x" * 600_000)
    table = pa.table({"x": [os.urandom(1000) for _ in range(1000)]})
    for call in ((store.write_bytes, "a", b"y" * 600_000), (store.write_table, "b", table)):
        assert "/run/" in (text := message(*call))
        assert "the disk is full: make room; what is committed stays" in text
    assert store.hash("a") == (old.bytes, old.sha256)
    assert store.list("") == {"a": 600_000}
    assert store.list("", temporary=True) == {}
    subprocess.run(["mount", "-o", "remount,size=4m", small_disk], check=True)
    store.write_table("b", table)


def test_a_full_disk_under_what_goes_to_an_object_store_is_told(small_disk, store, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(small_disk))
    text = message(store.write_bytes, "a", b"x" * 3_000_000)
    assert text.startswith(f"{store.shown('a')}, kept in {small_disk} until it is whole: the disk is full")
    assert store.list("") == {}


def test_a_disk_that_can_only_be_read_is_told(small_disk):
    store = Store.open(str(small_disk / "run"))
    store.write_bytes("a", b"x")
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    assert "the file system is read-only" in message(store.write_bytes, "a", b"y")
    assert store.read_bytes("a") == b"x"


def test_a_file_beyond_the_limit_of_the_process_is_told(tmp_path):
    store = Store.open(str(tmp_path / "run"))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        text = message(store.write_bytes, "a", b"x" * 200_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "ulimit -f" in text
    assert store.list("", temporary=True) == {}


@pytest.mark.parametrize(("number", "words"), [("EDQUOT", "quota"), ("EACCES", "permission denied"), ("EIO", "error")])
def test_other_errors_of_a_disk_are_told(monkeypatch, tmp_path, number, words):
    import errno

    store = Store.open(str(tmp_path / "run"))

    def fail(descriptor):
        raise OSError(getattr(errno, number), "as it is")

    monkeypatch.setattr(os, "fsync", fail)
    assert words in message(store.write_bytes, "a", b"x")
    assert store.list("", temporary=True) == {}
