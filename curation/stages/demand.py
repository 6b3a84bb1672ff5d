"""Demand: what the job asks of the cluster's autoscaler ahead of each stage, and takes back on every way out.

Pending tasks make a cluster grow by themselves, but a pool of actors is sized when its stage begins: it would be as
large as the cluster happens to be, or run on CPUs where all GPU nodes have gone to sleep. So where the job file says
how many (`resources.gpus`, `resources.cpus`), they are asked for first, and waited for where there is an autoscaler.
A job that names no number never asks. Without an autoscaler a request does nothing.

Ray's autoscaler keeps one request for the whole cluster (`ray.autoscaler.sdk.request_resources`), and Ray Data has an
actor, AutoscalingCoordinator, that replaces it every 20 seconds for as long as the cluster lives, once anybody used
Ray Data there. So the request goes through that actor, as those of Ray Data and Ray Train do. It adds up the requests
of all jobs and forgets one that is not renewed, so that a driver that was killed keeps no machines. It also hands
out what is there among those who ask: while Ray Data works itself, in `embeddings`, it asks alone.

Nodes that go and come again cost more than nodes that wait for some minutes, so GPUs are kept from the first stage
that computes on them to the last, over the short one between. The autoscaler takes them away when they have been
idle for as long as its own configuration says. So that they are, where the job asks for both, what needs CPUs alone
keeps away from the groups of nodes that have GPUs.
"""

from __future__ import annotations

import contextlib
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

from curation.config import Job, Resources
from curation.errors import RunError
from curation.stages import workers
from curation.stages.context import Run
from curation.stages.waiting import TELL, cluster_in_words
from curation.termination import at_termination

#: Seconds between two looks at whether the machines have come.
LOOK = 2.0
#: Seconds that a request is good for, those between two renewals, and those that its taking may last.
EXPIRY, RENEWAL, ANSWER = 60.0, 15.0, 60.0
#: The label that nodes have which an autoscaler started, and the head that it runs on.
NODE_GROUP = "ray.io/node-group"


@contextlib.contextmanager
def demand(run: Run) -> Iterator[Callable[[str], None]]:
    """Gives what asks for the machines of a stage, by its name, and waits for them; to be called when Ray is up.

    It raises RunError where an autoscaler brought none of what was asked for in `resources.wait_seconds`.
    """
    asking = _Demand(run)
    with at_termination(asking.take_back):
        try:
            yield asking.ask
        finally:
            asking.close()


def needs(stage: str, job: Job) -> dict[str, int]:
    """What a stage works with, by Ray's name of the resource; only what the job file gives a number for."""
    gpus, cpus = _number(job.resources.gpus), _number(job.resources.cpus)
    if gpus and (stage == "centroids" or (_embeds(job) and stage in ("encoder", "embeddings"))):
        return {"GPU": gpus}  # what CPUs it needs are on the nodes of the GPUs
    return {"CPU": cpus} if cpus else {}


def asked_for(stage: str, job: Job) -> dict[str, int]:
    """What is asked for in a stage: what it needs; in the one between two that need GPUs, these too."""
    kept = _number(job.resources.gpus) if stage == "repeats" and _embeds(job) else 0
    return needs(stage, job) | ({"GPU": kept} if kept else {})


def _embeds(job: Job) -> bool:
    """Whether vectors are computed by a model that runs on GPUs."""
    return not job.given_vectors and job.embedding.model != "lexical"


def _number(wanted: int | str) -> int:
    return wanted if isinstance(wanted, int) else 0


def gpus_are_to_come(resources: Resources) -> bool:
    """Whether the job asks for GPUs, has none yet, and an autoscaler may bring them: nothing to look at on them yet."""
    import ray

    return bool(_number(resources.gpus)) and not ray.cluster_resources().get("GPU") and has_autoscaler()


def has_autoscaler() -> bool:
    """Whether nodes of this cluster were started by an autoscaler or by KubeRay, which label the nodes of a group.

    Not known of `ray up` with RAY_UP_enable_autoscaler_v2=0: nothing is waited for there.
    """
    import ray

    return any(node["Alive"] and node["Labels"].get(NODE_GROUP) for node in ray.nodes())


def gpu_groups() -> list[str]:
    """The groups of nodes that have GPUs, as far as one of their nodes is there."""
    import ray

    nodes = [node for node in ray.nodes() if node["Alive"] and node["Resources"].get("GPU")]
    return sorted({node["Labels"][NODE_GROUP] for node in nodes if NODE_GROUP in node["Labels"]})


def resources_outside(groups: list[str]) -> dict[str, float]:
    """What the nodes have together that are in none of these groups, by Ray's name of the resource."""
    import ray

    nodes = [node for node in ray.nodes() if node["Alive"] and node["Labels"].get(NODE_GROUP) not in groups]
    return {name: sum(node["Resources"].get(name, 0.0) for node in nodes) for name in ("CPU", "GPU")}


