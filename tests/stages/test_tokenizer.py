"""How documents are counted, and the stage of the tokenizer with its tasks done in this process."""

from __future__ import annotations

import hashlib
import io
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curation.config import Job
from curation.errors import JobError, RunError
from curation.estimate.corpus import corpus_of
from curation.estimate.measure import _described
from curation.job_file import load_job, parse_job
from curation.pipeline import stage_fingerprint
from curation.progress import Reporter
from curation.sources.rows import NUMBER, Rows
from curation.stages import documents, sources
from curation.stages import tokenizer as stage
from curation.stages.context import Run
from curation.stages.splits import load_files, load_splits, work_items
from curation.storage.store import Marker, Store
from curation.tokenizer import Tokenizer
from tests.tokenizers_made import END, byte_level, metaspace

ENGLISH = ["the cat sat on the mat, and the dog sat on the log. " * (1 + row % 7) for row in range(60)]
OTHER = ["東京都 🐍 " * (1 + row % 5) for row in range(40)]


def rows(texts, rejected=None, **columns):
    return Rows(pa.table({"text": pa.array(texts, pa.large_string()), **columns}), rejected or {})


def job(**tokens):
    return Job.model_validate({"run_dir": "x", "sources": [{"domain": "web", "path": "a"}], "tokens": tokens})


# ---- the counts ----------------------------------------------------------------------------------------------------


def test_bytes_over_what_is_given_or_measured_or_four():
    found = rows(["x" * 10, None, "é" * 10, "y"])
    assert stage.token_counts(job(), "web", found, {}, None).tolist() == [2, 0, 5, 1]
    assert stage.token_counts(job(bytes_per_token=2.0), "web", found, {}, None).tolist() == [5, 0, 10, 1]
    measured = job(tokenizer="t.json")
    assert stage.token_counts(measured, "web", found, {"web": 2.5, "b": 1.0}, None).tolist() == [4, 0, 8, 1]


def test_by_the_tokenizer():
    texts = ["the cat sat", None, "x"]
    made = Tokenizer(byte_level(), "t", END)
    counts = stage.token_counts(job(count="model", tokenizer="t"), "web", rows(texts), {}, made)
    assert counts.tolist() == made.count(pa.array(texts)).tolist()
    assert counts.dtype == np.int32
    nothing = Tokenizer(metaspace(), "t")
    assert stage.token_counts(job(count="model", tokenizer="t"), "web", rows(["\u200b"]), {}, nothing).min() >= 1


def test_by_a_column_and_rows_without_a_number_are_bad():
    numbers = [3.0, None, 0.0, -1.0, 2.5, 2.0**31, 2.0**31 - 1, 7.0, float("nan")]
    texts = ["text"] * 7 + [None, "text"]
    found = rows(texts, {7: "no text"}, **{NUMBER + "n": pa.array(numbers)})
    usable = stage.reject_uncounted(found, "n")
    assert sorted(usable.rejected) == [1, 2, 3, 4, 5, 7, 8]
    assert usable.rejected[7] == "no text"  # the first reason stays
    assert usable.rejected[1] == "no whole number of tokens from 1 to 2147483647 under 'n'"
    assert usable.table["text"].is_valid().to_pylist() == [row in (0, 6) for row in range(9)]
    counts = stage.token_counts(job(count="column", column="n"), "web", usable, {}, None)
    assert counts.tolist() == [3, 0, 0, 0, 0, 0, 2**31 - 1, 0, 0]
    assert stage.reject_uncounted(found, None) is found


