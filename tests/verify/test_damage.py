"""Damage that verify must see, although every hash and fingerprint around it was made to agree."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from curation.cli import main
from curation.pipeline import STAGES, stage_fingerprint
from curation.storage.store import Store
from curation.verify import verify
from curation.verify.files import read_job, sampled
from tests.corpus import job
from tests.test_pipeline import faults, run

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("ray_session")]


@pytest.fixture(scope="module")
def finished(tmp_path_factory, ray_session):
    """A finished run, copied for each damage."""
    folder = tmp_path_factory.mktemp("corpus")
    run_dir = tmp_path_factory.mktemp("runs") / "a"
    run(job(folder, run_dir, "sampling: {clip: 3, budget: {epochs: 1.4}}\n"))
    assert faults(run_dir) == []
    return run_dir


def sign(run_dir):
    """Makes every marker agree with the files as they are: what someone would do who wants to hide a change."""
    store, markers = Store.open(str(run_dir)), {}
    settings = read_job(store)
    for stage in STAGES:
        marker = store.marker(stage.name)
        index = run_dir / "shards/curation_index.json"
        parts = []
        for part in marker.parts:
            size, sha256 = store.hash(part.name)
            rows = store.read_stats(part.name)[0] if part.name.endswith(".parquet") else part.rows
            parts.append(replace(part, rows=rows, bytes=size, sha256=sha256))
        if stage.name == "shards":
            listed = json.loads(index.read_text())
            told = {part.name: part for part in parts}
            for section in (listed, listed["validation"]) if "validation" in listed else (listed,):
                for shard in section["shards"]:
                    part = told[f"shards/{shard['file']}"]
                    shard |= {"bytes": part.bytes, "sha256": part.sha256}
                section["bytes"] = sum(shard["bytes"] for shard in section["shards"])
            index.write_text(json.dumps(listed, indent=1, ensure_ascii=False) + "\n")  # as it was, if nothing changed
            size, sha256 = store.hash("shards/curation_index.json")
            parts = [
                replace(p, bytes=size, sha256=sha256) if p.name == "shards/curation_index.json" else p for p in parts
            ]
        marker = replace(marker, parts=parts, fingerprint=stage_fingerprint(stage, settings, markers))
        markers[stage.name] = marker
        store.finish(marker)
        store.write_json(
            f"{stage.name}/_started.json", {"stage": stage.name, "fingerprint": marker.fingerprint, "known": {}}
        )


def parts_of(run_dir, table):
    return sorted((run_dir / table).glob("*.parquet"))


def edit(file, change):
    """Rewrites a table of a run by a function on its columns."""
    table = pq.read_table(file)
    columns = {name: table[name].to_pylist() for name in table.column_names}
    change(columns)
    pq.write_table(pa.table(columns, schema=table.schema), file)


def swap(columns, names, one=0, other=1):
    for name in names:
        columns[name][one], columns[name][other] = columns[name][other], columns[name][one]


def set_row(name, value, row=0):
    def change(columns):
        columns[name][row] = value(columns[name][row]) if callable(value) else value

    return change


def drop_row(columns):
    for values in columns.values():
        del values[0]


def in_first(table, change):
    return lambda run_dir: edit(parts_of(run_dir, table)[0], change)


def in_file(name, change):
    return lambda run_dir: edit(run_dir / name, change)


def counted_wrong(run_dir):
    store = Store.open(str(run_dir))
    marker = store.marker("documents")
    store.finish(replace(marker, stats=marker.stats | {"documents": marker.stats["documents"] + 1}))


def swapped_order(run_dir):
    """Two draws change places, in the schedule and in the shards alike: only the order itself is wrong."""
    for file in parts_of(run_dir, "schedule"):
        table = pq.read_table(file)
        once = np.flatnonzero(table["repetition"].to_numpy() == 0)
        shard = table["shard"].to_numpy()[once]
        if len(once) > 1 and (same := np.flatnonzero(shard == shard[0])).size > 1:
            doc_id = table["doc_id"].to_numpy()[once[same]]
            positions = table["position"].to_numpy()[once[same]]
            break
    edit(file, lambda columns: swap(columns, ["doc_id"], once[same[0]], once[same[1]]))
    place = [positions[0], positions[1]]
    assert doc_id[0] != doc_id[1]
    starts = pq.read_table(run_dir / "plan/shards.parquet")["first_position"].to_numpy()
    number = int(np.searchsorted(starts, place[0], side="right")) - 1
    names = [name for name in pq.read_schema(parts_of(run_dir, "shards")[number]).names if name != "repetition"]
    edit(parts_of(run_dir, "shards")[number], lambda columns: swap(columns, names, *(place - starts[number])))


def drawn_again(run_dir):
    """A document's draw is given to one that is at the clip already."""
    clipped = None
    for file in parts_of(run_dir, "schedule"):
        table = pq.read_table(file)
        times = table.group_by("doc_id").aggregate([("doc_id", "count")])
        if pc.max(times["doc_id_count"]).as_py() == 3:
            clipped = times["doc_id"][pc.index(times["doc_id_count"], 3).as_py()].as_py()
            break
    row = next(i for i, doc_id in enumerate(table["doc_id"].to_pylist()) if doc_id != clipped)

    def change(columns):
        columns["doc_id"][row] = clipped
        mine = [i for i, doc_id in enumerate(columns["doc_id"]) if doc_id == clipped]
        for number, i in enumerate(sorted(mine, key=lambda i: columns["position"][i])):
            columns["repetition"][i] = number

    edit(file, change)


