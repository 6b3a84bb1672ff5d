"""The audit on corpora in which something was planted: it is found, nothing else is, and a run goes on from there."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curation.cli import main
from curation.job_file import load_job
from curation.pipeline import audit_job
from curation.progress import Reporter
from curation.stages.languages import LANGUAGES
from curation.stages.near_duplicates import NEAR_DUPLICATES
from curation.stages.salience import SALIENCE
from curation.storage.store import Store
from curation.verify.audit import check_audit
from tests.audit.planted import MANY, planted
from tests.corpus import ONE_WORKER
from tests.test_pipeline import faults, run, worked

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("ray_session")]

#: What is planted in a small corpus, and what has to be told of it.
SMALL = {"name": 0.1, "copies": 0.07, "german": 0.004, "many": 900, "even": 60}
PLANTED = {
    ("unbalanced", "domains"),
    ("salient_token", "zendaria quell"),
    ("duplicates", "exact copies"),
    ("near_duplicates", "near-duplicates"),
    ("low_share", "de"),
}


def audit(path, *overrides):
    return audit_job(load_job(path, [*ONE_WORKER, *overrides]), Reporter(io.StringIO()))


def flagged(found):
    """What is told, but for junk clusters, which the texts bring along."""
    return {(one["kind"], one["subject"]) for one in found["findings"] if one["kind"] != "junk_cluster"}


@pytest.fixture(scope="module")
def audited(tmp_path_factory, ray_session):
    """An audited corpus with everything planted: (job file, counts, what was found)."""
    path, counts = planted(tmp_path_factory.mktemp("planted"), **SMALL)
    return path, counts, audit(path)


def test_what_is_planted_is_found_and_nothing_else(audited):
    path, counts, found = audited
    assert flagged(found) == PLANTED
    run_dir = load_job(path, []).run_dir
    assert json.loads(Store.open(run_dir).read_bytes("report/audit.json")) == found
    assert found["duplicates"]["dropped"] == counts["copies"]
    assert counts["near"] <= found["near_duplicates"]["repeating"] < 1.3 * counts["near"]
    assert found["near_duplicates"]["of"] == counts["documents"] - counts["copies"]
    name = found["salience"][0]
    assert name["token"] == "zendaria quell"
    assert name["share"] == pytest.approx(SMALL["name"], abs=0.03)
    german = {row["language"]: row["documents"] for row in found["languages"]}["de"]
    assert counts["german"] <= german <= counts["german"] + 2


def test_the_command_prints_the_findings(audited, capsys):
    path, _, found = audited
    assert main(["audit", path, *(part for value in ONE_WORKER for part in ("--set", value))]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    for finding in found["findings"]:
        assert " ".join(finding["words"].split()) in printed
    for title in ("What is in the corpus", "Domains, by tokens", "Clusters:", "Languages", "near-duplicates"):
        assert title in printed


def test_a_run_goes_on_from_an_audit_and_embeds_nothing_again(audited):
    path, _, found = audited
    whole = ["audit.near_duplicates=true", "audit.salience=true"]
    assert worked(run(path, *whole)) == ["profiles", "carriers", "learned", "plan", "shards", "report", "record"]
    run_dir = load_job(path, []).run_dir
    store = Store.open(run_dir)
    assert faults(run_dir) == []
    check_damage(store, load_job(path, whole))
    summary = store.read_json("report/summary.json")
    assert flagged(summary) >= PLANTED
    for row, before in zip(summary["languages"], found["languages"], strict=True):
        assert row | {"share_after": None} == before
    assert sum(row["share_after"] for row in summary["languages"]) == pytest.approx(1.0)
    assert share_of_german_draws(run_dir) == pytest.approx(
        {row["language"]: row["share_after"] for row in summary["languages"]}["de"]
    )
    events = run(path, "audit.languages=false")
    assert worked(events) == ["near_duplicates", "languages", "salience", "report", "record"]
    summary = store.read_json("report/summary.json")
    assert not {"languages", "near_duplicates", "salience"} & set(summary)
    assert store.list("near_duplicates").keys() == {f"near_duplicates/_{name}.json" for name in ("started", "done")}


def share_of_german_draws(run_dir):
    """The share of German documents among the draws, by the shards; all documents are in the sample."""
    languages = pq.read_table(f"{run_dir}/languages/languages.parquet").to_pydict()
    german = [doc for doc, code in zip(languages["doc_id"], languages["language"], strict=True) if code == "de"]
    drawn = pq.read_table(f"{run_dir}/schedule")["doc_id"].to_numpy()
    return np.isin(drawn, german).mean()


def check_damage(store, job):
    """Verify sees tables that don't say what they should, although they can be read."""
    for name, column, change, fault in (
        (LANGUAGES, "doc_id", lambda ids: [*ids[:-1], 10**9], "not the run's"),
        (LANGUAGES, "confidence", lambda values: [2.0, *values[1:]], "confidence"),
        (NEAR_DUPLICATES, "group", lambda groups: [0 for _ in groups], "not the groups"),
        (SALIENCE, "share", lambda shares: [0.5 for _ in shares], "not what stands out"),
    ):
        before = store.read_bytes(name)
        table = store.read_table(name)
        at = table.column_names.index(column)
        changed = pa.array(change(table[column].to_pylist()), table.schema.field(column).type)
        part = store.write_table(name, table.set_column(at, table.schema.field(column), changed))
        told = store.marker(name.partition("/")[0])
        parts = [part if each.name == name else each for each in told.parts]
        store.finish(replace(told, parts=parts))
        assert any(fault in found for found in check_audit(store, job) if found), (name, column)
        store.write_bytes(name, before)
        store.finish(told)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("rate", [0.06, 0.1, 0.25])
def test_what_is_planted_at_other_rates_is_found_and_nothing_else(tmp_path, seed, rate):
    path, _ = planted(tmp_path, seed, name=rate, copies=0.07, german=0.003, many=MANY)
    assert flagged(audit(path)) == PLANTED


@pytest.mark.slow
@pytest.mark.parametrize(
    ("what", "expected"),
    [
        ({}, set()),
        ({"name": 0.25}, {("salient_token", "zendaria quell")}),
        ({"copies": 0.07}, {("duplicates", "exact copies"), ("near_duplicates", "near-duplicates")}),
    ],
)
def test_what_is_not_planted_is_not_found(tmp_path, what, expected):
    path, _ = planted(tmp_path, 3, **what)
    assert flagged(audit(path)) == expected
