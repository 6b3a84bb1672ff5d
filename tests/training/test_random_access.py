from __future__ import annotations

import json
import multiprocessing
import os
import pickle

import numpy as np
import pyarrow.fs as pafs
import pytest
from torch.utils.data import DataLoader

from curation.errors import InputError, JobError
from curation.output import index as index_format
from curation.training import random_access
from curation.training.random_access import IndexDataset

from .index_folder import VALIDATION, make_run, make_sources, sources_at


@pytest.fixture(scope="module", autouse=True)
def small_row_groups():
    """Shards of several row groups."""
    before, index_format.ROW_GROUP = index_format.ROW_GROUP, 50
    yield
    index_format.ROW_GROUP = before


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The run directory, its training documents and those for validation."""
    folder = tmp_path_factory.mktemp("corpus")
    documents = make_run(make_sources(folder), folder / "run")
    return folder / "run", documents[:-VALIDATION], documents[-VALIDATION:]


def test_every_position_is_the_document_that_the_run_read(made):
    run, training, validation = made
    dataset = IndexDataset(run / "shards")
    assert len(dataset) == len(training) == 1000
    found = [dataset[position] for position in range(len(dataset))]
    assert found == training
    assert [list(row) for row in found] == [list(row) for row in training]
    assert list(found[0]) == ["text", "doc_id", "domain", "cluster", "repetition", "id", "date", "n"]
    held_out = IndexDataset(run, split="validation")
    assert [held_out[position] for position in range(len(held_out))] == validation
    assert dataset[np.int64(3)] == training[3]


def test_a_batch_comes_in_its_own_order_and_each_row_group_is_read_once(made, monkeypatch):
    run, training, _ = made
    read: list[tuple[str, int]] = []
    monkeypatch.setattr(random_access, "read_group", _noting(random_access.read_group, read))
    dataset = IndexDataset(run)
    positions = np.random.default_rng(0).choice(len(training), 400)
    found = dataset.__getitems__(positions.tolist())
    assert found == [training[position] for position in positions]
    drawn = (training[position]["doc_id"] for position in positions)
    groups = {(doc_id // 300, doc_id % 300 // 37) for doc_id in drawn if doc_id < 600}
    assert len(read) == len(set(read)) == len(groups)
    first, second = dataset.__getitems__([5, 5])
    assert first == second == training[5]
    assert first is not second
    assert dataset.__getitems__([]) == []


def _noting(call, read):
    def noted(opened, number, *rest):
        read.append((opened.path, number))
        return call(opened, number, *rest)

    return noted


@pytest.mark.parametrize(("cache_bytes", "open_files"), [(1, 1), (3000, 2)])
def test_what_is_kept_is_bounded_and_changes_nothing(made, cache_bytes, open_files):
    run, training, _ = made
    dataset = IndexDataset(run, cache_bytes=cache_bytes, open_files=open_files)
    positions = np.random.default_rng(1).integers(0, len(training), (20, 8))
    for batch in positions.tolist():
        assert dataset.__getitems__(batch) == [training[position] for position in batch]
    assert len(dataset._opened._values) <= open_files
    sizes = [size for _, size in dataset._groups._values.values()]
    assert sum(sizes) <= max(cache_bytes, *sizes)


def test_row_groups_are_kept_and_files_stay_open(made, monkeypatch):
    run, training, _ = made
    dataset = IndexDataset(run)
    dataset.__getitems__(range(len(training)))
    for name in ("read_group", "open_source"):
        monkeypatch.setattr(random_access, name, None)
    assert dataset.__getitems__(range(len(training))) == training


def test_there_is_nothing_beyond_the_ends(made):
    run, training, _ = made
    dataset = IndexDataset(run)
    for position in (len(training), -1):
        with pytest.raises(IndexError):
            dataset[position]
    with pytest.raises(TypeError):
        dataset[1.5]


def test_it_can_be_pickled_when_it_was_used(made):
    run, training, _ = made
    dataset = IndexDataset(run)
    used = dataset[0]
    again = pickle.loads(pickle.dumps(dataset))
    assert again[0] == used == training[0]
    assert again[len(again) - 1] == training[-1]


@pytest.mark.parametrize("method", ["fork", pytest.param("spawn", marks=pytest.mark.slow)])
def test_the_workers_of_a_loader_read_what_the_parent_reads(made, method):
    run, training, _ = made
    dataset = IndexDataset(run)
    assert dataset[0] == training[0]  # the parent has files open
    order = np.random.default_rng(2).permutation(len(training)).tolist()
    loader = DataLoader(dataset, 32, sampler=order, num_workers=2, collate_fn=list, multiprocessing_context=method)
    assert [row for batch in loader for row in batch] == [training[position] for position in order]
    assert dataset[1] == training[1]


def test_a_fork_leaves_the_files_of_its_parent_alone(made):
    run, training, _ = made
    dataset = IndexDataset(run)
    dataset.__getitems__(range(100))
    before = dataset._opened
    with multiprocessing.get_context("fork").Pool(1) as pool:
        assert pool.apply(_opened_in_a_child, (dataset,)) != os.getpid()
    assert dataset._opened is before
    assert dataset.__getitems__(range(100, 200)) == training[100:200]


def _opened_in_a_child(dataset):
    dataset.__getitems__(range(10))
    return dataset._process


@pytest.fixture
def fresh(tmp_path):
    """A run of its own, to be spoilt: the folder of its sources, and the run directory."""
    make_run(make_sources(tmp_path, rows=20), tmp_path / "run")
    return tmp_path, tmp_path / "run"


def test_a_source_that_changed_is_named(fresh):
    folder, run = fresh
    path = folder / "c.jsonl"
    path.write_bytes(path.read_bytes().replace(b"line", b"LINE"))
    with pytest.raises(InputError, match=r"c\.jsonl: the file changed since it was counted .*put the old file back"):
        IndexDataset(run).__getitems__(range(40))
    path.unlink()
    with pytest.raises(InputError, match=r"c\.jsonl: the file is gone"):
        IndexDataset(run).__getitems__(range(40))


def test_a_source_that_changed_without_a_trace_is_found_by_its_rows(fresh):
    folder, run = fresh
    for name, spoilt in (("c.jsonl", b"[" * 1000), ("0.parquet", (folder / "1.parquet").read_bytes()[:-50])):
        path = folder / name
        info, whole = path.stat(), path.read_bytes()
        path.write_bytes(spoilt[: len(whole)].ljust(len(whole), b" "))
        os.utime(path, ns=(info.st_atime_ns, info.st_mtime_ns))
        with pytest.raises(InputError, match=rf"{name}: "):
            IndexDataset(run).__getitems__(range(40))
        path.write_bytes(whole)
        os.utime(path, ns=(info.st_atime_ns, info.st_mtime_ns))


def test_other_folders_are_refused(fresh, tmp_path):
    _, run = fresh
    with pytest.raises(JobError, match="curation_index"):
        IndexDataset(tmp_path / "nowhere")
    path = run / "shards/curation_index.json"
    described = json.loads(path.read_text())
    path.write_text(json.dumps(described | {"format": "parquet"}))
    with pytest.raises(JobError, match="its shards are parquet and hold the texts"):
        IndexDataset(run)
    del described["validation"]
    path.write_text(json.dumps(described))
    with pytest.raises(JobError, match="no validation split"):
        IndexDataset(run, split="validation")


@pytest.mark.slow
def test_sources_and_shards_may_lie_in_an_object_store(s3, tmp_path):
    make_sources(tmp_path, rows=60)
    filesystem, prefix = pafs.FileSystem.from_uri(s3.uri("random-access"))
    for name in ("0.parquet", "1.parquet", "c.jsonl"):
        with filesystem.open_output_stream(f"{prefix}/{name}") as sink:
            sink.write((tmp_path / name).read_bytes())
    root, _, options = s3.uri("random-access").partition("?")
    training = make_run(sources_at(root, f"?{options}"), f"{root}/run?{options}")[:-VALIDATION]
    dataset = IndexDataset(f"{root}/run/shards?{options}")
    assert dataset.__getitems__(range(60)) == training[:60]
    for method in ("fork", "spawn"):
        loader = DataLoader(dataset, 16, num_workers=2, collate_fn=list, multiprocessing_context=method)
        assert [row for batch in loader for row in batch] == training
    assert dataset[70] == training[70]
