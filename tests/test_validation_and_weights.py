"""A whole run with documents held out for validation, copies in several domains, two phases, and weights for copies."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from curation.cli import main
from curation.sampling.validation import limits, quotas
from curation.stages.documents import text_hash
from tests.corpus import texts
from tests.test_pipeline import faults, run, worked
from tests.verify.test_damage import edit, parts_of, set_row, sign

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("ray_session")]

JOB = """\
run_dir: {run_dir}
sources:
  - {{domain: web, path: {folder}/web.jsonl, id_column: url}}
  - {{domain: news, path: {folder}/news.jsonl}}
  - {{domain: mirror, path: {folder}/mirror.jsonl}}
split_bytes: 15000
dedup: {{exact: false}}
embedding: {{model: lexical, dimensions: 16}}
clustering: {{clusters: 5}}
phases:
  - {{budget: {{epochs: 1.2}}, clip: 3}}
  - {{name: late, budget: {{epochs: 0.4}}, clip: 4, order: stationary}}
output: {{shard_bytes: 20000, repetition: weight, validation: {{fraction: 0.05, min_documents: 2}}}}
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory, ray_session):
    """A finished run: (job file, run directory). `mirror` has most of `web` once more, and some of it twice."""
    folder = tmp_path_factory.mktemp("corpus")
    run_dir = tmp_path_factory.mktemp("runs") / "a"
    web = texts(150, 1, ["cooking", "space", "law", "chess"])
    news = [*texts(80, 2, ["law", "space"]), *web[:20]]
    mirror = [*(f"  {text}\n" for text in web[:120]), *web[:30], *texts(20, 3, ["music"])]
    for name, found in {"web": web, "news": news, "mirror": mirror}.items():
        lines = [json.dumps({"text": text, "url": f"{name}/{i}"}) for i, text in enumerate(found)]
        (folder / f"{name}.jsonl").write_text("\n".join(lines) + "\n")
    path = folder / "job.yaml"
    path.write_text(JOB.format(run_dir=run_dir, folder=folder))
    run(str(path))
    return str(path), run_dir


def index_of(run_dir):
    return json.loads((run_dir / "shards/curation_index.json").read_text())


def rows_of(run_dir, shards):
    return pa.concat_tables([pq.read_table(run_dir / "shards" / shard["file"]) for shard in shards])


def hashes(rows):
    return {text_hash(text) for text in rows["text"].to_pylist()}


def test_everything_it_promises_holds(finished):
    assert faults(finished[1]) == []


def test_no_held_out_text_is_in_training_in_any_domain(finished):
    _, run_dir = finished
    index = index_of(run_dir)
    training, held = rows_of(run_dir, index["shards"]), rows_of(run_dir, index["validation"]["shards"])
    assert not hashes(training) & hashes(held)
    assert held.num_rows > len(hashes(held)), "no text with a copy was held out: the test shows nothing"
    assert all(shard["file"].startswith("validation/shard-") for shard in index["validation"]["shards"])
    for section, rows in ((index, training), (index["validation"], held)):
        assert section["rows"] == rows.num_rows == sum(shard["rows"] for shard in section["shards"])
        assert section["text_bytes"] == sum(len(text.encode()) for text in rows["text"].to_pylist())
    assert [phase["shards"] for phase in index["phases"]] == [
        sum(shard["file"].startswith(phase["folder"]) for shard in index["shards"]) for phase in index["phases"]
    ]
    documents = pa.concat_tables(
        [pq.read_table(file, columns=["content_hash"]) for file in parts_of(run_dir, "documents")]
    )
    copies = pc.value_counts(documents["content_hash"].combine_chunks())
    count = {row["values"]: row["counts"] for row in copies.to_pylist()}
    assert sum(count[text] for text in hashes(held)) == held.num_rows, "a copy of a held-out text is elsewhere"


def test_every_cell_gives_its_share(finished):
    _, run_dir = finished
    allocation = pq.read_table(run_dir / "allocation/allocation.parquet").to_pylist()
    cells = np.zeros((5, 3), np.int64), np.zeros((5, 3), np.int64)
    for row in allocation:
        place = (row["cluster"], ["web", "news", "mirror"].index(row["domain"]))
        cells[0][place], cells[1][place] = row["available_documents"], row["validation_documents"]
    whole = sum(cells).ravel()
    quota = quotas(whole, 0.05, 2)
    given = cells[1].ravel()
    assert whole.sum() == 420
    assert (given <= limits(whole, quota)).all()
    assert (given[whole > 8] >= 2).all()
    held = rows_of(run_dir, index_of(run_dir)["validation"]["shards"])
    assert held.num_rows == given.sum()
    assert len(set(held["doc_id"].to_pylist())) == held.num_rows


def test_weights_are_what_the_allocation_draws_within_the_clip(finished):
    _, run_dir = finished
    index = index_of(run_dir)
    assert list(index["columns"]) == ["text", "doc_id", "domain", "cluster", "repetition", "sample_weight", "id"]
    assert index["columns"]["sample_weight"] == "int32"
    allocation = pq.read_table(run_dir / "allocation/allocation.parquet")
    stats = json.loads((run_dir / "plan/_done.json").read_text())["stats"]
    drawn, weights = {}, 0
    for number, phase in enumerate(index["phases"]):
        rows = rows_of(run_dir, [shard for shard in index["shards"] if shard["file"].startswith(phase["folder"])])
        assert len(set(rows["doc_id"].to_pylist())) == rows.num_rows
        realised = 0
        columns = (rows[name].to_pylist() for name in ("doc_id", "repetition", "sample_weight", "text"))
        for doc_id, repetition, weight, text in zip(*columns, strict=True):
            assert repetition == drawn.get(doc_id, 0)
            drawn[doc_id] = repetition + weight
            weights += weight
            realised += weight * max(1, round(len(text.encode()) / 4))
        assert max(drawn.values()) <= (3, 4)[number]
        here = allocation.filter(pc.equal(allocation["phase"], number))
        assert realised == pc.sum(here["realised_tokens"]).as_py() == stats["phases"][number]["tokens"]
    assert weights == stats["draws"] > index["rows"] == stats["rows"]
    assert index["tokens"] == stats["row_tokens"] < stats["tokens"]
    assert set(rows_of(run_dir, index["validation"]["shards"])["sample_weight"].to_pylist()) == {1}


