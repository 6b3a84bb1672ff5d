"""Decisions and answers of a whole run: what is done to them is found, and the record follows them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import pytest

from curation.cli import main
from curation.errors import JobError, RunError
from curation.report.record.chain import appended, fault_of, parsed, said
from curation.report.record.model import content_hash
from curation.stages.record import RECORD
from curation.storage.store import Store
from curation.verify.record import check_chain
from tests.stages.recorded import AGAIN, REASON, chain_of, copied, record_of
from tests.test_pipeline import faults, run, worked

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("ray_session")]


def test_decisions_say_who_decided_what_and_why(recorded):
    _, run_dir = recorded
    lines = parsed(chain_of(run_dir))
    assert fault_of(chain_of(run_dir)) is None
    by_ref = {line["evidence_ref"]: line for line in lines}
    clip = by_ref["job.yaml#sampling.clip"]
    assert (clip["actor"], clip["decision"], clip["alternatives"]) == ("job file", "sampling.clip = 3", ["5 (default)"])
    assert clip["reason"] == "three is what we could defend"
    assert by_ref["job.yaml#sources.0.licence"]["actor"] == "command line"
    assert by_ref["job.yaml#rows.allow_truncated"]["actor"] == "default"
    assert by_ref["centroids/_done.json#fit"]["decision"].startswith("K-Means converged after")
    assert by_ref[f"allocation#left out by the job: {REASON}"]["decision"].endswith("documents removed")
    for step in record_of(run_dir)["steps"]:
        assert step["result"] in by_ref[f"{step['name']}/_done.json"]["decision"]
    assert "resources" not in chain_of(run_dir), "what changes nothing is no decision"


def test_whatever_is_done_to_the_decisions_is_found(recorded, tmp_path):
    target = copied(recorded[1], tmp_path)
    store, file = Store.open(str(target)), target / "record/decisions.jsonl"
    rows = file.read_text().splitlines(keepends=True)

    def found(changed):
        file.write_text("".join(changed))
        return [fault for fault in check_chain(store) if fault]

    assert found(rows) == []
    for number in range(len(rows)):
        assert found([*rows[:number], rows[number].replace('"reason": "', '"reason": "not ', 1), *rows[number + 1 :]])
        assert found(rows[:number] + rows[number + 1 :])
        assert found(rows[:number])
        assert number == 0 or found([*rows[: number - 1], rows[number], rows[number - 1], *rows[number + 1 :]])
    assert found([appended("".join(rows), [said("x", "x", "x", "x", "x")], "t")])
    file.write_text("".join(rows[:-1]))
    assert any("decisions.jsonl" in fault for fault in faults(target))
    with pytest.raises(RunError, match="when the record was made"):
        run(recorded[0], f"run_dir={target}", *AGAIN)
    file.unlink()
    assert "record/decisions.jsonl: missing" in faults(target)
    file.write_text("".join(rows))
    (target / "record/more.json").write_text("{}")
    assert faults(target) == ["record/more.json: no stage has written this file"]


def sign_record(run_dir):
    """Makes the marker of the record agree with its files as they are."""
    store = Store.open(str(run_dir))
    marker = store.marker("record")
    hashed = {part.name: store.hash(part.name) for part in marker.parts}
    parts = [replace(part, bytes=hashed[part.name][0], sha256=hashed[part.name][1]) for part in marker.parts]
    store.finish(replace(marker, parts=parts))


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("sources", 0, "unique_used", "documents"), 1),
        (("config", 0, "value"), 99),
        (("removals", 0, "documents"), 0),
        (("identity", "owner"), "somebody"),
        (("sampling", "clusters", 3, "epochs"), 1.0),
        (("outputs", "files", 0, "sha256"), "0" * 64),
        (("open",), []),
    ],
)
def test_a_value_that_was_changed_in_the_record_is_found_although_its_hash_agrees(recorded, tmp_path, place, value):
    target = copied(recorded[1], tmp_path)
    record = record_of(target)
    inner = record
    for part in place[:-1]:
        inner = inner[part]
    inner[place[-1]] = value
    record["made"]["content_sha256"] = content_hash(record)
    (target / RECORD).write_text(json.dumps(record))
    sign_record(target)
    pointer = "".join(f"/{part}" for part in place)
    assert any(pointer in fault and "is not what the tables say" in fault for fault in faults(target))


def test_the_record_is_made_anew_with_the_same_content_and_answers_fill_it(recorded, tmp_path, capsys):
    path, run_dir = recorded
    target, before = copied(run_dir, tmp_path), record_of(run_dir)
    (target / "record/_done.json").unlink()
    assert worked(run(path, f"run_dir={target}", "resources.tasks=2", *AGAIN)) == ["record"]
    after = record_of(target)
    assert after["made"]["content_sha256"] == before["made"]["content_sha256"]
    assert after["made"]["replaces"] == hashlib.sha256((run_dir / RECORD).read_bytes()).hexdigest()
    assert chain_of(target).startswith(chain_of(run_dir))
    assert worked(run(path, f"run_dir={target}", *AGAIN)) == []

    (target / "job.yaml").write_text((target / "job.yaml").read_text().replace(str(run_dir), str(target)))
    answers = tmp_path / "answers.yaml"
    answers.write_text("identity: {owner: Ada}\nsources: {books: {category: licensed}}\npersonal_data: {nothing: 1}\n")
    assert main(["record", str(target), "--answers", str(answers)]) == 2
    assert "personal_data.nothing: unknown key" in capsys.readouterr().err
    assert faults(target) == []
    answers.write_text("identity: {owner: Ada}\nsources: {books: {category: licensed}}\n")
    assert main(["record", str(target), "--answers", str(answers)]) == 0
    filled = record_of(target)
    assert filled["identity"]["owner"] == "Ada"
    assert [source["category"] for source in filled["sources"]] == ["TO BE PROVIDED"] * 2 + ["licensed"] * 2
    assert len(filled["open"]) == len(before["open"]) - 3
    assert faults(target) == []
    assert main(["record", str(target), "--questions"]) == 0
    assert 'owner: "Ada"' in capsys.readouterr().out

    assert worked(run(path, f"run_dir={target}", *AGAIN)) == []
    named = ["record.answers=" + str(answers), *AGAIN]
    assert worked(run(path, f"run_dir={target}", *named)) == [], "the same answers"
    answers.write_text("identity: {owner: Eve}\n")
    assert worked(run(path, f"run_dir={target}", *named)) == ["record"]
    assert record_of(target)["identity"]["owner"] == "Eve"
    assert main(["record", str(target), "--answers", str(answers)]) == 2
    answers.unlink()
    assert worked(run(path, f"run_dir={target}", *named)) == [], "the copy stays"
    assert faults(target) == []


def test_a_run_that_failed_leaves_its_lines_and_the_record_names_them(recorded, tmp_path):
    path, run_dir = recorded
    target = copied(run_dir, tmp_path)
    with pytest.raises(JobError, match=r"sampling\.budget"):
        run(path, f"run_dir={target}", "sampling.budget.tokens=1", *AGAIN)
    assert "plan" in worked(run(path, f"run_dir={target}", *AGAIN))
    text = chain_of(target)
    assert text.startswith(chain_of(run_dir))
    new = [line["decision"] for line in parsed(text)[len(parsed(chain_of(run_dir))) :]]
    assert new[0] == "the run does plan anew: what it depends on has changed"
    assert "sampling.budget.tokens = 1" in new
    assert "failed" in new
    assert "sampling.budget.tokens = null" in new
    assert record_of(target)["made"]["content_sha256"] == record_of(run_dir)["made"]["content_sha256"]
    assert faults(target) == []


def test_an_unfinished_run_has_no_record_to_make_anew(tmp_path, capsys):
    assert main(["record", str(tmp_path)]) == 2
    assert "not a run directory" in capsys.readouterr().err
    assert main(["schema", "--record"]) == 0
    assert json.loads(capsys.readouterr().out)["$id"] == "urn:curation:record:1.0"
