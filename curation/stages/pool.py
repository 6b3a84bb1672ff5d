"""Pool: work items go to encoder actors, and receipts come back. A Ray Data pipeline.

An actor reads its splits, encodes them and commits their parts itself, so neither text nor vectors pass through the
object store. The pool is fixed because Ray Data's autoscaling of GPU actors waits for the first one's backlog. Actors
take all their CPUs as Ray sees them: nothing else of this stage needs a slot, as the items are in the object store
before it begins.

Actors and their calls are started again without a limit when their machine is gone; what bounds that is the count of
each split (`encoding`). A call waits for its own actor. Where that one finds no machine any more and all the others
are done, a new pool, as large as the cluster is then, gets what is left. Where nothing can start at all, the
run ends with a message (`waiting`).

An actor with a GPU works on two items at a time, in two threads: while one's texts are on the GPU, the other's are
read and tokenised, or its vectors are written. The encoder lets one compute at a time. On a CPU there would be nothing
to gain: all cores compute anyway.
"""

from __future__ import annotations

import logging
import pickle
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from curation.config import Job
from curation.errors import CurationError, RunError
from curation.stages import ray_cluster, workers
from curation.stages.board import board
from curation.stages.context import Run
from curation.stages.encoder import load_spec
from curation.stages.encoding import EncoderActor
from curation.stages.splits import Receipt, WorkItem


def encode_items(run: Run, items: list[WorkItem]) -> Iterator[list[Receipt]]:
    """The receipts of each item, as they are finished.

    Raises:
        CurationError: what a person must mend; a split that lost its worker again and again is named.
    """
    import ray

    from curation.stages.pool_watch import StuckPoolError

    kind, told = load_spec(run.store).kind, []
    left = dict(enumerate(items))
    board().ask.remote()
    while left:
        pool = pool_layout(run.job, kind, len(left))
        run.reporter.event("pool", stage="embeddings", actors=pool.actors, threads=pool.threads, gpus=pool.gpus)
        try:
            for row in _dataset(run, pool, left).iter_rows():
                outcome = pickle.loads(row["outcome"])
                if isinstance(outcome, CurationError):
                    raise outcome
                del left[row["number"]]
                if outcome.taken and outcome.taken not in told:
                    told.append(outcome.taken)
                    run.reporter.event("batches", stage="embeddings", **outcome.taken)
                if again := outcome.again:
                    text = f"an encoder actor was lost; done again: split {again[0]} and {len(again) - 1} more"
                    run.reporter.event("lost", stage="embeddings", split=again[0], splits=len(again), text=text)
                yield outcome.receipts
        except StuckPoolError:
            text = f"an encoder actor found no machine to start on again: a new pool takes the {len(left)} items left"
            run.reporter.event("note", stage="embeddings", text=text)
        except (ray.exceptions.RayError, ray.exceptions.UserCodeException) as error:
            raise RunError(f"embedding failed: {workers.cause_of(error)}") from error


def _dataset(run: Run, pool: Pool, items: dict[int, WorkItem]) -> Any:
    """The pipeline from items to outcomes, which runs when it is iterated over."""
    import ray.data

    from curation.stages.pool_watch import PoolWatch

    logging.getLogger("ray.data").setLevel(logging.ERROR)  # once it has set its own level, at its import
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.execution_options.preserve_order = False
    context.execution_no_progress_timeout_s = -1  # an item may take hours; the watch knows whether anybody works
    context.custom_execution_callback_classes = [partial(PoolWatch, pool.wanted)]
    rows = [{"number": number, "item": pickle.dumps(item)} for number, item in items.items()]
    with warnings.catch_warnings():  # of the two limits on restarts, for which Ray Data has no other door yet
        warnings.simplefilter("ignore", ray.util.annotations.RayDeprecationWarning)
        return ray.data.from_items(rows, override_num_blocks=len(rows)).map_batches(
            EncoderActor,
            batch_size=1,
            batch_format="pyarrow",
            fn_constructor_args=(run.store, run.job, "cuda" if pool.gpus else "cpu", pool.threads, board()),
            compute=ray.data.ActorPoolStrategy(
                size=pool.actors, max_concurrent_calls_per_actor=pool.items, enable_true_multi_threading=True
            ),
            num_gpus=pool.gpus,
            num_cpus=0 if pool.gpus else pool.threads,
            max_restarts=-1,
            max_task_retries=-1,
        )


@dataclass(frozen=True)
class Pool:
    """How many encoder actors there are, and what each takes."""

    actors: int
    threads: int
    gpus: float

    @property
    def items(self) -> int:
        """Work items that an actor has in hand at a time."""
        return 2 if self.gpus else 1

    @property
    def wanted(self) -> dict[str, float]:
        """What an actor needs, by Ray's name of the resource."""
        return {"GPU": self.gpus} if self.gpus else {"CPU": self.threads}


def pool_layout(job: Job, kind: str, items: int) -> Pool:
    """The pool for the cluster at hand; no more actors than there are items.

    The lexical encoder is Python and SciPy on one thread, so it gets an actor a CPU. A transformer on CPU gets up to 8
    threads, which compute a batch each: fewer would load the model more often, and more wait for the last batch of
    a split.
    """
    wanted = job.resources.embedding_actors
    gpus = 0.0 if kind == "lexical" else ray_cluster.gpus_per_actor(job.resources)
    if gpus:
        fitting = max(1, int(ray_cluster.gpus() / gpus))
        return Pool(min(items, fitting if wanted == "auto" else wanted), 4, gpus)
    most = 1 if kind == "lexical" else min(8, ray_cluster.node_cpus())
    if wanted == "auto":
        actors = min(items, max(1, ray_cluster.cpus() // most))
        return Pool(actors, most, 0.0)
    actors = min(items, wanted)
    return Pool(actors, max(1, min(most, ray_cluster.cpus() // actors)), 0.0)
