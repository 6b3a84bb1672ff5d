"""The whole job on a small corpus: what it promises, end to end."""

from __future__ import annotations

import io
import json
import os
import shutil
from pathlib import Path

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curation.cli import main
from curation.errors import InputError, JobError
from curation.job_file import load_job
from curation.pipeline import STAGES, run_job, stage_fingerprint
from curation.progress import Reporter
from curation.report.record.chain import SAID
from curation.storage.store import Store
from curation.verify import verify
from tests.corpus import ONE_WORKER, card_hashes, job, shard_hashes

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("ray_session")]


def run(path, *overrides, several=False):
    """Runs a job, with one worker at a time or as many as there is room for; returns the events."""
    stream = io.StringIO()
    given = [*([] if several else ONE_WORKER), *overrides]
    run_job(load_job(path, given), Reporter(stream), given)
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def worked(events):
    """The stages that were worked on, not skipped."""
    return [event["stage"] for event in events if event["event"] == "stage"]


def faults(run_dir):
    return [fault for fault in verify(Store.open(str(run_dir)), STAGES, stage_fingerprint) if fault]


@pytest.fixture(scope="module")
def finished(tmp_path_factory, ray_session):
    """A finished run: (job file, run directory, events)."""
    folder = tmp_path_factory.mktemp("corpus")
    run_dir = tmp_path_factory.mktemp("runs") / "a"
    path = job(folder, run_dir)
    return path, run_dir, run(path, several=True)


def test_every_stage_ran_and_everything_it_promises_holds(finished):
    _, run_dir, events = finished
    assert worked(events) == [stage.name for stage in STAGES]
    assert faults(run_dir) == []


def test_shards_are_what_a_trainer_reads(finished):
    _, run_dir, _ = finished
    index = json.loads((run_dir / "shards/curation_index.json").read_text())
    assert len(index["shards"]) > 2
    files = [str(run_dir / "shards" / shard["file"]) for shard in index["shards"]]
    loaded = datasets.load_dataset("parquet", data_files=files, split="train", cache_dir=str(run_dir.parent / "hf"))
    assert loaded.column_names == ["text", "doc_id", "domain", "cluster", "repetition", "id", "year"]
    assert len(loaded) == index["rows"]
    rows = [row for file in files for row in pq.read_table(file).to_pylist()]
    assert rows == loaded.to_list()
    web = [row for row in rows if row["domain"] == "web"]
    assert all(row["id"] == f"http://x/{row['doc_id']}" and row["year"] == row["doc_id"] % 30 + 1990 for row in web)
    assert all(row["id"] is None and row["year"] is None for row in rows if row["domain"] == "books")


def test_the_card_leads_to_the_shards_and_tells_what_was_done(finished):
    _, run_dir, _ = finished
    index = json.loads((run_dir / "shards/curation_index.json").read_text())
    folder, cache = str(run_dir / "shards"), str(run_dir.parent / "by-card")
    assert len(datasets.load_dataset(folder, split="train", cache_dir=cache)) == index["rows"]
    card = (run_dir / "shards/README.md").read_text()
    assert "3 exact copies" in card
    assert f"{index['rows']:,} draws" in card
    use = json.loads((run_dir / "report/summary.json").read_text())["plan"]["domains"]
    rows = [row for file in run_dir.glob("shards/*.parquet") for row in pq.read_table(file).to_pylist()]
    for told in use:
        mine = [row["doc_id"] for row in rows if row["domain"] == told["domain"]]
        assert (told["draws"], told["used_documents"]) == (len(mine), len(set(mine)))
    described = json.loads((run_dir / "shards/croissant.json").read_text())
    assert [one["contentUrl"] for one in described["distribution"][:-1]] == [one["file"] for one in index["shards"]]


def test_copies_are_dropped_and_the_first_one_stays(finished):
    _, run_dir, _ = finished
    store = Store.open(str(run_dir))
    [name] = [name for name in store.list("duplicates") if name.endswith("parquet")]
    pairs = {row["doc_id"]: row["kept_doc_id"] for row in store.read_table(name).to_pylist()}
    assert pairs == {10: 3, 11: 4, 520: 5}
    drawn = {row["doc_id"] for file in run_dir.glob("shards/*.parquet") for row in pq.read_table(file).to_pylist()}
    assert not drawn & set(pairs)


