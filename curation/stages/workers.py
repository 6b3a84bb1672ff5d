"""Ray, as far as the stages need it: start it, ask what it has, map a function over work items.

Ray is a scheduler here and holds no state: a task gets a small work item, reads and writes the run directory, and
returns a small receipt. A task that loses its process or node is tried again a bounded number of times; an error
that a person must mend travels as a value, so that it arrives with its own words and without a traceback.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from curation.config import Resources
from curation.errors import CurationError, JobError, RunError

Item = TypeVar("Item")
Receipt = TypeVar("Receipt")

#: Times that a task or actor is started again after its process or node was lost.
RETRIES = 3


def start(resources: Resources) -> None:
    """Joins the cluster named by RAY_ADDRESS, or starts Ray on this machine; nothing when Ray is up already."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "1")  # who asks for no GPU sees none
    os.environ.setdefault("RAY_DATA_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # or its C++ core writes into the progress bars
    os.environ.setdefault("RAY_IGNORE_UNHANDLED_ERRORS", "1")  # of tasks beside the one whose error ends the run
    import ray

    if ray.is_initialized():
        return
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    try:
        with _silence(), _signals_kept():
            if os.environ.get("RAY_ADDRESS"):
                ray.init(address="auto", **quiet)
            else:
                ray.init(include_dashboard=False, object_store_memory=_object_store_bytes(resources), **quiet)
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        raise RunError(f"Ray did not start: {' '.join(str(error).split())[:500]}") from error


@contextlib.contextmanager
def _signals_kept() -> Iterator[None]:
    """Puts the handler of SIGTERM back, which Ray replaces with its own."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handler = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, handler)


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Keeps what Ray's C++ core says at its start off the terminal. Its errors come as exceptions."""
    sys.stderr.flush()
    kept = os.dup(2)
    with open(os.devnull, "w") as nowhere:  # noqa: PTH123 (a device, not a file of ours)
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _object_store_bytes(resources: Resources) -> int:
    if resources.object_store_bytes != "auto":
        return resources.object_store_bytes
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return max(80_000_000, min(2_000_000_000, int(memory * 0.15)))


def cpus() -> int:
    """CPU slots of the whole cluster, at least 1."""
    import ray

    return max(1, int(ray.cluster_resources().get("CPU", 1)))


def gpus() -> int:
    """GPU slots of the whole cluster."""
    import ray

    return int(ray.cluster_resources().get("GPU", 0))


def gpus_per_actor(resources: Resources) -> float:
    """GPUs of an actor that computes with vectors; 0: it runs on CPUs.

    Raises:
        JobError: the job file asks for more than there are.
    """
    there, wanted = gpus(), resources.gpus_per_actor
    if wanted == "auto":
        return float(there > 0)
    if wanted > there:
        raise JobError(
            f"resources.gpus_per_actor is {wanted:g}, and the cluster has {there} GPUs; lower it, or use auto"
        )
    return float(wanted)


def node_cpus() -> int:
    """CPU slots of the node that has most, at least 1."""
    import ray

    return max(1, *(int(node["Resources"].get("CPU", 0)) for node in ray.nodes() if node["Alive"]), 1)


def share(value: Any) -> Any:
    """Puts a value into the object store once; tasks get the value itself."""
    import ray

    return ray.put(value)


def map_items(
    items: Iterable[Item], work: Callable[..., Receipt], *shared: Any, tasks: int | str = "auto", gpus: float = 0.0
) -> Iterator[tuple[Item, Receipt]]:
    """Calls `work(item, *shared)` in Ray tasks of one CPU and yields (item, receipt) as they finish.

    Args:
        items: picklable work items; taken lazily, a few ahead of the workers.
        work: a module-level function.
        shared: further arguments; object references (`share`) arrive as the values they stand for.
        tasks: at most so many at a time; `auto` keeps every CPU busy.
        gpus: GPUs of a task.

    Raises:
        CurationError: raised by `work`, as it was.
        RunError: a task's process was lost again and again.
    """
    import ray

    call = ray.remote(num_cpus=1, num_gpus=gpus, max_retries=RETRIES)(_call)
    window = 2 * cpus() if tasks == "auto" else int(tasks)
    waiting: dict[Any, Item] = {}
    left = iter(items)
    try:
        while True:
            while len(waiting) < window and (item := next(left, None)) is not None:
                waiting[call.remote(work, item, *shared)] = item
            if not waiting:
                return
            for reference in ray.wait(list(waiting), num_returns=1)[0]:
                item = waiting.pop(reference)
                yield item, outcome(reference, name_of(work, item))
    finally:
        for reference in waiting:
            ray.cancel(reference, force=True)


def _call(work: Callable[..., Any], item: Any, *shared: Any) -> Any:
    try:
        return work(item, *shared)
    except CurationError as error:
        return error


def name_of(work: Callable[..., Any], item: Any) -> str:
    """What a task was about, for a message: the item's own label, or the name of the work."""
    return str(getattr(item, "label", work.__name__.strip("_").replace("_", " ")))


def outcome(reference: Any, what: str) -> Any:
    """The value of a reference; raises what a person should read when the task or actor failed."""
    import ray

    try:
        value = ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        raise RunError(f"{what}: {cause_of(error)}") from error
    except ray.exceptions.RayError as error:
        raise RunError(f"{what}: its worker was lost {RETRIES + 1} times: {cause_of(error)}") from error
    if isinstance(value, CurationError):
        raise value
    return value


def cause_of(error: BaseException) -> str:
    """What lies under Ray's own errors, in one line."""
    while (cause := getattr(error, "cause", None) or error.__cause__) is not None:
        error = cause
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [""]
    if died_starting(error):  # Ray puts the traceback of the constructor into the message, the error itself last
        return lines[-1]
    return f"{type(error).__name__}: {lines[0]}"


def died_starting(error: BaseException) -> bool:
    """True for an actor whose constructor failed, which no restart would mend."""
    return "creation task" in str(error).partition("\n")[0]
