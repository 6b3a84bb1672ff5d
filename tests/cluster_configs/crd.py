"""The part of KubeRay's and Kubernetes' schemas that our files use, and nothing else: a misspelling is an error.

Field names and types are those of `ray.io/v1` in KubeRay 1.7 (its CRDs, and the rules that its operator checks). What
belongs together in one group is checked here; what belongs together across files, in the tests.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator
from pydantic.alias_generators import to_camel

GPU = "nvidia.com/gpu"
Name = Annotated[str, StringConstraints(pattern=r"^[a-z]([-a-z0-9]*[a-z0-9])?$", max_length=47)]
Quantity = Annotated[str, StringConstraints(strict=True, pattern=r"^[1-9]\d*(m|Mi|Gi)?$")]
Count = Annotated[int, Field(strict=True, ge=0)]


class Strict(BaseModel):
    """Only the fields that are named, in camel case, of exactly these types."""

    model_config = ConfigDict(extra="forbid", strict=True, alias_generator=to_camel)


class Metadata(Strict):
    name: Name
    annotations: dict[str, str] = {}


class Resources(Strict):
    requests: dict[Literal["cpu", "memory", "nvidia.com/gpu"], Quantity]
    limits: dict[Literal["cpu", "memory", "nvidia.com/gpu"], Quantity]

    @model_validator(mode="after")
    def _guaranteed(self) -> Resources:
        if self.requests != self.limits:
            raise ValueError("requests must equal limits, or Ray would count on memory that another pod may have")
        return self


class Port(Strict):
    name: Annotated[str, StringConstraints(max_length=15)]
    container_port: Count


class Mount(Strict):
    name: Name
    mount_path: Annotated[str, StringConstraints(pattern="^/")]
    read_only: bool


class ContainerSecurity(Strict):
    allow_privilege_escalation: Literal[False]


class Container(Strict):
    name: Literal["ray-head", "ray-worker"]
    image: str
    ports: list[Port] = []
    resources: Resources
    volume_mounts: list[Mount] = []
    security_context: ContainerSecurity


class ConfigMapSource(Strict):
    name: Name


class Volume(Strict):
    name: Name
    config_map: ConfigMapSource


class Toleration(Strict):
    key: str
    operator: Literal["Equal", "Exists"]
    value: str | None = None
    effect: Literal["NoSchedule"]

    @model_validator(mode="after")
    def _value_where_equal(self) -> Toleration:
        if (self.operator == "Equal") != (self.value is not None):
            raise ValueError("Equal needs a value, Exists has none")
        return self


class PodSecurity(Strict):
    run_as_non_root: Literal[True]


class PodSpec(Strict):
    service_account_name: Name
    termination_grace_period_seconds: Count
    security_context: PodSecurity
    node_selector: dict[str, Annotated[str, StringConstraints(strict=True)]] = {}
    tolerations: list[Toleration] = []
    containers: Annotated[list[Container], Field(min_length=1, max_length=1)]
    volumes: list[Volume] = []

    @model_validator(mode="after")
    def _mounts_are_volumes(self) -> PodSpec:
        if {mount.name for mount in self.containers[0].volume_mounts} != {volume.name for volume in self.volumes}:
            raise ValueError("volumeMounts and volumes must have the same names")
        return self


class PodTemplate(Strict):
    spec: PodSpec


class RayStartParams(BaseModel):
    """Options of `ray start`, strings all of them."""

    model_config = ConfigDict(extra="forbid", strict=True, alias_generator=lambda name: name.replace("_", "-"))
    num_cpus: Annotated[str, StringConstraints(pattern=r"^\d+$")]
    num_gpus: Annotated[str, StringConstraints(pattern=r"^\d+$")] = "0"


class HeadGroup(Strict):
    ray_start_params: RayStartParams
    template: PodTemplate


class WorkerGroup(Strict):
    group_name: Name
    replicas: Count
    min_replicas: Count
    max_replicas: Count
    idle_timeout_seconds: Count | None = None  # autoscaler v2 only
    ray_start_params: RayStartParams
    template: PodTemplate

    @model_validator(mode="after")
    def _fits(self) -> WorkerGroup:
        if not self.min_replicas <= self.replicas <= self.max_replicas:
            raise ValueError("minReplicas <= replicas <= maxReplicas does not hold")
        pod = self.template.spec
        limits = pod.containers[0].resources.limits
        if limits.get(GPU, "0") != self.ray_start_params.num_gpus:
            raise ValueError(f"the limit of {GPU} is not num-gpus")
        slots, there = int(self.ray_start_params.num_cpus), int(limits["cpu"])
        if slots not in (0, there):
            raise ValueError("num-cpus is neither 0 nor the limit of cpu")
        tolerated = {toleration.key for toleration in pod.tolerations}
        spot = {key for key in pod.node_selector if re.search("spot", key)}
        if not spot <= tolerated or (GPU in limits and GPU not in tolerated):
            raise ValueError("pods must tolerate the taints of spot nodes and of nodes with GPUs")
        return self


class AuthOptions(Strict):
    mode: Literal["token"]


class AutoscalerOptions(Strict):
    version: Literal["v2"]
    upscaling_mode: Literal["Default", "Aggressive", "Conservative"]
    idle_timeout_seconds: Count
    resources: Resources


class RayClusterSpec(Strict):
    ray_version: str
    auth_options: AuthOptions
    enable_in_tree_autoscaling: Literal[True]
    autoscaler_options: AutoscalerOptions
    head_group_spec: HeadGroup
    worker_group_specs: list[WorkerGroup]


class RayJobSpec(Strict):
    entrypoint: str
    submission_mode: Literal["K8sJobMode", "HTTPMode", "SidecarMode"]
    backoff_limit: Count
    shutdown_after_job_finishes: Literal[True]
    ttl_seconds_after_finished: Count
    ray_cluster_spec: RayClusterSpec


class Document(Strict):
    api_version: str
    kind: str
    metadata: Metadata


class RayCluster(Document):
    api_version: Literal["ray.io/v1"]
    spec: RayClusterSpec


class RayJob(Document):
    api_version: Literal["ray.io/v1"]
    spec: RayJobSpec


class ServiceAccount(Document):
    api_version: Literal["v1"]


class ConfigMap(Document):
    api_version: Literal["v1"]
    data: dict[str, str]


KINDS: dict[str, type[Document]] = {kind.__name__: kind for kind in (RayCluster, RayJob, ServiceAccount, ConfigMap)}
