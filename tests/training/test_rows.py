import json
import pickle
import shutil

import numpy as np
import pytest

from curation.errors import JobError, RunError
from curation.storage.store import Store
from curation.training.folder import open_folder
from curation.training.rows import ShardRows, open_rows
from tests.training.folders import SUFFIXES, rows, write_folder, write_megatron

FORMATS = list(SUFFIXES)
ANYWHERE = ["parquet", "mds", "jsonl"]


@pytest.mark.parametrize("format", FORMATS)
def test_rows_in_order_are_those_that_were_written(tmp_path, format):
    wanted = rows(130)
    folder = open_folder(str(write_folder(tmp_path, wanted, format)))
    assert (folder.rows, len(folder.shards), folder.firsts.tolist()) == (130, 3, [0, 50, 100, 130])
    found = open_rows(folder)
    steps = [range(7), range(7, 8), range(20, 64), range(64, 115), range(129, 130)]
    assert [found.__getitems__(step) for step in steps] == [wanted[step.start : step.stop] for step in steps]


@pytest.mark.parametrize("format", FORMATS)
def test_rows_anywhere_or_a_stream_from_its_beginning_again(tmp_path, format):
    wanted = rows(130)
    found = open_rows(open_folder(str(write_folder(tmp_path, wanted, format))), anywhere=format in ANYWHERE)
    positions = np.random.default_rng(1).integers(0, 130, 60).tolist()
    assert found.__getitems__(positions) == [wanted[position] for position in positions]
    assert found[3] == wanted[3]


def test_two_copies_of_a_row_are_two_things(tmp_path):
    found = open_rows(open_folder(str(write_folder(tmp_path, rows(9), "mds")))).__getitems__([4, 4])
    found[0]["text"] = "changed"
    assert found[1] == rows(9)[4]


def test_the_run_directory_will_do_and_validation_is_a_split_of_its_own(tmp_path):
    wanted = rows(70)
    write_folder(tmp_path / "shards", wanted, "jsonl", validation=10)
    assert open_rows(open_folder(f"{tmp_path}/", "validation")).__getitems__(range(10)) == wanted[60:]
    assert open_folder(str(tmp_path)).rows == 60


@pytest.mark.parametrize("format", ANYWHERE)
def test_few_files_and_row_groups_are_kept_and_rows_are_the_same(tmp_path, format):
    wanted = rows(200)
    folder = open_folder(str(write_folder(tmp_path, wanted, format, shard_rows=10)))
    found = ShardRows(folder, cache_bytes=1, open_files=2)
    positions = np.random.default_rng(2).integers(0, 200, 300).tolist()
    for position in positions:
        assert found[position] == wanted[position]
    assert len(found._open._values) == 2
    assert len(found._groups._values) <= 1
    copy = pickle.loads(pickle.dumps(ShardRows(folder)))  # as a spawned worker gets it
    assert copy[7] == wanted[7]


def test_megatron_gives_every_sequence_once_prefixes_in_proportion_phase_after_phase(tmp_path):
    sequences = {
        "phase-00/web": [[i] * (i % 5 + 1) for i in range(60)],
        "phase-00/books": [[1000 + i] for i in range(20)],
        "phase-01/web": [[2000 + i, 5] for i in range(30)],
    }
    for code in (8, 4):
        folder = open_folder(str(write_megatron(tmp_path / str(code), sequences, code)))
        found = open_rows(folder).__getitems__(range(110))
        tokens = [row["tokens"].tolist() for row in found]
        assert sorted(tokens[:80]) == sorted(sequences["phase-00/web"] + sequences["phase-00/books"])
        assert tokens[80:] == sequences["phase-01/web"]
        for prefix in ("phase-00/web", "phase-00/books"):  # in their own order
            assert [one for one in tokens if one in sequences[prefix]] == sequences[prefix]
        books = np.cumsum([row["domain"] == "books" for row in found[:80]])
        assert np.abs(books - np.arange(1, 81) / 4).max() <= 1
        found[0]["tokens"][0] = 7  # can be written to


