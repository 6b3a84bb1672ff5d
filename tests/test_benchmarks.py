"""What the benchmarks compute and say themselves, beside the runs that they measure."""

from __future__ import annotations

import importlib.util
import io
import math
import tarfile
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from curation.job_file import parse_job

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"


def module(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(Path(name).stem, BENCHMARKS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


balancing, packages = module("balancing"), module("labelled_texts/packages")


def test_a_share_of_the_oracle_hangs_on_both_gains_of_a_seed() -> None:
    oracle = np.array([0.4, 0.6, 0.5, 0.7])
    share, reach = balancing.share_of_oracle(oracle / 2, oracle)  # the gains differ by seed, and the share does not
    assert (share, reach) == (pytest.approx(0.5), pytest.approx(0, abs=1e-12))
    share, reach = balancing.share_of_oracle(np.array([0.3, 0.2, 0.3, 0.2]), oracle)
    assert share == pytest.approx(0.25 / 0.55)
    assert 0.2 < reach < 0.4


@pytest.mark.parametrize("oracle", [[0.0, 0.0], [0.1, -0.1], [-1.0, 0.0]])
def test_there_is_no_share_of_nothing(oracle: list[float]) -> None:
    assert all(math.isnan(value) for value in balancing.share_of_oracle(np.array([0.1, 0.2]), np.array(oracle)))


def test_shares_are_printed_seed_by_seed(capsys: pytest.CaptureFixture[str]) -> None:
    losses = {"random": [3.0, 3.2], "unimax": [2.0, 2.4], "levels": [2.5, 2.8]}
    results = {
        "settings": {"evaluators": ["ngram"]},
        "cells": [
            {"strategy": name, "seed": seed, "evaluator": "ngram", "losses": {"macro_domain": loss}}
            | {"effective_domains": 2.0 + seed}
            for name, own in losses.items()
            for seed, loss in enumerate(own)
        ],
        "comparisons": [
            {"strategy": name, "evaluator": "ngram", "metric": "macro_domain", "wins": 2, "seeds": 2}
            | {"difference": float(np.mean(own) - 3.1), "low": None, "high": None}
            for name, own in losses.items()
            if name != "random"
        ],
    }
    balancing.print_shares(results)
    assert capsys.readouterr().out.splitlines() == [
        "ngram: the oracle wins 0.900 nats",
        "  unimax           -0.900   +100% (+-0%)   2 of 2 seeds   worth 2.5 even domains",
        "  levels           -0.450    +50% (+-0%)   2 of 2 seeds   worth 2.5 even domains",
    ]


def test_the_setting_that_is_run_is_that_of_the_probe(tmp_path: Path) -> None:
    sources = [{"domain": "web", "path": str(tmp_path)}]
    job = parse_job({"run_dir": str(tmp_path / "run"), "sources": sources, **balancing.setting()}, "benchmark")
    known = balancing.KNOWN["levels"].parameters
    assert job.sampling.group_exponent == known["sampling.group_exponent"]
    assert job.clustering.clusters == known["clustering.clusters"]


@pytest.mark.parametrize(("package", "tool"), [("deb:hello", "apt-get"), ("pypi:hello", "pip"), ("npm:hello", "npm")])
def test_a_missing_client_is_named(package: str, tool: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(packages, "pinned_versions", lambda: {package: "1.0"})
    with pytest.raises(SystemExit, match=f"{package}: {tool} is needed"):
        packages.package_file(package, tmp_path / "packages")


def test_what_the_client_says_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client = tmp_path / "npm"
    client.write_text("#!/bin/sh\necho npm error code ENOTFOUND >&2\necho more >&2\necho the log >&2\nexit 1\n")
    client.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr(packages, "pinned_versions", lambda: {"npm:hello": "1.0"})
    with pytest.raises(SystemExit, match=r"downloaded \(npm error code ENOTFOUND \.\.\. the log\)"):
        packages.package_file("npm:hello", tmp_path / "packages")


def test_a_package_is_not_blamed_for_a_missing_tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = tmp_path / "hello_1.0_all.deb"
    archive.write_bytes(b"")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SystemExit, match="dpkg-deb is needed") as raised:
        list(packages.members(archive, "."))
    assert "delete it" not in str(raised.value)
    broken = tmp_path / "hello-1.0.tgz"
    with tarfile.open(broken, "w:gz") as tar:
        tar.addfile(tarfile.TarInfo("a"), io.BytesIO())
    broken.write_bytes(broken.read_bytes()[:20])
    with pytest.raises(SystemExit, match="delete it"):
        list(packages.members(broken, "."))
