"""What the tests read of the cluster files and of the pins that they must agree with."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "cluster_configs"
#: Files for `ray up` and for KubeRay, and scripts.
RAY_UP, KUBERAY, SCRIPTS = (
    ["aws", "gcp", "local"],
    ["kuberay-raycluster", "kuberay-rayjob"],
    ["local.sh", "slurm.sbatch"],
)

#: What looks like a key or a password, in the forms that clouds, SSH and Ray give it.
SECRETS = re.compile(
    r"AKIA[0-9A-Z]{12}|-----BEGIN|(secret_?access_?key|private_key|password|auth_token_?value|token)\s*[:=]\s*['\"]?\w{8}",
    re.IGNORECASE,
)


def ray_version() -> str:
    """The version of Ray that the project is tested with."""
    found = re.search(r"^ray==(\S+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    assert found
    return found[1]


def image(kind: str) -> str:
    """The image of this kind, cpu or cuda, as the cluster files must name it."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    return f"registry.example.com/curation:{version}-ray{ray_version()}-{kind}"


def documents(name: str) -> dict[str, dict[str, Any]]:
    """The documents of a YAML file, by their kind; one without a kind stands under the empty name."""
    read = yaml.safe_load_all((FOLDER / f"{name}.yaml").read_text())
    return {document.get("kind", ""): document for document in read}


def cluster_spec(name: str) -> dict[str, Any]:
    """The specification of the RayCluster in a KubeRay file."""
    found = documents(name)
    spec: dict[str, Any] = (
        found["RayJob"]["spec"]["rayClusterSpec"] if "RayJob" in found else found["RayCluster"]["spec"]
    )
    return spec


def strings(tree: Any) -> Iterator[str]:
    """Every string below, keys too."""
    if isinstance(tree, dict):
        yield from strings(list(tree))
        yield from strings(list(tree.values()))
    elif isinstance(tree, list):
        for item in tree:
            yield from strings(item)
    elif isinstance(tree, str):
        yield tree
