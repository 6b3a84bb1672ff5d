import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cluster_configs.files import FOLDER, KUBERAY, RAY_UP, ROOT, SCRIPTS, documents, strings

SHELLCHECK = Path(sys.executable).parent / "shellcheck"
ALL = [FOLDER / name for name in SCRIPTS] + sorted((ROOT / "docker").glob("*.sh"))


def commands(name):
    """The shell commands of a file for `ray up`."""
    found = documents(name)[""]
    return [text for key, value in found.items() if key.endswith("_commands") for text in strings(value)]


def checked(arguments, text=None):
    return subprocess.run(arguments, input=text, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", [f"{name}.yaml" for name in RAY_UP + KUBERAY] + SCRIPTS)
def test_it_begins_with_how_to_use_it_in_three_lines(name):
    lines = (FOLDER / name).read_text().splitlines()
    head = [line for line in lines[: lines.index("#")] if not line.startswith("#!")] if "#" in lines else lines[:8]
    steps = [line for line in head if re.match(r"# \d\. ", line)]
    assert [line[2] for line in steps] == ["1", "2", "3"], head
    assert all(line.startswith("#") for line in head[: head.index(steps[2])])
    assert max(map(len, lines)) <= 120


@pytest.mark.parametrize("script", ALL, ids=lambda path: path.name)
def test_bash_and_shellcheck_pass(script):
    for done in (checked(["bash", "-n", script]), checked([SHELLCHECK, script])):
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", RAY_UP)
def test_bash_and_shellcheck_pass_the_commands(name):
    assert commands(name)
    for command in commands(name):
        for done in (
            checked(["bash", "-n"], command),
            checked([SHELLCHECK, "--shell=bash", "-"], command),
        ):
            assert done.returncode == 0, command + done.stdout + done.stderr


def test_shellcheck_would_find_something():
    assert "SC2086" in checked([SHELLCHECK, "--shell=bash", "-"], "rm $1\n").stdout


def test_slurm_reads_all_of_its_options():
    """Slurm stops looking at the first line that is neither blank nor a comment."""
    lines = (FOLDER / "slurm.sbatch").read_text().splitlines()
    first = next(index for index, line in enumerate(lines) if line and not line.startswith("#"))
    options = dict(
        line[len("#SBATCH --") :].partition("=")[::2] for line in lines[:first] if line.startswith("#SBATCH")
    )
    assert sum(line.startswith("#SBATCH") for line in lines) == len(options)
    assert options["signal"].startswith("B:USR1@"), "the script must hear of the end of its time"
    assert {"requeue", "exclusive", "nodes", "gpus-per-node", "time"} <= set(options)
    assert options["open-mode"] == "append", "or a requeued job would overwrite its log"
