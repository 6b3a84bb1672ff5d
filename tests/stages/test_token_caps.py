"""Plans with token caps, without Ray and without texts: phases, quality, weights, what is left out, many tokens."""

import numpy as np
import pyarrow as pa
import pytest

from curation import tables
from curation.errors import JobError
from curation.stages.eligible import Cells, Eligible
from curation.stages.plan import make_plan
from curation.stages.plan_tables import ALLOCATION
from curation.stages.splits import load_splits, part_name
from curation.stages.token_caps import by_class

from .plan_store import plan_job, plan_store, whole_table

NAMES = ["red", "green", "blue"]


@pytest.fixture
def store(tmp_path):
    """A run with its assignments, in which a fifth of the documents carry each of three tokens."""
    store = plan_store(tmp_path / "run")
    rng = np.random.default_rng(1)
    for split in load_splits(store):
        carries = sum((rng.random(split.rows) < 0.2).astype(np.uint32) << np.uint32(k) for k in range(3))
        ids = np.arange(split.first_doc_id, split.first_doc_id + split.rows)
        table = pa.table([ids[carries > 0], carries[carries > 0]], schema=tables.CARRIERS)
        store.write_table(part_name("carriers", split.split_id), table)
    return store


def caps(**shares):
    return [{"token": name, "max_share": shares.get(name, 0.9999)} for name in NAMES]


def planned(store, sampling=None, **sections):
    """The plan's counts, and the share of the draws of each phase that carry each token, from the tables."""
    counted = make_plan(store, plan_job(store, sampling=sampling or {}, **sections)).stats
    schedule, listed = whole_table(store, "schedule"), whole_table(store, "carriers")
    shards = store.read_table("plan/shards.parquet")
    which = np.searchsorted(shards["first_position"].to_numpy(), schedule["position"].to_numpy(), side="right") - 1
    phase = shards["phase"].to_numpy()[which]
    weighted = "sample_weight" in schedule.column_names
    weight = schedule["sample_weight"].to_numpy() if weighted else np.ones(schedule.num_rows)
    known = dict(zip(listed["doc_id"].to_pylist(), listed["tokens"].to_pylist(), strict=True))
    carries = np.array([known.get(doc_id, 0) for doc_id in schedule["doc_id"].to_pylist()])
    shares = [
        [float(weight[(phase == n) & (carries >> k & 1 > 0)].sum() / weight[phase == n].sum()) for k in range(3)]
        for n in range(phase.max() + 1)
    ]
    return counted, shares


def test_caps_hold_and_are_told(store):
    counted, [shares] = planned(store, {"token_caps": caps(red=0.05, blue=0.02)})
    assert shares[0] <= 0.05
    assert shares[2] <= 0.02
    assert shares[0] > 0.03
    rows = counted["token_caps"]
    assert [row["share_after"] for row in rows] == pytest.approx(shares, abs=1e-12)
    assert [row["share_before"] for row in rows] == pytest.approx([0.2] * 3, abs=0.05)
    assert rows[0]["forgone_tokens"] > 0
    assert rows[1]["forgone_tokens"] == 0
    assert counted["tokens"] == pytest.approx(counted["phases"][0]["budget"], abs=110)


@pytest.mark.parametrize("order", ["stationary", "shuffled", "specific_to_general", "curriculum"])
def test_in_any_order(store, order):
    counted, [shares] = planned(
        store, {"order": order, "token_caps": caps(green=0.03)}, quality={"column": "q"}, seed=3
    )
    assert shares[1] <= 0.03
    assert counted["tokens"] == pytest.approx(counted["phases"][0]["budget"], abs=110)


@pytest.mark.parametrize(
    "sections",
    [
        {"quality": {"column": "q"}, "blending": {"weights": "quality"}},
        {"quality": {"column": "q", "curve": {"kind": "threshold"}}, "blending": {"weights": "quality"}},
        {"output": {"repetition": "weight"}},
        {"output": {"validation": {"fraction": 0.1}}},
        {"blending": {"weights": "even", "when_short": "hold_ratio"}},
    ],
    ids=["quality", "threshold", "weight", "validation", "ratio"],
)
def test_with_what_else_a_plan_can_do(store, sections):
    sampling = {"token_caps": caps(red=0.04, green=0.04), "budget": {"epochs": 1.5}}
    counted, [shares] = planned(store, sampling, **sections)
    assert max(shares[:2]) <= 0.04
    assert [row["share_after"] for row in counted["token_caps"]] == pytest.approx(shares, abs=1e-12)
    assert len(counted["repetitions"]) <= 6  # the clip


def test_each_phase_keeps_its_own_caps(store):
    phases = [
        {"budget": {"epochs": 0.5}, "token_caps": [{"token": "red", "max_share": 0.01}]},
        {"budget": {"epochs": 0.7}},
        {"budget": {"epochs": 0.2}, "token_caps": []},
    ]
    counted, shares = planned(store, {"token_caps": caps(green=0.1, red=0.1)}, phases=phases)
    assert shares[0][0] <= 0.01
    assert shares[0][1] > 0.12
    assert shares[1][0] <= 0.1
    assert shares[1][1] <= 0.1
    assert shares[2][1] > 0.1
    red = counted["token_caps"][0]
    assert [phase["max_share"] for phase in red["phases"]] == [0.01, 0.1, 1.0]
    assert [phase["share"] for phase in red["phases"]] == pytest.approx([found[0] for found in shares])
    assert red["max_share"] == 1.0


def test_a_cap_that_holds_leaves_the_plan_as_it_was(store):
    before = make_plan(store, plan_job(store)).parts
    assert make_plan(store, plan_job(store, sampling={"token_caps": caps(red=0.99)})).parts == before
    assert make_plan(store, plan_job(store, sampling={"token_caps": caps(red=0.01)})).parts != before


def test_what_is_left_out_is_not_drawn_in_their_place(store):
    exclude = [{"cluster": 0, "reason": "junk"}, {"domain": "books", "reason": "stale"}]
    planned(store, {"token_caps": caps(red=0.01), "exclude": exclude})
    rows = store.read_table(ALLOCATION).to_pylist()
    assert all(row["realised_tokens"] == 0 for row in rows if row["left_out"])


def test_a_cap_that_cannot_be_kept_is_refused(store):
    with pytest.raises(
        JobError, match=r"^sampling\.token_caps: 'red' may be in 0\.01 .* tokens can't be drawn so, but"
    ):
        planned(store, {"token_caps": caps(red=0.01), "budget": {"epochs": 1.0}, "clip": 1})


def test_rare_combinations_become_one_class():
    rng = np.random.default_rng(0)
    carries = rng.integers(0, 1 << 12, 5000).astype(np.uint32)
    carries[:3000] = np.repeat([1, 2, 0], 1000)
    nothing = np.zeros(5000, np.int32)
    documents = Eligible(nothing, nothing, nothing, nothing, None, None, np.array([5000]), carries)
    shape = (2, 3)
    cells = Cells(np.zeros(shape, np.int64), np.zeros(shape, np.int64), np.full(shape, -1, np.int16))

    class Job:
        capped_tokens = [None] * 12

    found = by_class(Job, documents, cells)
    assert found.classes == 64
    assert (found.of_class[carries == 0] == 0).all()
    assert set(found.of_class[:1000].tolist() + found.of_class[1000:2000].tolist()) == {1, 2}
    rare = found.of_class == 63
    expected = [(carries[rare] >> k & 1).mean() for k in range(12)]
    assert found.carried[:, 63] == pytest.approx(expected)