# ---- the job file --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        ({"count": "model"}, "tokens.count is model, which needs tokens.tokenizer"),
        ({"count": "column"}, "which needs tokens.column"),
        ({"column": "n"}, "tokens.column is not used, since tokens.count is approximate"),
        ({"count": "model", "tokenizer": "t", "column": "n"}, "tokens.column is not used"),
        ({"count": "model", "tokenizer": "t", "bytes_per_token": 4}, "tokens.bytes_per_token is not used"),
        ({"count": "column", "column": "n", "bytes_per_token": 4}, "tokens.bytes_per_token is not used"),
        ({"tokenizer": "t", "bytes_per_token": 4}, "tokens.tokenizer is not used, since tokens.bytes_per_token is"),
        ({"count": "column", "column": "n", "tokenizer": "t"}, "tokens.tokenizer is not used, since tokens.count is"),
        ({"tokenizer": "t", "end_of_document": "e"}, "tokens.end_of_document is not used"),
        ({"count": "model", "tokenizer": "s3://KEY:SECRET@bucket/t"}, "must not hold credentials"),
        ({"count": "some"}, "tokens.count"),
    ],
)
def test_what_is_named_and_not_used_or_not_named_is_told(tokens, message):
    with pytest.raises(JobError, match=message):
        parse_job({"run_dir": "x", "sources": [{"domain": "web", "path": "a"}], "tokens": tokens}, "job.yaml")


@pytest.mark.parametrize(
    ("tokens", "fault"),
    [
        ({}, "output.format is megatron, which needs tokens.tokenizer"),
        ({"tokenizer": "t", "bytes_per_token": 3.5, "end_of_document": "e"}, None),
        ({"tokenizer": "t", "count": "column", "column": "n"}, None),
        ({"tokenizer": "t", "count": "model", "end_of_document": "e"}, None),
    ],
)
def test_token_files_use_the_tokenizer_however_tokens_are_counted(tokens, fault):
    found = type(job().tokens)(**tokens).fault("megatron")
    assert (found is None) if fault is None else (fault in found)


# ---- the stage, without Ray ----------------------------------------------------------------------------------------


def in_this_process(items, work, *shared, **_):
    for item in items:
        yield item, work(item, *shared)


@pytest.fixture
def corpus(tmp_path, monkeypatch):
    """A job file with a domain of each format, `n` with the tokens; tasks are done in this process."""
    for module in (stage, sources):
        monkeypatch.setattr(module, "map_items", in_this_process)
    monkeypatch.setattr(sources, "check_model", lambda job: None)
    pq.write_table(pa.table({"text": ENGLISH, "n": np.arange(1, 61)}), tmp_path / "english.parquet")
    (tmp_path / "other.jsonl").write_text("".join(json.dumps({"text": text, "n": 7}) + "\n" for text in OTHER))
    (tmp_path / "tokenizer.json").write_bytes(byte_level())
    path = tmp_path / "job.yaml"
    path.write_text(
        f"run_dir: {tmp_path / 'run'}\nsources:\n"
        f"  - {{domain: english, path: {tmp_path}/english.parquet}}\n"
        f"  - {{domain: other, path: {tmp_path}/other.jsonl}}\n"
    )
    return tmp_path


def a_run(folder, *overrides):
    told = io.StringIO()
    loaded = load_job(str(folder / "job.yaml"), list(overrides))
    return Run(loaded, Store.open(loaded.run_dir), Reporter(told)), told


def done(run, *stages):
    """Does stages and their markers, as the pipeline would: (marker of the last one, whether it had to be done)."""
    made, marker, worked = {}, None, True
    for one in stages:
        wanted = stage_fingerprint(one, run.job, made)
        marker = run.store.done(one.name, wanted)
        worked = marker is None or bool(one.outdated and one.outdated(run))
        if worked:
            run.store.begin(one.name, one.folders, wanted)
            result = one.work(run)
            marker = Marker(one.name, wanted, result.parts, result.stats)
            run.store.finish(marker)
        made[one.name] = marker
    return marker, worked


