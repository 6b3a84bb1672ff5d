"""A sampler that listens to the trainer: clusters with a high loss are drawn more often, within bounds.

    data = DynamicData("runs/web-mix", batch_size=8)
    for batch in data.batches(workers=2):
        losses = train(batch)                 # {cluster: mean loss of its rows in this step, over all ranks}
        data.update(losses)
        torch.save({"model": ..., "data": data.state_dict()}, path)

It starts with the plan's shares of the clusters; `update` moves them (see `shares`), `draws` says which document comes
next. No document is used more often than the job's clip allows, over the whole training. Every rank must make the same
updates, with losses reduced over the ranks, since each works out the whole global batch and takes its part.

Workers need to know what comes before the trainer asks. So each step is drawn `lookahead` steps before it is handed
out, always, with workers or without: an update then works on the step `lookahead + 1` later, and what comes out does
not hang on how many processes read. The state is a few numbers a cluster, and the positions of the steps that are
drawn.

Rows are read wherever they lie, so the format must allow it: MDS costs one read a row, Parquet a row group of 1,024,
of which 256 MiB are kept. It starts from the run directory, not from a copy of the shards alone: see `pool`.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import DataLoader

from curation.errors import JobError
from curation.storage.store import Store
from curation.training.draws import Draws
from curation.training.folder import open_folder
from curation.training.pool import read_pool
from curation.training.rows import open_rows
from curation.training.shares import moved
from curation.training.steps import Collate, check_count, check_state, start_method, this_rank


class DynamicData:
    """One rank's batches, drawn by shares that follow the losses."""

    def __init__(
        self,
        run_dir: str,
        batch_size: int,
        *,
        rate: float = 0.1,
        floor: float = 0.2,
        cap: float = 5.0,
        lookahead: int = 4,
        seed: int = 0,
        rank: int | None = None,
        world: int | None = None,
        drop_last: bool = True,
        collate: Collate = list,
    ) -> None:
        """Opens a run.

        Args:
            run_dir: the directory of a finished run; a local path or s3://, gs://.
            batch_size: rows that a rank takes a step.
            rate: of the multiplicative weights, in 1 / unit of the losses.
            floor: least share of a cluster, as a multiple of its share in the plan; above 0, at most 1.
            cap: largest share, likewise; at least 1.
            lookahead: steps that are drawn before they are handed out; as many workers can be used.
            seed: of the clusters' phases.
            rank: of the data-parallel ranks, from 0. Without it and `world`, torch.distributed says.
            world: number of ranks.
            drop_last: leave out rows at the end, when all is spent, that don't fill a global batch.
            collate: makes a batch of a list of rows, in the worker; by default it is the list.

        Raises:
            JobError: the run can't be used, its format can't be read in any order, or an argument is wrong.
        """
        if not (0 < floor <= 1 <= cap < math.inf and 0 <= rate < math.inf):
            raise JobError(f"floor {floor}, cap {cap}, rate {rate}: must be 0 < floor <= 1 <= cap, and rate >= 0")
        self._folder = open_folder(f"{run_dir.rstrip('/')}/shards")
        open_rows(self._folder, anywhere=True)
        self._pool = read_pool(Store.open(run_dir), self._folder.rows)
        self._rank = this_rank(rank, world)
        self._global_batch = check_count("batch_size", batch_size) * self._rank.world
        self._rate, self._drop_last, self._collate = rate, drop_last, collate
        self._low, self._high = self._pool.base * floor, self._pool.base * cap
        self._lookahead = check_count("lookahead", lookahead, 0)
        self._shares = self._pool.base
        self._draws, self._step = Draws(self._pool, seed), 0
        self._planned: deque[NDArray[np.int64]] = deque()
        self._fixed = {
            "shards": self._folder.digest,
            "pool": self._pool.digest,
            "seed": seed,
            "global_batch": self._global_batch,
            "lookahead": self._lookahead,
        }

    @property
    def shares(self) -> dict[int, float]:
        """The share of the tokens that each cluster is to get now."""
        return dict(zip(self._pool.clusters.tolist(), self._shares.tolist(), strict=True))

    @property
    def uses(self) -> dict[int, tuple[int, int]]:
        """How often the documents of each cluster were drawn, steps not handed out included: at least, at most."""
        return self._draws.uses()

    def update(self, losses: Mapping[int, float]) -> None:
        """Moves the shares by the losses of some clusters; those without a loss count as average.

        Raises:
            JobError: a loss is not finite, or there is no such cluster in the shards.
        """
        wanted = np.full(len(self._shares), np.nan)
        for cluster, loss in losses.items():
            place = int(np.searchsorted(self._pool.clusters, cluster))
            if place == len(wanted) or self._pool.clusters[place] != cluster:
                raise JobError(f"losses: the shards have no document of cluster {cluster}")
            if not math.isfinite(loss):
                raise JobError(f"losses: that of cluster {cluster} is {float(loss)}: leave it out, or stop and look")
            wanted[place] = float(loss)
        self._shares = moved(self._shares, wanted, self._rate, self._low, self._high)
        self._draws.set_shares(self._shares)

    def batches(self, workers: int = 0) -> Iterator[Any]:
        """Batch by batch until every document was used as often as its clip allows, which may never be reached.

        A batch counts as consumed when it is handed out.

        Args:
            workers: processes that read ahead, at most `lookahead`; 0: this one reads, when it is asked.

        Raises:
            JobError: there are more workers than `lookahead` can employ.
        """
        if check_count("workers", workers, 0) > self._lookahead:
            raise JobError(f"{workers} workers can't read {self._lookahead} steps ahead: set lookahead to more")
        self._plan()
        loader: DataLoader[Any] = DataLoader(
            open_rows(self._folder, anywhere=True),  # type: ignore[arg-type]  # any __getitems__ will do
            batch_sampler=self._ahead(),
            collate_fn=self._collate,
            num_workers=workers,
            prefetch_factor=self._lookahead // workers if workers else None,
            multiprocessing_context=start_method(self._folder) if workers else None,
        )
        for batch in loader:
            self._planned.popleft()
            self._step += 1
            yield batch
            self._plan()

    def state_dict(self) -> dict[str, Any]:
        """Where the trainer is: JSON-able, the same on all ranks; it grows with clusters, batch and lookahead."""
        planned = [positions.tolist() for positions in self._planned]
        now = {"step": self._step, "shares": self._shares.tolist(), "draws": self._draws.state(), "planned": planned}
        return self._fixed | now

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes to where a state dict was saved; rate, floor, cap and number of ranks may be others now.

        Raises:
            JobError: it was saved of another run, seed, lookahead or size of the global batch.
        """
        check_state(state, self._fixed)
        self._step, self._shares = state["step"], np.array(state["shares"])
        self._draws.restore(state["draws"], self._shares)
        self._planned = deque(np.array(positions, np.int64) for positions in state["planned"])

    def _plan(self) -> None:
        """Draws steps until `lookahead` of them lie behind the next one, or all is spent."""
        while len(self._planned) <= self._lookahead:
            drawn = self._draws.take(self._global_batch)
            if len(drawn) < (self._global_batch if self._drop_last else 1):
                return
            self._planned.append(drawn)

    def _ahead(self) -> Iterator[list[int]]:
        """This rank's positions of each step that is drawn, as the loader asks for them: never beyond `lookahead`."""
        number = self._step
        while number - self._step < len(self._planned):
            drawn = self._planned[number - self._step]
            yield drawn[self._rank.share(len(drawn))].tolist()
            number += 1
