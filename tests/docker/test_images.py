import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.cluster_configs.files import SECRETS, image, ray_version
from tests.docker.dockerfile import FOLDER, ROOT, Step, is_ignored, steps

KINDS = {"cpu": "cpu", "cuda": "cu130"}
HADOLINT = Path(sys.executable).parent / "hadolint"


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


def of(kind):
    return steps(FOLDER / f"Dockerfile.{kind}")


def test_hadolint_passes(kind):
    done = subprocess.run([HADOLINT, FOLDER / f"Dockerfile.{kind}"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    done = subprocess.run([HADOLINT, "-"], input="FROM ray\nUSER root\n", capture_output=True, text=True, check=False)
    assert "DL3006" in done.stdout, "hadolint finds nothing"


def test_the_base_is_the_pinned_ray(kind):
    assert of(kind)[0] == Step("FROM", f"rayproject/ray:{ray_version()}-py311-{KINDS[kind]}")
    assert [step.name for step in of(kind)].count("FROM") == 1


def test_cuda_of_the_base_is_that_of_cuml():
    gpu = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["gpu"]
    assert {re.split("[>=]", name)[0] for name in gpu} == {"cuml-cu13", "raft-dask-cu13"}


def test_the_user_is_not_root_and_is_a_number(kind):
    users = [step.text for step in of(kind) if step.name == "USER"]
    assert users
    assert int(users[-1]) > 0, "Kubernetes' runAsNonRoot can't tell who a name is"


def test_dependencies_come_before_the_code(kind):
    found = of(kind)
    copies = [index for index, step in enumerate(found) if step.name == "COPY"]
    pips = [index for index, step in enumerate(found) if "pip install" in step.text]
    code = next(index for index in copies if "curation" in found[index].words)
    assert found[copies[0]].words[0] == "pyproject.toml"
    assert copies[0] < pips[0] < pips[-2] < code < pips[-1]
    assert "--no-deps" in found[pips[-1]].text, "all that it needs is there already"
    assert all("-c constraints" in found[index].text or "-c pins" in found[index].text for index in pips[:-1])


def test_what_is_copied_is_there_and_is_all_of_the_package(kind):
    copied = []
    for step in of(kind):
        if step.name == "COPY":
            *sources, _ = step.words
            copied += sources
            assert step.options == ["--chown=1000:100"], "or the files would belong to root"
    assert all((ROOT / source).exists() and not is_ignored(source) for source in copied)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = [name.rstrip("*") for name in project["tool"]["setuptools"]["packages"]["find"]["include"]]
    needed = {*packages, "pyproject.toml", project["project"]["readme"], *project["project"]["license-files"]}
    assert needed <= set(copied)


def test_nothing_else_gets_into_the_context():
    shown = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    kept = {path.partition("/")[0] for path in shown.stdout.splitlines() if not is_ignored(path)}
    copied = {source for kind in KINDS for step in of(kind) if step.name == "COPY" for source in step.words[:-1]}
    assert kept == copied
    for path in (".env", "runs/demo/report.json", ".git/config", "curation/__pycache__/cli.pyc", ".venv/bin/python"):
        assert is_ignored(path), path


def test_there_are_no_secrets(kind):
    text = (FOLDER / f"Dockerfile.{kind}").read_text()
    assert not SECRETS.search(text)
    names = [step.text.partition("=")[0] for step in of(kind) if step.name in ("ARG", "ENV")]
    assert not [name for name in names if re.search("TOKEN|SECRET|PASSWORD|KEY", name)]


def test_weights_are_a_choice(kind):
    assert Step("ARG", 'WEIGHTS=""') in of(kind)
    [step] = [step for step in of(kind) if '"${WEIGHTS}"' in step.text and step.name == "RUN"]
    assert step.text.startswith('[ -z "${WEIGHTS}" ] || ')


@pytest.fixture
def engine(tmp_path):
    """A stand-in for docker that notes what it is told."""
    script = tmp_path / "engine"
    script.write_text(f'#!/bin/bash\necho "$*" >> {tmp_path}/calls\n[[ $* != *" id -u" ]] || echo "$ENGINE_USER"\n')
    script.chmod(0o755)
    return script


def build(engine, *arguments, user="1000"):
    environment = os.environ | {"ENGINE": str(engine), "ENGINE_USER": user}
    environment |= {"NAME": "registry.example.com/curation"}
    command = [FOLDER / "build.sh", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_build_names_builds_and_tries_an_image(engine, tmp_path, kind):
    done = build(engine, kind, "--build-arg", "WEIGHTS=x")
    assert done.returncode == 0, done.stderr
    calls = (tmp_path / "calls").read_text().splitlines()
    assert f"build --file docker/Dockerfile.{kind} --tag {image(kind)} --build-arg WEIGHTS=x ." in calls
    assert calls[-1] == f"run --rm --interactive --shm-size=1g {image(kind)} bash -s"
    assert ("import cuml" in "".join(calls)) == (kind == "cuda")


def test_build_refuses_an_image_that_runs_as_root(engine, tmp_path):
    done = build(engine, "cpu", user="0")
    assert (done.returncode, "runs as root" in done.stderr) == (1, True)


def test_build_says_when_there_is_no_engine(tmp_path):
    done = build(tmp_path / "nothing", "cpu")
    assert done.returncode == 1
    assert "start it, or name another engine" in done.stderr
