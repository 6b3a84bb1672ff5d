"""The ranks of the cuML engine: set up together, watched, and set up anew when one dies or hangs.

All ranks get their GPUs at once, in a placement group, or none does. Rank 0 makes the id by which they find each
other; then all join, and add up numbers as a test. From there on a call goes to all of them and all must answer: NCCL
waits for ever for a rank that is gone, so the ones that are left can't say it. Whoever dies is told by Ray; whoever is
silent for much longer than earlier calls took is taken for lost. Either way the whole gang is ended, since the others
are stuck, a new one reads the rows, and the call is made again. Ranks keep nothing between calls but their rows, so the
fit goes on from the centroids that the driver has; those are committed after each segment (`fits`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curation.clustering.cuml_engine import CumlRank
from curation.clustering.segments import Advance
from curation.clustering.torch_engine import StepResult, Worst, merge_worst
from curation.errors import CurationError, RunError
from curation.stages import ray_cluster, workers
from curation.stages.board import board, record
from curation.stages.context import Run
from curation.stages.cuml_rank import RankActor, even_pieces, rows_to_fit
from curation.stages.fit_plan import NO_ROWS

#: Seconds that the cluster has to make room for all ranks (a node may have to come up), and that they have to join.
PLACEMENT_SECONDS, CONNECT_SECONDS = 600.0, 300.0

#: Seconds that the first call of its kind may take; later ones may take so many times the slowest so far, and at least
#: so many seconds.
FIRST_SECONDS, PATIENCE, LEAST_SECONDS = 1800.0, 10.0, 120.0

#: Times that a gang is set up anew.
REBUILDS = 3

#: Seconds that ranks which are not at work have to take leave.
_CLOSE_SECONDS = 10.0


class GangLostError(Exception):
    """A rank died, failed or is silent: the gang is of no use any more."""


@dataclass
class Watch:
    """How long calls of each kind took, and how long the next one may take."""

    slowest: dict[str, float] = field(default_factory=dict)
    """Seconds for a unit of work, by kind."""

    def limit(self, kind: str, units: int) -> float:
        """Seconds after which a call is taken for lost."""
        known = self.slowest.get(kind)
        return FIRST_SECONDS if known is None else max(LEAST_SECONDS, PATIENCE * known * units)

    def saw(self, kind: str, units: int, seconds: float) -> None:
        """A call was answered."""
        self.slowest[kind] = max(self.slowest.get(kind, 0.0), seconds / units)


class CumlGang:
    """The ranks, and what they are asked together; as `Gang`, and `advance`."""

    def __init__(self, run: Run, share: float, rank_class: Any = CumlRank) -> None:
        """Counts the rows and sets the ranks up.

        Args:
            run: the run.
            share: of the documents, to fit on.
            rank_class: `CumlRank`, or a class with its methods that needs other resources.
        """
        self._run, self._share, self._class = run, share, rank_class
        self._counts = rows_to_fit(run, share)
        self.rows: int = sum(self._counts.values())
        if not self.rows:
            raise RunError(NO_ROWS)
        self._actors: list[Any] = []
        self._group: Any = None
        self._lost: list[str] = []
        self._at_work = False
        self._watch = Watch()
        self._set_up()

    def ask(self, call: Callable[[Any], Any], kind: str = "question", units: int = 1) -> list[Any]:
        """The answers of all ranks, in their order; where one is lost, those of the gang that comes after."""
        while True:
            begun = time.monotonic()
            try:
                answers = self._gather(call, self._watch.limit(kind, units), kind)
            except GangLostError as error:
                self._recover(error)
                continue
            self._watch.saw(kind, units, time.monotonic() - begun)
            return answers

    def advance(self, centroids: NDArray[np.float32], iterations: int) -> Advance:
        """Up to so many of the engine's iterations over all rows."""
        shared, tolerance = ray_cluster.share(centroids), self._run.job.clustering.tolerance
        made: Advance = self.ask(
            lambda rank: rank.advance.remote(shared, iterations, tolerance), "segment", iterations
        )[0]
        return made

    def step(self, centroids: NDArray[np.float32], stratum: NDArray[np.int16] | None = None) -> StepResult:
        """One exact step of all ranks, added up; see `Gang.step`."""
        shared = ray_cluster.share((centroids, stratum))
        answers: Sequence[StepResult] = self.ask(lambda rank: rank.step.remote(shared), "exact iteration")
        return reduce(StepResult.__add__, answers)

    def worst(self, centroids: NDArray[np.float32], most: int, stratum: NDArray[np.int16] | None = None) -> Worst:
        """The rows that fit worst over all ranks; see `Gang.worst`."""
        shared = ray_cluster.share((centroids, stratum))
        found: Sequence[Worst] = self.ask(lambda rank: rank.worst.remote(shared, most), "search for the worst rows")
        return merge_worst(found, most)

    def stop(self) -> None:
        """Ends the ranks and gives their places back."""
        try:
            if self._actors and not self._at_work:
                self._gather(lambda rank: rank.close.remote(), _CLOSE_SECONDS, "end")
        except (GangLostError, RunError) as error:  # the fit is done: nothing is lost with them
            self._run.reporter.event("note", stage="centroids", text=f"when the ranks were ended: {error}")
        finally:
            self._tear_down()

    def _set_up(self) -> None:
        """Places the ranks, lets them read their rows, and joins them; again where one is lost meanwhile."""
        try:
            self._start(self._rank_count())
            self._gather(lambda rank: rank.count.remote(), None, "reading of the rows")
            [unique_id] = self._gather(lambda rank: rank.new_id.remote(), CONNECT_SECONDS, "new id", self._actors[:1])
            self._gather(lambda rank: rank.connect.remote(unique_id), CONNECT_SECONDS, "test of the connections")
        except GangLostError as error:
            self._recover(error)
        except BaseException:
            self._tear_down()
            raise

    def _recover(self, error: GangLostError) -> None:
        """A new gang in place of one that is lost.

        Raises:
            RunError: more than `REBUILDS` gangs were lost.
        """
        self._tear_down()
        self._lost.append(str(error))
        if len(self._lost) > REBUILDS:
            told = "; ".join(dict.fromkeys(self._lost))
            text = (
                f"the K-Means ranks were lost {len(self._lost)} times: {told}. Run again to go on from the last segment"
            )
            raise RunError(f"{text}, or use clustering.engine: torch")
        self._run.reporter.event("note", stage="centroids", text=f"K-Means: {error}; all ranks start anew")
        record({"curation_retries_total": 1})
        self._watch = Watch()  # the new gang may be smaller, and slower
        self._set_up()

    def _rank_count(self) -> int:
        """One a GPU, as far as they are there now, and no more than there are rows or than the job file allows."""
        import ray

        there, wanted = ray.cluster_resources(), self._run.job.resources.clustering_actors
        most = min(int(there.get(kind, 0) / amount) for kind, amount in self._class.RESOURCES.items())
        return max(1, min(most, self.rows, most if wanted == "auto" else wanted))

    def _start(self, ranks: int) -> None:
        import ray
        from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

        needs = self._class.RESOURCES
        self._group = reserve(needs, ranks)
        store, share, seed = self._run.store, self._share, self._run.job.seed
        for rank, pieces in enumerate(even_pieces(self._counts, ranks)):
            strategy = PlacementGroupSchedulingStrategy(self._group, placement_group_bundle_index=rank)
            options = {"num_cpus": needs.get("CPU", 0), "num_gpus": needs.get("GPU", 0), "max_restarts": 0}
            make = ray.remote(**options, scheduling_strategy=strategy)(RankActor)
            self._actors.append(make.remote(self._class, (rank, ranks), store, pieces, share, seed, board()))

    def _gather(
        self, call: Callable[[Any], Any], seconds: float | None, kind: str, ranks: Sequence[Any] | None = None
    ) -> list[Any]:
        """The answers of all ranks within so many seconds (None: however long they take), in their order."""
        import ray

        self._at_work = True
        asked = [call(rank) for rank in (self._actors if ranks is None else ranks)]
        until = None if seconds is None else time.monotonic() + seconds
        waiting = list(asked)
        while waiting:
            left = None if until is None else max(0.0, until - time.monotonic())
            ready, waiting = ray.wait(waiting, num_returns=1, timeout=left)
            if not ready:
                silent = ", ".join(str(asked.index(reference)) for reference in waiting)
                raise GangLostError(f"{kind}: no answer in {seconds:.0f} s from rank {silent}")
            answer(ready[0], f"{kind}: rank {asked.index(ready[0])}")
        self._at_work = False
        return [ray.get(reference) for reference in asked]

    def _tear_down(self) -> None:
        import ray

        for actor in self._actors:
            ray.kill(actor)
        if self._group is not None:
            ray.util.remove_placement_group(self._group)
        self._actors, self._group, self._at_work = [], None, False


