"""The model: properties that hold whatever the rates are."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.estimate.cluster import Cluster
from curation.estimate.profiles import NAMES, WRITTEN, Network, Reading, profile_rates
from curation.estimate.stages import stage_times
from curation.estimate.work import Work
from curation.pipeline import STAGES

WORK = Work(
    files=40,
    bytes=3e10,
    documents=1e7,
    text_bytes=3e10,
    splits=500.0,
    encoder="sentence-transformers",
    dimensions=384,
    clusters=500,
    fit_rows=1e7,
    iterations=30,
    restarts=1,
    drawn_bytes=3e10,
    format="parquet",
    shard_bytes=1.2e10,
    spill_bytes=1.8e10,
)
FORMATS = list(WRITTEN)
READING = Reading(Network(6, 384, 1536), 200, 256, 3000)

EMBEDDINGS = [stage.name for stage in STAGES].index("embeddings")

works = st.builds(
    replace,
    st.just(WORK),
    files=st.integers(1, 1000),
    bytes=st.floats(1, 1e13),
    documents=st.floats(1, 1e9),
    text_bytes=st.floats(1, 1e13),
    splits=st.floats(1, 1e5),
    encoder=st.sampled_from(["sentence-transformers", "lexical", "given"]),
    clusters=st.integers(1, 100_000),
    fit_rows=st.floats(1, 1e9),
    restarts=st.integers(1, 5),
    drawn_bytes=st.floats(0, 1e13),
    format=st.sampled_from(FORMATS),
    prefixes=st.integers(0, 20),
    searched_bytes=st.floats(0, 1e13),
    phases=st.integers(1, 3),
    weighs_texts=st.booleans(),
    tokenizer=st.booleans(),
    near_duplicates=st.booleans(),
    languages=st.booleans(),
    salience=st.booleans(),
    capped=st.integers(0, 32),
    within=st.sampled_from(["none", "domain", "language"]),
    resampled=st.booleans(),
    chosen=st.booleans(),
    cut=st.integers(0, 500),
)
rates = st.builds(
    profile_rates,
    st.sampled_from(NAMES),
    st.just(READING),
    st.integers(1, 5000),
    st.just(384),
    st.sampled_from(FORMATS),
)


def on(cpu_nodes=3, gpu_nodes=2):
    return Cluster(cpu_nodes, gpu_nodes, 16, 32, 4)


def total(times):
    return sum(time.seconds for time in times)


def test_has_every_stage_of_the_pipeline_in_its_order():
    times = stage_times(WORK, profile_rates("cpu", READING, 500, 384), on())
    assert [time.stage for time in times] == [stage.name for stage in STAGES]


@given(works, rates, st.integers(0, 50), st.integers(1, 50), st.integers(0, 20), st.integers(0, 20))
def test_no_stage_is_slower_on_more_nodes(work, rates, cpu_nodes, gpu_nodes, more_cpu, more_gpu):
    fewer = stage_times(work, rates, on(max(1, cpu_nodes), gpu_nodes))
    more = stage_times(work, rates, on(max(1, cpu_nodes) + more_cpu, gpu_nodes + more_gpu))
    for before, after in zip(fewer, more, strict=True):
        assert after.seconds <= before.seconds * (1 + 1e-9)


@given(works, rates)
def test_the_range_holds_the_middle(work, rates):
    for time in stage_times(work, rates, on()):
        assert 0 < time.low <= time.seconds <= time.high


@given(rates, st.sampled_from(["sentence-transformers", "lexical", "given"]))
def test_twice_the_corpus_is_twice_the_work_and_the_same_start(rates, encoder):
    sizes = ("bytes", "documents", "text_bytes", "splits", "fit_rows", "drawn_bytes", "shard_bytes", "spill_bytes")
    work = replace(WORK, encoder=encoder)
    double = replace(work, **{name: 2 * getattr(work, name) for name in sizes})
    for once, twice in zip(stage_times(work, rates, on()), stage_times(double, rates, on()), strict=True):
        assert twice.fixed == once.fixed
        # The pieces that work comes in are up to twice as many too, so more slots can share it.
        if once.stage in {"duplicates", "repeats"}:  # each bucket's task reads all hashes
            assert twice.work > 2 * once.work
        else:
            assert twice.work == pytest.approx(2 * once.work)
        assert once.serial <= twice.serial <= 2 * once.serial * (1 + 1e-9)
        if once.stage not in {"centroids", "encoder"}:
            assert twice.disk == pytest.approx(2 * once.disk, rel=0.3)


def test_a_job_of_one_document_takes_what_starting_takes():
    small = replace(
        WORK, files=1, bytes=1, documents=1, text_bytes=1, splits=1.0, clusters=1, fit_rows=1, drawn_bytes=1
    )
    times = stage_times(small, profile_rates("cpu", READING, 1, 384), on())
    assert total(times) == pytest.approx(sum(time.fixed for time in times), rel=0.1)


def test_gpu_hours_are_those_of_the_stages_that_hold_gpus():
    times = stage_times(WORK, profile_rates("h100", READING, 500, 384), on())
    held = {time.stage: time.gpu_hours for time in times if time.gpu_hours}
    assert set(held) == {"embeddings", "centroids"}
    by_name = {time.stage: time for time in times}
    assert held["embeddings"] == pytest.approx(8 * by_name["embeddings"].seconds / 3600)
    assert not any(time.gpu_hours for time in stage_times(WORK, profile_rates("cpu", READING, 500, 384), on(3, 0)))


def test_the_slower_of_gpu_and_tokenizer_sets_the_pace():
    rates = profile_rates("h100", READING, 500, 384)
    by_gpu = stage_times(WORK, replace(rates, tokenised_documents=1e12), on())[EMBEDDINGS]
    by_tokenizer = stage_times(WORK, replace(rates, encoded_documents=1e12), on())[EMBEDDINGS]
    both = stage_times(WORK, rates, on())[EMBEDDINGS]
    assert both.seconds == pytest.approx(max(by_gpu.seconds, by_tokenizer.seconds), rel=1e-3)
    assert "GPUs" in by_gpu.note
    assert "tokenizer" in by_tokenizer.note


@pytest.mark.parametrize("limits", [{"tasks": 4.0}, {"actors": 1.0}])
def test_limits_of_the_job_file_hold(limits):
    rates = profile_rates("cpu", READING, 500, 384)
    free, held = (stage_times(replace(WORK, **more), rates, on()) for more in ({}, limits))
    assert total(held) > total(free)


@given(st.sampled_from(NAMES), st.integers(1, 2000))
def test_rates_are_positive_and_shorter_reading_is_faster(name, tokens):
    few, many = (profile_rates(name, replace(READING, tokens=float(n)), 100, 384) for n in (tokens, 2 * tokens))
    for field in fields(few):
        value = getattr(few, field.name)
        assert not isinstance(value, float) or value >= 0
    assert many.encoded_documents < few.encoded_documents


def test_operations_are_those_of_the_formula():
    # MiniLM at 256 tokens: 256 * 6 * (2 * (4 * 384^2 + 2 * 384 * 1536) + 4 * 256 * 384)
    assert Network(6, 384, 1536).operations(256) == 6_039_797_760
    whole = Reading(Network(6, 384, 1536), 512, 256, 4000)
    assert whole.operations == 2 * 6_039_797_760


def shards_of(job_format, rates=None, **more):
    rates = rates or profile_rates("cpu", READING, 500, 384, job_format)
    times = stage_times(replace(WORK, format=job_format, **more), rates, on())
    return next(time for time in times if time.stage == "shards")


def test_formats_take_their_own_time_and_an_index_next_to_none():
    work = {name: shards_of(name).work for name in FORMATS}
    assert work["jsonl.gz"] > 2 * work["parquet"]
    assert work["index"] < work["parquet"] / 10
    assert all(name in shards_of(name).note for name in FORMATS)


def test_an_index_reads_the_lines_of_jsonl_and_nothing_of_parquet():
    lines = shards_of("index", searched_bytes=WORK.bytes)
    assert lines.work - shards_of("index").work == pytest.approx(WORK.bytes / 0.8e9)


def test_a_document_is_tokenised_once_however_often_it_is_drawn():
    rates = profile_rates("cpu", READING, 500, 384, "megatron")
    slow = replace(rates, tokenised_bytes=1e6)
    for drawn in (WORK.text_bytes / 10, WORK.text_bytes, 3 * WORK.text_bytes):
        more = [shards_of("megatron", one, drawn_bytes=drawn).work for one in (rates, slow)]
        assert more[1] - more[0] == pytest.approx(min(drawn, WORK.text_bytes) / 1e6)


def test_token_files_are_written_by_as_many_as_there_are_prefixes():
    one, many = (shards_of("megatron", prefixes=count) for count in (1, 100))
    assert one.work == many.work
    assert one.seconds > many.seconds


def test_what_makes_clusters_even_takes_time_where_it_is_done():
    plain = {time.stage: time.seconds for time in stage_times(WORK, profile_rates("cpu", READING, 500, 384), on())}
    for change, stage in [
        ("resampled", "centroids"),
        ("chosen", "centroids"),
        ("cut", "centroids"),
        ("cut", "clusters"),
        ("within", "strata"),
        ("within", "documents"),
    ]:
        asked = replace(WORK, **{change: {"within": "language", "cut": 110}.get(change, True)})
        more = {time.stage: time.seconds for time in stage_times(asked, profile_rates("cpu", READING, 500, 384), on())}
        assert more.pop(stage) > plain[stage]
