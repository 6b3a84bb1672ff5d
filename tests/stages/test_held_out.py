"""Documents held out for validation, and weights in place of copies, in the plan."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from curation import tables
from curation.sampling.validation import limits, quotas
from curation.stages.plan import make_plan, shortfalls
from curation.stages.plan_tables import ALLOCATION, SHARDS
from tests.stages.plan_store import plan_job, plan_store, whole_table

PHASES = [{"budget": {"epochs": 1.3}, "clip": 4}, {"budget": {"epochs": 0.5}, "clip": 6, "order": "stationary"}]
VALIDATION = {"fraction": 0.04, "min_documents": 2}
EXCLUDE = {"exclude": [{"domain": "books", "cluster": 0, "reason": "stale"}]}
CLUSTERS = 5


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Documents of which about two thirds have a copy, in any domain and cluster."""
    return plan_store(tmp_path_factory.mktemp("copies") / "run", texts=400, clusters=CLUSTERS)


class Plan:
    """A plan, its rows with what the documents are, and its tables."""

    def __init__(self, store, **sections):
        self.job = plan_job(store, **sections)
        self.stats = make_plan(store, self.job).stats
        self.schedule = whole_table(store, "schedule").sort_by("position")
        self.shards, self.allocation = store.read_table(SHARDS), store.read_table(ALLOCATION)
        documents = whole_table(store, "documents")
        domain = pc.index_in(documents["domain"].cast(pa.string()), pa.array(self.job.domains)).to_numpy()
        cell = whole_table(store, "assignments")["cluster"].to_numpy() * len(self.job.domains) + domain
        self.documents = documents.drop_columns(["domain"]).append_column("cell", pa.array(cell))
        rows = self.documents.take(self.schedule["doc_id"].cast(pa.int64()))
        self.cell = rows["cell"].to_numpy()
        self.text, self.tokens, self.bytes = (rows[name].to_pylist() for name in ("content_hash", "tokens", "bytes"))
        phase = np.repeat(self.shards["phase"].to_numpy(), self.shards["rows"].to_numpy())
        self.held, self.phase = phase == tables.VALIDATION, phase

    def column(self, name):
        return self.schedule[name].to_numpy()

    @property
    def cells(self):
        """Documents of each cell, and whether it may give some."""
        counts = np.bincount(self.documents["cell"].to_numpy(), minlength=CLUSTERS * 3)
        is_open = np.ones(CLUSTERS * 3, np.bool_)
        for row in self.allocation.filter(pc.is_valid(self.allocation["left_out"])).to_pylist():
            is_open[row["cluster"] * 3 + self.job.domains.index(row["domain"])] = False
        return counts, is_open


@pytest.fixture(scope="module")
def held(store):
    output = {"validation": VALIDATION, "shard_bytes": 5000}
    return Plan(store, dedup={"exact": False}, output=output, phases=PHASES, sampling=EXCLUDE)


def test_a_text_is_for_training_or_for_validation_in_every_domain(held):
    texts = np.array(held.text, object)
    assert held.held.any()
    assert not set(texts[held.held]) & set(texts[~held.held])
    domain = pa.array(held.documents["cell"].to_numpy() % 3)
    copies = held.documents.append_column("domain", domain).group_by("content_hash")
    copies = copies.aggregate([("domain", "count_distinct")])
    spread = set(copies.filter(pc.greater(copies["domain_count_distinct"], 1))["content_hash"].to_pylist())
    assert spread & set(texts[held.held]), "no text with copies in two domains was held out: the test shows nothing"


def test_every_cell_gives_its_share_and_excluded_ones_give_none(held):
    counts, is_open = held.cells
    given = np.bincount(held.cell[held.held], minlength=CLUSTERS * 3)
    assert not is_open.all()
    quota = quotas(np.where(is_open, counts, 0), **VALIDATION)
    assert (given <= limits(np.where(is_open, counts, 0), quota)).all()
    assert (given >= np.minimum(quota, VALIDATION["min_documents"]))[counts > 10].all()
    assert given.sum() == held.stats["validation"]["documents"]
    assert held.stats["documents"] == 600 - given.sum()
    listed = held.allocation.filter(pc.equal(held.allocation["phase"], 1)).to_pylist()
    for row in listed:
        place = row["cluster"] * 3 + held.job.domains.index(row["domain"])
        assert row["validation_documents"] == given[place]
        assert row["available_documents"] == counts[place] - given[place]


def test_held_out_rows_come_last_once_each_in_no_order(held):
    first = int(np.argmax(held.held))
    assert held.held[first:].all()
    doc_id = held.column("doc_id")[first:]
    assert len(set(doc_id.tolist())) == len(doc_id)
    assert not held.column("repetition")[first:].any()
    assert 0.3 < np.mean(np.diff(doc_id) > 0) < 0.7
    files = [name for name in held.shards["file"].to_pylist() if name.startswith("validation/")]
    assert files == [f"validation/shard-{number:05}" for number in range(len(files))]
    assert held.stats["validation"]["shards"] == len(files) > 1
    assert held.stats["shards"] == held.shards.num_rows - len(files)


