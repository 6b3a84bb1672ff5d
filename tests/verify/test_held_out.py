"""What verify says of a schedule in which something is wrong with validation or weights; without Ray and shards."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from curation.stages.centroid_file import Fitted
from curation.stages.plan import make_plan
from curation.stages.plan_tables import ALLOCATION, SHARDS
from curation.stages.splits import load_splits, part_name
from curation.verify.findings import Findings, Layout
from curation.verify.held_out import check_held_out, texts_in
from curation.verify.schedule import by_cell, check_schedule, count_rows
from curation.verify.totals import phase_stops
from tests.stages.plan_store import plan_job, plan_store

SECTIONS = {
    "dedup": {"exact": False},
    "phases": [{"budget": {"epochs": 1.2}, "clip": 3}, {"budget": {"epochs": 0.4}, "clip": 4}],
    "sampling": {"exclude": [{"cluster": 1, "domain": "books", "reason": "stale"}]},
}


@pytest.fixture(scope="module", params=["copies", "weight"])
def planned(request, tmp_path_factory):
    store = plan_store(tmp_path_factory.mktemp("plan") / "run", texts=400)
    output = {"validation": {"fraction": 0.05, "min_documents": 2}, "repetition": request.param, "shard_bytes": 9000}
    job = plan_job(store, **SECTIONS, output=output)
    make_plan(store, job)
    return store, job


def look(store, job, change=None, allocation=None):
    """What verify finds: its faults, and the sums. `change` is made to a split's schedule before it is looked at."""
    splits, shards = load_splits(store), store.read_table(SHARDS)
    stops = phase_stops(shards)
    texts = np.unique(texts_in(splits, store, int(stops[-1])))
    layout = Layout(
        np.zeros(0, np.int64),
        shards["first_position"].to_numpy(),
        stops,
        texts,
        Fitted(np.zeros((5, 2), np.float32), None),
    )
    total = Findings.none(5, shards.num_rows)
    faults = []
    for split in splits:
        documents = store.read_table(part_name("documents", split.split_id))
        assigned = store.read_table(part_name("assignments", split.split_id))
        schedule = store.read_table(part_name("schedule", split.split_id))
        if change and split.split_id == 0:
            columns = schedule.to_pydict()
            change(columns, int(stops[-1]))
            schedule = pa.table(columns, schema=schedule.schema)
        faults += check_schedule(job, split, schedule, documents["doc_id"].to_numpy(), layout, documents)
        count_rows(total, split, documents, assigned, schedule, layout)
        for cell, count in by_cell(assigned["cluster"].to_numpy(), documents["domain"][0].as_py()).items():
            total.cells[cell] = total.cells.get(cell, 0) + count
    faults += check_held_out(job, allocation or store.read_table(ALLOCATION), total)
    return [fault for fault in faults if fault], total


def test_nothing_is_wrong_with_a_plan(planned):
    store, job = planned
    faults, total = look(store, job)
    assert faults == []
    assert total.held_rows > 0
    assert (total.draws > total.rows) == (job.output.repetition == "weight")
    allocation = store.read_table(ALLOCATION)
    drawn = {
        (row["phase"], row["cluster"], row["domain"]): row["realised_tokens"]
        for row in allocation.to_pylist()
        if row["realised_tokens"]
    }
    assert total.drawn == drawn


def held_row(columns, first):
    return next(i for i, position in enumerate(columns["position"]) if position >= first)


def leaked(columns, first):
    columns["doc_id"][0] = columns["doc_id"][held_row(columns, first)]


def held_twice(columns, first):
    row = held_row(columns, first)
    columns["doc_id"][row + 1] = columns["doc_id"][row]


def again_in_a_phase(columns, first):
    """The second row of a phase becomes one more of the first row's document."""
    del first
    columns["doc_id"][1] = columns["doc_id"][0]


def set_first(name, add):
    def change(columns, first):
        del first
        columns[name][0] += add

    return change


def weighty(columns, first):
    columns["sample_weight"][held_row(columns, first)] += 1


DAMAGES = {
    "a held-out document is in training": (leaked, "held out for validation is in training too", None),
    "a document is held out twice": (held_twice, "two rows where one is enough", None),
    "a document has two rows in a phase": (again_in_a_phase, "two rows where one is enough", "weight"),
    "a weight above the clip": (set_first("sample_weight", 10), "drawn above the clip", "weight"),
    "a weight of nothing": (set_first("sample_weight", -100), "do not count a document's draws", "weight"),
    "a held-out document with a weight": (weighty, "held out for validation has a weight", "weight"),
}


CASES = [(mode, name) for mode in ("copies", "weight") for name in DAMAGES if DAMAGES[name][2] in (None, mode)]


@pytest.mark.parametrize(("planned", "damage"), CASES, indirect=["planned"])
def test_damage_is_found(planned, damage):
    store, job = planned
    change, wanted, _ = DAMAGES[damage]
    faults, _ = look(store, job, change)
    assert any(wanted in fault for fault in faults), faults


def test_a_copy_of_a_held_out_text_in_another_domain_is_found(planned):
    """The text, not the document, is looked for: a training document gets the hash of a held-out one elsewhere."""
    store, job = planned
    splits, shards = load_splits(store), store.read_table(SHARDS)
    first = int(phase_stops(shards)[-1])
    held = texts_in(splits, store, first)
    last = splits[-1]
    schedule = store.read_table(part_name("schedule", last.split_id))
    drawn = schedule.filter(pc.less(schedule["position"], first))["doc_id"][0].as_py()
    name = part_name("documents", last.split_id)
    whole = store.read_table(name)
    hashes = whole["content_hash"].to_pylist()
    hashes[drawn - last.first_doc_id] = held[0].tobytes()
    column = whole.column_names.index("content_hash")
    store.write_table(name, whole.set_column(column, "content_hash", pa.array(hashes, pa.binary(16))))
    try:
        faults, _ = look(store, job)
        assert any("held out for validation is in training too" in fault for fault in faults), faults
    finally:
        store.write_table(name, whole)
    assert look(store, job)[0] == []


@pytest.mark.parametrize(("fraction", "least"), [(0.5, 2), (0.0001, 0), (0.05, 30)])
def test_another_number_than_the_job_says_is_found(planned, fraction, least):
    store, job = planned
    exact = job.model_copy(update={"dedup": job.dedup.model_copy(update={"exact": True})})
    wanted = job.output.validation.model_copy(update={"fraction": fraction, "min_documents": least})
    other = exact.model_copy(update={"output": job.output.model_copy(update={"validation": wanted})})
    assert any("than output.validation says" in fault for fault in look(store, other)[0])


def test_cells_that_count_wrong_are_found(planned):
    store, job = planned
    allocation = store.read_table(ALLOCATION)
    for name in ("available_documents", "validation_documents"):
        counts = allocation[name].to_pylist()
        counts[-1] += 1
        changed = allocation.set_column(allocation.column_names.index(name), name, pa.array(counts, pa.int64()))
        assert any("documents are not those" in fault for fault in look(store, job, allocation=changed)[0])
    assert any("documents are not those" in fault for fault in look(store, job, allocation=allocation[1:])[0])


def test_held_out_rows_that_the_job_does_not_ask_for_are_found(planned):
    store, job = planned
    none = job.model_copy(update={"output": job.output.model_copy(update={"validation": None})})
    assert any("the job asks for none" in fault for fault in look(store, none)[0])
