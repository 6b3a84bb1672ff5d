"""Loads a sentence-transformers model from a folder: quietly, offline, and not with random weights."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from curation.errors import JobError

#: Share of a model's numbers that must come from its files; the rest may be heads that are not used.
_LEAST_LOADED = 0.5


def load_model(folder: Path, precision: str, device: str, trust_remote_code: bool) -> Any:
    """The SentenceTransformer in a folder, without a look at the network.

    Raises:
        JobError: it can't be loaded, or its files hold other weights than it needs.
    """
    import torch
    from sentence_transformers import SentenceTransformer

    torch.manual_seed(0)  # parts that no file holds (a head that nobody uses) are the same in every worker
    try:
        with _quiet():
            model = SentenceTransformer(
                str(folder),
                device=device,
                trust_remote_code=trust_remote_code,
                local_files_only=True,
                model_kwargs={"dtype": getattr(torch, precision), "use_safetensors": True},
            )
    except Exception as error:  # a loader raises whatever its files make it trip over
        first_line = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise JobError(f"embedding.model: {folder} can't be loaded: {first_line}") from error
    if _loaded_share(model, folder) < _LEAST_LOADED:
        raise JobError(
            f"embedding.model: {folder} can't be used: its weights are those of another model than config.json says, "
            "and would be left random"
        )
    model.eval()
    return model


def _loaded_share(model: Any, folder: Path) -> float:
    """The share of a model's numbers whose tensors are in its files, by the last two parts of their names.

    Transformers fills what it does not find with random numbers, and only logs that.
    """
    from safetensors import safe_open

    stored: set[str] = set()
    for file in folder.rglob("*.safetensors"):
        with safe_open(str(file), framework="np") as tensors:
            stored.update(_tail(name) for name in tensors.keys())  # noqa: SIM118
    sizes = [(_tail(name), int(parameter.numel())) for name, parameter in model.named_parameters()]
    found = sum(size for name, size in sizes if name in stored)
    return found / max(1, sum(size for _, size in sizes))


def _tail(name: str) -> str:
    return ".".join(name.split(".")[-2:])


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keeps the loading library's progress bar and report off the terminal."""
    from transformers.utils import logging as transformers_logging

    level = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity(logging.ERROR)
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        transformers_logging.set_verbosity(level)
        transformers_logging.enable_progress_bar()  # type: ignore[no-untyped-call]