class _Demand:
    """What is asked for at the moment, and what was waited for in vain."""

    def __init__(self, run: Run) -> None:
        self._run, self._name = run, f"curation {uuid.uuid4().hex}"
        self._asked: dict[str, int] = {}
        self._settled: dict[str, float] = {}
        self._avoided: list[str] = []
        self._lock, self._over = threading.Lock(), threading.Event()
        self._renewal: threading.Thread | None = None

    def ask(self, stage: str) -> None:
        """Asks for what a stage needs, in place of what was asked for before, and waits for it."""
        wanted, asked = needs(stage, self._run.job), asked_for(stage, self._run.job)
        self._avoid(gpu_groups() if "CPU" in wanted and _number(self._run.job.resources.gpus) else [])
        if asked != self._asked:
            self._send(asked)
            self._run.reporter.event("demand", stage=stage, **asked)
        self._wait(stage, wanted)
        if stage == "embeddings":
            self.take_back()

    def take_back(self) -> None:
        """Asks for nothing any more."""
        if self._asked:
            with contextlib.suppress(RunError):  # it runs out by itself, and the error before is the one to be told
                self._send({})

    def close(self) -> None:
        """Takes back what was asked for, and renews nothing any more."""
        self._over.set()
        self._avoid([])
        self.take_back()

    def _avoid(self, groups: list[str]) -> None:
        """Keeps tasks that need no GPU away from the nodes of these groups."""
        self._avoided = groups
        workers.PLACE.clear()
        workers.PLACE.update(self._selector("CPU"))

    def _selector(self, name: str) -> dict[str, str]:
        """The labels of the nodes that may serve a request for a resource."""
        return {NODE_GROUP: f"!in({','.join(self._avoided)})"} if self._avoided and name == "CPU" else {}

    def _send(self, asked: dict[str, int]) -> None:
        import ray

        with self._lock:  # or a renewal could come after the end
            self._asked = asked
            try:
                ray.get(self._request(), timeout=ANSWER)
            except ray.exceptions.RayError as error:
                raise RunError(f"the cluster's autoscaler can't be asked for machines: {error}") from error
        if self._renewal is None:
            self._renewal = threading.Thread(target=self._renew, name="demand", daemon=True)
            self._renewal.start()

    def _renew(self) -> None:
        while not self._over.wait(RENEWAL):
            with self._lock:
                if self._asked:
                    self._request()

    def _request(self) -> Any:
        """Sends what is asked for; returns the reference of the answer."""
        if not self._asked:
            return coordinator().cancel_request.remote(self._name)
        names = [name for name, count in self._asked.items() for _ in range(count)]
        bundles, selectors = [{name: 1} for name in names], [self._selector(name) for name in names]
        return coordinator().request_resources.remote(self._name, bundles, EXPIRY, label_selectors=selectors)

    def _wait(self, stage: str, wanted: dict[str, int]) -> None:
        begun, told = time.monotonic(), -TELL
        while missing := self._missing(wanted):
            keys = " and ".join(f"resources.{name.lower()}s asks for {wanted[name]}" for name in missing)
            text = f"{stage}: {keys}; {cluster_in_words()}"
            if not has_autoscaler():
                return self._settle(missing, f"{text}, and no autoscaler: the work goes on with that")
            waited = time.monotonic() - begun
            if waited >= self._run.job.resources.wait_seconds:
                return self._give_up(missing, text)
            if waited - told >= TELL:
                told = waited
                self._run.reporter.event("waiting", text=f"{text}; waiting for more for {waited:.0f} s")
            time.sleep(LOOK)
        return None

    def _missing(self, wanted: dict[str, int]) -> dict[str, float]:
        """How much there is of what is wanted, was not given up before, and is not all there."""
        there = resources_outside(self._avoided)
        least = {name: min(count, self._settled.get(name, count)) for name, count in wanted.items()}
        return {name: there[name] for name, count in least.items() if there[name] < count}

    def _give_up(self, missing: dict[str, float], text: str) -> None:
        seconds = self._run.job.resources.wait_seconds
        for name, there in missing.items():
            if not there:
                raise RunError(
                    f"{text}. None came in {seconds:g} s: does the cluster's configuration allow for so many {name}s "
                    "(none is started for a request above that), and does the cloud have any left? Mend that, raise "
                    f"resources.wait_seconds, or lower resources.{name.lower()}s or leave it out"
                )
        self._settle(missing, f"{text}; no more came in {seconds:g} s, and the work goes on with that")

    def _settle(self, missing: dict[str, float], text: str) -> None:
        """Takes what there is in place of what was asked for, so that no later stage waits for the rest again."""
        self._settled |= missing
        self._run.reporter.event("note", text=text)


def coordinator() -> Any:
    """The actor that asks Ray's autoscaler for everybody; it is made beside the driver if there is none."""
    from ray.data._internal.cluster_autoscaler import get_or_create_autoscaling_coordinator

    return get_or_create_autoscaling_coordinator()