def other_clip(run_dir):
    file = run_dir / "job.yaml"
    file.write_text(file.read_text().replace("clip: 3", "clip: 4"))


def other_shard(run_dir):
    first, second = parts_of(run_dir, "shards")[:2]
    first.write_bytes(second.read_bytes())


DAMAGES = {
    "a row is missing in documents": (in_first("documents", drop_row), "doc_ids are not dense"),
    "documents changed places": (
        in_first("documents", lambda columns: swap(columns, columns, 0, 1)),
        "doc_ids are not dense",
    ),
    "a row is dropped without a reason": (in_first("documents", set_row("keep", False)), "without a reason"),
    "the tokens of a document": (in_first("documents", set_row("tokens", lambda n: n + 5)), "tokens are not those"),
    "a copy that is none": (in_first("duplicates", set_row("kept_doc_id", 0)), "does not list what is there twice"),
    "a copy that is not listed": (in_first("duplicates", drop_row), "does not list what is there twice"),
    "a vector is missing": (in_first("embeddings", drop_row), "not the kept ones, each once"),
    "a vector is too long": (
        in_first("embeddings", set_row("embedding", lambda v: [2 * x for x in v])),
        "not of unit length",
    ),
    "a vector was replaced": (
        in_first("embeddings", set_row("embedding", lambda v: v[::-1])),
        "a vector_hash is not its vector's",
    ),
    "a read_share of nothing": (in_first("embeddings", set_row("read_share", 0.0)), "read_share is not in (0, 1]"),
    "a repeat that is none": (
        lambda run_dir: pq.write_table(
            pa.table([[5], [3]], schema=pq.read_schema(parts_of(run_dir, "repeats")[0])),
            parts_of(run_dir, "repeats")[0],
        ),
        "does not list what is there twice",
    ),
    "a document in another cluster": (
        in_first("assignments", set_row("cluster", lambda c: (c + 1) % 8)),
        "not in the cluster of its nearest centroid",
    ),
    "a cluster that there is not": (in_first("assignments", set_row("cluster", 8)), "a cluster that there is not"),
    "a document is assigned twice": (
        in_first("assignments", set_row("doc_id", lambda n: n + 1)),
        "not the kept ones, each once",
    ),
    "the size of a cluster": (
        in_file("clusters/clusters.parquet", set_row("documents", lambda n: n + 1)),
        "sizes are not those of the assignments",
    ),
    "the tokens of a cell": (
        in_file("allocation/allocation.parquet", set_row("realised_tokens", lambda n: n + 1)),
        "realised tokens are not those of the schedule",
    ),
    "the target of a cell": (
        in_file("allocation/allocation.parquet", set_row("target_tokens", lambda n: n + 1)),
        "not what the job makes of the documents",
    ),
    "a draw of a document that was dropped": (
        lambda run_dir: edit(parts_of(run_dir, "schedule")[0], set_row("doc_id", 10)),
        "draws a document that was not kept",
    ),
    "a draw above the clip": (drawn_again, "drawn above the clip"),
    "a position that is there twice": (
        in_first("schedule", set_row("position", lambda n: n + 1)),
        "positions are not 0 to the last",
    ),
    "a repetition that is left out": (
        in_first("schedule", set_row("repetition", lambda n: n + 1)),
        "do not count a document's draws",
    ),
    "a draw in another shard": (
        in_first("schedule", set_row("shard", lambda n: n + 1)),
        "names another shard",
    ),
    "another order": (swapped_order, "not what the job makes of the documents"),
    "another clip in the job file": (other_clip, "not what the job makes of the documents"),
    "a weight": (
        lambda run_dir: (run_dir / "plan/weights.json").write_text(
            (run_dir / "plan/weights.json").read_text().replace('"realised": 0.', '"realised": 0.1', 1)
        ),
        "realised weights are not those",
    ),
    "a gap between shards": (
        in_file("plan/shards.parquet", set_row("first_position", lambda n: n + 1, row=1)),
        "does not begin where the one before it ends",
    ),
    "a word in a shard": (
        in_first("shards", set_row("text", lambda text: text.replace(" ", " not ", 1))),
        "is not the one that was read",
    ),
    "a cluster in a shard": (
        in_first("shards", set_row("cluster", lambda c: (c + 1) % 8)),
        "its rows are not the schedule's",
    ),
    "a domain in a shard": (
        in_first("shards", set_row("domain", lambda domain: "news" if domain == "web" else "web")),
        "has another domain than its document",
    ),
    "rows of a shard changed places": (
        in_first("shards", lambda columns: swap(columns, columns)),
        "its rows are not the schedule's",
    ),
    "a row less in a shard": (in_first("shards", drop_row), "does not agree with the plan"),
    "a shard instead of another": (other_shard, "shard-00000"),
    "a stage counted wrong": (counted_wrong, "documents/_done.json: counts"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_found_although_all_hashes_agree(finished, tmp_path, damage):
    plant, wanted = DAMAGES[damage]
    target = tmp_path / "run"
    shutil.copytree(finished, target)
    (target / "job.yaml").write_text((target / "job.yaml").read_text().replace(str(finished), str(target)))
    plant(target)
    sign(target)
    found = faults(target)
    assert not any("sha256" in fault or "fingerprint" in fault for fault in found), "the damage was not hidden"
    assert any(wanted in fault for fault in found), found


def test_signing_alone_leaves_nothing_to_find(finished, tmp_path):
    target = tmp_path / "run"
    shutil.copytree(finished, target)
    sign(target)
    assert faults(target) == []


def test_a_sample_reads_less_and_finds_what_is_in_it(finished, tmp_path):
    store = Store.open(str(finished))
    checks = {share: len(list(verify(store, STAGES, stage_fingerprint, sample=share))) for share in (0.01, 0.3, 1.0)}
    assert checks[0.01] < checks[0.3] < checks[1.0]
    target = tmp_path / "run"
    shutil.copytree(finished, target)
    shards = parts_of(target, "shards")
    chosen = sampled(read_job(store), "shards", len(shards), 0.01)
    assert 1 <= sum(chosen) < len(shards)
    for file in shards:
        edit(file, set_row("text", "another text"))
    sign(target)
    found = [fault for fault in verify(Store.open(str(target)), STAGES, stage_fingerprint, sample=0.01) if fault]
    assert [file.name for file, mine in zip(shards, chosen, strict=True) if mine] == [
        Path(fault.split(":")[0]).name for fault in found
    ]


def test_inputs_are_looked_at_unless_they_are_elsewhere(finished, tmp_path, capsys):
    target = tmp_path / "run"
    shutil.copytree(finished, target)
    sources = pq.read_table(target / "sources/sources.parquet").to_pylist()
    file = Path(next(row["path"] for row in sources if row["path"].endswith("news.jsonl")))
    whole, aside = file.read_bytes(), tmp_path / "aside.jsonl"
    shutil.move(file, aside)
    try:
        assert main(["verify", str(target)]) == 1
        assert "news.jsonl" in capsys.readouterr().out
        assert main(["verify", str(target), "--without-inputs", "--sample", "0.5"]) == 0
    finally:
        shutil.move(aside, file)
    assert file.read_bytes() == whole


@pytest.mark.parametrize("share", ["0", "1.5", "-1", "x", "nan"])
def test_a_share_must_be_one(share, capsys):
    with pytest.raises(SystemExit) as error:
        main(["verify", "somewhere", "--sample", share])
    assert error.value.code == 2
    assert "--sample" in capsys.readouterr().err


def test_the_list_of_marker_fields_is_whole(finished):
    """`sign` would hide too much if a marker grew a field that it does not carry over."""
    marker = Store.open(str(finished)).marker("documents")
    assert set(asdict(marker)) == {"stage", "fingerprint", "parts", "stats", "seconds"}
