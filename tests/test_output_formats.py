"""A whole job in every format: what a trainer reads is the schedule, and verify finds no fault, or the one planted."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest

from curation.errors import JobError
from curation.job_file import load_job
from curation.training.folder import open_folder
from curation.training.rows import open_rows
from tests.corpus import build
from tests.test_pipeline import faults, run, worked
from tests.verify.test_damage import sign

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("ray_session")]

PHASES = "[{name: first, budget: {epochs: 0.9}}, {name: last, budget: {epochs: 0.6}, weights: {web: 1}}]"


@pytest.fixture(scope="module")
def finished(tmp_path_factory, ray_session):
    """A finished run in Parquet, with two phases and validation, of sources that can be read anywhere."""
    folder = tmp_path_factory.mktemp("corpus")
    run_dir = tmp_path_factory.mktemp("runs") / "a"
    sources = [line for line in build(folder).splitlines() if "domain: web" in line or "domain: news" in line]
    path = folder / "job.yaml"
    path.write_text(
        f"run_dir: {run_dir}\nsources:\n" + "\n".join(sources) + f"\nsplit_bytes: 20000\nphases: {PHASES}\n"
        "embedding: {model: lexical, dimensions: 16}\nclustering: {clusters: 8}\n"
        "output: {shard_bytes: 40000, validation: {fraction: 0.05}}\n"
    )
    run(str(path))
    return str(path), run_dir


@pytest.fixture
def written(finished, tmp_path):
    """Writes the run's shards anew in another format, in a copy of it."""
    path, run_dir = finished
    target = tmp_path / "run"
    shutil.copytree(run_dir, target)

    def again(*overrides):
        return target, worked(run(path, f"run_dir={target}", *overrides))

    return again


def rows_of(run_dir, split="train"):
    """All rows of a run as a trainer gets them, in order."""
    rows = open_rows(open_folder(str(run_dir), split))
    return rows.__getitems__(range(len(rows)))


def essence(rows):
    return [(row["text"], row["doc_id"], row["domain"], row["cluster"], row["repetition"]) for row in rows]


@pytest.mark.parametrize(
    "overrides",
    [
        ["output.format=jsonl"],
        ["output.format=jsonl", "output.compression=gzip"],
        ["output.format=jsonl", "output.compression=zst"],
        ["output.format=mds"],
        ["output.format=index"],
    ],
    ids=lambda overrides: "-".join(part.rpartition("=")[2] for part in overrides),
)
def test_every_format_gives_a_trainer_the_same_rows(finished, written, overrides):
    target, stages = written(*overrides)
    assert stages == ["shards", "report", "record"]
    assert faults(target) == []
    for split in ("train", "validation"):
        found = rows_of(target, split)
        wanted = rows_of(finished[1], split)
        assert essence(found) == essence(wanted)
        assert [row["id"] for row in found] == [row["id"] for row in wanted]
        assert [row["year"] for row in found] == [row["year"] for row in wanted]


def test_weights_stand_in_every_format(written):
    for name in ("jsonl", "index"):
        target, _ = written(f"output.format={name}", "output.repetition=weight", "sampling.clip=4")
        assert faults(target) == []
        weights = np.array([row["sample_weight"] for row in rows_of(target)])
        assert weights.max() > 1
        assert weights.sum() == json.loads((target / "plan/_done.json").read_text())["stats"]["draws"]


def test_an_index_of_sources_that_have_no_random_access_is_refused(finished, tmp_path):
    path, _ = finished
    build(tmp_path)
    sources = f"sources=[{{domain: books, path: '{tmp_path}/*.gz'}}]"
    with pytest.raises(JobError, match="compressed JSONL"):
        run(path, f"run_dir={tmp_path / 'run'}", sources, "output.format=index", "phases=[]")


def test_an_index_that_leads_to_other_texts_is_found_out(written):
    target, _ = written("output.format=index")
    shard = target / "shards/phase-00-first/shard-00000.parquet"
    table = pq.read_table(shard)
    for name in ("path", "row", "start", "bytes"):
        column = table[name].combine_chunks()
        column = column.cast("string") if name == "path" else column
        order = [1, 0, *range(2, len(column))]
        table = table.set_column(table.column_names.index(name), name, column.take(order))
    pq.write_table(table, shard)
    sign(target)
    assert [fault for fault in faults(target) if "the text of document" in fault]


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["output.format=megatron"], "needs tokens.tokenizer"),
        (["output.compression=gzip"], "compression is of format: jsonl"),
        (["output.format=mds", "output.shard_bytes=4000000000"], "give at most"),
        (["output.format=megatron", "tokens.tokenizer=x", "output.repetition=weight"], "no place for"),
    ],
)
def test_keys_that_do_not_go_together_are_refused(finished, overrides, words):
    with pytest.raises(JobError, match=words):
        load_job(finished[0], overrides)
