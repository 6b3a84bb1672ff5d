"""A whole job that writes token files: what they hold, what a crash in the middle changes, and damage to them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from curation.errors import RunError
from curation.output import megatron
from curation.pipeline import STAGES, stage_fingerprint
from curation.stages import spill, token_files, workers
from curation.storage.store import Store
from curation.training.folder import open_folder
from curation.training.rows import open_rows
from curation.verify import token_ids, verify
from tests.corpus import build, shard_hashes
from tests.test_pipeline import faults, run, worked
from tests.tokenizers_made import END, byte_level
from tests.verify.test_damage import sign

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("ray_session")]

PHASES = "[{name: first, budget: {epochs: 0.9}}, {name: last, budget: {epochs: 0.6}, weights: {web: 1}}]"
FIRST = "shards/phase-00-first/web.bin"


@pytest.fixture(scope="module")
def finished(tmp_path_factory, ray_session):
    """A finished run with two phases and validation."""
    folder = tmp_path_factory.mktemp("corpus")
    run_dir = tmp_path_factory.mktemp("runs") / "a"
    sources = [line for line in build(folder).splitlines() if "domain: web" in line or "domain: news" in line]
    (folder / "tokenizer.json").write_bytes(byte_level())
    path = folder / "job.yaml"
    path.write_text(
        f"run_dir: {run_dir}\nsources:\n" + "\n".join(sources) + f"\nsplit_bytes: 20000\nphases: {PHASES}\n"
        "embedding: {model: lexical, dimensions: 16}\nclustering: {clusters: 8}\n"
        f"tokens: {{tokenizer: '{folder}/tokenizer.json', count: model, end_of_document: '{END}'}}\n"
        "output: {format: megatron, shard_bytes: 40000, validation: {fraction: 0.05}}\n"
    )
    run(str(path))
    return str(path), run_dir


@pytest.fixture
def copied(finished, tmp_path):
    target = tmp_path / "run"
    shutil.copytree(finished[1], target)
    job = target / "job.yaml"
    job.write_text(job.read_text().replace(str(finished[1]), str(target)))
    return target


def test_token_files_hold_the_schedule(finished, copied):
    path, run_dir = finished
    assert faults(run_dir) == []
    index = json.loads((run_dir / "shards/curation_index.json").read_text())
    assert [entry["file"] for entry in index["shards"]] == [
        "phase-00-first/web.bin",
        "phase-00-first/news.bin",
        "phase-01-last/web.bin",
    ]
    assert [phase["shards"] for phase in index["phases"]] == [2, 1]
    assert index["order_holds"] == "within each file"
    assert [entry["file"] for entry in index["validation"]["shards"]] == ["validation/web.bin", "validation/news.bin"]
    blend = (run_dir / "shards/phase-00-first/blend.txt").read_text().split()
    assert blend[1::2] == ["phase-00-first/web", "phase-00-first/news"]
    assert [int(weight) for weight in blend[::2]] == [entry["tokens"] for entry in index["shards"][:2]]
    stats = json.loads((run_dir / "plan/_done.json").read_text())["stats"]
    rows = open_rows(open_folder(str(run_dir)))
    tokens = [row["tokens"] for row in rows.__getitems__(range(len(rows)))]
    assert index["tokens"] == stats["tokens"] == sum(len(ids) for ids in tokens)
    for folder in ("shards", "report"):
        shutil.rmtree(copied / folder)
    assert worked(run(path, f"run_dir={copied}", several=True)) == ["shards", "report", "record"]
    assert shard_hashes(copied) == shard_hashes(run_dir)


# ---- a crash in the middle ------------------------------------------------------------------------------------------


def die(*arguments):
    """Ends the worker as kill -9 does: nothing is tidied up."""
    del arguments
    os._exit(1)


def die_spilling(item, *arguments):
    """Spills splits until one in the middle, which it has begun to write when it dies."""
    write = spill.write_spill

    def writing(sink, cut, plan, first_doc_id, *more):
        if first_doc_id > 200:
            sink.write(b"half a file")
            die()
        write(sink, cut, plan, first_doc_id, *more)

    spill.write_spill = writing
    SPILL_ITEM(item, *arguments)


def die_appending(prefix, *arguments):
    """Writes prefixes until the one of the second phase, whose ids it has half written when it dies."""
    if prefix.name == "shards/phase-01-last/web":
        append = megatron.append
        megatron.append = lambda sink, tokens, order, dtype: die(append(sink, tokens, order[: len(order) // 2], dtype))
    return WRITE_PREFIX(prefix, *arguments)


def die_between(prefix, *arguments):
    """Writes prefixes until that of validation, whose ids are there and whose index is not when it dies."""
    if prefix.name == "shards/validation/news":
        megatron.write_index = die
    return WRITE_PREFIX(prefix, *arguments)


SPILL_ITEM, WRITE_PREFIX = spill.spill_item, token_files.write_prefix


def test_a_run_killed_while_it_writes_token_files_ends_with_the_same_bytes(finished, copied, monkeypatch):
    path, run_dir = finished
    for folder in ("shards", "report"):
        shutil.rmtree(copied / folder)
    monkeypatch.setattr(workers, "RETRIES", 0)

    def killed(module, name, deadly):
        with monkeypatch.context() as patch:
            patch.setattr(module, name, deadly)
            with pytest.raises(RunError, match="its worker was lost"):
                run(path, f"run_dir={copied}")
        assert not (copied / "shards/_done.json").exists()
        files = [file for file in copied.rglob("*") if file.suffix in {".arrow", ".bin", ".idx"}]
        assert list(copied.rglob(".tmp-*")), "nothing was being written when it died"
        return {str(file.relative_to(copied)) for file in files if not file.name.startswith(".")}

    splits = {
        f"spill/part-{number:08}.arrow" for number in range(pq.read_table(copied / "sources/splits.parquet").num_rows)
    }
    there = killed(spill, "spill_item", die_spilling)
    assert set() < there & splits < splits
    there = killed(token_files, "write_prefix", die_appending)
    assert splits < there
    assert {name for name in there if name.endswith(".bin")} == {FIRST, "shards/phase-00-first/news.bin"}
    there = killed(token_files, "write_prefix", die_between)
    assert "shards/validation/news.bin" in there
    assert "shards/validation/news.idx" not in there
    before = (copied / FIRST).stat().st_mtime_ns
    assert worked(run(path, f"run_dir={copied}")) == ["shards", "report", "record"]
    assert (copied / FIRST).stat().st_mtime_ns == before, "what was there already is not written again"
    assert shard_hashes(copied) == shard_hashes(run_dir)
    assert not list(copied.rglob(".tmp-*"))


# ---- damage ---------------------------------------------------------------------------------------------------------


def turned(file, number):
    """The ids of one document of a token file are turned round: as many as before, and not those of its text."""
    data = bytearray(file.read_bytes())
    index = megatron.read_index(file.with_suffix(".idx").read_bytes())
    start, size = int(index.pointers[number]), int(index.lengths[number]) * index.dtype.itemsize
    ids = np.frombuffer(bytes(data[start : start + size]), index.dtype)
    assert not np.array_equal(ids, ids[::-1])
    data[start : start + size] = ids[::-1].tobytes()
    file.write_bytes(data)


def other_ids(run_dir, **options):
    found = [fault for fault in verify(Store.open(str(run_dir)), STAGES, stage_fingerprint, **options) if fault]
    assert not any("sha256" in fault or "fingerprint" in fault for fault in found), "the damage was not hidden"
    return [fault for fault in found if "token ids" in fault]


@pytest.mark.parametrize("name", [FIRST, "shards/phase-01-last/web.bin", "shards/validation/news.bin"])
def test_other_ids_are_found_although_all_hashes_agree(copied, name):
    index = megatron.read_index((copied / name).with_suffix(".idx").read_bytes())
    turned(copied / name, len(index.lengths) - 1)
    sign(copied)
    [fault] = other_ids(copied)
    assert fault.startswith(f"{name}: 1 of {len(index.lengths)} documents")
    assert f"document {len(index.lengths) - 1} in it" in fault


def test_what_can_t_be_read_again_is_told_and_not_asked_for_without_the_inputs(copied, tmp_path):
    turned(copied / FIRST, 0)
    sign(copied)
    assert other_ids(copied, inputs=False) == []
    sources = pq.read_table(copied / "sources/sources.parquet").to_pylist()
    file = Path(next(row["path"] for row in sources if row["path"].endswith("news.jsonl")))
    aside = tmp_path / "aside.jsonl"
    shutil.move(file, aside)
    try:
        unread, wrong = sorted(other_ids(copied), key=lambda fault: fault.startswith(FIRST))
    finally:
        shutil.move(aside, file)
    assert "news.jsonl" in unread
    assert wrong.startswith(FIRST)


def test_a_small_share_looks_at_fewer_documents(copied, monkeypatch):
    seen = []
    check = token_ids.check_ids
    monkeypatch.setattr("curation.verify.token_files.check_ids", lambda *all: seen.append(all[2]) or check(*all))
    rows = json.loads((copied / "shards/_done.json").read_text())["stats"]
    for share in (1.0, 0.1):
        assert other_ids(copied, sample=share) == []
    assert len(seen[0]) == rows["rows"] + rows["validation"]["rows"]
    assert 5 <= len(seen[1]) <= 100
    assert set(seen[1]) <= set(seen[0])


def test_damage_to_token_files_is_found(copied):
    subprocess.run(["truncate", "-s", "-2", copied / "shards/phase-01-last/web.bin"], check=True)
    assert any("web.bin" in fault for fault in faults(copied))
