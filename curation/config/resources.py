"""How much of a machine or cluster a job uses. Nothing of it changes the result."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from curation.config.section import Count, Section


class Resources(Section):
    """How much of the machine or cluster is used. Changes nothing in the result."""

    embedding_actors: Count | Literal["auto"] = "auto"
    """Encoder actors. `auto`: one a GPU; without GPUs one for 8 CPUs of a node (`lexical`: one a CPU)."""
    gpus_per_actor: Annotated[float, Field(ge=0, allow_inf_nan=False)] | Literal["auto"] = "auto"
    """GPUs of an encoder or K-Means actor. `auto`: 1 where there are GPUs, else 0."""
    clustering_actors: Count | Literal["auto"] = "auto"
    """K-Means actors. `auto`: one a GPU; without GPUs one a CPU, up to 16. More than fit are not started."""
    tasks: Count | Literal["auto"] = "auto"
    """Tasks at a time in the other stages. `auto`: one a CPU."""
    gpus: Count | Literal["auto"] = "auto"
    """GPUs that a cluster with an autoscaler is asked for ahead of the stages that compute on GPUs, and that it may
    take away after them; no more than its configuration allows, or it starts none. `auto`: none are asked for, and the
    job uses those that are there when such a stage begins."""
    cpus: Count | Literal["auto"] = "auto"
    """CPUs that a cluster with an autoscaler is asked for ahead of the other stages. `auto`: none are asked for, and
    the cluster grows with the tasks that wait. Where `gpus` is a number too, they are on nodes without GPUs."""
    wait_seconds: Annotated[float, Field(gt=0)] = 600.0
    """Seconds that the work waits while the cluster has no place for any of it, before the run ends with an error; and
    at most so long for machines that were asked for, before it goes on with those that are there."""
    object_store_bytes: Annotated[int, Field(ge=80_000_000)] | Literal["auto"] = "auto"
    """Size of Ray's object store when the job starts Ray by itself, in bytes. `auto`: 15 % of RAM, at most 2 GB."""
