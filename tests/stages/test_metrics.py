"""What is recorded of a run, and what is not."""

from __future__ import annotations

import re
import sys
import time
from types import SimpleNamespace

import pyarrow as pa
import pytest
import ray

from curation import tables
from curation.job_file import load_job
from curation.progress import Reporter
from curation.stages import mapping, metrics, waiting
from curation.stages.board import BEAT, Board
from curation.stages.context import Run
from curation.stages.mapping import map_splits
from curation.stages.metrics import METRICS, MOST_DOMAINS, Meters
from curation.stages.splits import Receipt, part_name
from curation.storage.store import Part, Store
from tests.corpus import job


@pytest.fixture
def told(monkeypatch):
    """What Ray would be told: (name, tags without the run) to the sum of a counter or the value of a gauge."""
    values = {}

    def metric(meters, name):
        def put(value, tags, add):
            assert value > 0 or not add, "Ray's counters refuse 0"
            assert set(tags) == {"run", *METRICS[name].labels}
            key = (name, *(tags[label] for label in METRICS[name].labels))
            values[key] = value + values.get(key, 0) * add

        return SimpleNamespace(inc=lambda value, tags: put(value, tags, True), set=lambda v, tags: put(v, tags, False))

    monkeypatch.setattr(Meters, "_metric", metric)
    return values


def test_names_are_as_prometheus_wants_them():
    for name, metric in METRICS.items():
        assert re.fullmatch(r"curation(_[a-z]+)+", name)
        assert not re.search(r"_(ms|mb|kb|minutes|percent|count)(_|$)", name), "base units"
        assert not set(metric.labels) & {"split", "worker", "file", "run"}, "few values, and the run is always there"
        assert metric.text.endswith(".")


def test_the_board_records_work_and_what_is_begun_again(told, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    board = Board()
    board.begin("before anybody measures")
    board.measure("run", "documents")
    board.begin("a")
    now[0] += BEAT
    board.beat("a")
    now[0] += 1
    board.end("a")
    board.begin("b")
    now[0] += 50  # lost: nobody knows how long it worked
    board.begin("b")
    now[0] += 3
    board.measure("run", "plan")
    board.end("b")
    assert told == {
        ("curation_work_seconds_total", "documents"): BEAT + 1,
        ("curation_work_seconds_total", "plan"): 3,
        ("curation_retries_total", "documents"): 1,
    }


def test_gpus_are_empty_when_their_stage_is_over(told):
    board = Board()
    board.measure("run", "embeddings")
    board.begin("a")
    board.beat("a", "10.0.0.1", {"3": 7 << 30})
    assert told["curation_gpu_memory_bytes", "10.0.0.1", "3"] == 7 << 30
    board.end("a", "10.0.0.1", {"3": 8 << 30})
    assert told["curation_gpu_memory_bytes", "10.0.0.1", "3"] == 8 << 30
    board.measure("run", "plan")
    assert told["curation_gpu_memory_bytes", "10.0.0.1", "3"] == 0


def test_nothing_is_recorded_where_nobody_measures(told):
    board = Board()
    board.begin("a")
    board.begin("a")
    board.record({"curation_documents_total": 7})
    board.end("a")
    assert told == {}


def test_the_memory_of_a_gpu_is_that_of_the_device_and_torch_is_not_loaded_for_it(monkeypatch):
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    assert metrics.gpu_memory() == {}
    assert "torch" not in sys.modules
    cuda = SimpleNamespace(is_initialized=lambda: True, mem_get_info=lambda: (30, 80), current_device=lambda: 1)
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=cuda))
    context = SimpleNamespace(get_accelerator_ids=lambda: {"GPU": ["4", "6"]})
    monkeypatch.setattr(ray, "get_runtime_context", lambda: context)
    assert metrics.gpu_memory() == {"6": 50}
    cuda.is_initialized = lambda: False
    assert metrics.gpu_memory() == {}


def receipt(split_id, stats):
    main = Part(part_name("documents", split_id), 10, 1000, "")
    return Receipt([Part(part_name("rejected", split_id), 1, 50, ""), main], 10, stats)


