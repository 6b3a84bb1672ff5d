import json
from itertools import islice

import numpy as np
import pytest
from torch.utils.data import DataLoader

from curation.errors import JobError
from curation.training import static
from curation.training.static import TrainingData
from tests.training.folders import SUFFIXES, rows, write_folder, write_megatron


def numbers(batch):
    """The numbers of a batch's rows, as `rows` gave them."""
    return [row["doc_id"] // 7 for row in batch]


def sequence(data, workers=0):
    return [numbers(batch) for batch in data.batches(workers)]


def expected(count, global_batch, rank=0, world=1):
    share = global_batch // world
    starts = range(0, count - count % global_batch, global_batch)
    return [list(range(start + rank * share, start + (rank + 1) * share)) for start in starts]


@pytest.fixture
def small_blocks(monkeypatch):
    """Blocks of two or three steps, so that small folders have many."""
    monkeypatch.setattr(static, "BLOCK_ROWS", 12)


@pytest.fixture
def folder(tmp_path):
    return str(write_folder(tmp_path, rows(203), "parquet"))


@pytest.mark.parametrize("format", SUFFIXES)
@pytest.mark.parametrize(("rank", "world"), [(0, 1), (0, 2), (1, 2), (2, 3)])
def test_every_rank_gets_its_part_of_the_global_order(tmp_path, small_blocks, format, rank, world):
    folder = str(write_folder(tmp_path, rows(203), format))
    data = TrainingData(folder, 12 // world, rank=rank, world=world)
    assert data.steps_left == 16
    assert sequence(data) == expected(203, 12, rank, world)


def test_the_sequence_is_the_same_for_any_number_of_workers(folder, small_blocks):
    for workers in (1, 3):
        data = TrainingData(folder, 4)
        assert sequence(data, workers) == expected(203, 4)
        assert sequence(data) == expected(203, 4)  # the second epoch is as the first
        assert data.epoch == 2


@pytest.mark.parametrize("format", ["mds", "jsonl.zst"])
def test_workers_on_other_formats(tmp_path, small_blocks, format):
    folder = str(write_folder(tmp_path, rows(203), format))
    assert sequence(TrainingData(folder, 5, rank=1, world=2), 2) == expected(203, 10, 1, 2)


def test_rows_are_whole_and_collate_runs_on_lists_of_them(tmp_path):
    wanted = rows(20)
    folder = str(write_folder(tmp_path, wanted, "parquet"))
    assert [row for batch in TrainingData(folder, 5).batches() for row in batch] == wanted
    texts = TrainingData(folder, 5, collate=lambda batch: [row["text"] for row in batch])
    assert list(texts.batches()) == [[row["text"] for row in wanted[at : at + 5]] for at in range(0, 20, 5)]


def test_the_last_rows_can_be_kept(folder):
    whole = [batch for batch in sequence(TrainingData(folder, 10, drop_last=False)) if batch]
    assert whole[:-1] == expected(203, 10)
    assert whole[-1] == [200, 201, 202]
    parts = [sequence(TrainingData(folder, 5, rank=rank, world=2, drop_last=False)) for rank in (0, 1)]
    assert [a + b for a, b in zip(*parts, strict=True)] == whole
    assert [len(part[-1]) for part in parts] == [1, 2]


@pytest.mark.parametrize("world", [1, 2])
def test_killed_at_random_steps_in_process(folder, small_blocks, world):
    """Each kill is at a random step of the undisturbed sequence, two epochs long."""
    rank = world - 1
    wanted = expected(203, 4, rank, world) * 2
    for step in np.random.default_rng(world).integers(0, len(wanted) + 1, 15).tolist():
        assert resumed(folder, step, rank, world) == wanted


@pytest.mark.parametrize(("workers", "world", "steps"), [(1, 1, [23]), (2, 2, [7, 70]), (4, 1, [49])])
def test_killed_with_workers(folder, small_blocks, workers, world, steps):
    for step in steps:
        assert resumed(folder, step, 0, world, workers) == expected(203, 4, 0, world) * 2


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2, 4])
@pytest.mark.parametrize("world", [1, 2])
def test_killed_at_fifty_random_steps_with_workers(folder, small_blocks, workers, world):
    wanted = [expected(203, 4, rank, world) * 2 for rank in range(world)]
    for step in np.random.default_rng(workers).integers(0, len(wanted[0]) + 1, 50).tolist():
        for rank in range(world):
            assert resumed(folder, step, rank, world, workers) == wanted[rank]


