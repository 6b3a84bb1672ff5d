"""The shards in their global order, for a training loop: ranks, workers, exact resume.

    data = TrainingData("runs/web-mix/shards", batch_size=8)
    for batch in data.batches(workers=2):
        train(batch)
        torch.save({"model": ..., "data": data.state_dict()}, path)     # later: data.load_state_dict(...)

A step takes `batch_size * world` rows, the next ones of the global order, and rank r the r-th part of them. What comes
out of `batches` is the same for any number of workers, and the rows of a step are the same for any number of ranks
that share the same global batch. The state is one position in the global order: it grows with nothing, and a run can go
on from it with another number of workers, ranks, or rows a batch.

Workers take turns at blocks of consecutive steps, about 16 MiB of text each, so that one row group is not decoded by
all of them. In a DataLoader of your own they take turns step by step. It must not batch, and count what it was given:

    for batch in DataLoader(data, batch_size=None, num_workers=2):
        train(batch)
        data.advance()                                                   # so that state_dict() knows
    data.next_epoch()

At the end of an epoch the loop ends, and the next one begins at the first row again, in the same order: the shards hold
all repetitions that the plan allows, so a second epoch goes beyond its clip. Rows that don't fill a last global batch
are left out, or with `drop_last=False` given as a smaller one.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any

from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from curation.training.folder import open_folder
from curation.training.rows import open_rows
from curation.training.steps import Collate, check_count, check_state, start_method, this_rank

#: Text of a block of steps that a worker reads at a time, in bytes, and its most rows: a row group.
BLOCK_BYTES, BLOCK_ROWS = 16 << 20, 1024


class TrainingData(IterableDataset[Any]):
    """One rank's batches of a folder of shards. Iterated over, it gives what is left of the epoch."""

    def __init__(
        self,
        folder: str,
        batch_size: int,
        *,
        rank: int | None = None,
        world: int | None = None,
        split: str = "train",
        drop_last: bool = True,
        collate: Collate = list,
    ) -> None:
        """Opens a folder.

        Args:
            folder: `shards` of a finished run, or the run directory; a local path or s3://, gs://. Any format.
            batch_size: rows that a rank takes a step.
            rank: of the data-parallel ranks, from 0. Without it and `world`, torch.distributed says.
            world: number of ranks.
            split: `train` or `validation`.
            drop_last: leave out rows at the end that don't fill a global batch.
            collate: makes a batch of a list of rows, in the worker. A row is a dict of the shard's columns; of the
                format megatron, of `tokens` and `domain`. By default a batch is the list.

        Raises:
            JobError: the folder can't be used, or an argument is wrong.
        """
        self._folder = open_folder(folder, split)
        self._split = split
        self._rank = this_rank(rank, world)
        self._global_batch = check_count("batch_size", batch_size) * self._rank.world
        self._drop_last, self._collate = drop_last, collate
        self._epoch, self._position = 0, 0

    @property
    def epoch(self) -> int:
        """Epochs that are over."""
        return self._epoch

    @property
    def steps_left(self) -> int:
        """Steps until the epoch is over."""
        rows = self._folder.rows - self._position
        return rows // self._global_batch if self._drop_last else -(-rows // self._global_batch)

    def batches(self, workers: int = 0, prefetch: int = 2) -> Iterator[Any]:
        """What is left of the epoch, batch by batch; a batch counts as consumed when it is handed out.

        Args:
            workers: processes that read ahead; 0: this one reads, when it is asked.
            prefetch: blocks of about 16 MiB of text that each worker holds ready.
        """
        loader = DataLoader(
            _Blocks(self, self._steps_a_block()),
            batch_size=None,
            collate_fn=_as_it_is,
            num_workers=check_count("workers", workers, 0),
            prefetch_factor=prefetch if workers else None,
            multiprocessing_context=start_method(self._folder) if workers else None,
        )
        for batch in chain.from_iterable(loader):
            self.advance()
            yield batch
        self.next_epoch()

    def next_epoch(self) -> None:
        """Goes to the first row again: only for loops over a DataLoader of one's own, at the end of the epoch."""
        self._epoch, self._position = self._epoch + 1, 0

    def advance(self, steps: int = 1) -> None:
        """Counts steps as consumed: only for loops over a DataLoader of one's own."""
        self._position = min(self._position + steps * self._global_batch, self._folder.rows)

    def state_dict(self) -> dict[str, Any]:
        """Where the trainer is: JSON-able, of constant size, the same on all ranks."""
        return {"shards": self._folder.digest, "split": self._split, "epoch": self._epoch, "position": self._position}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes to where a state dict was saved; the next batch is the one that would have come then.

        Raises:
            JobError: it was saved of other shards.
        """
        check_state(state, {"shards": self._folder.digest, "split": self._split})
        self._epoch, self._position = int(state["epoch"]), int(state["position"])

    def __iter__(self) -> Iterator[Any]:
        """What is left of the epoch; in a DataLoader's worker, every batch that is its turn. Consumes nothing."""
        return chain.from_iterable(self._blocks(1))

    def _steps_a_block(self) -> int:
        row_bytes = max(self._folder.text_bytes / max(self._folder.rows, 1), 1)
        return max(int(min(BLOCK_ROWS, BLOCK_BYTES / row_bytes) / self._global_batch), 1)

    def _blocks(self, steps: int) -> Iterator[list[Any]]:
        """The batches of this worker's blocks of so many steps."""
        worker = get_worker_info()
        number, workers = (worker.id, worker.num_workers) if worker else (0, 1)
        rows, origin, left = open_rows(self._folder), self._position, self.steps_left
        for first in range(number * steps, left, workers * steps):
            block = []
            for step in range(first, min(first + steps, left)):
                start = origin + step * self._global_batch
                stop = min(start + self._global_batch, self._folder.rows)
                block.append(self._collate(rows.__getitems__(range(start, stop)[self._rank.share(stop - start)])))
            yield block


class _Blocks(IterableDataset[Any]):
    """The same batches, in blocks of steps."""

    def __init__(self, data: TrainingData, steps: int) -> None:
        self._data, self._steps = data, steps

    def __iter__(self) -> Iterator[list[Any]]:
        return self._data._blocks(self._steps)


def _as_it_is(value: Any) -> Any:
    """Instead of torch's conversion of whatever looks like a number to a tensor."""
    return value
