"""Token caps, end to end: what the shards hold, what is read again, what verify finds."""

from __future__ import annotations

import json
import re
import shutil

import pyarrow.parquet as pq
import pytest

from curation.cli import main
from curation.job_file import load_job
from curation.stages import carriers
from curation.stages.plan import make_plan
from curation.verify.unwritten import Unwritten
from tests.corpus import job
from tests.stages.test_sweep import swept
from tests.test_pipeline import faults, run, worked
from tests.verify.test_damage import edit, parts_of, sign

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("ray_session")]

CAPS = """token_caps: [
  {token: Planet, max_share: 0.05}, {token: rocket  star, max_share: 0.02}, {token: ZEBRA, max_share: 0.5}]"""
TOKENS = {"Planet": r"\bplanet\b", "rocket star": r"\brocket\s+star\b", "ZEBRA": r"\bzebra\b"}


@pytest.fixture(scope="module")
def finished(tmp_path_factory, ray_session):
    """A finished run: (job file, run directory, events)."""
    folder = tmp_path_factory.mktemp("corpus")
    run_dir = tmp_path_factory.mktemp("runs") / "a"
    path = job(folder, run_dir, f"sampling: {{clip: 4, {CAPS}}}\n")
    return path, run_dir, run(path)


def rows_of(run_dir):
    return [row for file in parts_of(run_dir, "shards") for row in pq.read_table(file).to_pylist()]


def test_the_shards_keep_the_caps_and_the_report_tells_it(finished, capsys):
    _, run_dir, events = finished
    assert "carriers" in worked(events)
    assert faults(run_dir) == []
    summary = json.loads((run_dir / "report/summary.json").read_text())
    rows, told = rows_of(run_dir), {row["token"]: row for row in summary["token_caps"]}
    assert list(told) == list(TOKENS)
    listed = [row for file in parts_of(run_dir, "carriers") for row in pq.read_table(file).to_pylist()]
    for bit, (token, pattern) in enumerate(TOKENS.items()):
        carriers = [row for row in rows if re.search(pattern, row["text"])]
        assert told[token]["share_after"] == len(carriers) / len(rows)
        assert told[token]["share_after"] <= told[token]["max_share"]
        known = {row["doc_id"] for row in listed if row["tokens"] >> bit & 1}
        assert {row["doc_id"] for row in carriers} <= known
        assert len(known) == told[token]["documents"]
        assert not {row["doc_id"] for row in rows if not re.search(pattern, row["text"])} & known
    assert told["Planet"]["share_before"] > 0.2
    assert told["Planet"]["share_after"] > 0.045  # no more is taken than the cap asks for
    assert told["Planet"]["forgone_tokens"] > 0
    assert told["ZEBRA"] == {
        "token": "ZEBRA",
        "max_share": 0.5,
        "share_before": 0.0,
        "share_after": 0.0,
        "documents": 0,
        "forgone_tokens": 0,
    }
    drawn, wanted = summary["plan"]["tokens"], sum(row["tokens_before"] for row in summary["domains"])
    assert abs(drawn - wanted) < 400  # the budget is held
    assert main(["show", str(run_dir)]) == 0
    assert re.search(r"Planet +\d+ +2\d\.\d+% +5\.000% +4\.\d+%", capsys.readouterr().out)


def test_another_share_reads_no_text_again_and_a_loose_one_changes_nothing(finished):
    path, run_dir, _ = finished
    loose = load_job(path, [f"sampling.token_caps.{k}.max_share=0.99" for k in range(3)])
    assert carriers.settings(loose) == carriers.settings(load_job(path))
    assert carriers.settings(load_job(path, ["sampling.token_caps.0.token=comet"])) != carriers.settings(loose)
    plans = [make_plan(Unwritten(str(run_dir)), one) for one in (loose, load_job(path, ["sampling.token_caps=[]"]))]
    assert plans[0].parts == plans[1].parts
    assert "token_caps" not in plans[1].stats


def too_low(run_dir):
    file = run_dir / "job.yaml"
    file.write_text(file.read_text().replace("max_share: 0.05", "max_share: 0.01"))


def dropped(run_dir):
    file = next(file for file in parts_of(run_dir, "carriers") if pq.read_table(file).num_rows)
    edit(file, lambda columns: [values.pop() for values in columns.values()])


def exchanged(run_dir):
    """Another document is listed in place of one; all counts stay."""

    def change(columns):
        ids = columns["doc_id"]
        place = next(i for i, n in enumerate(ids) if n > 12 and n - 1 not in ids)  # 10 and 11 are copies
        ids[place] -= 1

    edit(parts_of(run_dir, "carriers")[0], change)


def other_token(run_dir):
    file = next(file for file in parts_of(run_dir, "carriers") if pq.read_table(file).num_rows)
    edit(file, lambda columns: columns["tokens"].__setitem__(0, 8))


@pytest.mark.parametrize(
    ("damage", "wanted"),
    [
        (too_low, r"schedule: \d+ of \d+ draws carry 'Planet', more than its max_share 0\.01"),
        (dropped, r"carriers/_done\.json: counts .* carriers, and the tables have"),
        (exchanged, r"does not list the documents that carry the capped tokens"),
        (other_token, r"a document carries no token, or one that the job does not cap"),
    ],
)
def test_damage_is_found_although_all_hashes_agree(finished, tmp_path, damage, wanted):
    _, run_dir, _ = finished
    target = tmp_path / "run"
    shutil.copytree(run_dir, target)
    (target / "job.yaml").write_text((target / "job.yaml").read_text().replace(str(run_dir), str(target)))
    damage(target)
    sign(target)
    found = faults(target)
    assert any(re.search(wanted, fault) for fault in found), found


def test_a_sweep_over_the_share_of_a_token_agrees_with_the_run(finished, capsys):
    path, run_dir, _ = finished
    summary = json.loads((run_dir / "report/summary.json").read_text())
    rows = swept(path, "sampling.token_caps.0.max_share=0.01,0.05,0.99").rows
    unique = [row.figures.unique_share * sum(found["tokens_before"] for found in summary["domains"]) for row in rows]
    assert unique[1] == pytest.approx(summary["plan"]["unique_tokens"], rel=0.02)
    assert rows[1].figures.gini[1] == pytest.approx(summary["balance"]["gini"]["after"], abs=0.02)
    assert unique[0] < unique[1] < unique[2]
    assert main(["plan", path, "--sweep", "sampling.token_caps.0.token=comet,planet"]) == 0
    assert "has not looked for the tokens" in " ".join(capsys.readouterr().out.split())