def test_receipts_are_counted_by_domain_up_to_a_limit(monkeypatch):
    heard = []
    monkeypatch.setattr(mapping, "record", lambda values, **labels: heard.append((labels, values)))
    domains = {3: "web", 4: "books", 5: "web"}
    receipts = [receipt(split, {"tokens": 7, "bytes": 30, "rejected": split == 4}) for split in domains]
    mapping.record_done(receipts, domains.get, SimpleNamespace(domains=["web", "books"]))
    assert [labels for labels, _ in heard] == [{"domain": "web"}, {"domain": "books"}]
    assert heard[0][1] == {
        "curation_documents_total": 20,
        "curation_tokens_total": 14,
        "curation_text_bytes_total": 60,
        "curation_rejected_documents_total": 0,
        "curation_written_bytes_total": 2100,
    }
    assert heard[1][1]["curation_rejected_documents_total"] == 1
    heard.clear()
    mapping.record_done(receipts, domains.get, SimpleNamespace(domains=["d"] * (MOST_DOMAINS + 1)))
    assert [labels for labels, _ in heard] == [{"domain": ""}]
    assert heard[0][1]["curation_documents_total"] == 30


def counted(tmp_path):
    """A run with the splits of six files' rows counted."""
    asked = load_job(job(tmp_path / "corpus", tmp_path / "run"))
    store = Store.open(asked.run_dir)
    file = {"path": "/x", "domain": "web", "source": 0, "format": "jsonl", "bytes": 1, "etag": "", "file_id": 0}
    row = file | {"rows": 60, "first_doc_id": 0, "truncated": False, "licence": None, "facts": None}
    store.write_table("sources/sources.parquet", pa.Table.from_pylist([row], tables.SOURCES))
    rows = [dict.fromkeys(tables.SPLITS.names, 0) | {"split_id": number, "rows": 10} for number in range(6)]
    store.write_table("sources/splits.parquet", pa.Table.from_pylist(rows, tables.SPLITS))
    return Run(asked, store, Reporter())


@pytest.mark.ray
def test_what_an_interrupted_run_had_done_is_not_counted_again(ray_session, tmp_path, monkeypatch):
    run, totals, progress = counted(tmp_path), {}, []
    monkeypatch.setattr(mapping, "record", lambda values, **labels: totals.update(values))
    monkeypatch.setattr(mapping, "record_progress", lambda done, total: progress.append((done, total)))
    for split in range(4):
        run.store.write_table(part_name("documents", split), pa.table({"x": [1]}), {"tokens": 5})

    def work_on(items):
        yield [receipt(split.split_id, {"tokens": 5}) for item in items for split in item.splits]

    result = map_splits(run, "documents", work_on)
    assert result.stats["tokens"] == 6 * 5
    assert progress == [(4, 6), (6, 6)]
    assert totals["curation_documents_total"] == 2 * 10
    assert totals["curation_tokens_total"] == 2 * 5


def test_a_lost_worker_is_an_event_that_names_the_split(monkeypatch):
    heard = []
    monkeypatch.setattr(waiting, "record", lambda values: heard.append(values))
    monkeypatch.setattr(waiting.PATIENCE, "tell", lambda kind, **fields: heard.append((kind, fields)))
    item = SimpleNamespace(splits=[SimpleNamespace(split_id=8), SimpleNamespace(split_id=9)])
    waiting.note_lost("describe", RuntimeError("node gone"), item)
    assert heard[0] == {"curation_retries_total": 1}
    assert heard[1][0] == "lost"
    assert (heard[1][1]["split"], heard[1][1]["splits"]) == (8, 2)
    assert "node gone" in heard[1][1]["text"]


def test_labels_of_any_characters_are_recorded(ray_session):
    meters = Meters()
    meters.at("/runs/é", "documents")
    meters.record({"curation_documents_total": 3, "curation_splits": 1}, {"domain": "日本\n"})
    assert metrics.ascii_text("é日\n") == "\\xe9\\u65e5\n"