def test_shards_count_what_is_in_them(held):
    starts = held.shards["first_position"].to_numpy()
    assert starts.tolist() == (np.cumsum(held.shards["rows"].to_numpy()) - held.shards["rows"].to_numpy()).tolist()
    assert np.add.reduceat(held.tokens, starts).tolist() == held.shards["tokens"].to_pylist()
    assert np.add.reduceat(held.bytes, starts).tolist() == held.shards["text_bytes"].to_pylist()
    assert (
        held.column("shard").tolist() == (np.searchsorted(starts, held.column("position"), side="right") - 1).tolist()
    )


def test_a_budget_in_epochs_is_of_what_is_left(held):
    for number, phase in enumerate(held.stats["phases"]):
        rows = held.allocation.filter(pc.equal(held.allocation["phase"], number))
        open_rows = rows.filter(pc.is_null(rows["left_out"]))
        available = pc.sum(open_rows["available_tokens"]).as_py()
        assert phase["budget"] == round(available * PHASES[number]["budget"]["epochs"])
        assert abs(phase["tokens"] - phase["budget"]) < 100


def test_without_copies_no_hash_is_read_and_quotas_are_met(tmp_path):
    """As `dedup.exact` promises: the store has no hashes at all."""
    store = plan_store(tmp_path / "run", clusters=CLUSTERS)
    for name in [name for name in store.list("documents") if name.endswith(".parquet")]:
        store.write_table(
            name,
            store.read_table(name)
            .drop_columns(["content_hash"])
            .append_column("content_hash", pa.nulls(store.read_stats(name)[0], pa.binary(16))),
        )
    plan = Plan(store, output={"validation": VALIDATION})
    counts, _ = plan.cells
    given = np.bincount(plan.cell[plan.held], minlength=CLUSTERS * 3)
    assert given.tolist() == quotas(counts, **VALIDATION).tolist()


def test_the_same_plan_whatever_the_splits(held, tmp_path):
    store = plan_store(tmp_path / "run", texts=400, clusters=CLUSTERS, split=1000)
    other = Plan(store, dedup={"exact": False}, output=held.job.output, phases=PHASES, sampling=EXCLUDE)
    assert other.schedule.equals(held.schedule)
    assert other.shards.equals(held.shards)
    assert other.stats == held.stats


def test_another_seed_holds_out_others(store, held):
    other = Plan(store, seed=1, dedup={"exact": False}, output={"validation": VALIDATION}, sampling=EXCLUDE)
    assert set(other.column("doc_id")[other.held]) != set(held.column("doc_id")[held.held])


def test_a_corpus_of_single_documents_gives_none_and_says_so(tmp_path):
    store = plan_store(tmp_path / "run", sizes=(5, 1, 1), clusters=1, texts=1)
    plan = Plan(store, dedup={"exact": False}, output={"validation": {"fraction": 0.5}})
    assert plan.stats["validation"] == {"documents": 0, "tokens": 0, "cells": 0, "shards": 0}
    assert not plan.held.any()
    assert any("nothing is held out" in text for text in shortfalls(plan.job, plan.stats))


@pytest.mark.parametrize("sampling", [{}, {"interleave": "random", "order": "specific_to_general"}])
def test_weights_are_the_copies_at_the_place_of_the_first(store, sampling):
    sections = {
        "dedup": {"exact": False},
        "sampling": EXCLUDE | sampling,
        "phases": [{"budget": {"epochs": 1.3}, "clip": 4}, {"budget": {"epochs": 0.5}, "clip": 6}],
    }
    copies = Plan(store, **sections, output={"validation": VALIDATION})
    weights = Plan(store, **sections, output={"validation": VALIDATION, "repetition": "weight"})
    assert weights.allocation.equals(copies.allocation)
    same = ("draws", "tokens", "documents", "used_documents", "repetitions", "phases", "validation")
    assert {name: weights.stats[name] for name in same} == {name: copies.stats[name] for name in same}
    for phase in (0, 1, tables.VALIDATION):
        rows, drawn = weights.phase == phase, copies.phase == phase
        doc_id, first, counts = np.unique(copies.column("doc_id")[drawn], return_index=True, return_counts=True)
        order = np.argsort(first)
        assert weights.column("doc_id")[rows].tolist() == doc_id[order].tolist()
        assert weights.column("sample_weight")[rows].tolist() == counts[order].tolist()
        repetition = copies.column("repetition")[drawn][np.sort(first)]
        assert weights.column("repetition")[rows].tolist() == repetition.tolist()
    assert weights.column("sample_weight").max() > 1
    assert "sample_weight" not in copies.schedule.column_names
    assert weights.stats["rows"] == int((~weights.held).sum()) < weights.stats["draws"] == copies.stats["rows"]
    assert weights.stats["row_tokens"] < weights.stats["tokens"] == copies.stats["row_tokens"]
