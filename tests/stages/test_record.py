"""The record of a whole run: of its schema, every number equal to the tables', and a page on which texts stay texts."""

from __future__ import annotations

import hashlib
import json
from collections import Counter

import jsonschema
import numpy as np
import pyarrow.parquet as pq
import pytest
from markdown_it import MarkdownIt

from curation.pipeline import BEFORE_RECORD
from curation.report.record import decisions
from curation.report.record.ai_act import ai_act_map
from curation.report.record.answers import Answers
from curation.report.record.build import built
from curation.report.record.model import content_hash, open_pointers, record_schema, resolved
from curation.report.record.model import fault_of as schema_fault
from curation.report.record.page import record_page
from curation.stages.record import MAP, PAGE, gather
from curation.storage.store import Store
from curation.verify.files import read_job
from tests.report.made import HOSTILE
from tests.stages.recorded import REASON, copied, record_of, table
from tests.test_pipeline import faults

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("ray_session")]

PARSER = MarkdownIt("commonmark").enable("table")


def test_the_record_is_of_its_schema_and_verify_agrees(recorded):
    _, run_dir = recorded
    record, schema = record_of(run_dir), record_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(record)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(schema).validate(record | {"audit": None})
    assert record["made"]["content_sha256"] == content_hash(record)
    assert faults(run_dir) == []


def test_counts_of_sources_and_clusters_are_those_of_the_tables(recorded):
    _, run_dir = recorded
    record = record_of(run_dir)
    documents = {row["doc_id"]: row for row in table(run_dir, "documents")}
    dropped = {row["doc_id"] for row in table(run_dir, "duplicates")}
    cluster = {row["doc_id"]: row["cluster"] for row in table(run_dir, "assignments")}
    files = pq.read_table(run_dir / "sources/sources.parquet").to_pylist()
    shards = [row for file in (run_dir / "shards").glob("shard-*.parquet") for row in pq.read_table(file).to_pylist()]
    held = {
        row["doc_id"] for f in (run_dir / "shards/validation").glob("*.parquet") for row in pq.read_table(f).to_pylist()
    }
    drawn = Counter(row["doc_id"] for row in shards)
    assert len(held) > 10
    assert sum(drawn.values()) > len(drawn) > 200

    def amount(ids):
        listed = list(ids)
        return {"documents": len(listed), "tokens": sum(documents[doc_id]["tokens"] for doc_id in listed)}

    used = sum(documents[row["doc_id"]]["tokens"] for row in shards)
    for source in record["sources"]:
        own = [file for file in files if file["source"] == source["number"]]
        ids = [i for file in own for i in range(file["first_doc_id"], file["first_doc_id"] + file["rows"])]
        readable = [i for i in ids if documents[i]["keep"]]
        assert (source["files"], source["bytes"]) == (len(own), sum(file["bytes"] for file in own))
        assert (source["rows"], source["rejected"]) == (len(ids), len(ids) - len(readable))
        assert source["available"] == amount(readable)
        assert source["kept"] == amount(i for i in readable if i not in dropped)
        assert source["validation"] == amount(i for i in ids if i in held)
        assert source["unique_used"] == amount(i for i in ids if i in drawn)
        repeats = amount(i for i in ids for _ in range(drawn[i]))
        assert source["used_with_repeats"] == repeats
        assert source["share_used"] == pytest.approx(repeats["tokens"] / used)
        assert source["large"] == (repeats["tokens"] / used > 0.03)
    assert sum(source["rejected"] for source in record["sources"]) == 3

    for row, told in zip(record["sampling"]["clusters"], record["clustering"]["clusters"], strict=True):
        everyone = [i for i, number in cluster.items() if number == row["cluster"]]
        mine = [i for i in everyone if i not in held]
        assert told["documents"] == len(everyone)
        assert told["tokens"] == amount(everyone)["tokens"]
        assert (row["documents"], row["tokens"]) == tuple(amount(mine).values())
        assert row["realised_tokens"] == amount(i for i in mine for _ in range(drawn[i]))["tokens"]
        assert row["used_documents"] == sum(i in drawn for i in mine)
        assert row["never_used_documents"] == len(mine) - row["used_documents"]
        assert row["most_uses"] == max((drawn[i] for i in mine), default=0) <= 3
        assert row["realised_share"] == pytest.approx(row["realised_tokens"] / used)
    assert sum(row["target_tokens"] for row in record["sampling"]["clusters"]) == pytest.approx(used, rel=0.01)

    uses = Counter(drawn[i] for i in cluster if i not in held)
    assert record["sampling"]["uses"] == [uses[n] for n in range(max(uses) + 1)]
    coverage = record["audit"]["coverage"]
    assert (coverage["documents"], coverage["used_documents"]) == (sum(uses.values()), len(drawn))
    assert coverage["unique_tokens"] == amount(drawn)["tokens"]
    assert (coverage["drawn_tokens"], record["sampling"]["draws"]) == (used, len(shards))


