"""The page of a whole job: every number on it is what the tables and the shards say."""

from __future__ import annotations

import gzip
import io
import json
import math
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curation.cli import main
from curation.config import Job
from curation.job_file import load_job
from curation.page_again import page_again, renew_page
from curation.pipeline import STAGES, run_job, stage_fingerprint
from curation.progress import Reporter
from curation.stages.eligible import DATA, data_key
from curation.stages.page import (
    DEBT,
    PAGE,
    PROBE,
    clip_words,
    example_texts,
    last_found,
    main_domains,
    page_data,
    stage_times,
)
from curation.stages.page_tables import CHARACTERS, TEXTS, cut_stretches, shortened
from curation.storage.store import Marker, Store
from curation.verify import verify
from tests.corpus import ONE_WORKER, job
from tests.probe.made import made_results
from tests.report.page.made import debt

PHASES = "phases=[{name: broad, budget: {epochs: 0.7}}, {budget: {epochs: 0.5}, clip: 4, order: stationary}]"
MORE = "output.validation.fraction=0.05", "clustering.clusters=[8, 3]", "output.repetition=weight", PHASES


def run(path, *overrides):
    stream = io.StringIO()
    run_job(load_job(path, [*ONE_WORKER, *overrides]), Reporter(stream))
    return [
        event["stage"] for line in stream.getvalue().splitlines() if (event := json.loads(line))["event"] == "stage"
    ]


@pytest.fixture(scope="module")
def finished(tmp_path_factory, ray_session):
    """A job of two phases whose rows have weights, and what held-out documents there are: (job file, run directory)."""
    folder = tmp_path_factory.mktemp("corpus")
    path = job(folder, folder / "run")
    run(path, *MORE)
    return path, folder / "run"


@pytest.fixture(scope="module")
def data(finished):
    path, run_dir = finished
    store = Store.open(str(run_dir))
    summary = store.read_json("report/summary.json")
    return page_data(store, load_job(path, list(MORE)), summary, {"plan": 2.0, "report": 0.5})


def rows_of(run_dir) -> pa.Table:
    """The training rows in order, from the shards alone."""
    index = json.loads((run_dir / "shards/curation_index.json").read_text())
    return pa.concat_tables([pq.read_table(run_dir / "shards" / shard["file"]) for shard in index["shards"]])


def column(run_dir, table, name) -> list:
    """A column of a table by document, in the order of the documents."""
    return [
        value for file in sorted(Path(run_dir, table).glob("part-*")) for value in pq.read_table(file)[name].to_pylist()
    ]


@pytest.mark.ray
def test_the_mixture_is_that_of_the_shards_stretch_by_stretch(finished, data):
    _, run_dir = finished
    rows, tokens = rows_of(run_dir), np.array(column(run_dir, "documents", "tokens"))
    drawn = tokens[rows["doc_id"].to_numpy()] * rows["sample_weight"].to_numpy()
    group = pq.read_table(run_dir / "clusters/clusters.parquet")["group"].to_numpy()[rows["cluster"].to_numpy()]
    stretches, mixture = data["mixture"]["stretches"], data["mixture"]
    assert sum(stretch["rows"] for stretch in stretches) == rows.num_rows
    assert [stretch["phase"] for stretch in stretches] == sorted(stretch["phase"] for stretch in stretches)
    sizes = {phase: {s["rows"] for s in stretches if s["phase"] == phase} for phase in (0, 1)}
    assert all(max(found) - min(found) <= 1 for found in sizes.values())
    index = json.loads((run_dir / "shards/curation_index.json").read_text())
    first = sum(shard["rows"] for shard in index["shards"][: index["phases"][0]["shards"]])
    assert next(stretch["first"] for stretch in stretches if stretch["phase"] == 1) == first
    for number, stretch in enumerate(stretches):
        here = slice(stretch["first"], stretch["first"] + stretch["rows"])
        domains = np.array(rows["domain"].to_pylist())[here]
        for name, series in zip(mixture["domains"]["names"], mixture["domains"]["tokens"], strict=True):
            assert series[number] == drawn[here][domains == name].sum()
        for name, series in zip(mixture["clusters"]["names"], mixture["clusters"]["tokens"], strict=True):
            own = int(name.removeprefix("group ").partition(":")[0])
            assert series[number] == drawn[here][group[here] == own].sum()