def answer(reference: Any, what: str) -> None:
    """Looks whether a call to a rank went well.

    Raises:
        GangLostError: the rank is lost.
        RunError: the rank said in words why it can't go on, or could not be started; another one would not help.
    """
    import ray

    try:
        ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, CurationError):
            told = "NCCL_DEBUG=INFO says more, NCCL_SOCKET_IFNAME names the network; or use clustering.engine: torch"
            raise RunError(f"{what}: {error.cause} ({told})") from error
        raise GangLostError(f"{what} failed: {workers.cause_of(error)}") from error
    except ray.exceptions.RayActorError as error:
        if workers.died_starting(error):
            raise RunError(f"{what} did not start: {workers.cause_of(error)}") from error
        raise GangLostError(f"{what} was lost: {workers.cause_of(error)}") from error
    except ray.exceptions.RayError as error:
        raise GangLostError(f"{what} was lost: {workers.cause_of(error)}") from error


def reserve(needs: dict[str, float], ranks: int) -> Any:
    """Places for all ranks at once, on as few nodes as possible.

    Raises:
        RunError: the cluster has no room for them, and did not make any in time.
    """
    import ray

    group = ray.util.placement_group([needs] * ranks, strategy="PACK")
    if not group.wait(PLACEMENT_SECONDS):
        ray.util.remove_placement_group(group)
        asked = ", ".join(f"{kind} {amount:g}" for kind, amount in needs.items())
        there, free = ray.cluster_resources(), ray.available_resources()
        has = ", ".join(f"{kind} {there.get(kind, 0):g} ({free.get(kind, 0):g} free)" for kind in needs)
        raise RunError(
            f"K-Means asked for {ranks} ranks at once, each with {asked}, and had no room after "
            f"{PLACEMENT_SECONDS:.0f} s; the cluster has {has}. Free some, lower resources.clustering_actors, "
            "or use clustering.engine: torch"
        )
    return group
