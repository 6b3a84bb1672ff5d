"""Which K-Means a run uses, and why.

What is installed is looked up by a task on a GPU: the driver of a cluster is often on a node that has neither GPU nor
cuML. The engine is not part of what the centroids depend on: centroids that are done stay, whichever made them.
"""

from __future__ import annotations

from dataclasses import dataclass

from curation.config import Job
from curation.errors import JobError
from curation.stages import ray_cluster, workers
from curation.stages.context import Run
from curation.stages.demand import gpus_are_to_come


@dataclass(frozen=True)
class Engine:
    """The name, `torch` or `cuml`, and one sentence on why it was taken."""

    name: str
    reason: str


def choose(job: Job) -> Engine:
    """The engine that the job asks for; with `auto`, cuML where it can be used.

    Raises:
        JobError: the job asks for cuML, and it can't be used.
    """
    if job.clustering.engine == "torch":
        return Engine("torch", "clustering.engine asks for it")
    if job.clustering.within != "none":
        return Engine("torch", f"clustering.within is {job.clustering.within}, which cuML can't do")
    reason = why_not_cuml(job)
    if job.clustering.engine == "cuml":
        if reason:
            raise JobError(f"clustering.engine is cuml, but {reason}; mend that, or use auto or torch")
        return Engine("cuml", "clustering.engine asks for it")
    return Engine("torch", f"cuML is not used: {reason}") if reason else Engine("cuml", "GPUs and cuML are there")


def why_not_cuml(job: Job) -> str:
    """Why cuML can't be used on this cluster, for this job; "" where it can."""
    if not ray_cluster.gpus():
        return "there is no GPU in the cluster"
    share = job.resources.gpus_per_actor
    if share != "auto" and share != 1:
        return f"resources.gpus_per_actor is {share:g}, and each of its ranks needs one GPU"
    [(_, reason)] = workers.map_items(["cuml"], _why_not, gpus=1.0)
    return reason


def _why_not(_: str) -> str:
    from curation.clustering.cuml_engine import why_not

    return why_not()


def precheck(run: Run) -> None:
    """Tells a job that insists on cuML where there is none, before hours of embedding."""
    if run.job.clustering.engine == "cuml":
        ray_cluster.start(run.job.resources)
        if not gpus_are_to_come(run.job.resources):
            choose(run.job)
