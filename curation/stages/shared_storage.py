"""Shared storage: looks whether every node sees the local folders that the job names.

A run directory or a source may be a plain path, on a file system that all nodes share. Nothing says which paths are
shared. On one that is not, each node would write its parts onto a disk of its own, and the driver would miss them
hours later. So the driver puts a small file into the run directory, and a task without a CPU on each other node looks
for it and for the sources. Nodes come and go, so each is asked once, before the first stage that it is there for.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from curation.config import Job
from curation.errors import JobError, StorageError
from curation.sources.find import open_input
from curation.sources.globbing import is_hidden
from curation.stages.context import Run
from curation.storage.store import Store
from curation.storage.uris import split_uri

#: Seconds that a node has for its answer; one that gives none is asked again before the next stage.
ANSWER_SECONDS = 60.0
#: The folder in which Ray keeps the working directories that came with submitted jobs.
RAYS_COPIES = "runtime_resources"


def check_nodes(run: Run, seen: set[str]) -> None:
    """Asks each node that is not in `seen`, and notes in it those that see everything. Ray is up.

    Raises:
        JobError: a node does not see the run directory or a source, or the run directory is not there to stay.
    """
    import ray

    if run.store.is_local:
        _check_place(run.store)
    nodes = {node["NodeID"]: node["NodeManagerHostname"] for node in ray.nodes() if node["Alive"]}
    nodes = {node: name for node, name in nodes.items() if node not in seen and node != _here()}
    if not nodes:
        return
    paths = _local_sources(run.job)
    with _marker(run.store) as marker:
        wanted = [*marker, *paths]
        for node, missing in _answers(list(nodes), wanted) if wanted else ():
            if missing:
                raise JobError(_refusal(run, paths.get(missing[0]), missing[0], nodes[node]))
            seen.add(node)


def _check_place(store: Store) -> None:
    """Raises JobError for a run directory in Ray's own copy of a job's working directory, which goes when it likes."""
    here = Path.cwd()
    if RAYS_COPIES in here.parts and here in (Path(store.root), *Path(store.root).parents):
        raise JobError(
            f"run_dir: {store.root} lies in the copy of the working directory that Ray made for this job, and throws "
            "away after it; give an absolute path on storage that all nodes share, or s3://, gs://"
        )


def _local_sources(job: Job) -> dict[str, str]:
    """A local path that must be seen for each path of a source, and the key it is for."""
    found = {}
    for index, source in enumerate(job.sources):
        for path in source.paths:
            uri = split_uri(path)
            if uri is None or uri.scheme == "file":
                found[str(_evidence(Path(open_input(path)[1])))] = f"sources.{index}.path"
    return found


def _evidence(path: Path) -> Path:
    """What is there of a path or glob: a file; of a folder, something in it, as a mount that failed is a folder too."""
    there = next((folder for folder in (path, *path.parents) if _exists(folder)), path)
    with contextlib.suppress(OSError), os.scandir(there) as entries:  # a file, or what the stage that reads it will say
        return next((Path(entry.path) for entry in entries if not is_hidden(entry.name)), there)
    return there


def _exists(path: str | Path) -> bool:
    return os.path.exists(path)  # noqa: PTH110 (pathlib raises where a folder can't be entered)


@contextlib.contextmanager
def _marker(store: Store) -> Iterator[list[str]]:
    """The path of a file in the run directory that was not there before; none where that is no local folder."""
    if not store.is_local:
        yield []
        return
    path = Path(store.root, f".shared-{secrets.token_hex(8)}")
    try:
        path.write_bytes(b"")
        yield [str(path)]
    except OSError as error:
        raise StorageError(f"{path}: {error.strerror}; mend that, or choose another run_dir") from error
    finally:
        path.unlink(missing_ok=True)


def _answers(nodes: list[str], paths: list[str]) -> Iterator[tuple[str, list[str]]]:
    """(node, the paths that it does not see) of each node that answers; those that are lost meanwhile don't."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    look = ray.remote(num_cpus=0, max_retries=0)(_unseen)
    asked = {
        look.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False)).remote(paths): node
        for node in nodes
    }
    answered, late = ray.wait(list(asked), num_returns=len(asked), timeout=ANSWER_SECONDS)
    for reference in late:
        ray.cancel(reference, force=True)
    for reference in answered:
        with contextlib.suppress(ray.exceptions.RayError):
            yield asked[reference], ray.get(reference)


def _unseen(paths: list[str]) -> list[str]:
    return [path for path in paths if not _exists(path)]


def _here() -> str:
    import ray

    return str(ray.get_runtime_context().get_node_id())


def _refusal(run: Run, key: str | None, path: str, node: str) -> str:
    where = f"{key}: {path}" if key else f"run_dir: {run.store.root}"
    what = "is not there" if key else "is another folder there, or none"
    return (
        f"{where} is a path of this machine, and on node {node} it {what}; put it on storage that all nodes share (a "
        "shared file system, s3://, gs://), or run on one machine"
    )