def test_balance_is_won(finished):
    _, run_dir, _ = finished
    summary = json.loads((run_dir / "report/summary.json").read_text())
    gini = summary["balance"]["gini"]
    assert gini["after"] < gini["before"]
    drawn, wanted = summary["plan"]["tokens"], sum(row["tokens_before"] for row in summary["domains"])
    assert abs(drawn - wanted) < 200  # one document


def test_a_finished_run_does_nothing(finished):
    path, run_dir, _ = finished
    before = {file: file.stat().st_mtime_ns for file in run_dir.rglob("*") if file.is_file()}
    assert worked(run(path, several=True)) == []
    changed = {file.name for file in before if file.stat().st_mtime_ns != before[file]}
    assert changed <= {"events.jsonl", "_lock"}


def test_another_clip_replans_and_rewrites_only(finished, tmp_path):
    path, run_dir, _ = finished
    target = tmp_path / "run"
    shutil.copytree(run_dir, target)
    other = ["sampling.clip=1", "sampling.budget.epochs=0.5"]
    assert worked(run(path, f"run_dir={target}", *other)) == ["plan", "shards", "report", "record"]
    assert shard_hashes(target) != shard_hashes(run_dir)
    assert faults(target) == []
    assert worked(run(path, f"run_dir={target}")) == ["plan", "shards", "report", "record"]
    assert shard_hashes(target) == shard_hashes(run_dir)


@pytest.mark.parametrize(
    "overrides",
    [
        ["split_bytes=10000"],
        ["split_bytes=1000000"],
        ["resources.embedding_actors=2", "resources.clustering_actors=2", "resources.tasks=2"],
        ["resources.embedding_actors=1", "resources.clustering_actors=1", "resources.tasks=1"],
    ],
)
def test_the_same_shards_whatever_the_splits_and_actors(finished, tmp_path, overrides):
    path, run_dir, _ = finished
    run(path, f"run_dir={tmp_path / 'other'}", *overrides, several=True)
    assert shard_hashes(tmp_path / "other") == shard_hashes(run_dir)
    assert card_hashes(tmp_path / "other") == card_hashes(run_dir)
    if overrides[0].startswith("resources"):  # splits are among the values that the record lists
        assert recorded(tmp_path / "other") == recorded(run_dir)


