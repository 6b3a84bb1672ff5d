import json
from itertools import islice

import numpy as np
import pytest

from curation.errors import JobError
from curation.training.dynamic import DynamicData
from tests.training.folders import write_run

CLUSTERS = 4


def documents(count=160):
    """Two domains, one after the other; clusters of 4, 3, 2 and 1 parts; a few tokens each."""
    rng = np.random.default_rng(0)
    cluster = rng.choice(CLUSTERS, count, p=[0.4, 0.3, 0.2, 0.1]).tolist()
    tokens = rng.integers(5, 20, count).tolist()
    return [
        {
            "text": f"text {i}",
            "domain": "web" if i < count // 2 else "books",
            "cluster": cluster[i],
            "tokens": tokens[i],
        }
        for i in range(count)
    ]


@pytest.fixture
def run_dir(tmp_path):
    return make_run(tmp_path)


def make_run(folder, format="parquet", clip=3):
    drawn = np.random.default_rng(1).permutation(160).tolist()
    return str(write_run(folder, documents(), drawn, clip=clip, clips={"books": 2}, format=format))


def loss_of(cluster, step):
    """What a trainer would say: cluster 3 is hard, and all have noise of their own."""
    return (2.0 if cluster == 3 else 1.0) + 0.1 * ((step * 7 + cluster * 3) % 5)


def train(data, steps, workers=0, done=0):
    """The documents of each step; a loss a cluster of the step is fed back."""
    seen = []
    for batch in islice(data.batches(workers), steps):
        seen.append([row["doc_id"] for row in batch])
        data.update({cluster: loss_of(cluster, done + len(seen)) for cluster in range(CLUSTERS)})
    return seen


def test_without_losses_it_keeps_to_the_plan_s_shares_and_the_clips(run_dir):
    data = DynamicData(run_dir, 4, rate=1.0, drop_last=False)
    base = data.shares
    assert sum(base.values()) == pytest.approx(1)
    found = documents()
    seen = [row["doc_id"] for batch in data.batches() for row in batch]
    uses = np.bincount(seen, minlength=160)
    assert (uses == [3 if one["domain"] == "web" else 2 for one in found]).all()  # to the end
    early = np.bincount([found[i]["cluster"] for i in seen[:160]], [found[i]["tokens"] for i in seen[:160]])
    assert early / early.sum() == pytest.approx([base[cluster] for cluster in range(CLUSTERS)], abs=0.03)
    assert list(data.batches()) == []


def test_rows_are_the_documents_with_their_texts(run_dir):
    for batch in islice(DynamicData(run_dir, 4).batches(), 10):
        for row in batch:
            one = documents()[row["doc_id"]]
            assert (row["text"], row["domain"], row["cluster"]) == (one["text"], one["domain"], one["cluster"])


def test_a_hard_cluster_is_drawn_more_often_up_to_its_cap_and_no_document_above_its_clip(run_dir):
    data = DynamicData(run_dir, 4, rate=0.3, cap=2.5)
    base = data.shares
    seen = train(data, 40)
    assert data.shares[3] == pytest.approx(2.5 * base[3])
    assert all(share >= 0.2 * base[cluster] for cluster, share in data.shares.items())
    late = [documents()[doc]["cluster"] for step in seen[10:25] for doc in step]
    assert late.count(3) / len(late) > 1.7 * base[3]
    uses = np.bincount([doc for step in seen for doc in step], minlength=160)
    clips = np.array([3 if one["domain"] == "web" else 2 for one in documents()])
    assert (uses <= clips).all()
    for cluster, (least, most) in data.uses.items():
        mine = [use for use, one in zip(uses, documents(), strict=True) if one["cluster"] == cluster]
        assert least <= min(mine) <= max(mine) <= most  # `uses` knows the steps ahead, too


@pytest.mark.parametrize("lookahead", [0, 3])
def test_an_update_works_lookahead_plus_one_steps_later(run_dir, lookahead):
    usual, told = (DynamicData(run_dir, 4, lookahead=lookahead, rate=5.0) for _ in range(2))
    batches = zip(usual.batches(), told.batches(), strict=True)
    same = []
    for step, (one, other) in enumerate(islice(batches, 12)):
        same.append(one == other)
        if step == 4:
            told.update({3: 9.0, 0: 1.0})
    first = same.index(False)
    assert 4 + lookahead < first <= 4 + lookahead + 2


