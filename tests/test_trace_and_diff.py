"""`curation trace` and `curation diff` on finished runs, through the command line."""

from __future__ import annotations

import io
import json
import shutil

import pyarrow.parquet as pq
import pytest

from curation.cli import main
from curation.pipeline import STAGES, stage_fingerprint
from curation.storage.store import Store
from curation.trace import index
from curation.verify import verify
from tests.corpus import job
from tests.test_pipeline import run

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("ray_session")]


@pytest.fixture(scope="module")
def finished(tmp_path_factory, ray_session):
    """A finished run: (folder of the corpus, run directory, its texts by doc_id)."""
    folder, run_dir = tmp_path_factory.mktemp("corpus"), tmp_path_factory.mktemp("runs") / "a"
    run(job(folder, run_dir), several=True)
    return folder, run_dir


def traced(capsys, *arguments):
    assert main(["trace", *map(str, arguments), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_a_passage_leads_to_its_document_file_copy_and_shards(finished, capsys):
    folder, run_dir = finished
    texts = pq.read_table(folder / "web.parquet")["text"].to_pylist()
    passage = " ".join(texts[3].split()[2:16])
    answer = traced(capsys, run_dir, passage.upper().replace(" ", ",\n"), "--top", 3)
    hit = answer["exact"]["hits"][0]
    assert (hit["doc_id"], hit["words"], hit["covered"], hit["passage"]) == (3, 14, 14, passage)
    assert (hit["path"], hit["row"], hit["domain"]) == (str(folder / "web.parquet"), 3, "web")
    copy = {"doc_id": 10, "method": "exact", "path": str(folder / "web.parquet"), "row": 10}
    assert hit["copies"] == {"count": 1, "first": [copy]}
    assert answer["exact"]["proven"] >= 1
    for shown in [*answer["exact"]["hits"], *answer["meaning"]["hits"]]:
        assert shown["draws"] == len(shown["places"])
        for place in shown["places"]:
            row = pq.read_table(run_dir / place["shard"]).slice(place["row"], 1).to_pylist()[0]
            assert (row["doc_id"], row["repetition"], row["cluster"]) == (
                shown["doc_id"],
                place["repetition"],
                shown["cluster"],
            )
            assert " ".join(row["text"].split()).startswith(shown["excerpt"])


def test_every_format_of_source_is_read_and_the_nearest_in_meaning_to_a_text_is_itself(finished, capsys, monkeypatch):
    _, run_dir = finished
    assert main(["show", str(run_dir)]) == 0
    capsys.readouterr()
    rows = [row for file in sorted((run_dir / "shards").glob("*.parquet")) for row in pq.read_table(file).to_pylist()]
    for domain in ("web", "news", "books"):
        row = next(row for row in rows if row["domain"] == domain)
        monkeypatch.setattr("sys.stdin", io.StringIO(row["text"]))
        answer = traced(capsys, run_dir, "-", "--top", 2)
        first = answer["exact"]["hits"][0]
        assert (first["doc_id"], first["passage"]) == (row["doc_id"], row["text"].strip(" .").removesuffix("."))
        nearest = answer["meaning"]["hits"][0]
        assert nearest["doc_id"] == row["doc_id"]
        assert nearest["cosine"] > 0.999


def test_the_index_is_made_once_goes_on_where_it_stopped_and_is_void_for_other_texts(finished, tmp_path, capsys):
    _, run_dir = finished
    assert main(["trace", str(run_dir), "--build-index"]) == 0
    store = Store.open(str(run_dir))
    marker, times = store.marker(index.FOLDER), store.times(index.FOLDER)
    assert main(["trace", str(run_dir), "--build-index"]) == 0
    assert store.times(index.FOLDER) == times
    other = tmp_path / "copy"
    shutil.copytree(run_dir, other)
    (other / "trace/_done.json").unlink()
    (other / marker.parts[0].name).unlink()
    assert main(["trace", str(other), "--build-index"]) == 0
    copied = Store.open(str(other))
    assert copied.marker(index.FOLDER).parts == marker.parts
    changed = json.loads((other / "trace/_done.json").read_text()) | {"fingerprint": "of other texts"}
    (other / "trace/_done.json").write_text(json.dumps(changed))
    assert main(["trace", str(other), "--build-index"]) == 0
    assert copied.marker(index.FOLDER).fingerprint == marker.fingerprint
    assert [fault for fault in verify(store, STAGES, stage_fingerprint) if fault] == []


def test_what_trace_refuses_says_what_would_do(finished, tmp_path, capsys):
    _, run_dir = finished
    for arguments, said in (
        ([str(run_dir), "  "], "empty"),
        ([str(run_dir)], "--file"),
        ([str(run_dir), "--file", str(tmp_path / "none.txt")], "none.txt"),
        ([str(tmp_path / "nothing"), "x"], "needs a finished run"),
    ):
        assert main(["trace", *arguments]) == 2
        assert said in capsys.readouterr().err
    assert main(["trace", str(run_dir), "words that are nowhere in this corpus at all, none", "--exact"]) == 0
    assert "none" in capsys.readouterr().out


def test_a_record_made_anew_makes_no_difference_and_other_packages_are_told(finished, tmp_path, capsys):
    _, run_dir = finished
    other = tmp_path / "b"
    shutil.copytree(run_dir, other)
    assert main(["record", str(other)]) == 0
    files = [(folder / "record/curation_record.json").read_bytes() for folder in (run_dir, other)]
    assert files[0] != files[1]  # the time is in it
    record = other / "record/curation_record.json"
    changed = json.loads(record.read_text())
    changed["made"]["packages"]["numpy"] = "0.1"
    record.write_text(json.dumps(changed))
    capsys.readouterr()
    assert main(["diff", str(run_dir), str(other), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["identical"]
    assert [(row["key"], row["b"]) for row in found["code"]] == [("packages.numpy", "0.1")]


def test_a_diff_lists_what_was_changed_and_what_that_did(finished, tmp_path, capsys):
    _, run_dir = finished
    other = tmp_path / "b"
    shutil.copytree(run_dir, other)
    run(
        str(finished[0] / "job.yaml"), f"run_dir={other}", "sampling.clip=2", "sampling.budget.epochs=1.5", several=True
    )
    assert main(["diff", str(run_dir), str(other), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert not found["identical"]
    assert found["stages"] == ["plan", "shards", "report", "record"]
    assert [row["key"] for row in found["job"]] == ["sampling.budget.epochs", "sampling.clip"]
    assert found["documents"]["both"] == 400 + 90 + 31 + 12 - 3
    assert found["documents"]["added"] == found["documents"]["removed"] == 0
    rows = [Store.open(str(side)).read_json("report/summary.json")["plan"] for side in (run_dir, other)]
    draws = next(row for row in found["figures"]["totals"] if row["figure"] == "draws")
    assert (draws["a"], draws["b"]) == (rows[0]["draws"], rows[1]["draws"])
    counted = found["documents"]["draws"]
    assert counted["undrawn"] + counted["same"] + counted["more"] + counted["fewer"] == found["documents"]["both"]
    assert counted["more"] - counted["fewer"] > 0
    assert found["clusters"]["same"] == 8
    assert found["clusters"]["stayed"] == 1
    assert main(["diff", str(run_dir), str(other)]) == 0
    assert "sampling.clip" in capsys.readouterr().out


def test_a_run_is_identical_to_itself_and_a_diff_needs_finished_runs(finished, tmp_path, capsys):
    _, run_dir = finished
    assert main(["diff", str(run_dir), str(run_dir)]) == 0
    assert "identical" in capsys.readouterr().out
    assert main(["diff", str(run_dir), str(tmp_path / "nothing")]) == 2
    assert "finished" in capsys.readouterr().err