def test_show_says_what_was_held_out_drawn_and_written(finished, capsys):
    _, run_dir = finished
    summary = json.loads((run_dir / "report/summary.json").read_text())
    held = summary["plan"]["validation"]["documents"]
    assert sum(row["documents"] for row in summary["clusters"]) == summary["plan"]["documents"] == 420 - held
    assert main(["show", str(run_dir)]) == 0
    printed = {line.split("  ")[0].strip(): line.split() for line in capsys.readouterr().out.splitlines()}
    assert printed["validation"][1] == str(held)
    assert printed["drawn"][1] == str(summary["plan"]["draws"])
    assert printed["written"][1] == str(summary["shards"]["rows"])


def copied(run_dir, tmp_path):
    target = tmp_path / "run"
    shutil.copytree(run_dir, target)
    (target / "job.yaml").write_text((target / "job.yaml").read_text().replace(str(run_dir), str(target)))
    return target


def all_hashes(run_dir):
    index = index_of(run_dir)
    return [shard["sha256"] for shard in [*index["shards"], *index["validation"]["shards"]]]


def test_shards_that_were_lost_come_back_and_copies_are_a_matter_of_the_plan(finished, tmp_path):
    path, run_dir = finished
    target = copied(run_dir, tmp_path)
    for file in (
        *target.glob("shards/validation/*-00000.*"),
        *target.glob("shards/phase-01-late/*"),
        target / "shards/_done.json",
    ):
        file.unlink()
    assert worked(run(path, f"run_dir={target}", several=True)) == ["shards", "record"]
    assert all_hashes(target) == all_hashes(run_dir)
    assert worked(run(path, f"run_dir={target}", "output.repetition=copies")) == ["plan", "shards", "report", "record"]
    assert faults(target) == []
    index, before = index_of(target), index_of(run_dir)
    assert "sample_weight" not in index["columns"]
    assert index["rows"] > before["rows"]
    ids = [rows_of(where, index_of(where)["validation"]["shards"])["doc_id"].to_pylist() for where in (target, run_dir)]
    assert ids[0] == ids[1]


def leak(run_dir):
    """A held-out document takes the place of one in training, in the schedule and in the shard alike."""
    index = index_of(run_dir)
    held = rows_of(run_dir, index["validation"]["shards"]).to_pylist()
    first = index["rows"]
    for file in parts_of(run_dir, "schedule"):
        rows = pq.read_table(file).sort_by("position").to_pylist()
        if rows and rows[0]["position"] < first <= rows[-1]["position"]:
            break
    edit(file, set_row("doc_id", rows[-1]["doc_id"]))
    text = next(row["text"] for row in held if row["doc_id"] == rows[-1]["doc_id"])
    shards = pq.read_table(run_dir / "plan/shards.parquet").to_pylist()
    shard = shards[rows[0]["shard"]]
    row = rows[0]["position"] - shard["first_position"]
    name = run_dir / "shards" / f"{shard['file']}.parquet"
    edit(name, set_row("text", text, row))
    edit(name, set_row("doc_id", rows[-1]["doc_id"], row))


def shard_of(run_dir, folder):
    return sorted((run_dir / "shards").glob(f"{folder}*/*.parquet"))[0]


def moved_in_the_index(run_dir):
    """A shard for validation is listed among those for training."""
    index = index_of(run_dir)
    index["shards"].append(index["validation"]["shards"].pop(0))
    for section in (index, index["validation"]):
        section |= {key: sum(s[key] for s in section["shards"]) for key in ("rows", "tokens", "text_bytes", "bytes")}
    (run_dir / "shards/curation_index.json").write_text(json.dumps(index))


DAMAGES = {
    "a held-out document is in training": (leak, "held out for validation is in training too"),
    "a weight in a shard": (
        lambda run_dir: edit(shard_of(run_dir, "phase-00"), set_row("sample_weight", lambda n: n + 1)),
        "its rows are not the schedule's",
    ),
    "a weight in the schedule": (
        lambda run_dir: edit(parts_of(run_dir, "schedule")[0], set_row("sample_weight", lambda n: n + 1)),
        "realised tokens are not those of the schedule",
    ),
    "a word in a shard for validation": (
        lambda run_dir: edit(shard_of(run_dir, "validation"), set_row("text", lambda text: text + " not")),
        "is not the one that was read",
    ),
    "a shard for validation among the others": (moved_in_the_index, "rows, and the schedule"),
    "what a cell gives to validation": (
        lambda run_dir: edit(
            run_dir / "allocation/allocation.parquet", set_row("validation_documents", lambda n: n + 1)
        ),
        "documents are not those of the assignments and of the schedule",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_found_although_all_hashes_agree(finished, tmp_path, damage):
    plant, wanted = DAMAGES[damage]
    target = copied(finished[1], tmp_path)
    plant(target)
    sign(target)
    found = faults(target)
    assert not any("sha256" in fault or "fingerprint" in fault for fault in found), "the damage was not hidden"
    assert any(wanted in fault for fault in found), found