def test_files_that_are_not_megatron_s_are_named(tmp_path):
    folder = write_megatron(tmp_path, {"web": [[1, 2], [3]]})
    index, tokens = folder / "web.idx", folder / "web.bin"
    whole = index.read_bytes()
    for damaged in (b"", b"x" + whole[1:], whole[:17] + b"\x63" + whole[18:], whole[:40]):
        index.write_bytes(damaged)
        with pytest.raises(RunError, match=r"web\.bin: its \.idx is damaged"):
            open_rows(open_folder(str(folder))).__getitems__([0])
    index.write_bytes(whole)
    tokens.write_bytes(b"ab")
    with pytest.raises(RunError, match=r"web\.bin: ends too early"):
        open_rows(open_folder(str(folder))).__getitems__([0])
    tokens.unlink()
    with pytest.raises(RunError, match=r"web\.bin: the \.bin or the \.idx is not there"):
        open_rows(open_folder(str(folder))).__getitems__([0])


def test_formats_that_have_no_random_access_say_so(tmp_path):
    zipped = open_folder(str(write_folder(tmp_path / "zst", rows(5), "jsonl.zst")))
    tokens = open_folder(str(write_megatron(tmp_path / "megatron", {"web": [[1]]})))
    for folder, what in ((zipped, "compressed JSONL"), (tokens, "megatron")):
        with pytest.raises(JobError, match=rf"{what} can't be read in any order: set output\.format"):
            open_rows(folder, anywhere=True)


def test_what_is_no_folder_of_shards_is_told(tmp_path):
    with pytest.raises(JobError, match=r"has no curation_index\.json: give the folder `shards` of"):
        open_folder(str(tmp_path))
    write_folder(tmp_path, rows(5), "parquet")
    with pytest.raises(JobError, match=r"no validation split: set output\.validation"):
        open_folder(str(tmp_path), "validation")
    with pytest.raises(JobError, match="no split 'test'"):
        open_folder(str(tmp_path), "test")
    index = tmp_path / "curation_index.json"
    for text, message in (("{", "is no index"), ("[]", "is no index"), ('{"version": 9}', "is of version 9")):
        index.write_text(text)
        with pytest.raises(JobError, match=message):
            open_folder(str(tmp_path))
    index.write_text(json.dumps({"version": 3, "format": "tar", "columns": {}, "shards": [], "text_bytes": 0}))
    with pytest.raises(JobError, match="format 'tar' is not known"):
        open_rows(open_folder(str(tmp_path)))


@pytest.mark.parametrize("format", FORMATS)
def test_a_shard_that_is_gone_cut_off_or_another_one_is_named(tmp_path, format):
    folder = open_folder(str(write_folder(tmp_path, rows(100), format)))
    first, second = (tmp_path / shard.file for shard in folder.shards)
    whole = second.read_bytes()
    second.write_bytes(whole[: len(whole) * 2 // 3])
    with pytest.raises(RunError, match=second.name):
        open_rows(folder).__getitems__(range(50, 100))
    shutil.copy(write_folder(tmp_path / "small", rows(20), format) / first.name, second)
    with pytest.raises(RunError, match=rf"{second.name}: has .*index says 50"):
        open_rows(folder).__getitems__(range(50, 100))
    second.unlink()
    with pytest.raises(RunError, match=f"{second.name}: is not there"):
        open_rows(folder).__getitems__([60])


def test_positions_that_there_are_not(tmp_path):
    found = open_rows(open_folder(str(write_folder(tmp_path, rows(5), "parquet"))))
    for position in (-1, 5):
        with pytest.raises(IndexError, match="positions go from 0 to 4"):
            found.__getitems__([0, position])


@pytest.mark.parametrize("format", ["parquet", "mds", "jsonl", "jsonl.zst"])
def test_rows_on_an_object_store(tmp_path, s3, format):
    wanted = rows(60)
    uri = upload(s3, write_folder(tmp_path / "shards", wanted, format), tmp_path)
    found = open_rows(open_folder(uri))
    assert found.__getitems__(range(60)) == wanted
    s3.faults({"match": "GET .*shard-", "times": 1, "cut": 0.5})
    assert found.__getitems__([7, 55]) == [wanted[7], wanted[55]]


def upload(s3, folder, tmp_path):
    """Puts a local folder of shards into a run directory on the object store; returns that directory's URI."""
    uri = s3.uri(f"training/{tmp_path.name}")
    for file in folder.iterdir():
        Store.open(uri).write_bytes(f"shards/{file.name}", file.read_bytes())
    return uri