@pytest.mark.parametrize(("format", "workers"), [("parquet", 1), ("mds", 4), ("jsonl", 2)])
def test_the_sequence_is_the_same_for_any_number_of_workers(tmp_path, format, workers):
    wanted = train(DynamicData(make_run(tmp_path / "0"), 4), 30)
    assert train(DynamicData(make_run(tmp_path / "1", format), 4), 30, workers) == wanted


def test_ranks_share_what_one_rank_would_get(run_dir):
    wanted = train(DynamicData(run_dir, 4), 30)
    parts = [train(DynamicData(run_dir, 2, rank=rank, world=2), 30) for rank in (0, 1)]
    assert [a + b for a, b in zip(*parts, strict=True)] == wanted


@pytest.mark.parametrize("world", [1, 2])
def test_killed_at_random_steps_in_process(run_dir, world):
    wanted = train(DynamicData(run_dir, 4 // world, rank=world - 1, world=world), 50)
    for step in np.random.default_rng(world).integers(0, 51, 15).tolist():
        assert resumed(run_dir, step, world - 1, world) == wanted


@pytest.mark.parametrize(("workers", "world"), [(1, 2), (2, 1)])
def test_killed_with_workers(run_dir, workers, world):
    wanted = train(DynamicData(run_dir, 4 // world, rank=0, world=world), 50)
    assert resumed(run_dir, 23, 0, world, workers) == wanted


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2, 4])
@pytest.mark.parametrize("world", [1, 2])
def test_killed_at_fifty_random_steps_with_workers(run_dir, workers, world):
    wanted = [train(DynamicData(run_dir, 4 // world, rank=rank, world=world), 50) for rank in range(world)]
    for step in np.random.default_rng(workers).integers(0, 51, 50).tolist():
        for rank in range(world):
            assert resumed(run_dir, step, rank, world, workers) == wanted[rank]


def resumed(run_dir, step, rank=0, world=1, workers=0):
    """Fifty steps; after `step` of them everything is dropped but the state, which goes through JSON."""
    data = DynamicData(run_dir, 4 // world, rank=rank, world=world)
    seen = train(data, step, workers)
    state = json.dumps(data.state_dict())
    again = DynamicData(run_dir, 4 // world, rank=rank, world=world)
    again.load_state_dict(json.loads(state))
    return seen + train(again, 50 - step, workers, done=step)


def test_a_state_goes_on_under_another_number_of_ranks(run_dir):
    wanted = train(DynamicData(run_dir, 4), 30)
    first = DynamicData(run_dir, 4)
    train(first, 10)
    second = DynamicData(run_dir, 2, rank=1, world=2)
    second.load_state_dict(first.state_dict())
    assert train(second, 20, done=10) == [step[2:] for step in wanted[10:]]


def test_a_state_of_another_run_or_setting_is_refused(run_dir, tmp_path):
    state = DynamicData(run_dir, 4).state_dict()
    others = {
        "global_batch 4, and here it is 8": DynamicData(run_dir, 8),
        "lookahead": DynamicData(run_dir, 4, lookahead=1),
        "seed": DynamicData(run_dir, 4, seed=5),
        "pool": DynamicData(make_run(tmp_path / "other", clip=4), 4),
        "shards": DynamicData(make_run(tmp_path / "mds", "mds"), 4),
    }
    for key, other in others.items():
        with pytest.raises(JobError, match=f"saved with {key}"):
            other.load_state_dict(state)


def test_what_makes_no_sense_is_told(run_dir, tmp_path):
    for wrong in ({"floor": 0.0}, {"floor": 1.5}, {"cap": 0.5}, {"rate": -1.0}, {"rate": float("nan")}):
        with pytest.raises(JobError, match="must be 0 < floor <= 1 <= cap, and rate >= 0"):
            DynamicData(run_dir, 4, **wrong)
    data = DynamicData(run_dir, 4, lookahead=2)
    with pytest.raises(JobError, match="3 workers can't read 2 steps ahead: set lookahead"):
        next(data.batches(3))
    with pytest.raises(JobError, match="that of cluster 1 is nan"):
        data.update({0: 1.0, 1: float("nan")})
    for cluster in (-1, 4, 99):
        with pytest.raises(JobError, match=f"no document of cluster {cluster}"):
            data.update({cluster: 1.0})
    with pytest.raises(JobError, match="compressed JSONL can't be read in any order"):
        DynamicData(make_run(tmp_path / "gz", "jsonl.gz"), 4)