def resumed(folder, step, rank=0, world=1, workers=0):
    """Two epochs; after `step` steps everything is dropped but the state, which goes through JSON."""
    data = TrainingData(folder, 4 // world, rank=rank, world=world)
    seen, state = [], json.dumps(data.state_dict())
    batches = two_epochs(data, workers)
    for batch in islice(batches, step):
        seen.append(numbers(batch))
        state = json.dumps(data.state_dict())
    batches.close()
    again = TrainingData(folder, 4 // world, rank=rank, world=world)
    again.load_state_dict(json.loads(state))
    assert len(state) < 200
    return seen + [numbers(batch) for batch in two_epochs(again, workers)]


def two_epochs(data, workers):
    while data.epoch < 2:
        yield from data.batches(workers)


def test_resumed_with_other_ranks_workers_and_batch_size(folder):
    data = TrainingData(folder, 3, rank=0, world=2)
    first = [numbers(batch) for batch in islice(data.batches(), 4)]
    assert first[-1] == [18, 19, 20]
    other = TrainingData(folder, 10)
    other.load_state_dict(data.state_dict())
    assert sequence(other, 1)[:2] == [list(range(24, 34)), list(range(34, 44))]


def test_ones_own_dataloader(folder):
    data = TrainingData(folder, 4, rank=1, world=2)
    for _ in range(3):  # the third time after a resume
        loader = DataLoader(data, batch_size=None, num_workers=2)
        seen = []
        for batch in islice(loader, 11):
            seen.append(numbers(batch))
            data.advance()
        again = TrainingData(folder, 4, rank=1, world=2)
        again.load_state_dict(data.state_dict())
        rest = [numbers(batch) for batch in DataLoader(again, batch_size=None, num_workers=0)]
        assert seen + rest == expected(203, 8, 1, 2)
        data.next_epoch()
    assert data.epoch == 3


def test_a_state_of_other_shards_is_refused(folder, tmp_path):
    state = TrainingData(folder, 4).state_dict()
    other = TrainingData(str(write_folder(tmp_path / "other", rows(204), "parquet")), 4)
    with pytest.raises(JobError, match=r"saved with shards .* resume with the shards"):
        other.load_state_dict(state)
    with pytest.raises(JobError, match="no 'shards': it is not a state dict"):
        other.load_state_dict({"epoch": 1})


def test_arguments_that_make_no_sense(folder):
    for wrong in ({"batch_size": 0}, {"batch_size": 2.5}, {"batch_size": 2, "rank": 1}):
        with pytest.raises(JobError, match=r"must be a whole number|give both"):
            TrainingData(folder, **wrong)
    with pytest.raises(JobError, match="rank 2 of 2"):
        TrainingData(folder, 2, rank=2, world=2)
    with pytest.raises(JobError, match="workers is -1"):
        next(TrainingData(folder, 2).batches(-1))


def test_blocks_hold_as_much_text_as_they_should(tmp_path, monkeypatch):
    data = TrainingData(str(write_folder(tmp_path, rows(203), "parquet")), 4)
    assert data._steps_a_block() == 1024 // 4
    monkeypatch.setattr(static, "BLOCK_BYTES", 1300)
    assert data._steps_a_block() == 2  # texts of about 125 bytes
    monkeypatch.setattr(static, "BLOCK_BYTES", 1)
    assert data._steps_a_block() == 1


def test_megatron_sequences(tmp_path):
    found = {"web": [[i] for i in range(30)], "books": [[100 + i] for i in range(10)]}
    folder = str(write_megatron(tmp_path, found))
    alone = [[int(row["tokens"][0]) for row in batch] for batch in TrainingData(folder, 4).batches()]
    assert sorted(token for batch in alone for token in batch) == [*range(30), *range(100, 110)]
    data = TrainingData(folder, 2, rank=1, world=2)
    assert [[int(row["tokens"][0]) for row in batch] for batch in data.batches(2)] == [batch[2:] for batch in alone]
