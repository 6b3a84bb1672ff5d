"""The Ray cluster that a job works on: joined or started, and what it has."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

from curation.config import Resources
from curation.errors import JobError, RunError
from curation.stages.waiting import PATIENCE


def start(resources: Resources, tell: Callable[..., None] | None = None) -> None:
    """Joins the cluster named by RAY_ADDRESS, or starts Ray on this machine; nothing when Ray is up already.

    Args:
        resources: what the job may use.
        tell: hears of it when the work waits for machines.
    """
    PATIENCE.seconds, PATIENCE.tell = resources.wait_seconds, tell
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
    except (ConnectionError, RuntimeError, ValueError, OSError, ray.exceptions.RayError) as error:
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