def test_a_run_that_lost_files_and_markers_ends_with_the_same_bytes(finished, tmp_path):
    """What a kill can leave: parts there and parts missing, no marker, a stale temporary file."""
    path, run_dir, _ = finished
    target = tmp_path / "run"
    shutil.copytree(run_dir, target)
    rng = np.random.default_rng(0)
    for stage in STAGES[1:]:
        (target / stage.name / "_done.json").unlink()
        files = sorted(file for folder in stage.folders for file in (target / folder).glob("[!_.]*"))
        for file in rng.choice(files, max(1, len(files) // 2), replace=False) if files else []:
            file.unlink()
        (target / stage.name / ".tmp-part-1").write_bytes(b"half a part")
    events = run(path, f"run_dir={target}")
    assert worked(events) == [stage.name for stage in STAGES[1:]]
    assert shard_hashes(target) == shard_hashes(run_dir)
    assert not list(target.rglob(".tmp-*"))


@pytest.mark.parametrize("order", ["specific_to_general", "stationary", "curriculum", "shuffled"])
def test_every_order_and_weights(finished, tmp_path, order):
    path, run_dir, _ = finished
    target = tmp_path / "run"
    shutil.copytree(run_dir, target)
    quality = ["quality.column=score", "quality.scale=[0, 5]"] if order == "curriculum" else []
    events = run(path, f"run_dir={target}", f"sampling.order={order}", "blending.weights=proportional", *quality)
    measured = ["documents", "strata", "clusters", "languages", "salience", "learned"]  # nothing is embedded again
    read_again = measured if quality else []
    assert worked(events) == [*read_again, "plan", "shards", "report", "record"]
    assert faults(target) == []
    summary = json.loads((target / "report/summary.json").read_text())
    shares = {row["domain"]: row["share_after"] for row in summary["domains"]}
    assert shares["web"] == pytest.approx(0.5, abs=0.02)


def test_show_prints_the_table(finished, capsys):
    _, run_dir, _ = finished
    assert main(["show", str(run_dir)]) == 0
    printed = capsys.readouterr().out
    for wanted in (
        "Gini",
        "Embedding read all of the text",
        "effective clusters",
        "used at least once",
        "copies dropped",
        "web",
        "terms",
    ):
        assert wanted in printed


def test_how_much_of_long_documents_was_read_is_reported(finished, tmp_path, capsys):
    path, run_dir, _ = finished
    target = tmp_path / "run"
    shutil.copytree(run_dir, target)
    events = run(path, f"run_dir={target}", "embedding.max_tokens=30")
    assert worked(events)[:2] == ["encoder", "embeddings"]
    store = Store.open(str(target))
    tables = [store.read_table(name) for name in store.list("embeddings") if name.endswith("parquet")]
    share = pa.concat_tables(tables)["read_share"].to_numpy()
    stats = store.marker("embeddings").stats
    assert stats["truncated"] == (share < 1).sum() > 100
    main(["show", str(target)])
    read = 1 - stats["left_out"] / stats["characters"]
    assert f"Embedding read {read:.1%} of the text; {stats['truncated']} documents were cut" in capsys.readouterr().out
    chunks = ["embedding.long_documents=mean_of_chunks", "embedding.max_chunks=2"]
    assert "embeddings" in worked(run(path, f"run_dir={target}", "embedding.max_tokens=30", *chunks))
    assert store.marker("embeddings").stats["left_out"] < stats["left_out"]
    assert faults(target) == []


def test_plan_estimates_and_writes_nothing(finished, tmp_path, capsys):
    path, _, _ = finished
    assert main(["plan", path, "--set", f"run_dir={tmp_path / 'none'}"]) == 0
    assert not (tmp_path / "none").exists()
    printed = capsys.readouterr().out
    assert "embeddings" in printed
    assert "400" in printed


def recorded(run_dir):
    """What a record and its decisions say, but for when and where."""
    record = json.loads((run_dir / "record/curation_record.json").read_text())
    lines = [json.loads(line) for line in (run_dir / "record/decisions.jsonl").read_text().splitlines()]
    return record["made"]["content_sha256"], [[line[name] for name in SAID] for line in lines]


def damaged_files(run_dir):
    """One file of every kind in a run directory, of those whose bytes are promised: the page has times on it."""
    kinds = {}
    for file in sorted(run_dir.rglob("*")):
        known = file.name not in {"events.jsonl", "_lock", "_done.json", "index.html"}
        if file.is_file() and known and file.stat().st_size:
            kinds.setdefault((file.parent.name, file.name.split("-")[0]), file)
    return list(kinds.values())


def test_verify_names_a_changed_byte_and_a_missing_file(finished):
    _, run_dir, _ = finished
    files = damaged_files(run_dir)
    assert len(files) > 20
    rng = np.random.default_rng(1)
    for file in files:
        whole = file.read_bytes()
        place = int(rng.integers(len(whole)))
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        changed = faults(run_dir)
        if file.name == "job.yaml" and not changed:  # a byte of a key that no result depends on (resources, run_dir)
            changed = [file.name]
        assert any(file.name in fault for fault in changed), f"a changed byte of {file} was not found: {changed}"
        file.unlink()
        if file.name != "job.yaml":
            assert any(file.name in fault for fault in faults(run_dir)), f"missing {file} was not found"
        file.write_bytes(whole)
    extra = run_dir / "shards" / "shard-99999.parquet"
    extra.write_bytes(b"x")
    assert any("shard-99999" in fault for fault in faults(run_dir))
    extra.unlink()
    assert faults(run_dir) == []


def test_an_input_that_changed_is_named(finished, capsys):
    path, _, _ = finished
    news = Path(path).with_name("news.jsonl")
    info = news.stat()
    os.utime(news, ns=(info.st_atime_ns, info.st_mtime_ns + 1))
    assert main(["run", path]) == 1
    assert f"{news}: changed since this run counted it" in capsys.readouterr().err
    os.utime(news, ns=(info.st_atime_ns, info.st_mtime_ns))
    more = news.with_name("more.jsonl.gz")  # the glob of `books` takes it in
    more.write_bytes(b"")
    assert main(["run", path]) == 1
    assert f"{more}: new since this run" in capsys.readouterr().err
    more.unlink()
    assert worked(run(path)) == []


def flipped(file):
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2] + bytes([whole[len(whole) // 2] ^ 1]) + whole[len(whole) // 2 + 1 :])


@pytest.mark.parametrize("table", ["documents", "embeddings", "centroids", "assignments", "schedule", "shards"])
def test_a_damaged_file_is_made_again_and_never_taken_for_good(finished, tmp_path, table):
    path, run_dir, _ = finished
    target = tmp_path / "run"
    shutil.copytree(run_dir, target)
    files = sorted(target.joinpath(table).glob("[!_i]*"))
    files[0].write_bytes(files[0].read_bytes()[:-7])  # cut short: a run notices by itself
    if len(files) > 1:
        flipped(files[1])  # same size: noticed when the stage is looked at again
    assert any(files[0].name in fault for fault in faults(target))
    run(path, f"run_dir={target}")
    assert shard_hashes(target) == shard_hashes(run_dir)
    assert faults(target) == []


def test_other_values_in_a_kept_column_reach_the_shards(tmp_path):
    path = job(tmp_path / "corpus", tmp_path / "run")
    run(path)
    web = tmp_path / "corpus/web.parquet"
    table = pq.read_table(web)
    changed = pa.array([f"other/{i}" for i in range(table.num_rows)])
    pq.write_table(table.set_column(1, "url", changed), web, row_group_size=50)
    with pytest.raises(InputError, match="changed since this run counted it"):
        run(path)
    events = run(path, "sources.0.licence=CC0")  # another declaration, so the sources are counted anew
    assert worked(events) == ["sources", "tokenizer", "documents", "shards", "report", "record"]
    ids = {row["id"] for file in tmp_path.glob("run/shards/*.parquet") for row in pq.read_table(file).to_pylist()}
    assert any(str(value).startswith("other/") for value in ids)
    assert faults(tmp_path / "run") == []
    assert worked(run(path, "sources.0.licence=CC-BY-4.0")) == ["sources", "report", "record"]


def test_more_actors_than_there_is_room_for(finished, tmp_path):
    path, run_dir, _ = finished
    target = tmp_path / "run"
    shutil.copytree(run_dir, target)
    shutil.rmtree(target / "centroids")
    assert "centroids" in worked(run(path, f"run_dir={target}", "resources.clustering_actors=7"))
    assert shard_hashes(target) == shard_hashes(run_dir)


def test_a_budget_of_nothing_and_too_many_gpus_are_told(finished, tmp_path):
    path, run_dir, _ = finished
    shutil.copytree(run_dir, tmp_path / "run")
    with pytest.raises(JobError, match=r"sampling\.budget"):
        run(path, f"run_dir={tmp_path / 'run'}", "sampling.budget.tokens=1")
    with pytest.raises(JobError, match="the cluster has 0 GPUs"):
        run(path, f"run_dir={tmp_path / 'new'}", "resources.gpus_per_actor=1", "embedding.model=all-MiniLM-L6-v2")


def test_show_of_an_interrupted_plan_does_not_print_the_old_report(finished, tmp_path, capsys):
    _, run_dir, _ = finished
    target = tmp_path / "run"
    shutil.copytree(run_dir, target)
    (target / "plan/_done.json").unlink()
    assert main(["show", str(target)]) == 0
    printed = capsys.readouterr().out
    assert "Not finished yet" in printed
    assert "Gini" not in printed


def test_a_run_directory_among_its_own_sources_is_no_source(tmp_path):
    folder = tmp_path / "data"
    path = job(folder, folder / "run")
    sources = f"sources: [{{domain: all, path: '{folder}/**/*.parquet'}}]\n"
    text = Path(path).read_text()
    Path(path).write_text(text[: text.index("sources:")] + sources + text[text.index("split_bytes") :])
    run(path)
    assert worked(run(path)) == []
