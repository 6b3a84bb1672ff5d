"""The part of Compute Engine's `instances.insert` that `gcp.yaml` uses. Ray passes it on as it is."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel


class Strict(BaseModel):
    """Only the fields that are named, in camel case, of exactly these types."""

    model_config = ConfigDict(extra="forbid", strict=True, alias_generator=to_camel)


class DiskParams(Strict):
    disk_size_gb: Annotated[int, Field(ge=100)]
    source_image: Annotated[str, StringConstraints(pattern=r"^projects/[a-z-]+/global/images/family/[a-z0-9-]+$")]


class Disk(Strict):
    boot: Literal[True]
    auto_delete: Literal[True]
    type: Literal["PERSISTENT"]
    initialize_params: DiskParams


class ServiceAccount(Strict):
    email: Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]+@[a-z0-9-]+\.iam\.gserviceaccount\.com$")]
    scopes: list[str]


class Scheduling(Strict):
    provisioning_model: Literal["SPOT"]
    instance_termination_action: Literal["DELETE", "STOP"]
    on_host_maintenance: Literal["TERMINATE"]  # the only one for GPUs, and for spot
    automatic_restart: Literal[False]  # spot may not


class Head(Strict):
    machine_type: str
    disks: list[Disk]


class Worker(Head):
    service_accounts: Annotated[list[ServiceAccount], Field(min_length=1, max_length=1)]
    scheduling: Scheduling