def test_counts_of_removals_quality_steps_and_files_are_those_of_the_tables(recorded):
    _, run_dir = recorded
    record = record_of(run_dir)
    rejected = Counter(row["reason"] for row in table(run_dir, "rejected"))
    documents = {row["doc_id"]: row for row in table(run_dir, "documents")}
    copies = sorted(row["doc_id"] for row in table(run_dir, "duplicates"))
    told = {(row["step"], row["reason"]): row for row in record["removals"]}
    assert {reason: row["documents"] for (step, reason), row in told.items() if step == "documents"} == rejected
    assert sum(rejected.values()) == 3 > len(rejected)
    copy = told["duplicates", "copy of an earlier document"]
    tokens = sum(documents[doc_id]["tokens"] for doc_id in copies)
    assert (copy["documents"], copy["tokens"], copy["examples"]) == (len(copies), tokens, copies)
    cells = pq.read_table(run_dir / "allocation/allocation.parquet").to_pylist()
    out = [row for row in cells if row["left_out"]]
    row = told["plan", f"left out by the job: {REASON}"]
    assert (row["documents"], row["tokens"]) == (out[0]["available_documents"], out[0]["available_tokens"])
    assert record["dedup"]["removed"] == len(copies)

    kept = {row["doc_id"] for row in table(run_dir, "assignments")}
    tenths = Counter(min(9, int(documents[i]["quality"] * 10)) for i in kept if documents[i]["quality"] is not None)
    assert [row["documents"] for row in record["quality"]["deciles"]] == [tenths[n] for n in range(10)]
    assert record["quality"]["without"] == len(kept) - sum(tenths.values()) > 0
    assert sum(row["draws"] for row in record["quality"]["deciles"]) < record["sampling"]["draws"]

    assert [step["name"] for step in record["steps"]][-2:] == ["shards", "report"]
    for step in record["steps"]:
        marker = json.loads((run_dir / step["name"] / "_done.json").read_text())
        files = [run_dir / part["name"] for part in marker["parts"]]
        assert (step["files"], step["bytes"]) == (len(files), sum(file.stat().st_size for file in files))
        assert all(marker["stats"][name] == value for name, value in step["counts"].items())
        assert step["what"]
    for file in record["outputs"]["files"]:
        data = (run_dir / "shards" / file["file"]).read_bytes()
        assert (file["bytes"], file["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
    listed = {file["file"] for file in record["outputs"]["files"]}
    shards = run_dir / "shards"
    there = {str(file.relative_to(shards)) for file in shards.rglob("*") if file.is_file() and file.name[0] != "_"}
    assert listed == there


def test_measures_before_and_after_are_those_of_the_tables(recorded):
    _, run_dir = recorded
    record = record_of(run_dir)
    documents = {row["doc_id"]: row for row in table(run_dir, "documents")}
    assigned = table(run_dir, "assignments")
    shards = [row for file in (run_dir / "shards").glob("shard-*.parquet") for row in pq.read_table(file).to_pylist()]
    held = {
        row["doc_id"] for f in (run_dir / "shards/validation").glob("*.parquet") for row in pq.read_table(f).to_pylist()
    }
    before, after, domains = Counter(), Counter(), {}
    for row in assigned:
        if row["doc_id"] not in held:
            document = documents[row["doc_id"]]
            before[row["cluster"]] += document["tokens"]
            domains.setdefault(document["domain"], Counter()).update(documents=1, before=document["tokens"])
    for row in shards:
        after[row["cluster"]] += documents[row["doc_id"]]["tokens"]
        domains[row["domain"]]["after"] += documents[row["doc_id"]]["tokens"]
    for when, sizes in (("before", before), ("after", after)):
        x = np.array(sorted(sizes.values()), float)
        pairs = np.abs(x[:, None] - x[None, :]).sum() / (2 * len(x) ** 2 * x.mean())
        share = x / x.sum()
        assert record["audit"]["balance"]["gini"][when] == pytest.approx(pairs)
        wanted = np.exp(-(share * np.log(share)).sum())
        assert record["audit"]["balance"]["effective_clusters"][when] == pytest.approx(wanted)
    for row in record["audit"]["domains"]:
        own = domains[row["domain"]]
        told = (row["documents"], row["tokens_before"], row["tokens_after"])
        assert told == (own["documents"], own["before"], own["after"])
        assert row["share_after"] == pytest.approx(own["after"] / sum(after.values()))
    [phase] = record["sampling"]["phases"]
    assert (phase["tokens"], phase["draws"]) == (sum(after.values()), len(shards))
    assert phase["domain_weights"] == pytest.approx(
        {name: own["after"] / phase["tokens"] for name, own in domains.items()}
    )
    assert record["sampling"]["validation"]["documents"] == len(held)

    fit, figures = record["clustering"]["fit"], record["clustering"]["figures"]
    similarity = np.array([row["similarity"] for row in assigned], float)
    second = np.array([row["second_similarity"] for row in assigned], float)
    sizes = sorted(Counter(row["cluster"] for row in assigned).values())
    assert figures["mean_similarity"] == pytest.approx(similarity.mean(), abs=1e-6)
    silhouette = (similarity - second) / np.maximum(1 - similarity, 1 - second)
    assert figures["coherence"] == pytest.approx(silhouette.mean(), abs=1e-3)
    assert (figures["smallest"], figures["largest"], figures["clusters"]) == (sizes[0], sizes[-1], len(sizes))
    with np.load(run_dir / "centroids/centroids.npz") as state:
        assert len(state["objective"]) == len(fit["inertia"])
        assert int(state["iteration"]) == fit["iterations"]
        assert bool(state["converged"]) == fit["converged"]
    assert record["clustering"]["encoder"]["documents"] == len(assigned)


def test_every_pointer_of_the_map_resolves_and_what_is_open_is_listed(recorded):
    _, run_dir = recorded
    record, law = record_of(run_dir), json.loads((run_dir / MAP).read_text())
    items = {(item["law"].partition(",")[0], item["item"]) for item in law["items"]}
    assert {f"(2)({letter})" for letter in "abcdefgh"} | {"(3)", "(4)"} <= {item for _, item in items}
    assert {"1.1", "1.2", "1.3", "2.1", "2.2.1", "2.2.2", "2.3", "2.4", "2.5", "2.6", "3.1", "3.2", "3.3"} <= {
        item for _, item in items
    }
    for item in law["items"]:
        for path in item["pointers"]:
            resolved(record, path)
        assert all(resolved(record, path) == "TO BE PROVIDED" for path in item["open"])
    assert law["open"] == record["open"] == open_pointers({key: record[key] for key in record if key != "open"})
    reached = {path for item in law["items"] for path in item["open"]}
    assert set(record["open"]) == reached, "every question serves some item"
    assert "/sources/0/licence" not in record["open"]
    assert "/sources/1/licence" in record["open"]
    assert "not legal advice" in law["notice"]


def test_what_an_audit_found_is_taken_over(recorded, tmp_path):
    target = copied(recorded[1], tmp_path)
    store = Store.open(str(target))
    finding = {"kind": "low_share", "subject_kind": "language", "subject": "nl", "value": 0.003, "low": 0.002}
    finding |= {"high": 0.004, "threshold": 0.005, "verdict": "flag", "words": "Dutch has 0.3 % of the documents."}
    language = {
        "language": "nl",
        "documents": 3,
        "share_before": 0.003,
        "low": 0.002,
        "high": 0.004,
        "share_after": 0.1,
    }
    found = {
        "findings": [finding],
        "findings_clear": 7,
        "languages": [language],
        "near_duplicates": {"groups": 1, "documents": 2, "rate": 0.01, "largest": [{"group": 5, "documents": 2}]},
        "salience": [{"token": "celebrity", "documents": 50, "share": 0.1}],
        "token_caps": [{"token": "celebrity", "max_share": 0.05, "share_before": 0.1, "share_after": 0.05}],
    }
    store.write_json("report/summary.json", store.read_json("report/summary.json") | found)
    record = built(gather(store, read_job(store), BEFORE_RECORD, Answers()))
    whole = record | {"made": record_of(target)["made"]}
    assert schema_fault(whole) is None
    assert (record["findings"], record["findings_clear"]) == ([finding], 7)
    assert record["languages"] == {"declared": [], "measured": True, "rows": [language]}
    assert record["dedup"]["near"] == found["near_duplicates"]
    assert (record["audit"]["salience"], record["sampling"]["token_caps"]) == (found["salience"], found["token_caps"])
    assert not [text for text in record["limits"] if "were not looked for" in text]
    assert "Dutch has 0.3 % of the documents." in record_page(whole, ai_act_map(whole))
    [line] = [line for line in decisions.found(record, "1") if line["stage"] == "report"]
    assert line["decision"] == "flag: low_share of language nl"


def test_the_page_tells_it(recorded):
    _, run_dir = recorded
    page, record = (run_dir / PAGE).read_text(), record_of(run_dir)
    assert "not legal advice" in page
    assert f"{record['outputs']['rows']:,} rows" in page
    assert "three is what we could defend" in page
    shown = REASON.replace("|", "\\|")
    assert f"left out by the job: {shown}" in page


#: Texts of ours, which no source, job or answer decides.
OURS = ("notice", "why", "algorithm", "method", "kept_which", "precision", "order", "notes")


def haunted(value, name, key=""):
    """A record in which every text that may come from outside is another one."""
    if isinstance(value, dict):
        return {part: haunted(inner, name, part) for part, inner in value.items()}
    if isinstance(value, list):
        return [haunted(inner, name, key) for inner in value]
    return name if isinstance(value, str) and key not in OURS else value


@pytest.mark.parametrize("name", HOSTILE)
def test_whatever_stands_in_the_record_stays_text_on_the_page(recorded, name):
    record = haunted(record_of(recorded[1]), name)
    record["findings"] = [{"verdict": name, "subject": name, "words": name}]
    record["dedup"]["near"] = {name: name}
    blocks = PARSER.parse(record_page(record, ai_act_map(record)))
    inline = [child for block in blocks for child in block.children or []]
    assert {child.type for child in inline} <= {"text", "code_inline", "softbreak", "strong_open", "strong_close"}
    assert not [block for block in blocks if block.type == "html_block"]
    assert [block.tag for block in blocks if block.type == "heading_open"] == ["h1", *["h2"] * 16]