def described(run):
    """The `documents` of all splits, by the function that tasks call."""
    files, marker = load_files(run.store), run.store.marker("tokenizer")
    receipts = []
    for item in work_items(load_splits(run.store), files, 10**6):
        receipts += documents.describe(run.store, run.job, item, {"english": 0.0, "other": 0.0}, marker.stats)
    table = pa.concat_tables(run.store.read_table(receipt.parts[-1].name) for receipt in receipts)
    assert sum(receipt.stats["tokens"] for receipt in receipts) == sum(table["tokens"].to_pylist())
    return table


def by_hand(end=None):
    return Tokenizer(byte_level(), "t", end).count(pa.array(ENGLISH + OTHER)).tolist()


def test_each_document_is_counted_by_the_copy_in_the_run(corpus):
    model = ["tokens.count=model", f"tokens.tokenizer={corpus}", f"tokens.end_of_document={END}"]
    run, _ = a_run(corpus, *model)
    marker, _ = done(run, sources.STAGE, stage.STAGE)
    assert marker.stats["sha256"] == hashlib.sha256(byte_level()).hexdigest()
    assert [part.name for part in marker.parts] == [stage.COPY]
    (corpus / "tokenizer.json").unlink()  # whoever counts reads the copy
    assert described(run)["tokens"].to_pylist() == by_hand(END)
    again, worked = done(run, sources.STAGE, stage.STAGE)
    assert (again.digest, worked) == (marker.digest, False)


def test_a_file_that_changed_is_counted_with_again_and_the_same_one_elsewhere_is_not(corpus):
    run, told = a_run(corpus, "tokens.count=model", f"tokens.tokenizer={corpus}/tokenizer.json")
    first, _ = done(run, sources.STAGE, stage.STAGE)
    wanted = stage_fingerprint(documents.STAGE, run.job, {"sources": run.store.marker("sources"), "tokenizer": first})
    (corpus / "moved.json").write_bytes(byte_level())
    elsewhere, _ = a_run(corpus, "tokens.count=model", f"tokens.tokenizer={corpus}/moved.json")
    moved, _ = done(elsewhere, sources.STAGE, stage.STAGE)
    made = {"sources": run.store.marker("sources"), "tokenizer": moved}
    assert stage_fingerprint(documents.STAGE, elsewhere.job, made) == wanted
    done(run, sources.STAGE, stage.STAGE)
    (corpus / "tokenizer.json").write_bytes(metaspace())
    changed, worked = done(run, sources.STAGE, stage.STAGE)
    assert worked
    assert "changed since this run counted with it" in told.getvalue()
    assert changed.stats["sha256"] == hashlib.sha256(metaspace()).hexdigest()
    made["tokenizer"] = changed
    assert stage_fingerprint(documents.STAGE, run.job, made) != wanted
    expected = Tokenizer(metaspace(), "t").count(pa.array(ENGLISH + OTHER)).tolist()
    assert described(run)["tokens"].to_pylist() == expected


def test_a_ratio_is_measured_for_each_domain(corpus):
    run, _ = a_run(corpus, f"tokens.tokenizer={corpus}")
    marker, _ = done(run, sources.STAGE, stage.STAGE)
    ratios = marker.stats["bytes_per_token"]
    counted = by_hand()
    for domain, texts, tokens in (("english", ENGLISH, counted[:60]), ("other", OTHER, counted[60:])):
        size = sum(len(text.encode()) for text in texts)
        assert ratios[domain] == pytest.approx(size / sum(tokens))  # the sample is all there is
    assert ratios["english"] != pytest.approx(ratios["other"], rel=0.1)
    table = described(run)
    assert sum(table["tokens"].to_pylist()) == pytest.approx(sum(counted), rel=0.02)
    again, worked = done(run, sources.STAGE, stage.STAGE)
    assert (again.stats, worked) == (marker.stats, False)


def test_a_domain_without_text_gets_the_ratio_of_all():
    assert stage.ratio(np.array([0, 0]), np.array([30, 10])) == 3.0
    assert stage.ratio(np.array([10, 5]), np.array([30, 10])) == 2.0
    assert stage.ratio(np.array([0, 0]), np.array([0, 0])) == 4.0