@pytest.mark.ray
def test_clusters_are_those_of_the_tables(finished, data):
    _, run_dir = finished
    cells = pq.read_table(run_dir / "allocation/allocation.parquet").to_pylist()
    found, clusters = data["clusters"], pq.read_table(run_dir / "clusters/clusters.parquet").to_pylist()
    for place, number in enumerate(found["cluster"]):
        own = [cell for cell in cells if cell["cluster"] == number]
        once = [cell for cell in own if cell["phase"] == 0]
        assert found["documents"][place] == sum(cell["available_documents"] for cell in once)
        assert found["before"][place] == sum(cell["available_tokens"] for cell in once)
        assert found["after"][place] == sum(cell["realised_tokens"] for cell in own)
        assert found["terms"][place] == clusters[number]["terms"]
        assert found["group"][place] == clusters[number]["group"]
        most = max(once, key=lambda cell: cell["available_tokens"])["available_tokens"]
        domain = data["domains"][found["domain"][place]]["domain"]
        assert [cell["available_tokens"] for cell in once if cell["domain"] == domain] == [most]
    assert found["before"] == sorted(found["before"], reverse=True)
    assert sum(found["after"]) == data["plan"]["tokens"]
    assert data["plan"]["repetitions"][0] == data["plan"]["documents"] - data["plan"]["used_documents"]


@pytest.mark.ray
def test_examples_are_the_beginnings_of_the_nearest_documents(finished, data):
    path, run_dir = finished
    folder = Path(path).parent
    texts = pq.read_table(folder / "web.parquet")["text"].to_pylist()
    texts += [json.loads(line)["text"] for line in (folder / "news.jsonl").read_text().splitlines() if line]
    books = gzip.decompress((folder / "books.jsonl.gz").read_bytes()).decode()
    texts += [json.loads(line)["text"] for line in books.splitlines()]
    with pa.input_stream(str(folder / "notes.jsonl.zst"), compression="zstd") as stream:
        texts += [json.loads(line)["text"] for line in stream.read().splitlines()]
    kept = column(run_dir, "assignments", "doc_id")
    cluster, similarity = (column(run_dir, "assignments", name) for name in ("cluster", "similarity"))
    for number, examples in zip(data["clusters"]["cluster"], data["clusters"]["examples"], strict=True):
        own = sorted((-s, d) for d, c, s in zip(kept, cluster, similarity, strict=True) if c == number)
        assert examples == [shortened(texts[doc_id]) for _, doc_id in own[:TEXTS]]
        assert all(len(text) <= CHARACTERS for text in examples)


@pytest.mark.ray
def test_the_page_is_made_again_where_it_is_gone_and_nothing_else_is(finished, tmp_path, capsys):
    path, run_dir = finished
    page, digests = run_dir / PAGE, {file: file.stat().st_mtime_ns for file in (run_dir / "report").glob("*.*")}
    first = page.read_text()
    page.unlink()
    assert run(path, *MORE) == []
    assert page.read_text() == first
    page.write_text("spoilt")
    assert main(["report", str(run_dir)]) == 0
    assert page.read_text() == first
    assert main(["report", str(run_dir), "--output", str(tmp_path / "page.html")]) == 0
    assert (tmp_path / "page.html").read_text() == first
    assert capsys.readouterr().out.splitlines() == [str(page), str(tmp_path / "page.html")]
    assert main(["show", str(run_dir)]) == 0
    assert str(page) in capsys.readouterr().out
    del digests[page]
    assert {file: file.stat().st_mtime_ns for file in digests} == digests


@pytest.mark.ray
def test_the_page_alone_is_promised_by_nobody(finished):
    _, run_dir = finished
    (run_dir / PAGE).write_text("another page")
    faults = [fault for fault in verify(Store.open(str(run_dir)), STAGES, stage_fingerprint, inputs=False) if fault]
    assert faults == []


@pytest.mark.ray
def test_the_last_probe_of_the_run_is_on_the_page(finished, data):
    path, run_dir = finished
    store = Store.open(str(run_dir))
    assert data["probe"] is None
    own = data_key(load_job(path, list(MORE)), {stage: store.marker(stage) for stage in DATA})
    results = made_results()
    results["settings"]["data"] = own
    store.write_json("probe/older/results.json", made_results(seeds=3))
    store.write_json("probe/newer/results.json", results)
    store.write_json("probe/latest.json", {"key": "newer"})
    diverged = debt()["rows"][0] | {"loss_after": math.nan}
    settings = debt()["settings"] | {"data": own}
    store.write_json("probe/debt/debt.json", debt() | {"settings": settings, "rows": [diverged]})
    store.write_json("probe/debt.json", {"key": "debt"})
    assert renew_page(store)
    page = (run_dir / PAGE).read_text()
    embedded = json.loads(page.partition('id="data">')[2].partition("</script>")[0])
    assert embedded["probe"]["sentence"] == results["sentence"]
    assert embedded["debt"]["rows"] == [diverged | {"loss_after": None}]
    store.remove_folder("probe")
    assert b"groups_30" not in page_again(store)


@pytest.mark.parametrize("what", [PROBE, DEBT])
def test_what_was_found_in_other_documents_or_clusters_is_not_on_the_page(tmp_path, what):
    store = Store.open(str(tmp_path))
    asked = Job(run_dir="run", sources=[{"domain": "web", "path": "web.jsonl"}])
    for stage in DATA:
        store.finish(Marker(stage, "", [], {}, 1.0))
    found = {"settings": {"data": data_key(asked, {stage: store.marker(stage) for stage in DATA})}}
    assert last_found(store, asked, *what) is None
    store.write_json(f"probe/made/{what[1]}", found)
    store.write_json(what[0], {"key": "made"})
    assert last_found(store, asked, *what) == found
    excluded = {"exclude": [{"cluster": 3, "reason": "junk"}]}
    assert last_found(store, Job.model_validate(asked.model_dump() | {"sampling": excluded}), *what) is None
    store.finish(Marker("clusters", "", [], {"clusters": 7}, 1.0))
    assert last_found(store, asked, *what) is None
    store.write_json(f"probe/made/{what[1]}", {"settings": {}})
    assert last_found(store, asked, *what) is None


def test_a_run_without_a_report_has_no_page_to_renew(tmp_path):
    store = Store.open(str(tmp_path))
    assert not renew_page(store)
    assert not store.exists(PAGE)


def test_without_a_report_there_is_no_page_and_the_reason_is_told(tmp_path, capsys):
    assert main(["report", str(tmp_path)]) == 2
    assert "the run has no report; `curation run` with its job file finishes it" in capsys.readouterr().err


def test_stretches_hold_every_training_row_once():
    shards = pa.table(
        {
            "phase": pa.array([0, 0, 1, 2, -1], pa.int16()),
            "first_position": [0, 700, 1000, 1001, 1400],
            "rows": [700, 300, 1, 399, 50],
        }
    )
    stretches = cut_stretches(shards)
    sizes = np.diff(stretches.first, append=stretches.stop)
    assert (stretches.first[0], stretches.stop) == (0, 1400)
    assert (sizes > 0).all()
    assert [int(sizes[stretches.phase == phase].sum()) for phase in (0, 1, 2)] == [1000, 1, 399]
    assert np.bincount(stretches.phase).tolist() == [36, 1, 14]


def test_the_main_domain_is_the_one_with_most_tokens_and_the_first_of_equals():
    cells = [(0, 1, "b", 5), (0, 1, "a", 5), (0, 0, "b", 7), (0, 0, "a", 6), (1, 0, "a", 99)]
    names = ("phase", "cluster", "domain", "available_tokens")
    table = pa.table(dict(zip(names, map(list, zip(*cells, strict=True)), strict=True)))
    assert main_domains(table, ["a", "b"]) == {0: 1, 1: 0}


def test_texts_of_very_many_clusters_are_cut_shorter():
    examples = pa.table({"cluster": [4, 4, 9], "text": ["x " * 190, "short", "y" * 400]})
    assert example_texts(examples, 10)[4] == [("x " * 190).strip(), "short"]
    assert [len(text) for text in example_texts(examples, 2500)[4]] == [200, 5]
    assert {len(text[0]) for text in example_texts(examples, 10**6).values()} == {120}
    assert shortened("a  b\n\nc", 4) == "a b…"


def test_the_clip_in_words():
    def words(**more):
        sources = [{"domain": "web", "path": "w"}, {"domain": "books", "path": "b", **more}]
        return Job.model_validate({"run_dir": "r", "sources": sources, "sampling": {"clip": 3}})

    assert clip_words(words()) == "3"
    assert clip_words(words(clip=8)) == "3 to 8, by domain"


def test_times_name_what_a_stage_worked_on():
    found = stage_times({"documents": {"documents": 10}}, {"documents": 2.0, "report": 1.0})
    assert found[0] == {"stage": "documents", "seconds": 2.0, "count": 10, "unit": "documents"}
    assert found[1] == {"stage": "report", "seconds": 1.0, "count": None, "unit": ""}