def test_nothing_is_done_without_a_tokenizer(corpus):
    run, _ = a_run(corpus, "tokens.count=column", "tokens.column=n")
    marker, _ = done(run, sources.STAGE, stage.STAGE)
    assert (marker.parts, marker.stats) == ([], {})
    assert described(run)["tokens"].to_pylist() == [*range(1, 61), *[7] * 40]


def test_a_column_of_tokens_must_be_there_and_hold_numbers(corpus):
    run, _ = a_run(corpus, "tokens.count=column", "tokens.column=m")
    with pytest.raises(JobError, match=r"tokens\.column: .*english\.parquet has no column 'm'"):
        sources.STAGE.work(run)
    run, _ = a_run(corpus, "tokens.count=column", "tokens.column=text")
    with pytest.raises(JobError, match=r"tokens\.column: 'text' in .* is of type string, which is not a number"):
        sources.STAGE.work(run)


def test_a_column_may_serve_quality_and_tokens(corpus):
    run, _ = a_run(corpus, "tokens.count=column", "tokens.column=n", "quality.column=n", "quality.scale=[0, 60]")
    done(run, sources.STAGE, stage.STAGE)
    table = described(run)
    assert table["tokens"].to_pylist()[:3] == [1, 2, 3]
    assert table["quality"].to_pylist()[59] == 1.0


def test_a_copy_that_was_changed_is_not_counted_with(corpus):
    run, _ = a_run(corpus, "tokens.count=model", f"tokens.tokenizer={corpus}")
    marker, _ = done(run, sources.STAGE, stage.STAGE)
    (corpus / "run" / stage.COPY).write_bytes(metaspace())
    stage.load_tokenizer.cache_clear()
    with pytest.raises(RunError, match=r"tokenizer\.json was changed"):
        stage.load_tokenizer(run.store, marker.stats["sha256"], None)


def test_a_wrong_tokenizer_is_told_before_any_stage(corpus):
    for name in (f"{corpus}/none.json", f"{corpus}/english.parquet"):
        run, _ = a_run(corpus, "tokens.count=model", f"tokens.tokenizer={name}")
        with pytest.raises(JobError, match=r"tokens\.tokenizer"):
            stage.STAGE.precheck(run)


def test_columns_that_are_read_for_numbers_are_named_by_their_keys():
    both = job(count="column", column="n").model_copy()
    assert both.number_columns == {"n": "tokens.column"}
    assert job().number_columns == {}


# ---- the estimate --------------------------------------------------------------------------------------------------


@pytest.fixture
def sampled(corpus, monkeypatch):
    monkeypatch.setattr("curation.estimate.corpus.read_apart", lambda work, files: map(work, files))
    return corpus


@pytest.mark.parametrize("overrides", [["tokens.count=model"], []], ids=["model", "measured"])
def test_the_estimate_counts_as_the_job_does(sampled, overrides):
    loaded = load_job(str(sampled / "job.yaml"), [*overrides, f"tokens.tokenizer={sampled}"])
    found = corpus_of(loaded)
    counted = by_hand()
    assert [domain.tokens for domain in found.domains] == pytest.approx([sum(counted[:60]), sum(counted[60:])])
    assert found.tokens == pytest.approx(sum(counted))
    table = _described(loaded, ENGLISH)
    assert table.num_rows == 60


def test_the_estimate_reads_the_column(sampled):
    loaded = load_job(str(sampled / "job.yaml"), ["tokens.count=column", "tokens.column=n"])
    assert [domain.tokens for domain in corpus_of(loaded).domains] == pytest.approx([1830, 280])
    assert _described(loaded, ENGLISH).num_rows == 60


def test_bytes_over_a_ratio_is_what_the_estimate_always_did(sampled):
    found = corpus_of(load_job(str(sampled / "job.yaml"), ["tokens.bytes_per_token=2"]))
    assert found.tokens == pytest.approx(found.text_bytes / 2)
